// SPDX-License-Identifier: GPL-3.0-or-later
//! The simulated machine: one Tor, and who listens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tails_server_state::{ClientPublicKey, OnionAddress, ServiceName, Target};
use tokio::sync::mpsc;

use crate::controller::{ActKind, Bootstrap, Fact, Generation, HsDir, Listeners, Repertoire, TorFact, TorProblem};
use crate::sim::faults::Faults;
use crate::sim::host::{self, Server};
use crate::sim::listening::SimulatedListening;
use crate::sim::tor::{DESCRIPTOR, SimulatedTor};

/// The pause between two steps of the simulated bootstrap: slow enough to see, fast enough to wait for.
const BOOTSTRAP_STEP: Duration = Duration::from_millis(250);

/// A simulated machine. Clones are the same machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) facts: mpsc::Sender<Fact>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) generation: Generation,
    pub(super) connected: bool,
    /// The services that Tor has, each with the number of the request that added it.
    pub(super) onions: BTreeMap<OnionAddress, u64>,
    /// The services of others that Tor has a key for. It keeps them when a control connection ends.
    pub(super) credentials: BTreeMap<OnionAddress, ClientPublicKey>,
    /// The services that somebody is connected to. Tor keeps them when a control connection ends, too.
    pub(super) visited: BTreeSet<OnionAddress>,
    pub(super) requests: u64,
    pub(super) faults: Faults,
    pub(super) watched: BTreeSet<Target>,
    pub(super) silent: BTreeSet<Target>,
    pub(super) host_generation: Generation,
    pub(super) host_up: bool,
    /// The services that the host can run.
    pub(super) servers: BTreeMap<ServiceName, Server>,
    pub(super) acts: Vec<(ServiceName, ActKind)>,
    /// Where facts go whose cause outlives a loop.
    pub(super) newest: Option<mpsc::Sender<Fact>>,
}

impl Machine {
    /// A machine whose Tor does not run yet and on which somebody listens on everything.
    #[must_use]
    pub fn new(facts: mpsc::Sender<Fact>) -> Self {
        Self { facts, inner: Arc::default() }
    }

    /// The same machine, on which these services can be had.
    #[must_use]
    pub fn with_services(self, repertoire: &Repertoire) -> Self {
        self.lock().servers = host::servers(repertoire);
        self
    }

    /// Its Tor, as the loop's port.
    #[must_use]
    pub fn tor(&self) -> SimulatedTor {
        SimulatedTor(self.clone())
    }

    /// Who listens on it, as the loop's port.
    #[must_use]
    pub fn listening(&self) -> SimulatedListening {
        SimulatedListening(self.clone())
    }

    /// Starts Tor and connects it to the network, as after a boot.
    pub async fn start_tor(&self) {
        self.connect().await;
        for percent in [0, 25, 50, 75] {
            self.bootstrap(percent).await;
            tokio::time::sleep(BOOTSTRAP_STEP).await;
        }
        self.network(true).await;
        self.bootstrap(100).await;
    }

    /// The same machine for another loop, as after a restart of the controller: its control connection has ended.
    #[must_use]
    pub fn with_facts(&self, facts: mpsc::Sender<Fact>) -> Self {
        {
            let mut inner = self.lock();
            inner.connected = false;
            inner.onions.clear();
            inner.host_up = false;
            inner.newest = Some(facts.clone());
        }
        Self { facts, inner: Arc::clone(&self.inner) }
    }

    /// A control connection comes up; Tor has nothing of ours.
    pub async fn connect(&self) {
        {
            let mut inner = self.lock();
            inner.generation.0 += 1;
            inner.connected = true;
            inner.onions.clear();
        }
        self.tell(TorFact::Connected { version: "0.4.9.11 (simulated)".to_owned() }).await;
    }

    /// Tor is killed: the control connection ends, and what it had of ours is gone.
    pub async fn kill_tor(&self) {
        {
            let mut inner = self.lock();
            inner.connected = false;
            inner.onions.clear();
            inner.credentials.clear();
            inner.visited.clear();
        }
        let problem = TorProblem { message: "the simulated Tor was killed".to_owned(), hint: None };
        self.tell(TorFact::Lost(problem)).await;
    }

    /// The control connection ends; Tor goes on without what it had of ours.
    pub async fn lose(&self) {
        {
            let mut inner = self.lock();
            inner.connected = false;
            inner.onions.clear();
        }
        let problem = TorProblem { message: "the simulated control connection was cut".to_owned(), hint: None };
        self.tell(TorFact::Lost(problem)).await;
    }

    /// Tor gets this far.
    pub async fn bootstrap(&self, percent: u8) {
        let summary = if percent == 100 { "Done" } else { "Simulating" }.to_owned();
        self.tell(TorFact::Bootstrap(Bootstrap { percent, summary, warning: None })).await;
    }

    /// Tor finds or loses the network.
    pub async fn network(&self, up: bool) {
        self.tell(TorFact::EnoughDirectory(up)).await;
        self.tell(TorFact::Circuits(up)).await;
    }

    /// Nobody listens on this target any more.
    pub async fn silence(&self, target: &Target) {
        self.lock().silent.insert(target.clone());
        self.tell_listening().await;
    }

    /// Somebody listens on this target again.
    pub async fn unsilence(&self, target: &Target) {
        self.lock().silent.remove(target);
        self.tell_listening().await;
    }

    /// An upload of this service begins and is confirmed, whether Tor has the service or not.
    pub async fn late_upload(&self, address: OnionAddress) {
        let hsdir = HsDir::from("F".repeat(40));
        self.tell(TorFact::UploadBegun(address, hsdir.clone(), DESCRIPTOR)).await;
        self.tell(TorFact::UploadConfirmed(address, hsdir)).await;
    }

    /// Changes what goes wrong.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// What Tor has, as an independent witness sees it.
    #[must_use]
    pub fn onions(&self) -> BTreeSet<OnionAddress> {
        self.lock().onions.keys().copied().collect()
    }

    /// Somebody connects to this service, and stays.
    pub fn visit(&self, address: OnionAddress) {
        self.lock().visited.insert(address);
    }

    /// The services that somebody is connected to.
    #[must_use]
    pub fn visited(&self) -> BTreeSet<OnionAddress> {
        self.lock().visited.clone()
    }

    /// The services of others that Tor has a key for, with the public half of it.
    #[must_use]
    pub fn credentials(&self) -> BTreeMap<OnionAddress, ClientPublicKey> {
        self.lock().credentials.clone()
    }

    /// How many services Tor was asked to add so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    pub(super) async fn tell(&self, fact: TorFact) {
        let generation = self.lock().generation;
        // A loop that has ended needs no facts.
        let _ = self.facts.send(Fact::Tor(generation, fact)).await;
    }

    pub(super) async fn tell_listening(&self) {
        let listeners = {
            let inner = self.lock();
            let down = host::down(&inner.servers);
            let found = inner.watched.difference(&inner.silent).filter(|target| !down.contains(target));
            let found = found.cloned().collect();
            Listeners { looked_for: inner.watched.clone(), found, ..Listeners::default() }
        };
        let _ = self.facts.send(Fact::Listening(listeners)).await;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
