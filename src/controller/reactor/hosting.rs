// SPDX-License-Identifier: GPL-3.0-or-later
//! Steps of the host: how each begins, and what follows from its end.

use std::sync::Arc;
use std::time::Duration;

use tails_server_state::{ServiceName, Wish};
use tracing::{debug, warn};

use super::Reactor;
use super::steps::StepEnd;
use crate::controller::observed::Generation;
use crate::controller::ports::{ActKind, Applied, Digests, Host, HostAct, HostError, Listening, Tor};
use crate::controller::remember;
use crate::controller::repertoire::Intent;
use crate::controller::status::{Outlook, Problem};

/// The first wait after an act failed: what another program holds, such as apt's lock, is free some seconds later.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(2);
/// The longest wait: a network that is back should be noticed soon enough.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// After so many failures in a row only a person can mend a configuration. An installation may wait for a network.
const HOPELESS: u32 = 5;

/// How an act began, and so what its end means.
#[derive(Debug)]
pub(super) struct ActEnd {
    generation: Generation,
    name: ServiceName,
    kind: ActKind,
    /// What was to be in force afterwards.
    digests: Option<Digests>,
    result: Result<(), HostError>,
}

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    pub(super) fn begin_act(&mut self, name: ServiceName, kind: ActKind) {
        let generation = self.observed.host.generation;
        self.observed.host.act_begins(&name, kind);
        let host = Arc::clone(&self.host);
        let (store, repertoire) = (Arc::clone(&self.store), Arc::clone(&self.repertoire));
        self.steps.spawn(async move {
            let act = match kind {
                ActKind::Install => Ok(HostAct::Install),
                ActKind::Withdraw => Ok(HostAct::Withdraw),
                ActKind::Uninstall => Ok(HostAct::Uninstall),
                // There are secrets in the wishes: they are rendered when they are needed, and not before.
                ActKind::Apply => {
                    let of = name.clone();
                    let rendering = tokio::task::spawn_blocking(move || remember::wishes(&store, &repertoire, &of));
                    match rendering.await {
                        Ok(Ok(wishes)) => Ok(HostAct::Apply(wishes)),
                        Ok(Err(cause)) => Err(HostError::Failed { message: cause.to_string(), hint: cause.hint() }),
                        Err(_) => Err(HostError::Failed { message: "bug: the rendering died".to_owned(), hint: None }),
                    }
                }
            };
            let digests = match &act {
                Ok(HostAct::Apply(wishes)) => Some(wishes.digests()),
                Ok(HostAct::Install | HostAct::Withdraw | HostAct::Uninstall) | Err(_) => None,
            };
            let result = match act {
                Ok(act) => host.carry_out(generation, name.clone(), act).await,
                Err(cause) => Err(cause),
            };
            StepEnd::Act(ActEnd { generation, name, kind, digests, result })
        });
    }

    pub(super) fn act_ended(&mut self, end: ActEnd) {
        let ActEnd { generation, name, kind, digests, result } = end;
        self.observed.host.act_ended(&name, kind, self.observed.now);
        if generation != self.observed.host.generation {
            return;
        }
        let result = result.and_then(|()| self.has_come_about(&name, kind, digests));
        match &result {
            Ok(()) if kind == ActKind::Uninstall => self.forget_uninstall(name),
            Ok(()) => self.host_retries.forget(&name),
            // Where the connection is lost, that comes as a fact, too, and voids this.
            Err(cause) => {
                self.hold_act(name.clone(), kind, cause);
                if kind == ActKind::Install && !matches!(cause, HostError::ConnectionLost) {
                    self.install_failed(&name, cause.clone());
                }
                if kind == ActKind::Uninstall && !matches!(cause, HostError::ConnectionLost) {
                    self.uninstall_failed(&name, cause);
                }
            }
        }
    }

    /// Whether the facts say that an act that succeeded has done what it is for. Trying again at once would only spin.
    fn has_come_about(&self, name: &ServiceName, kind: ActKind, digests: Option<Digests>) -> Result<(), HostError> {
        let Some(known) = self.observed.host.services.get(name) else {
            // Of what has no descriptor any more nobody tells anything, and nothing is done but this.
            return if kind == ActKind::Uninstall { Ok(()) } else { Err(HostError::ConnectionLost) };
        };
        let told = &known.told;
        let is_so = match kind {
            ActKind::Install => told.installed,
            ActKind::Apply => digests.is_none_or(|digests| told.applied == Applied::Wishes(digests)),
            // Packages that were there before us stay, so what is installed says nothing of it.
            ActKind::Withdraw | ActKind::Uninstall => told.applied == Applied::Nothing,
        };
        if is_so {
            return Ok(());
        }
        let message = format!("the system's helper said that it was done ({}), and it is not", kind.as_str());
        Err(HostError::Failed { message, hint: None })
    }

    pub(super) fn hold_act(&mut self, name: ServiceName, kind: ActKind, cause: &HostError) {
        // The message may name a path: only the sort of it is safe to paste.
        warn!(service = %name, act = kind.as_str(), "an act of the host failed");
        debug!(service = %name, problem = %cause, "an act of the host failed");
        let failures = self.host_retries.fail(name.clone(), Outlook::Retrying);
        let hint = match cause {
            HostError::Failed { hint, .. } => hint.clone(),
            HostError::Refused { .. } => Some("See whether Tails Server is installed as a whole".to_owned()),
            HostError::ConnectionLost => None,
        };
        let is_clearing = matches!(kind, ActKind::Withdraw | ActKind::Uninstall);
        let is_lasting = match kind {
            ActKind::Apply => failures >= HOPELESS,
            // An installation may wait for a network; what is to be closed is tried until it is.
            ActKind::Install | ActKind::Withdraw | ActKind::Uninstall => false,
        };
        let problem = |outlook| Problem { message: cause.to_string(), hint, outlook };
        if is_lasting || matches!(cause, HostError::Refused { .. }) && !is_clearing {
            // What is in force of it is withdrawn next, with retries of its own.
            self.host_retries.forget(&name);
            self.observed.host.failed.insert(name, problem(Outlook::Lasting));
        } else {
            self.observed.host.held.insert(name, problem(Outlook::Retrying));
        }
    }

    /// A person asked for something about this service: whatever failed before is worth another try at once.
    pub(super) fn pardon_act(&mut self, name: &ServiceName) {
        self.observed.host.pardon(name, self.observed.now);
        self.host_retries.forget(name);
    }

    /// Whether nothing is wanted of the host any more that it was held for: a service that failed and is not wanted any
    /// more has to be withdrawn at once.
    pub(super) fn release_unwanted(&mut self) {
        let unwanted = |name: &ServiceName| {
            let is_hosted = matches!(self.desired.intent(name), Some(Intent::Hosted(_)));
            !is_hosted || self.desired.service(name).is_none_or(|service| service.wish == Wish::Disabled)
        };
        let released: Vec<_> = self.observed.host.failed.keys().filter(|name| unwanted(name)).cloned().collect();
        released.iter().for_each(|name| self.pardon_act(name));
    }
}
