// SPDX-License-Identifier: GPL-3.0-or-later
//! The simulated host: it installs and starts servers that are none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tails_server_state::{ServiceName, Target};

use crate::controller::{
    ActKind, Applied, Fact, Generation, Host, HostAct, HostError, HostFact, HostedService, LastWords, Progress,
    Repertoire, Unit,
};
use crate::sim::machine::Machine;

/// Between two words of progress; an installation has four.
const STEP: Duration = Duration::from_millis(250);
/// How long a server takes to start or to stop.
const START: Duration = Duration::from_millis(100);

/// The simulated host, as the loop's port.
#[derive(Debug)]
pub struct SimulatedHost(pub(super) Machine);

/// A described service on the simulated machine.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) told: HostedService,
    targets: BTreeSet<Target>,
}

/// The services that need the host, none of them installed.
pub(super) fn servers(repertoire: &Repertoire) -> BTreeMap<ServiceName, Server> {
    let nothing = HostedService {
        installed: false,
        unit: Unit::Inactive,
        applied: Applied::Nothing,
        probes: BTreeMap::new(),
        last_words: LastWords::default(),
    };
    let hosted = repertoire.hosted();
    hosted.map(|(name, _, targets)| (name, Server { told: nothing.clone(), targets })).collect()
}

impl Host for SimulatedHost {
    async fn carry_out(&self, generation: Generation, name: ServiceName, act: HostAct) -> Result<(), HostError> {
        {
            let mut inner = self.0.lock();
            if !inner.host_up || inner.host_generation != generation {
                return Err(HostError::ConnectionLost);
            }
            inner.acts.push((name.clone(), act.kind()));
        }
        // As with systemd: an act that was begun is finished, whether somebody waits for it or not.
        let acting = tokio::spawn(carry_out(self.0.clone(), name, act));
        acting.await.unwrap_or(Err(HostError::ConnectionLost))
    }

    fn offer(&self, repertoire: &Repertoire) {
        let mut inner = self.0.lock();
        for (name, server) in servers(repertoire) {
            inner.servers.entry(name).or_insert(server);
        }
    }
}

async fn carry_out(machine: Machine, name: ServiceName, act: HostAct) -> Result<(), HostError> {
    if act.kind() == ActKind::Install {
        for percent in [0, 14, 43, 100] {
            let progress = Progress { percent, what: name.to_string() };
            machine.tell_host(HostFact::Progress(name.clone(), progress)).await;
            tokio::time::sleep(STEP).await;
        }
    } else {
        tokio::time::sleep(START).await;
    }
    let fault = machine.lock().faults.host.pop_front();
    if let Some(fault) = fault {
        return Err(fault);
    }
    machine.change_server(&name, |told| match &act {
        HostAct::Install => told.installed = true,
        HostAct::Apply(wishes) => {
            told.applied = Applied::Wishes(wishes.digests());
            told.unit = Unit::Active;
        }
        HostAct::Withdraw => {
            told.applied = Applied::Nothing;
            told.unit = Unit::Inactive;
        }
        HostAct::Uninstall => told.installed = false,
    });
    machine.tell_server(&name).await;
    Ok(())
}

impl Machine {
    /// Its host, as the loop's port.
    #[must_use]
    pub fn host(&self) -> SimulatedHost {
        SimulatedHost(self.clone())
    }

    /// The connection to the host comes up, and all that is known is told.
    pub async fn start_host(&self) {
        let names: Vec<_> = {
            let mut inner = self.lock();
            inner.host_generation.0 += 1;
            inner.host_up = true;
            inner.servers.keys().cloned().collect()
        };
        for name in names {
            self.tell_server(&name).await;
        }
        self.tell_host(HostFact::Connected).await;
    }

    /// The connection to the host ends; the servers go on.
    pub async fn lose_host(&self) {
        self.lock().host_up = false;
        self.tell_host(HostFact::Lost("the simulated systemd does not answer".to_owned())).await;
    }

    /// The machine starts anew: what is installed stays, and nothing of it runs.
    pub fn reboot_host(&self) {
        for server in self.lock().servers.values_mut() {
            server.told.unit = Unit::Inactive;
            server.told.applied = Applied::Nothing;
        }
    }

    /// The server of a service gets into this state by itself.
    pub async fn set_unit(&self, name: &ServiceName, unit: Unit) {
        self.change_server(name, |told| told.unit = unit);
        self.tell_server(name).await;
    }

    /// How a service is, as an independent witness sees it.
    #[must_use]
    pub fn hosted(&self, name: &ServiceName) -> Option<HostedService> {
        self.lock().servers.get(name).map(|server| server.told.clone())
    }

    /// What was asked of the host so far, in its order.
    #[must_use]
    pub fn acts(&self) -> Vec<(ServiceName, ActKind)> {
        self.lock().acts.clone()
    }

    fn change_server(&self, name: &ServiceName, change: impl FnOnce(&mut HostedService)) {
        if let Some(server) = self.lock().servers.get_mut(name) {
            change(&mut server.told);
        }
    }

    async fn tell_server(&self, name: &ServiceName) {
        let told = self.lock().servers.get(name).map(|server| server.told.clone());
        if let Some(told) = told {
            self.tell_host(HostFact::Service(name.clone(), told)).await;
        }
        self.tell_listening().await;
    }

    async fn tell_host(&self, fact: HostFact) {
        let (generation, facts) = {
            let inner = self.lock();
            (inner.host_generation, inner.newest.clone())
        };
        // A loop that has ended needs no facts.
        let _ = facts.unwrap_or_else(|| self.facts.clone()).send(Fact::Host(generation, fact)).await;
    }
}

/// The targets on which a server would listen that does not run.
pub(super) fn down(servers: &BTreeMap<ServiceName, Server>) -> BTreeSet<Target> {
    let down = servers.values().filter(|server| server.told.unit != Unit::Active);
    down.flat_map(|server| server.targets.iter().cloned()).collect()
}
