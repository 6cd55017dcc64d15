// SPDX-License-Identifier: GPL-3.0-or-later
//! What the controller does and why, at the manager's path.

use zbus::message::Header;

use crate::bus::api::{ApiError, ControllerProperties, FindingProperties, PartsProperties, PlanProperties};
use crate::bus::door::Right;
use crate::bus::face::Face;
use crate::bus::{clock, translate};
use crate::controller::{Finding, Intention};

/// The second interface of the object at [`crate::bus::api::MANAGER_PATH`].
#[derive(Debug)]
pub(super) struct Diagnosis {
    face: Face,
}

impl Diagnosis {
    pub(super) const fn new(face: Face) -> Self {
        Self { face }
    }
}

/// Learn what the controller does and why, and what is wrong.
#[zbus::interface(interface = "org.boum.tails.Server1.Diagnosis")]
impl Diagnosis {
    /// What is under way, what is next and what is waited for, and why; changes nothing. Each has `Stage` (s: `under-way`,
    /// `next`, `waits`, `held` until a person changes something, or `settled`), `What` (s) and `Why` (s), and may have
    /// `Service` (s), `Act` (s), `Hint` (s) and `Until` (t, seconds since 1970). No address is in it. Needs
    /// `inspect`.
    async fn plan(&self, #[zbus(header)] call: Header<'_>) -> Result<Vec<PlanProperties>, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        Ok(self.face.controller.explain().await?.into_iter().map(intention).collect())
    }

    /// What the controller finds when it looks at itself, the store, Tor and the services; changes nothing. Each has `Id`
    /// (s), `Severity` (s: `ok`, `note`, `warning` or `error`), `LookedAt` (s) and `Found` (s), and may have `Service` (s),
    /// `Cause` (s) and `NextStep` (s). Neither address nor secret is in it. Needs
    /// `inspect`.
    async fn examine(&self, #[zbus(header)] call: Header<'_>) -> Result<Vec<FindingProperties>, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        Ok(self.face.controller.examine().await?.into_iter().map(finding).collect())
    }

    /// What is known of the controller itself: `Version` (s), `Process` (u), `Personal` (b), `Simulated`
    /// (b) and `Journal` (b).
    async fn about(&self, #[zbus(header)] call: Header<'_>) -> Result<ControllerProperties, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Anybody).await?;
        let surroundings = self.face.controller.surroundings();
        Ok(ControllerProperties {
            version: surroundings.version.clone(),
            process: surroundings.process,
            personal: surroundings.is_personal,
            simulated: surroundings.is_simulated,
            journal: surroundings.logs_to_journal,
        })
    }

    /// What a described service is made of on this computer: `Units` (as) and `Packages` (as), alternatives too. Nothing
    /// for a port that is published as it is.
    async fn parts(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<PartsProperties, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Anybody).await?;
        let (units, packages) = self.face.controller.parts(&translate::service_name(name)?);
        Ok(PartsProperties { units, packages })
    }
}

fn intention(told: Intention) -> PlanProperties {
    PlanProperties {
        service: told.service.map(|name| name.to_string()),
        stage: told.stage.as_str().to_owned(),
        act: told.act.map(str::to_owned),
        what: told.what,
        why: told.why,
        hint: told.hint,
        until: told.until.map(clock::seconds_since_1970),
    }
}

fn finding(found: Finding) -> FindingProperties {
    FindingProperties {
        id: found.id.to_owned(),
        severity: found.severity.as_str().to_owned(),
        service: found.service.map(|name| name.to_string()),
        looked_at: found.looked_at,
        found: found.found,
        cause: found.cause,
        next_step: found.next_step,
    }
}
