// SPDX-License-Identifier: GPL-3.0-or-later
//! The interface for backups: all that is remembered, out and in, by file descriptor.

use std::io;

use tokio::sync::{Semaphore, SemaphorePermit};
use zbus::OwnedFd;
use zbus::message::Header;
use zeroize::Zeroizing;

use crate::bus::api::{self, ApiError, RestorationProperties, RestoreOptions};
use crate::bus::door::{Right, Visit};
use crate::bus::face::Face;
use crate::controller::{Existing, HeldKind, MAX_ARCHIVE_BYTES, Restoration, RestoreMode, Verdict, Waking};

/// One backup at a time is made or looked at, however many ask: each may be megabytes, and more while it is.
static TURN: Semaphore = Semaphore::const_new(1);

/// The interface that clients call.
pub(super) struct Archive {
    face: Face,
}

impl Archive {
    pub(super) const fn new(face: Face) -> Self {
        Self { face }
    }
}

impl Archive {
    /// Lets in who may change things and see what is here: both are in the answer.
    async fn enter_to_restore(&self, call: &Header<'_>) -> Result<Visit, ApiError> {
        drop(self.face.door.enter(call, Right::Inspect).await?);
        self.face.door.enter(call, Right::Manage).await
    }
}

/// Back up all that is remembered, and restore it here or on another computer.
#[zbus::interface(interface = "org.boum.tails.Server1.Archive")]
impl Archive {
    /// All that is remembered, with all secrets: JSON, in sealed memory. Whoever has it *is* every service in it, and reaches
    /// all that was joined. It has `format` (`tails-server-remembered`), `version` (1), `services`, `joined` and `requests`.
    /// Needs `reveal`.
    async fn export(&self, #[zbus(header)] call: Header<'_>) -> Result<OwnedFd, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let _turn = turn().await?;
        let archive = self.face.controller.archive().await?;
        Ok(api::hand_over(&archive).map_err(failed)?.into())
    }

    /// What `Restore` would do now; so it also tells what of the backup is here. Needs `manage` and `inspect`.
    #[zbus(out_args("restorations"))]
    async fn plan(
        &self,
        #[zbus(header)] call: Header<'_>,
        archive: OwnedFd,
        options: RestoreOptions,
    ) -> Result<Vec<RestorationProperties>, ApiError> {
        let _visit = self.enter_to_restore(&call).await?;
        let (archive, _turn) = take(archive).await?;
        let planned = self.face.controller.plan_restoration(&archive, mode(&options)).await?;
        Ok(planned.into_iter().map(properties).collect())
    }

    /// Restores what `Export` gave, from sealed memory or a pipe, 16 MiB at most: all that is to be done of it or nothing;
    /// answers with what was done, once that is durable.
    ///
    /// What is here with the same name and another key or other wishes is left alone unless `Replace` (b); what is here and not
    /// in the backup stays. What is new here is disabled, and without autostart, unless `Enable` (b): another computer may
    /// still publish it, and one key on two computers harms both. Needs `manage` and `inspect`.
    #[zbus(out_args("restorations"))]
    async fn restore(
        &self,
        #[zbus(header)] call: Header<'_>,
        archive: OwnedFd,
        options: RestoreOptions,
    ) -> Result<Vec<RestorationProperties>, ApiError> {
        let _visit = self.enter_to_restore(&call).await?;
        let (archive, _turn) = take(archive).await?;
        let done = self.face.controller.restore(&archive, mode(&options)).await?;
        Ok(done.into_iter().map(properties).collect())
    }
}

async fn turn() -> Result<SemaphorePermit<'static>, ApiError> {
    TURN.acquire().await.map_err(|_| ApiError::Failed("the controller is shutting down".to_owned()))
}

/// What was handed over, and the turn for it.
async fn take(archive: OwnedFd) -> Result<(Zeroizing<Vec<u8>>, SemaphorePermit<'static>), ApiError> {
    // Read before it is our turn: who hands over a pipe that has no end holds up themselves. How many may read at once is
    // bounded by the visits of each user.
    let taken = api::take(archive.into(), MAX_ARCHIVE_BYTES).await.map_err(|cause| {
        if cause.kind() == io::ErrorKind::InvalidInput {
            ApiError::Invalid(format!("the backup can not be read: {cause}"))
        } else {
            failed(cause)
        }
    })?;
    Ok((taken, turn().await?))
}

fn failed(cause: io::Error) -> ApiError {
    ApiError::Failed(format!("the backup can not be handed over: {cause}"))
}

fn mode(options: &RestoreOptions) -> RestoreMode {
    let is_on = |option: Option<bool>| option.unwrap_or(false);
    RestoreMode {
        existing: if is_on(options.replace) { Existing::IsReplaced } else { Existing::Stays },
        wishes: if is_on(options.enable) { Waking::Awake } else { Waking::Asleep },
    }
}

fn properties(restoration: Restoration) -> RestorationProperties {
    let Restoration { kind, name, verdict, differences, is_done, is_enabled, was_enabled, problem } = restoration;
    let (verdict, taken_by) = match verdict {
        Verdict::New => ("new", None),
        Verdict::Same => ("same", None),
        Verdict::Different => ("different", None),
        Verdict::Taken(other) => ("taken", Some(other.to_string())),
    };
    let kind = match kind {
        HeldKind::Service => "service",
        HeldKind::Joined => "joined",
        HeldKind::Request => "request",
    };
    RestorationProperties {
        kind: kind.to_owned(),
        name,
        verdict: verdict.to_owned(),
        taken_by,
        differences: differences.into_iter().map(str::to_owned).collect(),
        done: is_done,
        enabled: is_enabled,
        was_enabled,
        problem,
    }
}
