// SPDX-License-Identifier: GPL-3.0-or-later
//! Each step in words: what it does, and why it is in the plan.

use tails_server_state::{OnionAddress, ServiceName, Wish};

use crate::controller::desired::Desired;
use crate::controller::observed::Observed;
use crate::controller::plan::{Step, is_backed};
use crate::controller::ports::{ActKind, Applied, Visitors};
use crate::controller::shape::OnionShape;

/// What a step is about: while that is busy, it is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller) enum Subject {
    Tor(OnionAddress),
    Host(ServiceName),
}

impl Subject {
    pub(in crate::controller) fn of(step: &Step, desired: &Desired) -> Option<Self> {
        match step {
            Step::AddOnion(name, _) => desired.service(name).map(|service| Self::Tor(service.address)),
            Step::AddCredential(name) => desired.joined_as(name).map(|joined| Self::Tor(joined.address)),
            Step::RemoveOnion(address, _)
            | Step::SendAway(address)
            | Step::Heal(address)
            | Step::RemoveCredential(address) => Some(Self::Tor(*address)),
            Step::Host(name, _) => Some(Self::Host(name.clone())),
        }
    }

    pub(in crate::controller) fn is_busy(&self, observed: &Observed) -> bool {
        match self {
            Self::Tor(address) => observed.busy.contains(address),
            Self::Host(name) => observed.host.busy.contains_key(name),
        }
    }
}

/// The service, the word for the step, what it does, and why.
pub(super) fn words(
    step: &Step,
    desired: &Desired,
    observed: &Observed,
) -> (Option<ServiceName>, &'static str, String, String) {
    let named = |address: &OnionAddress| desired.name_of(address).cloned();
    match step {
        Step::AddOnion(name, visitors) => {
            let why = "it is enabled, somebody listens on its target, Tor is ready, and Tor does not have it yet";
            (Some(name.clone()), "add-to-tor", with(*visitors, "add it to Tor"), why.to_owned())
        }
        Step::RemoveOnion(address, visitors) => {
            let what = with(*visitors, "take it from Tor");
            (named(address), "remove-from-tor", what, why_removed(address, desired, observed))
        }
        Step::SendAway(address) => {
            let why = "Tor may still have visitors of it, from before the control connection began";
            (named(address), "send-visitors-away", "send away whoever is connected".to_owned(), why.to_owned())
        }
        Step::Heal(address) => {
            let why = "Tor has it for long, and its descriptor is not where visitors look for it";
            (named(address), "renew-in-tor", "take it from Tor, and add it again".to_owned(), why.to_owned())
        }
        Step::AddCredential(name) => {
            let why = "it was joined, and Tor does not have the key for it yet";
            (Some(name.clone()), "give-key", "give Tor the key for it".to_owned(), why.to_owned())
        }
        Step::RemoveCredential(_) => {
            let why = "a service was left, and Tor may still have the key for it";
            (None, "take-key", "have Tor forget a key".to_owned(), why.to_owned())
        }
        Step::Host(name, kind) => {
            let what = match kind {
                ActKind::Install => "install its server",
                ActKind::Apply => "configure, confine and start its server",
                ActKind::Withdraw => "stop its server, and undo what was configured for it",
                ActKind::Uninstall => "delete its data, and what was installed for it",
            };
            (Some(name.clone()), kind.as_str(), what.to_owned(), why_act(name, *kind, desired, observed).to_owned())
        }
    }
}

fn with(visitors: Visitors, what: &str) -> String {
    match visitors {
        Visitors::Stay => what.to_owned(),
        Visitors::Leave => format!("{what}, and send away whoever is connected"),
    }
}

/// In the order of `why_to_remove`, which decides.
fn why_removed(address: &OnionAddress, desired: &Desired, observed: &Observed) -> String {
    let Some(name) = desired.name_of(address) else { return "it was removed".to_owned() };
    let Some(service) = desired.wanted_at(address) else { return "it is disabled".to_owned() };
    let Some(onion) = observed.onions.get(address) else { return format!("nobody knows why \"{name}\" is to go") };
    let wish = OnionShape::of(service);
    if !wish.audience.includes(&onion.shape.audience) {
        "Tor lets somebody in who is not to be let in any more".to_owned()
    } else if !is_backed(desired, service, observed) {
        "nobody listens on its target any more, or it is not its own server that does".to_owned()
    } else if wish != onion.shape {
        "its ports, its clients or its limits changed, and Tor can only take it anew; it is added again at once"
            .to_owned()
    } else {
        "its removal was begun and failed, and nobody knows whether Tor still has it".to_owned()
    }
}

fn why_act(name: &ServiceName, kind: ActKind, desired: &Desired, observed: &Observed) -> &'static str {
    let known = observed.host.known(name);
    let is_wanted = desired.service(name).is_some_and(|service| service.wish == Wish::Enabled);
    match kind {
        ActKind::Install => "it is enabled, or was asked for, and its server is not installed",
        ActKind::Apply if known.is_some_and(|known| known.told.applied == Applied::Nothing) => {
            "it is enabled and installed, and its server is not set up"
        }
        ActKind::Apply if known.is_some_and(|known| known.told.applied == Applied::Unknown) => {
            "it is enabled, and nobody knows what its server was set up for"
        }
        ActKind::Apply if known.is_some_and(|known| known.has_ended()) => "its server ended",
        ActKind::Apply => "its options, or what describes it, changed since its server was set up",
        ActKind::Withdraw if is_wanted => {
            "it can not run as it is, and what is not as it is wished is not left running"
        }
        ActKind::Withdraw => "it is not wanted any more, and something of it is up",
        ActKind::Uninstall => "it is to be uninstalled, and nothing of it is up",
    }
}
