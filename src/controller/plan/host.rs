// SPDX-License-Identifier: GPL-3.0-or-later
//! What the host is to do next: one act for a service at a time, and only when Tor is done with it.

use std::collections::BTreeSet;

use tails_server_state::{OnionAddress, ServiceName, Uninstall, Wish};

use super::Step;
use crate::controller::desired::Desired;
use crate::controller::hosted::HostedFacts;
use crate::controller::observed::Observed;
use crate::controller::ports::{ActKind, Applied};
use crate::controller::repertoire::Intent;

/// The acts that lead from the facts towards the wishes, for those services that no step of `before` is about: what is
/// closed in Tor is closed there first.
pub(super) fn plan_host(desired: &Desired, observed: &Observed, before: &[Step]) -> Vec<Step> {
    let host = &observed.host;
    if !host.is_up() {
        return Vec::new();
    }
    let concerned: BTreeSet<OnionAddress> = before.iter().filter_map(|step| step.address(desired)).collect();
    let is_free = |name: &ServiceName| {
        let address = desired.service(name).map(|service| &service.address);
        let is_open = address.is_some_and(|address| concerned.contains(address) || observed.busy.contains(address));
        !is_open && !host.busy.contains_key(name) && !host.held.contains_key(name)
    };
    let known = host.services.iter().filter(|(name, _)| is_free(name));
    let known = known.filter_map(|(name, known)| {
        let act = next_act(desired, observed, name, known)?;
        Some(Step::Host(name.clone(), act))
    });
    // The host tells nothing of what has no descriptor any more.
    let unknown = desired.uninstalls().map(|(name, _)| name).filter(|name| {
        let is_told_of = desired.repertoire().find(name).is_ok() || host.services.contains_key(*name);
        !is_told_of && is_free(name) && owes_uninstall(desired, name) && !is_in_tor(desired, observed, name)
    });
    let unknown = unknown.map(|name| Step::Host(name.clone(), ActKind::Uninstall));
    known.chain(unknown).collect()
}

fn next_act(desired: &Desired, observed: &Observed, name: &ServiceName, known: &HostedFacts) -> Option<ActKind> {
    let told = &known.told;
    // What another service of its name had goes before anything is installed for this one.
    let service = desired.service(name).filter(|_| desired.uninstall(name) != Some(Uninstall::Removed));
    let has_failed = observed.host.failed.contains_key(name);
    // What could not be configured is not left running as it was before: nobody wishes that.
    let wanted = service.filter(|service| service.wish == Wish::Enabled && !has_failed);
    let wanted = wanted.and_then(|_| desired.intent(name));
    match wanted {
        Some(Intent::Hosted(_)) if !told.installed => Some(ActKind::Install),
        Some(Intent::Hosted(wished)) if told.applied != Applied::Wishes(*wished) => Some(ActKind::Apply),
        Some(Intent::Hosted(_)) if known.has_ended() && known.restart_at <= observed.now => Some(ActKind::Apply),
        Some(Intent::Hosted(_)) => None,
        Some(Intent::Unusable(_) | Intent::Ports) | None => {
            // Closed first.
            if is_in_tor(desired, observed, name) {
                None
            } else if told.applied != Applied::Nothing {
                Some(ActKind::Withdraw)
            } else if owes_uninstall(desired, name) {
                // Whatever is installed: data outlive the packages.
                Some(ActKind::Uninstall)
            } else if observed.host.installs.contains(name) && !told.installed {
                Some(ActKind::Install)
            } else {
                None
            }
        }
    }
}

/// Whether it is to be uninstalled. What was only asked for is not while the service is enabled, whether it can run or not.
fn owes_uninstall(desired: &Desired, name: &ServiceName) -> bool {
    match desired.uninstall(name) {
        Some(Uninstall::Removed) => true,
        Some(Uninstall::Asked) => desired.service(name).is_none_or(|service| service.wish == Wish::Disabled),
        None => false,
    }
}

/// Whether Tor may have the service, or the one of its name that was removed.
fn is_in_tor(desired: &Desired, observed: &Observed, name: &ServiceName) -> bool {
    let service = desired.service(name);
    let is_added = service.is_some_and(|service| observed.onions.contains_key(&service.address));
    // Forgotten, and with it which of those that nobody remembers it was.
    let is_forgotten = service.is_none() || desired.uninstall(name) == Some(Uninstall::Removed);
    let mut nameless =
        observed.onions.keys().chain(&observed.busy).filter(|address| desired.name_of(address).is_none());
    is_added || is_forgotten && nameless.next().is_some()
}

#[cfg(test)]
mod tests;
