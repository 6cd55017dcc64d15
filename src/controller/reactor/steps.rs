// SPDX-License-Identifier: GPL-3.0-or-later
//! The loop's steps: how each begins, and what follows from its end.

use std::sync::Arc;

use tails_server_state::{OnionAddress, OnionKey, PortMap, ServiceName, StoreError};
use tokio::task::JoinError;
use tracing::{debug, error, warn};

use super::{Reactor, store_problems};
use crate::controller::observed::{Generation, OnionFacts};
use crate::controller::plan::Step;
use crate::controller::ports::{AddOnionError, Listening, NewOnion, RemoveOnionError, Tor};
use crate::controller::status::{Outlook, Problem};
use crate::errors::with_causes;

/// After so many failed removals in a row the control connection is closed, which is certain to remove.
const REMOVALS: u32 = 3;

/// How a step ended.
#[derive(Debug)]
pub(super) enum StepEnd {
    /// The keys of services to add were read.
    Keys(Generation, Vec<(OnionAddress, PortMap, Result<OnionKey, StoreError>)>),
    Added(Generation, OnionAddress, Result<(), AddOnionError>),
    Removed(Generation, OnionAddress, Result<(), RemoveOnionError>),
}

impl<T: Tor, L: Listening> Reactor<T, L> {
    pub(super) fn start(&mut self, steps: Vec<Step>) {
        let generation = self.observed.tor.generation;
        let mut names = Vec::new();
        for step in steps {
            match step {
                Step::RemoveOnion(address) => {
                    self.observed.busy.insert(address);
                    let tor = Arc::clone(&self.tor);
                    self.steps.spawn(async move {
                        StepEnd::Removed(generation, address, tor.remove_onion(generation, address).await)
                    });
                }
                Step::AddOnion(name) => names.extend(self.expect_onion(name)),
            }
        }
        if names.is_empty() {
            return;
        }
        // All keys in one blocking task: a task for each would start hundreds of threads after a boot.
        let store = Arc::clone(&self.store);
        self.steps.spawn_blocking(move || {
            let with_key = |(name, address, ports): (ServiceName, _, _)| (address, ports, store.key(&name));
            StepEnd::Keys(generation, names.into_iter().map(with_key).collect())
        });
    }

    /// Notes that Tor is about to have this service, before it is asked: an event must not overtake the reply.
    fn expect_onion(&mut self, name: ServiceName) -> Option<(ServiceName, OnionAddress, PortMap)> {
        let service = self.desired.service(&name)?;
        let (address, ports) = (service.address, service.record.ports().clone());
        self.observed.busy.insert(address);
        let facts = OnionFacts { ports: ports.clone(), publication: None };
        self.observed.onions.insert(address, facts);
        Some((name, address, ports))
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
                self.desired = self.store.services().into_iter().collect();
                self.store_problems = store_problems(&self.store);
                for (address, ports, key) in keys {
                    self.add_with_key(generation, address, ports, key);
                }
            }
            StepEnd::Added(generation, address, result) => {
                self.observed.busy.remove(&address);
                if generation == self.observed.tor.generation {
                    self.added(address, result);
                }
            }
            StepEnd::Removed(generation, address, result) => {
                self.observed.busy.remove(&address);
                if generation == self.observed.tor.generation {
                    self.removed(generation, address, result);
                }
            }
        }
    }

    fn add_with_key(
        &mut self,
        generation: Generation,
        address: OnionAddress,
        ports: PortMap,
        key: Result<OnionKey, StoreError>,
    ) {
        let still_wanted = self.desired.wanted_at(&address).is_some() && generation == self.observed.tor.generation;
        match key {
            Ok(key) if still_wanted => {
                let tor = Arc::clone(&self.tor);
                let onion = NewOnion { key, address, ports };
                self.steps
                    .spawn(async move { StepEnd::Added(generation, address, tor.add_onion(generation, onion).await) });
            }
            Ok(_) => self.never_added(generation, address),
            Err(cause) => {
                self.never_added(generation, address);
                if still_wanted {
                    let hint = Some(cause.hint());
                    let problem = Problem { message: with_causes(&cause), hint, outlook: outlook(&cause) };
                    self.hold(address, cause.kind(), problem);
                }
            }
        }
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
            return;
        };
        self.observed.onions.remove(&address);
        let (outlook, hint) = match &cause {
            // That the connection is lost comes as a fact, too, and voids this; trying before would only spin.
            AddOnionError::ConnectionLost => (Outlook::Retrying, None),
            AddOnionError::Refused(_) => {
                let hint = "A filter in front of Tor's control port may need the profile of Tails Server";
                (Outlook::Lasting, Some(hint.to_owned()))
            }
            AddOnionError::Failed(_) => (Outlook::Retrying, None),
            AddOnionError::Collision => {
                let hint = "If it does not pass within a minute, end the other program that publishes this key";
                (Outlook::Retrying, Some(hint.to_owned()))
            }
        };
        self.hold(address, cause.kind(), Problem { message: cause.to_string(), hint, outlook });
    }

    fn removed(&mut self, generation: Generation, address: OnionAddress, result: Result<(), RemoveOnionError>) {
        match result {
            Ok(()) => {
                self.retries.forget(&address);
                self.observed.onions.remove(&address);
            }
            Err(RemoveOnionError::ConnectionLost) => (),
            Err(cause @ RemoveOnionError::Failed(_)) => {
                let hint = Some("Ending the controller withdraws everything it has published".to_owned());
                let problem = Problem { message: cause.to_string(), hint, outlook: Outlook::Retrying };
                let failures = self.hold(address, "Tor did not remove it", problem);
                // One whose server only restarts is not worth the connection of all others.
                if failures >= REMOVALS && self.desired.wanted_at(&address).is_none() {
                    warn!("closing the control connection: Tor does not let a service go otherwise");
                    self.tor.disconnect(generation);
                }
            }
        }
    }

    /// Puts an address on hold after a failure, until its time to try again or, if only a person can mend it, until a
    /// wish or the control connection changes. How many failures there were in a row.
    fn hold(&mut self, address: OnionAddress, why: &'static str, problem: Problem) -> u32 {
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
        true
    }
}

/// Whether time can mend what is wrong with the store.
fn outlook(cause: &StoreError) -> Outlook {
    let lasting = matches!(
        cause,
        StoreError::Damaged { .. }
            | StoreError::Crowded { .. }
            | StoreError::TooNew { .. }
            | StoreError::Unknown { .. }
    );
    if lasting { Outlook::Lasting } else { Outlook::Retrying }
}
