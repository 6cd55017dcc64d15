// SPDX-License-Identifier: GPL-3.0-or-later
//! The loop's steps: how each begins, and what follows from its end.

use std::sync::Arc;

use tails_server_state::{ClientSecretKey, Farewell, OnionAddress, OnionKey, ServiceName, StoreError};
use tokio::task::JoinError;
use tracing::{debug, error, warn};

use super::hosting::ActEnd;
use super::problems::{not_added, not_removed, unreadable};
use super::{Reactor, store_problems};
use crate::controller::desired::Desired;
use crate::controller::observed::Generation;
use crate::controller::plan::Step;
use crate::controller::ports::{
    AddOnionError, CredentialError, Host, Listening, NewOnion, Recall, RemoveOnionError, Tor, Visitors,
};
use crate::controller::shape::{Audience, OnionShape};
use crate::controller::status::Problem;
use crate::controller::suspects::ends_connections;

/// After so many failed removals in a row the control connection is closed, which is certain to remove.
const REMOVALS: u32 = 3;

/// How a step ended.
#[derive(Debug)]
pub(super) enum StepEnd {
    /// The keys of services to add were read.
    Keys(Generation, Vec<(Expected, Result<OnionKey, StoreError>)>),
    Added(Generation, OnionAddress, Result<(), AddOnionError>),
    Removed(Generation, OnionAddress, Visitors, Result<(), RemoveOnionError>),
    /// The key for a service of somebody else was read; there may be none.
    Credential(Generation, OnionAddress, Result<Option<ClientSecretKey>, StoreError>),
    CredentialAdded(Generation, OnionAddress, Result<(), CredentialError>),
    CredentialRemoved(Generation, OnionAddress, Result<(), CredentialError>),
    /// It is remembered that Tor has nothing of it any more.
    FarewellForgotten(Farewell, Result<(), StoreError>),
    /// The host has done something, or not.
    Act(ActEnd),
    /// It is remembered no more that something is to be uninstalled.
    UninstallForgotten(ServiceName, Result<(), StoreError>),
}

/// A service that Tor is about to have, but for its key.
#[derive(Debug)]
pub(super) struct Expected {
    name: ServiceName,
    address: OnionAddress,
    shape: OnionShape,
    visitors: Visitors,
}

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    pub(super) fn start(&mut self, steps: Vec<Step>) {
        let generation = self.observed.tor.generation;
        let mut names = Vec::new();
        for step in steps {
            match step {
                Step::RemoveOnion(address, visitors) => self.remove_onion(generation, address, visitors),
                Step::SendAway(address) => {
                    self.observed.busy.insert(address);
                    let tor = Arc::clone(&self.tor);
                    self.steps.spawn(async move {
                        let result = tor.send_away(generation, address).await;
                        StepEnd::Removed(generation, address, Visitors::Leave, result)
                    });
                }
                Step::Heal(address) => {
                    let service = self.desired.name_of(&address).map_or("(removed)", ServiceName::as_str);
                    warn!(service, "not published as expected; giving it a new life in Tor");
                    self.observed.health.heal(address, self.observed.now);
                    self.remove_onion(generation, address, Visitors::Stay);
                }
                Step::AddOnion(name, visitors) => names.extend(self.expect_onion(name, visitors)),
                Step::Host(name, kind) => self.begin_act(name, kind),
                Step::AddCredential(name) => self.read_credential(generation, &name),
                Step::RemoveCredential(address) => {
                    self.observed.busy.insert(address);
                    let tor = Arc::clone(&self.tor);
                    self.steps.spawn(async move {
                        let result = tor.remove_credential(generation, address).await;
                        StepEnd::CredentialRemoved(generation, address, result)
                    });
                }
            }
        }
        if names.is_empty() {
            return;
        }
        // All keys in one blocking task: a task for each would start hundreds of threads after a boot.
        let store = Arc::clone(&self.store);
        self.steps.spawn_blocking(move || {
            let with_key = |expected: Expected| {
                let key = store.key(&expected.name);
                (expected, key)
            };
            StepEnd::Keys(generation, names.into_iter().map(with_key).collect())
        });
    }

    fn remove_onion(&mut self, generation: Generation, address: OnionAddress, visitors: Visitors) {
        self.observed.busy.insert(address);
        let tor = Arc::clone(&self.tor);
        self.steps.spawn(async move {
            let result = tor.remove_onion(generation, address, visitors).await;
            StepEnd::Removed(generation, address, visitors, result)
        });
    }

    /// Notes that Tor is about to have this service, before it is asked: an event must not overtake the reply.
    fn expect_onion(&mut self, name: ServiceName, visitors: Visitors) -> Option<Expected> {
        let service = self.desired.service(&name)?;
        let (address, shape) = (service.address, OnionShape::of(service));
        self.observed.expect_onion(address, shape.clone());
        Some(Expected { name, address, shape, visitors })
    }

    pub(super) fn steps_ended(&mut self, first: Result<StepEnd, JoinError>) -> bool {
        let mut next = Some(first);
        while let Some(end) = next {
            match end {
                Ok(end) => self.step_ended(end),
                Err(cause) => {
                    error!(%cause, "bug: a step died");
                    return false;
                }
            }
            next = self.steps.try_join_next();
        }
        true
    }

    fn step_ended(&mut self, end: StepEnd) {
        match end {
            StepEnd::Keys(generation, keys) => {
                // Reading a key may have mended a place, and closed what was in doubt there.
                self.desired = Desired::of(&self.store, &self.repertoire);
                self.store_problems = store_problems(&self.store);
                self.recall_unwanted();
                for (expected, key) in keys {
                    self.add_with_key(generation, expected, key);
                }
            }
            StepEnd::Added(generation, address, result) => {
                self.observed.busy.remove(&address);
                self.adding.remove(&address);
                match result {
                    // Whichever connection is up by now.
                    Err(cause @ AddOnionError::EndedConnection(_)) => self.ended_connection(address, &cause),
                    result if generation == self.observed.tor.generation => self.added(address, result),
                    Ok(()) | Err(_) => {}
                }
            }
            StepEnd::Removed(generation, address, visitors, result) => {
                self.observed.busy.remove(&address);
                if generation == self.observed.tor.generation {
                    self.removed(generation, address, visitors, result);
                }
            }
            StepEnd::Credential(generation, address, key) => self.credential_read(generation, address, key),
            StepEnd::CredentialAdded(generation, address, result) => {
                self.observed.busy.remove(&address);
                self.credential_added(generation, address, result);
            }
            StepEnd::CredentialRemoved(generation, address, result) => {
                self.observed.busy.remove(&address);
                self.credential_removed(generation, address, result);
            }
            StepEnd::UninstallForgotten(name, result) => self.uninstall_forgotten(name, result),
            StepEnd::FarewellForgotten(farewell, result) => self.farewell_forgotten(farewell, result),
            StepEnd::Act(end) => self.act_ended(end),
        }
    }

    fn add_with_key(&mut self, generation: Generation, expected: Expected, key: Result<OnionKey, StoreError>) {
        let Expected { name: _, address, shape, visitors } = expected;
        // A client may have been removed while the key was read.
        let still_wanted = generation == self.observed.tor.generation && self.is_wanted(&address, &shape);
        match key {
            Ok(key) if still_wanted => {
                let (tor, recall) = (Arc::clone(&self.tor), Recall::default());
                self.adding.insert(address, (shape.clone(), recall.clone()));
                let onion = NewOnion { key, address, shape, visitors, recall };
                self.steps
                    .spawn(async move { StepEnd::Added(generation, address, tor.add_onion(generation, onion).await) });
            }
            Ok(_) => self.never_added(generation, address),
            Err(cause) => {
                self.never_added(generation, address);
                if still_wanted {
                    self.hold(address, cause.kind(), unreadable(&cause));
                }
            }
        }
    }

    fn is_wanted(&self, address: &OnionAddress, shape: &OnionShape) -> bool {
        self.desired.wanted_at(address).is_some_and(|service| OnionShape::of(service) == *shape)
    }

    /// Takes back what is being added, and is not wanted like that any more: a removed client is not let in once more.
    pub(super) fn recall_unwanted(&self) {
        let unwanted = self.adding.iter().filter(|(address, (shape, _))| !self.is_wanted(address, shape));
        unwanted.for_each(|(_, (_, recall))| recall.recall());
    }

    fn never_added(&mut self, generation: Generation, address: OnionAddress) {
        self.observed.busy.remove(&address);
        if generation == self.observed.tor.generation {
            self.observed.onions.remove(&address);
        }
    }

    fn added(&mut self, address: OnionAddress, result: Result<(), AddOnionError>) {
        let Err(cause) = result else {
            self.retries.forget(&address);
            self.observed.suspects.acquit(&address);
            if let Some(onion) = self.observed.onions.get(&address) {
                self.observed.visitors.insert(address, onion.shape.audience.clone());
            }
            return;
        };
        self.observed.onions.remove(&address);
        match &cause {
            AddOnionError::Recalled => return,
            // They left with it.
            AddOnionError::OtherClients => drop(self.observed.visitors.insert(address, Audience::NOBODY)),
            // It may have been there for a moment, for those who are welcome now; or another one is, and nobody knows
            // whom that lets in.
            AddOnionError::Failed(_) | AddOnionError::Collision => drop(self.observed.visitors.remove(&address)),
            AddOnionError::ConnectionLost
            | AddOnionError::EndedConnection(_)
            | AddOnionError::Refused(_)
            | AddOnionError::Filtered
            | AddOnionError::NoProofOfWork => {}
        }
        let problem = not_added(&cause, self.desired.name_of(&address));
        self.hold(address, cause.kind(), problem);
    }

    /// The connection ended while this service was added: that is a fact, too, which voids what else is known. What is
    /// left is whether it will be tried again.
    fn ended_connection(&mut self, address: OnionAddress, cause: &AddOnionError) {
        if self.observed.suspects.accuse(address) {
            self.hold(address, cause.kind(), ends_connections(cause.to_string()));
        }
    }

    pub(super) fn removed(
        &mut self,
        generation: Generation,
        address: OnionAddress,
        visitors: Visitors,
        result: Result<(), RemoveOnionError>,
    ) {
        match result {
            Ok(()) => {
                self.observed.onions.remove(&address);
                match visitors {
                    Visitors::Leave => {
                        self.observed.visitors.insert(address, Audience::NOBODY);
                        self.forget_farewell(Farewell::Service(address));
                    }
                    Visitors::Stay => self.retries.forget(&address),
                }
            }
            Err(RemoveOnionError::ConnectionLost) => (),
            Err(cause @ RemoveOnionError::VisitorsStay(_)) => {
                self.keep_removing(&address, visitors);
                self.hold(address, "its visitors could not be sent away", not_removed(&cause));
            }
            Err(cause @ RemoveOnionError::Failed(_)) => {
                self.keep_removing(&address, visitors);
                let failures = self.hold(address, "Tor did not remove it", not_removed(&cause));
                // One whose server only restarts is not worth the connection of all others.
                if failures >= REMOVALS && self.has_to_go(&address) {
                    warn!("closing the control connection: Tor does not let a service go otherwise");
                    self.tor.disconnect(generation);
                }
            }
        }
    }

    /// Notes that a removal was begun. Tor may have the service no more, whatever it answered.
    fn keep_removing(&mut self, address: &OnionAddress, visitors: Visitors) {
        if let Some(onion) = self.observed.onions.get_mut(address) {
            // Those who had to leave have to, though somebody asked for less in the meantime.
            onion.leaving = onion.leaving.filter(|before| *before == Visitors::Leave).or(Some(visitors));
        }
    }

    /// Whether Tor may have a service that is not wanted, or that lets somebody in who is not.
    fn has_to_go(&self, address: &OnionAddress) -> bool {
        let onion = self.observed.onions.get(address);
        let let_in = onion.map_or_else(|| self.observed.visitors_at_most(address), |onion| &onion.shape.audience);
        self.desired.wanted_at(address).is_none_or(|service| !Audience::of(service).includes(let_in))
    }

    /// Puts an address on hold after a failure, until its time to try again or, if only a person can mend it, until a
    /// wish or the control connection changes. How many failures there were in a row.
    pub(super) fn hold(&mut self, address: OnionAddress, why: &'static str, problem: Problem) -> u32 {
        let service = self.desired.name_of(&address).map_or("(removed)", ServiceName::as_str);
        // The message may name a path or repeat Tor's words: only the sort of it is safe to paste.
        warn!(service, why, "a step failed");
        debug!(service, problem = %problem.message, "a step failed");
        let failures = self.retries.fail(address, problem.outlook);
        self.observed.held.insert(address, problem);
        failures
    }

    pub(super) fn release_held(&mut self) -> bool {
        for address in self.retries.take_due() {
            self.observed.held.remove(&address);
        }
        for name in self.host_retries.take_due() {
            self.observed.host.held.remove(&name);
        }
        true
    }
}
