// SPDX-License-Identifier: GPL-3.0-or-later
//! What the host is to do next: one act for a service at a time, and only when Tor is done with it.

use std::collections::BTreeSet;

use tails_server_state::{OnionAddress, ServiceName, Wish};

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
    let free = host.services.iter().filter(|(name, _)| {
        let address = desired.service(name).map(|service| &service.address);
        let is_open = address.is_some_and(|address| concerned.contains(address) || observed.busy.contains(address));
        !is_open && !host.busy.contains_key(*name) && !host.held.contains_key(*name)
    });
    free.filter_map(|(name, known)| {
        let act = next_act(desired, observed, name, known)?;
        Some(Step::Host(name.clone(), act))
    })
    .collect()
}

fn next_act(desired: &Desired, observed: &Observed, name: &ServiceName, known: &HostedFacts) -> Option<ActKind> {
    let told = &known.told;
    let service = desired.service(name);
    let wanted = service.filter(|service| service.wish == Wish::Enabled).and_then(|_| desired.intent(name));
    match wanted {
        Some(Intent::Hosted(_)) if !told.installed => Some(ActKind::Install),
        Some(Intent::Hosted(digest)) if told.applied != Applied::Wishes(*digest) => Some(ActKind::Apply),
        Some(Intent::Hosted(_)) if known.has_ended() && known.restart_at <= observed.now => Some(ActKind::Apply),
        Some(Intent::Hosted(_)) => None,
        Some(Intent::Unusable(_) | Intent::Ports) | None => {
            let is_in_tor = match service {
                Some(service) => observed.onions.contains_key(&service.address),
                // Forgotten, and with it which of those that nobody remembers it was.
                None => observed.onions.keys().chain(&observed.busy).any(|address| desired.name_of(address).is_none()),
            };
            // Closed first.
            if is_in_tor {
                None
            } else if told.applied != Applied::Nothing {
                Some(ActKind::Withdraw)
            } else if observed.host.uninstalling.contains(name) && told.installed {
                Some(ActKind::Uninstall)
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
