// SPDX-License-Identifier: GPL-3.0-or-later
//! What to do next: a pure function of wishes and facts.

mod host;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use tails_server_state::{Autostart, Farewell, OnionAddress, ServiceName, StoredService, Uninstall, Wish};

use crate::controller::desired::Desired;
use crate::controller::observed::{Observed, OnionFacts};
use crate::controller::ports::{ActKind, Visitors};
use crate::controller::repertoire::Intent;
use crate::controller::shape::{Audience, OnionShape};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add this service to Tor.
    AddOnion(ServiceName, Visitors),
    /// Remove the service with this address from Tor.
    RemoveOnion(OnionAddress, Visitors),
    /// Send away the visitors of a service that Tor does not have from us.
    SendAway(OnionAddress),
    /// Remove the service with this address from Tor, to be added again: it does not get published as it is.
    Heal(OnionAddress),
    /// Give Tor the key for a service of somebody else.
    AddCredential(ServiceName),
    /// Have Tor forget the key for the service of somebody else with this address.
    RemoveCredential(OnionAddress),
    /// Have the host do something for this service.
    Host(ServiceName, ActKind),
}

/// The steps that lead from the facts towards the wishes, those that close something first.
///
/// Total: any wishes with any facts have a plan, and where nothing is to be done it is empty. Steps that wait for
/// something (Tor, a listener, the end of another step, room in the window) are not in it; they come once that fact is
/// there.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let mut steps = if observed.tor.is_connected() { plan_tor(desired, observed) } else { Vec::new() };
    steps.extend(host::plan_host(desired, observed, &steps));
    steps
}

fn plan_tor(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let mut steps = plan_removals(desired, observed);
    let removed = steps.iter().filter_map(Step::removes).collect();
    let additions = if observed.tor.is_bootstrapped() { plan_additions(desired, observed) } else { Vec::new() };
    let healing = plan_healing(observed, &removed, additions.len());
    steps.extend(plan_farewells(desired, observed, &additions));
    steps.extend(
        additions
            .into_iter()
            .map(|service| Step::AddOnion(service.record.name().clone(), visitors_before(service, observed))),
    );
    steps.extend(healing);
    steps.extend(plan_credentials(desired, observed));
    steps
}

impl Step {
    /// The service that it removes from Tor because it is not wanted as it is.
    fn removes(&self) -> Option<OnionAddress> {
        match self {
            Self::RemoveOnion(address, _) => Some(*address),
            Self::AddOnion(..)
            | Self::SendAway(_)
            | Self::Heal(_)
            | Self::AddCredential(_)
            | Self::RemoveCredential(_)
            | Self::Host(..) => None,
        }
    }

    /// The service of ours in Tor that it is about.
    fn address(&self, desired: &Desired) -> Option<OnionAddress> {
        match self {
            Self::AddOnion(name, _) => desired.service(name).map(|service| service.address),
            Self::RemoveOnion(address, _) | Self::SendAway(address) | Self::Heal(address) => Some(*address),
            Self::AddCredential(_) | Self::RemoveCredential(_) | Self::Host(..) => None,
        }
    }
}

/// Whether nothing is under way for this address, nor waits for its time to be tried again.
fn is_free(address: &OnionAddress, observed: &Observed) -> bool {
    !observed.busy.contains(address) && !observed.held.contains_key(address)
}

/// What Tor has and should not have, or not so.
fn plan_removals(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let free = observed.onions.iter().filter(|(address, _)| is_free(address, observed));
    free.filter_map(|(address, onion)| {
        let visitors = why_to_remove(desired, address, onion, observed)?;
        Some(Step::RemoveOnion(*address, visitors))
    })
    .collect()
}

/// The services that Tor is given next: as many as there is room for in the window.
fn plan_additions<'a>(desired: &'a Desired, observed: &Observed) -> Vec<&'a StoredService> {
    let room = observed.window.size().saturating_sub(observed.on_their_way());
    let mut missing: Vec<_> = desired
        .services()
        .map(|(_, service)| service)
        .filter(|service| service.wish == Wish::Enabled && !observed.onions.contains_key(&service.address))
        .filter(|service| Audience::of(service).is_anybody() && is_ready(desired, service, observed))
        .filter(|service| is_free(&service.address, observed))
        .collect();
    // What is to be there after every boot, then what was asked for last.
    missing.sort_by_key(|service| (service.record.autostart() != Autostart::On, Reverse(service.enabled_at)));
    missing.truncate(room);
    with_care(missing, observed)
}

/// Those of them that can be added in one breath. One that a connection ended on is added alone: should the next end with
/// it, too, nobody else is in question.
fn with_care<'a>(mut missing: Vec<&'a StoredService>, observed: &Observed) -> Vec<&'a StoredService> {
    let is_suspect = |address: &OnionAddress| observed.suspects.contains(address);
    if observed.busy.iter().any(is_suspect) {
        missing.clear();
    } else if missing.iter().any(|service| !is_suspect(&service.address)) {
        missing.retain(|service| !is_suspect(&service.address));
    } else {
        missing.truncate(usize::from(observed.busy.is_empty()));
    }
    missing
}

/// The services that get a new life, in what the additions leave of the window.
fn plan_healing(observed: &Observed, removed: &BTreeSet<OnionAddress>, additions: usize) -> Vec<Step> {
    if !observed.tor.is_bootstrapped() {
        return Vec::new();
    }
    let room = observed.window.size().saturating_sub(observed.on_their_way() + additions);
    let wedged = observed.onions.keys().filter(|address| observed.is_wedged(address) && is_free(address, observed));
    wedged.filter(|address| !removed.contains(*address)).take(room).map(|address| Step::Heal(*address)).collect()
}

/// Those to send away of whom Tor may still have visitors from an earlier control connection, perhaps because it ended
/// when they were to be sent away: also those of services that are forgotten. Adding a service sends them away, too.
fn plan_farewells(desired: &Desired, observed: &Observed, additions: &[&StoredService]) -> Vec<Step> {
    let absent = desired.services().map(|(_, service)| service).filter(|service| {
        !observed.onions.contains_key(&service.address)
            && is_free(&service.address, observed)
            && !additions.iter().any(|added| added.address == service.address)
    });
    let unwelcome = absent.filter(|service| visitors_before(service, observed) == Visitors::Leave);
    let forgotten = desired.farewells().filter_map(|farewell| match farewell {
        Farewell::Service(address) => Some(*address),
        Farewell::Joined(_) => None,
    });
    let forgotten = forgotten.filter(|address| !observed.onions.contains_key(address) && is_free(address, observed));
    let leaving = unwelcome.map(|service| service.address).chain(forgotten);
    // Nothing is removed: what Tor has at such an address belongs to another program, which has the same key.
    leaving.map(Step::SendAway).collect()
}

/// Whether a service has to leave Tor, and its visitors with it.
fn why_to_remove(
    desired: &Desired,
    address: &OnionAddress,
    onion: &OnionFacts,
    observed: &Observed,
) -> Option<Visitors> {
    let Some(service) = desired.wanted_at(address) else { return Some(Visitors::Leave) };
    let wish = OnionShape::of(service);
    if !wish.audience.includes(&onion.shape.audience) {
        Some(Visitors::Leave)
    } else if !is_backed(desired, service, observed) {
        onion.leaving.or(Some(Visitors::Stay))
    } else if wish != onion.shape {
        // Circuits that are closed before their first hop answered are the guard's fault to Tor: it takes another guard
        // for the next life of the service (circuit_build_failed). That is a danger in itself, and once Tor is back at
        // the first guard, it may never tell the other one of circuits that it closes (circuitmux_append_destroy_cell):
        // visitors with the descriptor of before would ask at dead introduction points for hours. Whoever is only to be
        // let in besides can wait for a moment.
        let can_wait = wish.only_lets_in_more_than(&onion.shape) && observed.is_setting_out(address);
        onion.leaving.or((!can_wait).then_some(Visitors::Stay))
    } else {
        // What was begun is finished, whatever is wished meanwhile: nobody knows whether Tor still has it.
        onion.leaving
    }
}

/// Whether those may stay who are connected from an earlier life of a service: only if it is known that all of them are
/// still welcome.
fn visitors_before(service: &StoredService, observed: &Observed) -> Visitors {
    let wish = welcome(service);
    if wish.includes(observed.visitors_at_most(&service.address)) { Visitors::Stay } else { Visitors::Leave }
}

/// Who may be connected to a service.
pub(crate) fn welcome(service: &StoredService) -> Audience {
    match service.wish {
        Wish::Enabled => Audience::of(service),
        Wish::Disabled => Audience::NOBODY,
    }
}

fn plan_credentials(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let is_joined = |address: &&OnionAddress| desired.joined().any(|(_, joined)| joined.address == **address);
    let forgotten = desired.farewells().filter_map(|farewell| match farewell {
        Farewell::Service(_) => None,
        Farewell::Joined(address) => Some(address),
    });
    let gone: BTreeSet<&OnionAddress> =
        observed.ever_joined.iter().filter(|address| !is_joined(address)).chain(forgotten).collect();
    let new = desired.joined().filter(|(_, joined)| !observed.credentials.contains(&joined.address));
    let removing = gone.into_iter().filter(|address| is_free(address, observed));
    let adding = new.filter(|(_, joined)| is_free(&joined.address, observed));
    let removing = removing.map(|address| Step::RemoveCredential(*address));
    removing.chain(adding.map(|(name, _)| Step::AddCredential(name.clone()))).collect()
}

/// Whether somebody listens on every target of the service, and it is who should. While its server is given other options
/// it may stay in Tor; what is not known to be confined and configured by us, for the descriptor that it has, may not.
pub(crate) fn is_backed(desired: &Desired, service: &StoredService, observed: &Observed) -> bool {
    let name = service.record.name();
    let targets = || service.record.ports().iter().map(|mapping| &mapping.target);
    let is_its_server = match desired.intent(name) {
        None => true,
        // Its descriptor was another one, and the server that it had then may be up.
        Some(Intent::Ports) => !observed.host.is_applied(name),
        Some(Intent::Hosted(wished)) => {
            // What another service of its name had is gone first. And a server whose port was taken before it started may
            // run all the same.
            let is_anothers = desired.uninstall(name) == Some(Uninstall::Removed);
            let is_taken = targets().any(|target| observed.listeners.of_people.contains(target));
            let has_failed = observed.host.failed.contains_key(name);
            observed.host.runs(name, &wished.descriptor) && !has_failed && !is_anothers && !is_taken
        }
        Some(Intent::Unusable(_)) => false,
    };
    is_its_server && targets().all(|target| observed.listeners.found.contains(target))
}

/// Whether it can be given to Tor: all of it is as it is wished.
pub(crate) fn is_ready(desired: &Desired, service: &StoredService, observed: &Observed) -> bool {
    let name = service.record.name();
    let is_as_wished = match desired.intent(name) {
        None | Some(Intent::Ports | Intent::Unusable(_)) => true,
        Some(Intent::Hosted(wished)) => observed.host.runs_as(name, wished),
    };
    is_as_wished && is_backed(desired, service, observed)
}

#[cfg(test)]
mod tests;
