// SPDX-License-Identifier: GPL-3.0-or-later
//! Steps about the services of others, and what is to be forgotten once Tor has forgotten it.

use std::sync::Arc;

use tails_server_state::{ClientSecretKey, Farewell, OnionAddress, ServiceName, StoreError};
use tokio::task::JoinError;
use tracing::error;

use super::Reactor;
use super::problems::unreadable;
use super::steps::StepEnd;
use crate::controller::desired::Desired;
use crate::controller::observed::Generation;
use crate::controller::ports::{CheckRequest, CredentialError, Host, Listening, Tor, VisitPolicy};
use crate::controller::status::{Outlook, Problem};
use crate::errors::with_causes;

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    /// Tor's key for this service may not be the right one; giving it the same one again is no matter.
    pub(super) fn renew_credential(&mut self, address: OnionAddress) {
        self.observed.credentials.remove(&address);
        if self.observed.busy.contains(&address) {
            self.outdated.insert(address);
        }
    }

    /// A check has ended. Tor has one key for an address: if the service was joined here meanwhile, the check took that
    /// key away with its own.
    pub(super) fn checked(&mut self, ended: Result<CheckRequest, JoinError>) -> bool {
        match ended {
            Ok(CheckRequest { address, visit: VisitPolicy::WithProbeKey(_), .. }) => {
                if self.desired.joined().any(|(_, joined)| joined.address == address) {
                    self.renew_credential(address);
                }
            }
            Ok(CheckRequest { visit: VisitPolicy::Never | VisitPolicy::WithTorsKey(_), .. }) => (),
            Err(cause) => error!(%cause, "bug: a check died"),
        }
        true
    }

    pub(super) fn read_credential(&mut self, generation: Generation, name: &ServiceName) {
        let Some(joined) = self.desired.joined_as(name) else { return };
        let address = joined.address;
        self.observed.busy.insert(address);
        let (store, name) = (Arc::clone(&self.store), name.clone());
        self.steps.spawn_blocking(move || StepEnd::Credential(generation, address, store.joined_key(&name)));
    }

    pub(super) fn credential_read(
        &mut self,
        generation: Generation,
        address: OnionAddress,
        key: Result<Option<ClientSecretKey>, StoreError>,
    ) {
        match key {
            Ok(Some(key)) if generation == self.observed.tor.generation => {
                // From here on Tor may have it, whatever it answers.
                self.observed.ever_joined.insert(address);
                let tor = Arc::clone(&self.tor);
                self.steps.spawn(async move {
                    StepEnd::CredentialAdded(generation, address, tor.add_credential(generation, address, key).await)
                });
            }
            Ok(Some(_)) => drop(self.observed.busy.remove(&address)),
            // Whoever knows the address can reach it, unless it was joined with a key while that was read.
            Ok(None) => {
                self.observed.busy.remove(&address);
                if !self.outdated.remove(&address) {
                    self.observed.credentials.insert(address);
                }
            }
            Err(cause) => {
                self.observed.busy.remove(&address);
                self.hold(address, cause.kind(), unreadable(&cause));
            }
        }
    }

    pub(super) fn credential_added(
        &mut self,
        generation: Generation,
        address: OnionAddress,
        result: Result<(), CredentialError>,
    ) {
        if generation != self.observed.tor.generation {
            return;
        }
        match result {
            Ok(()) => {
                self.retries.forget(&address);
                if !self.outdated.remove(&address) {
                    self.observed.credentials.insert(address);
                }
            }
            Err(CredentialError::ConnectionLost) => (),
            Err(cause @ CredentialError::Refused(_)) => {
                let problem = Problem { message: cause.to_string(), hint: None, outlook: Outlook::Retrying };
                self.hold(address, "Tor did not take a key", problem);
            }
        }
    }

    pub(super) fn credential_removed(
        &mut self,
        generation: Generation,
        address: OnionAddress,
        result: Result<(), CredentialError>,
    ) {
        match result {
            Ok(()) => {
                self.observed.ever_joined.remove(&address);
                self.observed.credentials.remove(&address);
                self.forget_farewell(Farewell::Joined(address));
            }
            Err(cause @ CredentialError::Refused(_)) if generation == self.observed.tor.generation => {
                let problem = Problem { message: cause.to_string(), hint: None, outlook: Outlook::Retrying };
                self.hold(address, "Tor did not forget a key", problem);
            }
            Err(CredentialError::ConnectionLost | CredentialError::Refused(_)) => (),
        }
    }

    /// Tor has nothing of it any more: that need not be remembered.
    pub(super) fn forget_farewell(&mut self, farewell: Farewell) {
        let address = *farewell.address();
        if self.desired.owes(&farewell) {
            self.observed.busy.insert(address);
            let store = Arc::clone(&self.store);
            self.steps.spawn_blocking(move || StepEnd::FarewellForgotten(farewell, store.forget_farewell(&farewell)));
        } else {
            self.retries.forget(&address);
        }
    }

    pub(super) fn farewell_forgotten(&mut self, farewell: Farewell, result: Result<(), StoreError>) {
        let address = *farewell.address();
        self.observed.busy.remove(&address);
        self.desired = Desired::of(&self.store, &self.repertoire);
        match result {
            Ok(()) => self.retries.forget(&address),
            Err(cause) => {
                // Then Tor is asked once more, after a pause. Its answer is no success, or the pauses would not grow.
                let problem =
                    Problem { message: with_causes(&cause), hint: Some(cause.hint()), outlook: Outlook::Retrying };
                self.hold(address, cause.kind(), problem);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tails_server_state::{JoinedService, OnionKey, Persistence, Store, StoreLayout};
    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::*;
    use crate::controller::ports::{Fact, Visitors};
    use crate::sim::{Machine, SimulatedHost, SimulatedListening, SimulatedTor};

    /// A loop that does nothing by itself, connected to Tor.
    fn at_rest() -> (TempDir, Reactor<SimulatedTor, SimulatedListening, SimulatedHost>) {
        let directory = tempfile::tempdir().unwrap();
        let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
        let (facts, incoming) = mpsc::channel(64);
        let machine = Machine::new(facts);
        let store = Arc::new(Store::open(&layout));
        let ports = (machine.tor(), machine.listening(), machine.host());
        let (mut reactor, ..) = Reactor::new(store, Arc::default(), ports, incoming);
        let connected = crate::controller::TorFact::Connected { version: "0.4.9.11".to_owned() };
        reactor.observed.fold(Fact::Tor(Generation(1), connected));
        (directory, reactor)
    }

    #[tokio::test]
    async fn a_farewell_that_can_not_be_forgotten_is_tried_again_less_and_less_often() {
        let (_directory, mut reactor) = at_rest();
        let address = OnionKey::generate().unwrap().address();
        let unknown = || StoreError::Unknown { name: "web".parse().unwrap() };
        for (farewell, tor_did_it) in [
            (
                Farewell::Service(address),
                (|reactor, address| reactor.removed(Generation(1), address, Visitors::Leave, Ok(())))
                    as fn(&mut Reactor<_, _, _>, OnionAddress),
            ),
            (Farewell::Joined(address), |reactor, address| reactor.credential_removed(Generation(1), address, Ok(()))),
        ] {
            for _ in 0..3 {
                reactor.desired = Desired::owing(farewell);
                tor_did_it(&mut reactor, address);
                reactor.farewell_forgotten(farewell, Err(unknown()));
            }
            let problem = unreadable(&unknown());
            assert_eq!(reactor.hold(address, "test", problem), 4, "{farewell:?}");
            reactor.desired = Desired::owing(farewell);
            reactor.farewell_forgotten(farewell, Ok(()));
            assert_eq!(reactor.retries.next_due(), None, "{farewell:?}");
        }
    }

    #[tokio::test]
    async fn that_no_key_is_needed_is_not_believed_when_one_came_meanwhile() {
        let (_directory, mut reactor) = at_rest();
        let joined = JoinedService {
            name: "theirs".parse().unwrap(),
            address: OnionKey::generate().unwrap().address(),
            persistence: Persistence::Amnesic,
            title: None,
            ports: Vec::new(),
            note: String::new(),
            expires: None,
        };
        for is_outdated in [true, false] {
            reactor.observed.busy.insert(joined.address);
            if is_outdated {
                reactor.outdated.insert(joined.address);
            }
            reactor.credential_read(Generation(1), joined.address, Ok(None));
            assert_eq!(reactor.observed.credentials.contains(&joined.address), !is_outdated);
        }
    }
}
