// SPDX-License-Identifier: GPL-3.0-or-later
//! The heart: wishes and facts in, steps and status out.
//!
//! The loop ([`Reactor`]) knows what is wished ([`Desired`]) and what is so ([`Observed`]). The pure function [`plan()`]
//! names the next steps, the pure function [`status()`] names what people see. Boot, a restart of Tor, recovery after a
//! crash and "enable" are one code path: a fact or a wish changed, so plan again.

mod archive;
mod backoff;
mod defaults;
mod desired;
mod diagnosis;
mod error;
mod explain;
mod handle;
mod health;
mod hidden;
mod hosted;
mod observed;
mod options;
mod pacing;
mod plan;
mod ports;
mod publication;
mod reactor;
mod rehearsal;
mod remember;
mod repertoire;
mod retries;
mod shape;
mod status;
mod suspects;
mod wishes;

pub use archive::{Existing, HeldKind, InvalidArchive, MAX_ARCHIVE_BYTES, Restoration, RestoreMode, Verdict, Waking};
pub use backoff::Backoff;
pub use desired::Desired;
pub use diagnosis::{Finding, KeyLook, PlaceLook, Severity, StoreLook, Surroundings};
pub use error::{RequestError, RequestErrorKind};
pub use explain::{Intention, Stage};
pub use handle::{Controller, OptionChange, PublishRequest, RecordChange, Visit};
pub use health::Health;
pub use hidden::HiddenUploads;
pub use hosted::{HostConnection, HostFacts, HostedFacts};
pub use observed::{Bootstrap, BootstrapWarning, Connection, Generation, Observed, OnionFacts, TorFacts};
pub use options::{ConnectionReport, InfoLineReport, OptionReport};
pub use pacing::Window;
pub use plan::{Step, plan};
pub use ports::{
    ActKind, AddOnionError, Applied, CheckError, CheckRequest, Checked, CredentialError, Digest, Digests, Fact,
    HiddenUpload, Host, HostAct, HostError, HostFact, HostedService, HsDir, LastWords, Listeners, Listening, NewOnion,
    Progress, Recall, RemoveOnionError, Survey, Told, Tor, TorFact, TorProblem, Unit, VisitOutcome, VisitPolicy,
    Visitors,
};
pub use publication::{Evidence, Publication, Uploads};
pub use reactor::{Reactor, Stop};
pub use repertoire::{HostReach, Intent, Repertoire, Unavailable};
pub use shape::{Audience, OnionShape};
pub use status::{
    Available, Hosting, JoinedStatus, Outlook, Problem, ServiceStatus, Snapshot, State, TorStatus, status,
};
pub use suspects::Suspects;
pub use wishes::{CannotWish, Wishes};
