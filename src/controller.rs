// SPDX-License-Identifier: GPL-3.0-or-later
//! The heart: wishes and facts in, steps and status out.
//!
//! The loop ([`Reactor`]) knows what is wished ([`Desired`]) and what is so ([`Observed`]). The pure function [`plan()`]
//! names the next steps, the pure function [`status()`] names what people see. Boot, a restart of Tor, recovery after a
//! crash and "enable" are one code path: a fact or a wish changed, so plan again.

mod backoff;
mod desired;
mod error;
mod handle;
mod health;
mod hidden;
mod observed;
mod pacing;
mod plan;
mod ports;
mod publication;
mod reactor;
mod remember;
mod retries;
mod shape;
mod status;
mod suspects;

pub use backoff::Backoff;
pub use desired::Desired;
pub use error::{RequestError, RequestErrorKind};
pub use handle::{Controller, PublishRequest, RecordChange, Visit};
pub use health::Health;
pub use hidden::HiddenUploads;
pub use observed::{Bootstrap, BootstrapWarning, Connection, Generation, Observed, OnionFacts, TorFacts};
pub use pacing::Window;
pub use plan::{Step, plan};
pub use ports::{
    AddOnionError, CheckError, CheckRequest, Checked, CredentialError, Fact, HiddenUpload, HsDir, Listeners, Listening,
    NewOnion, Recall, RemoveOnionError, Tor, TorFact, TorProblem, VisitOutcome, VisitPolicy, Visitors,
};
pub use publication::{Evidence, Publication, Uploads};
pub use reactor::{Reactor, Stop};
pub use shape::{Audience, OnionShape};
pub use status::{JoinedStatus, Outlook, Problem, ServiceStatus, Snapshot, State, TorStatus, status};
pub use suspects::Suspects;
