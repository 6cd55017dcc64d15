// SPDX-License-Identifier: GPL-3.0-or-later
//! What is to be uninstalled: who waits for it, and how it is forgotten once it is done.

use std::sync::Arc;

use tails_server_state::{ServiceName, StoreError, Uninstall, Wish};
use tokio::sync::oneshot;

use super::Reactor;
use super::steps::StepEnd;
use crate::controller::desired::Desired;
use crate::controller::error::RequestError;
use crate::controller::hosted::HostConnection;
use crate::controller::ports::{ActKind, Host, HostError, Listening, Tor};
use crate::errors::with_causes;

/// Who waits until a service is uninstalled.
pub(super) type Uninstalled = oneshot::Sender<Result<(), RequestError>>;

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    /// Answers once what is remembered to be uninstalled is.
    pub(super) fn await_uninstall(&mut self, name: ServiceName, reply: Uninstalled) {
        self.uninstalls.entry(name).or_default().push(reply);
    }

    /// Forgets what was taken back, and answers those who wait for what is not going to happen, or not soon.
    pub(super) fn review_uninstalls(&mut self) {
        let asked = self.desired.uninstalls().filter(|(_, uninstall)| *uninstall == Uninstall::Asked);
        let taken_back: Vec<_> = asked.map(|(name, _)| name.clone()).filter(|name| self.is_enabled(name)).collect();
        for name in taken_back {
            let is_free = !self.observed.host.busy.contains_key(&name) && !self.observed.host.held.contains_key(&name);
            if is_free {
                // Enabling it does that as well. Whatever else did enable it, nothing may be deleted when it is disabled.
                self.answer_uninstall(&name, || Err(RequestError::StillEnabled(name.clone())));
                self.forget_uninstall(name);
            }
        }
        let waited_for: Vec<_> = self.uninstalls.keys().cloned().collect();
        for name in waited_for {
            if self.observed.host.busy.get(&name) == Some(&ActKind::Uninstall) {
                // Its end is the answer.
                continue;
            }
            if self.desired.uninstall(&name).is_none() {
                let is_enabled = self.is_enabled(&name);
                self.answer_uninstall(&name, || {
                    if is_enabled { Err(RequestError::StillEnabled(name.clone())) } else { Ok(()) }
                });
            } else if matches!(self.observed.host.connection, HostConnection::Lost(_)) {
                self.answer_uninstall(&name, || Err(RequestError::Postponed(name.clone())));
            }
        }
    }

    fn is_enabled(&self, name: &ServiceName) -> bool {
        self.desired.service(name).is_some_and(|service| service.wish == Wish::Enabled)
    }

    /// It is done, or was taken back: that is made durable.
    pub(super) fn forget_uninstall(&mut self, name: ServiceName) {
        // Until that is known nothing else is done for it.
        self.observed.host.busy.insert(name.clone(), ActKind::Uninstall);
        let store = Arc::clone(&self.store);
        self.steps.spawn_blocking(move || {
            let result = store.forget_uninstall(&name);
            StepEnd::UninstallForgotten(name, result)
        });
    }

    pub(super) fn uninstall_forgotten(&mut self, name: ServiceName, result: Result<(), StoreError>) {
        self.observed.host.busy.remove(&name);
        self.desired = Desired::of(&self.store, &self.repertoire);
        match result {
            Ok(()) => {
                self.host_retries.forget(&name);
                self.answer_uninstall(&name, || Ok(()));
            }
            Err(cause) => {
                // Then it is uninstalled once more, after a pause: that changes nothing.
                let told = HostError::Failed { message: with_causes(&cause), hint: Some(cause.hint()) };
                self.hold_act(name.clone(), ActKind::Uninstall, &told);
                self.answer_uninstall(&name, || Err(RequestError::Store(cause.clone())));
            }
        }
    }

    pub(super) fn uninstall_failed(&mut self, name: &ServiceName, cause: &HostError) {
        self.answer_uninstall(name, || Err(RequestError::Host { name: name.clone(), cause: cause.clone() }));
    }

    fn answer_uninstall(&mut self, name: &ServiceName, answer: impl Fn() -> Result<(), RequestError>) {
        for reply in self.uninstalls.remove(name).into_iter().flatten() {
            // Who asked may have gone.
            drop(reply.send(answer()));
        }
    }
}
