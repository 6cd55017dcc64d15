// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wrong, or right, as far as the controller knows: a pure function of wishes, facts and what was looked at for it.
//!
//! Evidence first: each finding says what was looked at and what was found. No address, no secret and no name of a client
//! is in any: people paste them where everybody reads.

mod look;
mod services;
mod store;
mod tor;

use tails_server_state::ServiceName;

use crate::controller::desired::Desired;
use crate::controller::observed::Observed;
use crate::controller::status::{Outlook, Problem, status};
pub(super) use look::{Asked, Looked};
pub use look::{KeyLook, PlaceLook, StoreLook, Surroundings};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It was looked at, and it is as it should be.
    Ok,
    /// A person may want to know it; also what could not be looked at.
    Note,
    /// Something is not as it should be, or will not be.
    Warning,
    /// Something does not work, or a person is in danger.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort of finding it is, in kebab-case; stable.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The service that it is about, if it is about one.
    pub service: Option<ServiceName>,
    /// What was looked at.
    pub looked_at: String,
    /// What was found there.
    pub found: String,
    /// Why it is so, where that is known.
    pub cause: Option<String>,
    /// What a person can do.
    pub next_step: Option<String>,
}

impl Finding {
    fn new(id: &'static str, severity: Severity, looked_at: &str, found: impl Into<String>) -> Self {
        let (looked_at, found) = (looked_at.to_owned(), found.into());
        Self { id, severity, service: None, looked_at, found, cause: None, next_step: None }
    }

    /// A problem that was found.
    fn of(id: &'static str, severity: Severity, looked_at: &str, problem: &Problem) -> Self {
        Self { next_step: problem.hint.clone(), ..Self::new(id, severity, looked_at, problem.message.clone()) }
    }

    fn about(self, service: &ServiceName) -> Self {
        Self { service: Some(service.clone()), ..self }
    }

    fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    fn so(self, next_step: impl Into<String>) -> Self {
        Self { next_step: Some(next_step.into()), ..self }
    }
}

/// How bad a problem is that time can mend, or not.
const fn weight(problem: &Problem) -> Severity {
    match problem.outlook {
        Outlook::Retrying => Severity::Warning,
        Outlook::Lasting => Severity::Error,
    }
}

/// All findings, in the order in which they were looked for.
#[must_use]
pub(super) fn examine(desired: &Desired, observed: &Observed, looked: &Looked) -> Vec<Finding> {
    let picture = status(desired, observed, &[]);
    let mut findings = store::findings(looked);
    findings.extend(tor::findings(observed, looked));
    findings.extend(services::keys(desired, observed, looked));
    findings.extend(services::findings(desired, observed, &picture));
    findings.extend(services::host(desired, observed));
    findings.extend(services::joined(&picture));
    let catalog = picture.catalog_problems.iter();
    findings.extend(catalog.map(|problem| Finding::of("catalogue", Severity::Warning, "the descriptors", problem)));
    findings
}

#[cfg(test)]
mod tests;
