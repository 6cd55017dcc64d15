// SPDX-License-Identifier: GPL-3.0-or-later
//! What to do next: a pure function of wishes and facts.

use std::cmp::Reverse;

use tails_server_state::{Autostart, OnionAddress, ServiceName, StoredService, Wish};

use crate::controller::desired::Desired;
use crate::controller::observed::{Observed, OnionFacts};
use crate::controller::ports::Visitors;
use crate::controller::shape::OnionShape;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add this service to Tor.
    AddOnion(ServiceName, Visitors),
    /// Remove the service with this address from Tor.
    RemoveOnion(OnionAddress, Visitors),
    /// Remove the service with this address from Tor, to be added again: it does not get published as it is.
    Heal(OnionAddress),
    /// Give Tor the key for a service of somebody else.
    AddCredential(ServiceName),
    /// Have Tor forget the key for the service of somebody else with this address.
    RemoveCredential(OnionAddress),
}

/// The steps that lead from the facts towards the wishes, those that close something first.
///
/// Total: any wishes with any facts have a plan, and where nothing is to be done it is empty. Steps that wait for
/// something (Tor, a listener, the end of another step, room in the window) are not in it; they come once that fact is
/// there.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Step> {
    if !observed.tor.is_connected() {
        return Vec::new();
    }
    let is_free = |address: &&OnionAddress| !observed.busy.contains(*address) && !observed.held.contains_key(*address);
    let mut steps: Vec<Step> = observed
        .onions
        .iter()
        .filter(|(address, _)| is_free(address))
        .filter_map(|(address, onion)| {
            let visitors = why_to_remove(desired.wanted_at(address), onion, observed)?;
            Some(Step::RemoveOnion(*address, visitors))
        })
        .collect();
    if observed.tor.is_bootstrapped() {
        // Tor keeps the visitors of a service whose control connection ended: perhaps when it was to be withdrawn.
        let left_behind = desired.services().map(|(_, service)| service).filter(|service| {
            service.wish == Wish::Disabled
                && !observed.onions.contains_key(&service.address)
                && !observed.visitors.contains_key(&service.address)
        });
        let left_behind = left_behind.filter(|service| is_free(&&service.address));
        steps.extend(left_behind.map(|service| Step::RemoveOnion(service.address, Visitors::Leave)));
        let room = observed.window.size().saturating_sub(observed.on_their_way());
        let mut missing: Vec<_> = desired
            .services()
            .filter(|(_, service)| service.wish == Wish::Enabled && !observed.onions.contains_key(&service.address))
            .filter(|(_, service)| OnionShape::of(service).audience.is_anybody() && is_backed(service, observed))
            .filter(|(_, service)| is_free(&&service.address))
            .collect();
        // What is to be there after every boot, then what was asked for last.
        missing.sort_by_key(|(_, service)| (service.record.autostart() != Autostart::On, Reverse(service.enabled_at)));
        missing.truncate(room);
        let left = room - missing.len();
        let adding = missing.into_iter();
        steps.extend(adding.map(|(name, service)| Step::AddOnion(name.clone(), visitors_before(service, observed))));
        let goes = |address: &OnionAddress| steps.contains(&Step::RemoveOnion(*address, Visitors::Leave));
        let goes =
            |address: &&OnionAddress| goes(address) || steps.contains(&Step::RemoveOnion(**address, Visitors::Stay));
        let wedged = observed.onions.keys().filter(|address| observed.is_wedged(address) && is_free(address));
        let healing: Vec<_> =
            wedged.filter(|address| !goes(address)).take(left).map(|address| Step::Heal(*address)).collect();
        steps.extend(healing);
    }
    steps.extend(plan_credentials(desired, observed));
    steps
}

/// Whether a service has to leave Tor, and its visitors with it.
fn why_to_remove(wanted: Option<&StoredService>, onion: &OnionFacts, observed: &Observed) -> Option<Visitors> {
    let Some(service) = wanted else { return Some(Visitors::Leave) };
    let wish = OnionShape::of(service);
    if !wish.audience.includes(&onion.shape.audience) {
        Some(Visitors::Leave)
    } else if wish != onion.shape || !is_backed(service, observed) {
        Some(Visitors::Stay)
    } else {
        None
    }
}

/// Whether those may stay who are connected from an earlier life of a service that is to be added: only if it is known
/// that all of them are still welcome.
fn visitors_before(service: &StoredService, observed: &Observed) -> Visitors {
    let wish = OnionShape::of(service).audience;
    if wish.includes(observed.visitors_at_most(&service.address)) { Visitors::Stay } else { Visitors::Leave }
}

fn plan_credentials(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let is_free = |address: &OnionAddress| !observed.busy.contains(address) && !observed.held.contains_key(address);
    let gone =
        observed.ever_joined.iter().filter(|address| !desired.joined().any(|(_, joined)| joined.address == **address));
    let new = desired.joined().filter(|(_, joined)| !observed.credentials.contains(&joined.address));
    let removing = gone.filter(|address| is_free(address)).map(|address| Step::RemoveCredential(*address));
    removing
        .chain(new.filter(|(_, joined)| is_free(&joined.address)).map(|(name, _)| Step::AddCredential(name.clone())))
        .collect()
}

/// Whether somebody listens on every target of the service.
pub(crate) fn is_backed(service: &StoredService, observed: &Observed) -> bool {
    service.record.ports().iter().all(|mapping| observed.listeners.found.contains(&mapping.target))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tails_server_state::{Autostart, OnionKey, Persistence, ServiceRecord};

    use super::*;
    use crate::controller::{
        Bootstrap, Connection, HsDir, OnionFacts, Outlook, Problem, Publication, Snapshot, State, status,
    };

    /// Everything that can be so or not so about one service, independently of what makes sense.
    #[derive(Debug, Clone)]
    struct Situation {
        connected: bool,
        bootstrapped: bool,
        online: bool,
        wish: Wish,
        known: bool,
        listening: bool,
        added: bool,
        other_ports: bool,
        confirmed: bool,
        busy: bool,
        held: Option<Outlook>,
    }

    /// The wished-for, published, undisturbed service.
    const PUBLISHED: Situation = Situation {
        connected: true,
        bootstrapped: true,
        online: true,
        wish: Wish::Enabled,
        known: true,
        listening: true,
        added: true,
        other_ports: false,
        confirmed: true,
        busy: false,
        held: None,
    };

    fn name() -> ServiceName {
        "web".parse().unwrap()
    }

    impl Situation {
        fn build(&self, address: OnionAddress) -> (Desired, Observed) {
            let ports = |text: &str| vec![text.parse().unwrap()].try_into().unwrap();
            let record = ServiceRecord::new(name(), Persistence::Kept, Autostart::Off, ports("80:8080")).unwrap();
            let mut observed = Observed::default();
            if self.listening {
                observed.listeners.found = BTreeSet::from(["8080".parse().unwrap()]);
            }
            if self.connected {
                observed.tor.connection = Connection::Up { version: String::new() };
            }
            let percent = if self.bootstrapped { 100 } else { 62 };
            observed.tor.bootstrap = Bootstrap { percent, ..Bootstrap::default() };
            (observed.tor.enough_directory, observed.tor.circuits) = (self.online, self.online);
            if self.added {
                let publication = self.confirmed.then(|| {
                    let mut publication = Publication::default();
                    let hsdir = HsDir::from("A".to_owned());
                    publication.begin(hsdir.clone());
                    publication.confirm(&hsdir);
                    publication
                });
                let ports = if self.other_ports { ports("81:8080") } else { record.ports().clone() };
                observed.onions.insert(address, OnionFacts { ports, publication });
            }
            if self.busy {
                observed.busy.insert(address);
            }
            if let Some(outlook) = self.held {
                observed.held.insert(address, Problem { message: "x".to_owned(), hint: None, outlook });
            }
            let service = StoredService { record, address, wish: self.wish, clients: Vec::new(), enabled_at: 0 };
            (self.known.then_some(service).into_iter().collect(), observed)
        }
    }

    fn address() -> OnionAddress {
        OnionAddress::parse("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid").unwrap()
    }

    fn planned(situation: &Situation) -> Vec<Step> {
        let (desired, observed) = situation.build(address());
        plan(&desired, &observed)
    }

    fn seen(situation: &Situation) -> Option<State> {
        let (desired, observed) = situation.build(address());
        let picture: Snapshot = status(&desired, &observed, &[]);
        picture.services.get(&name()).map(|service| service.state)
    }

    #[test]
    fn each_situation_has_its_state_and_its_next_step() {
        let add = vec![Step::AddOnion(name())];
        let remove = vec![Step::RemoveOnion(address())];
        let nothing = Vec::new();
        let fresh = Situation { added: false, confirmed: false, ..PUBLISHED };
        for (situation, state, steps) in [
            (PUBLISHED, State::Published, &nothing),
            (fresh.clone(), State::Publishing, &add),
            (Situation { confirmed: false, ..PUBLISHED }, State::Publishing, &nothing),
            (Situation { listening: false, ..fresh.clone() }, State::Starting, &nothing),
            (Situation { listening: false, ..PUBLISHED }, State::Starting, &remove),
            (Situation { bootstrapped: false, ..fresh.clone() }, State::WaitingForTor, &nothing),
            (Situation { connected: false, ..fresh.clone() }, State::WaitingForTor, &nothing),
            // A Tor that lost the network keeps what it has, and takes more for when it is back.
            (Situation { online: false, ..PUBLISHED }, State::WaitingForTor, &nothing),
            (Situation { online: false, ..fresh.clone() }, State::WaitingForTor, &add),
            (Situation { wish: Wish::Disabled, ..PUBLISHED }, State::Stopping, &remove),
            (Situation { wish: Wish::Disabled, ..fresh.clone() }, State::Disabled, &nothing),
            (Situation { wish: Wish::Disabled, busy: true, ..PUBLISHED }, State::Stopping, &nothing),
            (Situation { busy: true, ..fresh.clone() }, State::Publishing, &nothing),
            (Situation { busy: true, ..PUBLISHED }, State::Publishing, &nothing),
            (Situation { held: Some(Outlook::Retrying), ..fresh.clone() }, State::Publishing, &nothing),
            (Situation { held: Some(Outlook::Lasting), ..fresh }, State::Failed, &nothing),
            // New ports need a new life in Tor.
            (Situation { other_ports: true, ..PUBLISHED }, State::Publishing, &remove),
        ] {
            assert_eq!((seen(&situation), planned(&situation)), (Some(state), steps.clone()), "{situation:?}");
        }
    }

    #[test]
    fn what_no_record_wants_is_removed() {
        assert_eq!(planned(&Situation { known: false, ..PUBLISHED }), [Step::RemoveOnion(address())]);
    }

    fn situations() -> impl Strategy<Value = Situation> {
        let wish = prop_oneof![Just(Wish::Enabled), Just(Wish::Disabled)];
        let held = prop_oneof![Just(None), Just(Some(Outlook::Retrying)), Just(Some(Outlook::Lasting))];
        let tor = (any::<bool>(), any::<bool>(), any::<bool>());
        let onion = (any::<bool>(), any::<bool>(), any::<bool>());
        (tor, onion, wish, held, any::<[bool; 3]>()).prop_map(
            |(
                (connected, bootstrapped, online),
                (added, other_ports, confirmed),
                wish,
                held,
                [known, listening, busy],
            )| {
                Situation {
                    connected,
                    bootstrapped,
                    online,
                    wish,
                    known,
                    listening,
                    added,
                    other_ports,
                    confirmed,
                    busy,
                    held,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_the_facts_nothing_unwanted_opens_and_nothing_is_called_published_that_is_not(
            situation in situations()
        ) {
            let wanted = situation.known && situation.wish == Wish::Enabled;
            let steps = planned(&situation);
            prop_assert!(steps.len() <= 1, "one service, one step: {steps:?}");
            if steps.contains(&Step::AddOnion(name())) {
                prop_assert!(wanted && situation.listening && !situation.added && !situation.busy);
            }
            if !steps.is_empty() {
                prop_assert!(situation.connected && !situation.busy && situation.held.is_none());
            }
            if seen(&situation) == Some(State::Published) {
                prop_assert!(wanted && situation.listening && situation.added && situation.confirmed && !situation.other_ports);
                prop_assert!(situation.connected && situation.bootstrapped && situation.online && !situation.busy);
            }
        }
    }

    #[test]
    fn two_services_are_told_apart() {
        let (one, two) = (OnionKey::generate().unwrap().address(), OnionKey::generate().unwrap().address());
        let (wanted, mut observed) = PUBLISHED.build(one);
        let stray = Situation { known: false, ..PUBLISHED }.build(two).1;
        observed.onions.extend(stray.onions);
        assert_eq!(plan(&wanted, &observed), [Step::RemoveOnion(two)]);
    }
}
