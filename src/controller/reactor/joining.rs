// SPDX-License-Identifier: GPL-3.0-or-later
//! Steps about the services of others, and what is to be forgotten once Tor has forgotten it.

use std::sync::Arc;

use tails_server_state::{ClientSecretKey, Farewell, OnionAddress, ServiceName, StoreError};

use super::Reactor;
use super::problems::unreadable;
use super::steps::StepEnd;
use crate::controller::desired::Desired;
use crate::controller::observed::Generation;
use crate::controller::ports::{CredentialError, Listening, Tor};
use crate::controller::status::{Outlook, Problem};
use crate::errors::with_causes;

impl<T: Tor, L: Listening> Reactor<T, L> {
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
            // Whoever knows the address can reach it.
            Ok(None) => {
                self.observed.busy.remove(&address);
                self.observed.credentials.insert(address);
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
                self.retries.forget(&address);
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
        if self.desired.owes(&farewell) {
            self.observed.busy.insert(*farewell.address());
            let store = Arc::clone(&self.store);
            self.steps.spawn_blocking(move || StepEnd::FarewellForgotten(farewell, store.forget_farewell(&farewell)));
        }
    }

    pub(super) fn farewell_forgotten(&mut self, farewell: Farewell, result: Result<(), StoreError>) {
        let address = *farewell.address();
        self.observed.busy.remove(&address);
        self.desired = Desired::of(&self.store);
        if let Err(cause) = result {
            // Then Tor is asked once more, after a pause.
            let problem =
                Problem { message: with_causes(&cause), hint: Some(cause.hint()), outlook: Outlook::Retrying };
            self.hold(address, cause.kind(), problem);
        }
    }
}
