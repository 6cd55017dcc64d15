// SPDX-License-Identifier: GPL-3.0-or-later
//! What is so on the host: the facts about described services, folded together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tails_server_state::ServiceName;
use tokio::time::Instant;

use crate::controller::observed::Generation;
use crate::controller::ports::{ActKind, Applied, Digest, Digests, HostFact, HostedService, Progress, Unit};
use crate::controller::status::Problem;

/// A server that ran for so long was all right: when it ends, it is started again at once.
const STEADY: Duration = Duration::from_secs(60);
/// The pause after the first start of a server that does not stay up; each one more doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: what a person mends meanwhile should be noticed soon enough.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Whether there is a connection to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostConnection {
    /// No attempt has ended yet.
    Pending,
    /// It is lost, or could not be made, for this reason.
    Lost(String),
    /// It is up.
    Up,
}

/// All facts about the host.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The number of the newest connection to it. What was known ends with each.
    pub generation: Generation,
    /// Whether it is up.
    pub connection: HostConnection,
    /// What is known of each service; of one that is missing, nothing.
    pub services: BTreeMap<ServiceName, HostedFacts>,
    /// The services whose servers are to be installed, whether they are enabled or not.
    pub installs: BTreeSet<ServiceName>,
    /// What is being done for a service.
    pub busy: BTreeMap<ServiceName, ActKind>,
    /// The services whose last act failed, until the time to try again.
    pub held: BTreeMap<ServiceName, Problem>,
    /// The services that no retry can mend, and why: they are closed until a person asks for something.
    pub failed: BTreeMap<ServiceName, Problem>,
}

/// What is known of one service.
#[derive(Debug, Clone)]
pub struct HostedFacts {
    /// What was told last.
    pub told: HostedService,
    /// What was applied when the act under way began.
    pub before: Applied,
    /// How far the act under way has come.
    pub progress: Option<Progress>,
    /// Since when its unit is in its state.
    pub since: Instant,
    /// When a server that ended is started again.
    pub restart_at: Instant,
    /// How often it was started without staying up.
    pub starts: u32,
}

impl Default for HostFacts {
    fn default() -> Self {
        Self {
            generation: Generation::default(),
            connection: HostConnection::Pending,
            services: BTreeMap::new(),
            installs: BTreeSet::new(),
            busy: BTreeMap::new(),
            held: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }
}

impl HostFacts {
    /// Takes a fact in. Facts of an earlier connection are void.
    pub(super) fn fold(&mut self, generation: Generation, fact: HostFact, now: Instant) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation {
            self.forget_connection();
            self.generation = generation;
        }
        match fact {
            HostFact::Connected => self.connection = HostConnection::Up,
            HostFact::Lost(why) => {
                self.forget_connection();
                self.connection = HostConnection::Lost(why);
            }
            HostFact::Service(name, told) => match self.services.get_mut(&name) {
                Some(known) => known.hear(told, now),
                None => drop(self.services.insert(name, HostedFacts::new(told, now))),
            },
            HostFact::Progress(name, progress) => {
                if let Some(known) = self.services.get_mut(&name) {
                    known.progress = Some(progress);
                }
            }
        }
    }

    /// Whether the host can be asked.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.connection, HostConnection::Up)
    }

    /// What is known of a service while the host can be asked.
    #[must_use]
    pub fn known(&self, name: &ServiceName) -> Option<&HostedFacts> {
        if self.is_up() { self.services.get(name) } else { None }
    }

    /// Whether its server runs, as these wishes say.
    #[must_use]
    pub fn runs_as(&self, name: &ServiceName, digests: &Digests) -> bool {
        self.known(name)
            .is_some_and(|known| known.told.unit == Unit::Active && known.told.applied == Applied::Wishes(*digests))
    }

    /// Whether its server runs, confined and configured by us for this descriptor, perhaps as somebody wished before.
    /// What runs for another descriptor may be another program, and listen elsewhere.
    #[must_use]
    pub fn runs(&self, name: &ServiceName, descriptor: &Digest) -> bool {
        let Some(known) = self.known(name).filter(|known| known.told.unit == Unit::Active) else { return false };
        let is_applying = self.busy.get(name) == Some(&ActKind::Apply);
        let applied = match known.told.applied {
            // Our own act has said that it began. Until it ends, or its server does, what was there before goes on.
            Applied::Unknown if is_applying => known.before,
            applied @ (Applied::Nothing | Applied::Unknown | Applied::Wishes(_)) => applied,
        };
        matches!(applied, Applied::Wishes(digests) if digests.descriptor == *descriptor)
    }

    /// Whether something of it may be up.
    #[must_use]
    pub fn is_applied(&self, name: &ServiceName) -> bool {
        self.known(name).is_some_and(|known| known.told.applied != Applied::Nothing)
    }

    /// When a look is worthwhile though nothing was told: a server is to be started again.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let ended = self.services.values().filter(|known| known.has_ended());
        ended.map(|known| known.restart_at).filter(|moment| *moment > now).min()
    }

    /// An act begins.
    pub(super) fn act_begins(&mut self, name: &ServiceName, kind: ActKind) {
        self.busy.insert(name.clone(), kind);
        if let Some(known) = self.services.get_mut(name) {
            known.before = known.told.applied;
        }
    }

    /// An act has ended.
    pub(super) fn act_ended(&mut self, name: &ServiceName, kind: ActKind, now: Instant) {
        self.busy.remove(name);
        if let Some(known) = self.services.get_mut(name) {
            known.progress = None;
            if kind == ActKind::Apply {
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(known.starts.min(16));
                known.restart_at = now + pause.min(LONGEST_PAUSE);
                known.starts += 1;
            }
        }
    }

    /// A person asked: whatever failed before is worth another try at once.
    pub(super) fn pardon(&mut self, name: &ServiceName, now: Instant) {
        self.held.remove(name);
        self.failed.remove(name);
        if let Some(known) = self.services.get_mut(name) {
            known.restart_at = now;
            known.starts = 0;
        }
    }

    fn forget_connection(&mut self) {
        self.services.clear();
        self.held.clear();
        self.failed.clear();
    }
}

impl HostedFacts {
    pub(super) fn new(told: HostedService, now: Instant) -> Self {
        Self { before: told.applied, told, progress: None, since: now, restart_at: now, starts: 0 }
    }

    fn hear(&mut self, told: HostedService, now: Instant) {
        if self.told.unit != told.unit {
            let was_steady = self.told.unit == Unit::Active && now.duration_since(self.since) >= STEADY;
            if was_steady {
                self.starts = 0;
                self.restart_at = now;
            }
            self.since = now;
        }
        self.told = told;
    }

    /// Whether its server was started by us and runs no more.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.told.unit, Unit::Inactive | Unit::Failed(_)) && matches!(self.told.applied, Applied::Wishes(_))
    }
}
