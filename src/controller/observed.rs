// SPDX-License-Identifier: GPL-3.0-or-later
//! What is so: the facts, folded together.

use std::collections::{BTreeMap, BTreeSet};

use tails_server_state::{OnionAddress, PortMap};

use crate::controller::ports::{Fact, Listeners, TorFact, TorProblem};
use crate::controller::publication::Publication;
use crate::controller::status::Problem;

/// The number of a control connection, counted from 1 since the controller started. What Tor knew of us ended with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// How far Tor has come in connecting to the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bootstrap {
    /// 0 to 100 per cent.
    pub percent: u8,
    /// What Tor is at, in its own words.
    pub summary: String,
    /// Why it does not get further, in its own words.
    pub warning: Option<String>,
}

/// Whether there is a control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// No attempt has ended yet.
    Pending,
    /// The connection is lost, or could not be made.
    Lost(TorProblem),
    /// The connection is up.
    Up {
        /// Tor's version.
        version: String,
    },
}

/// What is known of Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorFacts {
    /// The number of the newest control connection.
    pub generation: Generation,
    /// Whether it is up.
    pub connection: Connection,
    /// How far Tor has come.
    pub bootstrap: Bootstrap,
    /// Whether Tor has enough directory information.
    pub enough_directory: bool,
    /// Whether Tor has a working circuit.
    pub circuits: bool,
}

impl TorFacts {
    /// Whether there is a control connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Up { .. })
    }

    /// Whether Tor takes services for publishing.
    // A Tor that lost the network stays at 100 %, keeps the services it has and publishes new ones once it can.
    #[must_use]
    pub const fn is_bootstrapped(&self) -> bool {
        self.is_connected() && self.bootstrap.percent == 100
    }

    /// Whether Tor can reach the network now.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.is_bootstrapped() && self.enough_directory && self.circuits
    }
}

/// A service of ours that Tor has, or is about to have, on this control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnionFacts {
    /// The ports it was added with.
    pub ports: PortMap,
    /// What Tor has told of its descriptors since it has the service; nothing before that.
    pub publication: Option<Publication>,
}

/// All facts.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Tor.
    pub tor: TorFacts,
    /// The services that were added on this control connection and not removed since.
    pub onions: BTreeMap<OnionAddress, OnionFacts>,
    /// Who listens; what was not looked for yet is unknown.
    pub listeners: Listeners,
    /// The addresses that a step is under way for.
    pub busy: BTreeSet<OnionAddress>,
    /// The addresses whose last step failed, until the time to try again.
    pub held: BTreeMap<OnionAddress, Problem>,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            tor: TorFacts {
                generation: Generation::default(),
                connection: Connection::Pending,
                bootstrap: Bootstrap::default(),
                enough_directory: false,
                circuits: false,
            },
            onions: BTreeMap::new(),
            listeners: Listeners::default(),
            busy: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }
}

impl Observed {
    /// Takes a fact in. Facts of an earlier control connection are void.
    pub fn fold(&mut self, fact: Fact) {
        match fact {
            Fact::Listening(listeners) => self.listeners = listeners,
            Fact::Tor(generation, fact) if generation >= self.tor.generation => self.fold_tor(generation, fact),
            Fact::Tor(..) => (),
        }
    }

    fn fold_tor(&mut self, generation: Generation, fact: TorFact) {
        if generation > self.tor.generation {
            self.forget_connection();
            self.tor.generation = generation;
        }
        match fact {
            TorFact::Connected { version } => self.tor.connection = Connection::Up { version },
            TorFact::Lost(problem) => {
                self.forget_connection();
                self.tor.connection = Connection::Lost(problem);
            }
            TorFact::Bootstrap(bootstrap) => self.tor.bootstrap = bootstrap,
            TorFact::EnoughDirectory(enough) => self.tor.enough_directory = enough,
            TorFact::Circuits(circuits) => self.tor.circuits = circuits,
            TorFact::OnionAdded(address) => {
                if let Some(onion) = self.onions.get_mut(&address) {
                    onion.publication = Some(Publication::default());
                }
            }
            TorFact::UploadBegun(address, hsdir) => self.count(&address, |uploads| uploads.begin(hsdir)),
            TorFact::UploadConfirmed(address, hsdir) => self.count(&address, |uploads| uploads.confirm(&hsdir)),
            TorFact::UploadFailed(address, hsdir) => self.count(&address, |uploads| uploads.fail(&hsdir)),
        }
    }

    fn count(&mut self, address: &OnionAddress, change: impl FnOnce(&mut Publication)) {
        if let Some(uploads) = self.onions.get_mut(address).and_then(|onion| onion.publication.as_mut()) {
            change(uploads);
        }
    }

    /// Forgets all that ended with the control connection. A failure was one with that Tor: the next may do better.
    fn forget_connection(&mut self) {
        self.onions.clear();
        self.held.clear();
        self.tor.bootstrap = Bootstrap::default();
        self.tor.enough_directory = false;
        self.tor.circuits = false;
    }
}
