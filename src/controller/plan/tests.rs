// SPDX-License-Identifier: GPL-3.0-or-later
//! Each situation has its next step, and whatever the facts, nothing unwanted opens.

use proptest::prelude::*;
use tails_server_state::{
    AuthorizedClient, ClientAuthorization, ClientSecretKey, DescriptorId, Exposure, OnionKey, Persistence, SecretHeld,
    ServiceRecord,
};
use tokio::time::Instant;

use super::*;
use crate::controller::{
    Bootstrap, Connection, HsDir, Listeners, OnionFacts, Outlook, Problem, Publication, Snapshot, State, status,
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

fn published(address: OnionAddress, now: Instant) -> Publication {
    let mut publication = Publication::new(address, None, now);
    let hsdir = HsDir::from("A".to_owned());
    publication.begin(hsdir.clone(), DescriptorId::from_bytes([1; 32]), now);
    publication.confirm(&hsdir, now);
    publication
}

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
            let publication = self.confirmed.then(|| published(address, observed.now));
            let ports = if self.other_ports { ports("81:8080") } else { record.ports().clone() };
            let shape = OnionShape { ports, audience: Audience::Everybody, max_streams: None, proof_of_work: None };
            observed.onions.insert(address, OnionFacts { shape, publication, is_on_its_way: false, leaving: None });
        }
        observed.visitors.insert(address, Audience::NOBODY);
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
    let add = vec![Step::AddOnion(name(), Visitors::Stay)];
    let remove = vec![Step::RemoveOnion(address(), Visitors::Stay)];
    let withdraw = vec![Step::RemoveOnion(address(), Visitors::Leave)];
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
        (Situation { wish: Wish::Disabled, ..PUBLISHED }, State::Stopping, &withdraw),
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
    assert_eq!(planned(&Situation { known: false, ..PUBLISHED }), [Step::RemoveOnion(address(), Visitors::Leave)]);
}

fn situations() -> impl Strategy<Value = Situation> {
    let wish = prop_oneof![Just(Wish::Enabled), Just(Wish::Disabled)];
    let held = prop_oneof![Just(None), Just(Some(Outlook::Retrying)), Just(Some(Outlook::Lasting))];
    let tor = (any::<bool>(), any::<bool>(), any::<bool>());
    let onion = (any::<bool>(), any::<bool>(), any::<bool>());
    (tor, onion, wish, held, any::<[bool; 3]>()).prop_map(
        |((connected, bootstrapped, online), (added, other_ports, confirmed), wish, held, [known, listening, busy])| {
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
        if steps.contains(&Step::AddOnion(name(), Visitors::Stay)) {
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
    assert_eq!(plan(&wanted, &observed), [Step::RemoveOnion(two, Visitors::Leave)]);
}

/// A service that lets in only clients, with so many of these keys.
fn private(keys: &[ClientSecretKey]) -> StoredService {
    let ports = vec!["80:8080".parse().unwrap()].try_into().unwrap();
    let exposure = Exposure { client_authorization: ClientAuthorization::On, ..Exposure::default() };
    let record = ServiceRecord::new(name(), Persistence::Kept, Autostart::Off, ports).unwrap().with_exposure(exposure);
    let clients = keys.iter().enumerate().map(|(number, key)| AuthorizedClient {
        name: format!("client-{number}").parse().unwrap(),
        public_key: key.public_key(),
        secret: SecretHeld::Here,
    });
    let clients = clients.collect();
    StoredService { record, address: address(), wish: Wish::Enabled, clients, enabled_at: 0 }
}

#[test]
fn a_client_that_is_removed_takes_the_service_down_and_its_visitors_with_it() {
    let keys: Vec<_> = (0..2).map(|_| ClientSecretKey::generate().unwrap()).collect();
    let (both, one, none) = (private(&keys), private(&keys[..1]), private(&[]));
    let mut observed = PUBLISHED.build(address()).1;
    observed.onions.get_mut(&address()).unwrap().shape = OnionShape::of(&both);
    observed.visitors.insert(address(), OnionShape::of(&both).audience);
    let of = |service: &StoredService| -> Desired { std::iter::once(service.clone()).collect() };
    let state = |service: &StoredService, observed: &Observed| {
        let picture = status(&of(service), observed, &[]);
        let service = &picture.services[&name()];
        (service.state, service.access_settled)
    };
    let withdraw = [Step::RemoveOnion(address(), Visitors::Leave)];
    assert_eq!(plan(&of(&both), &observed), []);
    assert_eq!(state(&both, &observed), (State::Published, true));
    assert_eq!(plan(&of(&one), &observed), withdraw);
    assert_eq!(state(&one, &observed), (State::Publishing, false));
    assert_eq!(plan(&of(&none), &observed), withdraw);
    assert_eq!(state(&none, &observed), (State::Failed, false));
    // Open to everybody: that takes a new life, and nobody has to leave.
    assert_eq!(plan(&PUBLISHED.build(address()).0, &observed), [Step::RemoveOnion(address(), Visitors::Stay)]);

    // It is down, and they have left.
    observed.onions.clear();
    observed.visitors.insert(address(), Audience::NOBODY);
    assert_eq!(plan(&of(&one), &observed), [Step::AddOnion(name(), Visitors::Stay)]);
    assert_eq!(state(&one, &observed), (State::Publishing, true));
    assert_eq!((plan(&of(&none), &observed), state(&none, &observed)), (vec![], (State::Failed, true)));
    // It is down, and nobody knows who may still be connected: after a new control connection, say.
    for visitors in [None, Some(Audience::Everybody), Some(OnionShape::of(&both).audience)] {
        observed.visitors.clear();
        observed.visitors.extend(visitors.map(|visitors| (address(), visitors)));
        assert_eq!(plan(&of(&one), &observed), [Step::AddOnion(name(), Visitors::Leave)]);
        assert_eq!(state(&one, &observed), (State::Publishing, false));
    }
    // One client more: those who are there may stay.
    observed.visitors.insert(address(), OnionShape::of(&one).audience);
    assert_eq!(plan(&of(&both), &observed), [Step::AddOnion(name(), Visitors::Stay)]);
}

/// Tor blames its guard for circuits that are closed too early.
#[test]
fn a_client_more_waits_for_the_first_circuits_and_nothing_that_closes_does() {
    let keys: Vec<_> = (0..2).map(|_| ClientSecretKey::generate().unwrap()).collect();
    let (both, one) = (private(&keys), private(&keys[..1]));
    let mut other_ports = both.clone();
    let ports = vec!["81:8080".parse().unwrap()].try_into().unwrap();
    other_ports.record = other_ports.record.with_ports(ports);
    let of = |service: &StoredService| -> Desired { std::iter::once(service.clone()).collect() };
    let again = [Step::RemoveOnion(address(), Visitors::Stay)];
    let withdraw = [Step::RemoveOnion(address(), Visitors::Leave)];
    let mut fresh = PUBLISHED.build(address()).1;
    let onion = fresh.onions.get_mut(&address()).unwrap();
    (onion.shape, onion.publication) = (OnionShape::of(&one), Some(Publication::new(address(), None, fresh.now)));
    assert_eq!(plan(&of(&both), &fresh), []);
    assert_eq!(status(&of(&both), &fresh, &[]).services[&name()].state, State::Publishing);
    assert_eq!(plan(&of(&other_ports), &fresh), again);
    assert_eq!(plan(&of(&private(&keys[1..])), &fresh), withdraw);
    assert_eq!(plan(&Desired::default(), &fresh), withdraw);
    let unbacked = Observed { listeners: Listeners::default(), ..fresh.clone() };
    assert_eq!(plan(&of(&both), &unbacked), again);

    // They stand as soon as Tor sends a descriptor; and if it never does, nobody waits for ever.
    let mut sending = fresh.clone();
    let publication = sending.onions.get_mut(&address()).unwrap().publication.as_mut().unwrap();
    publication.begin(HsDir::from("A".to_owned()), DescriptorId::from_bytes([1; 32]), fresh.now);
    assert_eq!(plan(&of(&both), &sending), again);
    let look = fresh.next_look().unwrap();
    assert!(look <= fresh.now + std::time::Duration::from_secs(10));
    fresh.tick(look);
    assert_eq!(plan(&of(&both), &fresh), again);
}

#[test]
fn visitors_of_an_earlier_control_connection_are_sent_away_from_what_is_not_open_to_them() {
    let farewell = [Step::SendAway(address())];
    let situation = Situation { wish: Wish::Disabled, added: false, confirmed: false, ..PUBLISHED };
    let (desired, mut observed) = situation.build(address());
    assert_eq!(plan(&desired, &observed), []);
    observed.visitors.clear();
    assert_eq!(plan(&desired, &observed), farewell);

    // One that can not be added now, for want of a server or of a client, or because Tor is not ready.
    let keys = [ClientSecretKey::generate().unwrap()];
    let of = |keys| -> Desired { std::iter::once(private(keys)).collect() };
    for (keys, listening, bootstrapped) in [(&keys[..], false, true), (&[], true, true), (&keys, true, false)] {
        let situation = Situation { added: false, confirmed: false, listening, bootstrapped, ..PUBLISHED };
        let (public, mut observed) = situation.build(address());
        assert!(plan(&of(keys), &observed).iter().all(|step| !farewell.contains(step)));
        observed.visitors.clear();
        assert_eq!(plan(&of(keys), &observed), farewell);
        assert!(!status(&of(keys), &observed, &[]).services[&name()].access_settled);
        assert!(!plan(&public, &observed).contains(&farewell[0]), "everybody is welcome");
    }
}

fn many(count: usize) -> (Desired, Observed) {
    let (_, mut observed) = PUBLISHED.build(address());
    observed.onions.clear();
    let services = (0..count).map(|number| {
        let ports = vec!["80:8080".parse().unwrap()].try_into().unwrap();
        let autostart = if number % 10 == 9 { Autostart::On } else { Autostart::Off };
        let name = format!("web-{number}").parse().unwrap();
        let record = ServiceRecord::new(name, Persistence::Kept, autostart, ports).unwrap();
        let address = OnionKey::generate().unwrap().address();
        StoredService { record, address, wish: Wish::Enabled, clients: Vec::new(), enabled_at: number as u64 }
    });
    (services.collect(), observed)
}

#[test]
fn tor_is_given_a_window_of_services_those_first_that_are_wanted_most() {
    let (desired, mut observed) = many(40);
    observed.tick(observed.now);
    let added = |steps: Vec<Step>| -> Vec<String> {
        let name = |step| if let Step::AddOnion(name, _) = step { Some(name.to_string()) } else { None };
        steps.into_iter().filter_map(name).collect()
    };
    let first = added(plan(&desired, &observed));
    assert_eq!(first, ["web-39", "web-29", "web-19", "web-9", "web-38", "web-37", "web-36", "web-35"]);
    for name in &first {
        let service = desired.service(&name.parse().unwrap()).unwrap();
        observed.expect_onion(service.address, OnionShape::of(service));
    }
    observed.busy.clear();
    assert_eq!(plan(&desired, &observed), []);
    // One is published, another one is late: both make room.
    let ours: Vec<_> = first.iter().map(|name| desired.service(&name.parse().unwrap()).unwrap().address).collect();
    observed.onions.get_mut(&ours[0]).unwrap().is_on_its_way = false;
    assert_eq!(added(plan(&desired, &observed)), ["web-34"]);
    observed.tick(observed.now + std::time::Duration::from_secs(60));
    assert!(observed.on_their_way() == 0 && observed.window.size() < 8, "late ones shrink the window");
    assert_eq!(added(plan(&desired, &observed)).len(), observed.window.size());
}

#[test]
fn what_a_connection_ended_on_is_added_alone_and_last() {
    let (desired, mut observed) = many(4);
    let service = |number: usize| desired.service(&format!("web-{number}").parse().unwrap()).unwrap();
    let added = |observed: &Observed| -> Vec<String> {
        let name = |step| if let Step::AddOnion(name, _) = step { Some(name.to_string()) } else { None };
        plan(&desired, observed).into_iter().filter_map(name).collect()
    };
    let adds = |observed: &mut Observed, number: usize| {
        observed.expect_onion(service(number).address, OnionShape::of(service(number)));
    };
    for number in [1, 3] {
        observed.suspects.accuse(service(number).address);
    }
    assert_eq!(added(&observed), ["web-2", "web-0"]);
    adds(&mut observed, 0);
    adds(&mut observed, 2);
    assert_eq!(added(&observed), [""; 0], "not before the others are there");
    observed.busy.clear();
    assert_eq!(added(&observed), ["web-3"]);
    adds(&mut observed, 3);
    assert_eq!(added(&observed), [""; 0]);
    // Nor anybody else beside it.
    observed.onions.remove(&service(0).address);
    assert_eq!(added(&observed), [""; 0]);
}

#[test]
fn a_wedged_service_gets_a_new_life_and_ever_more_patience() {
    let minute = std::time::Duration::from_secs(60);
    let (desired, mut observed) = PUBLISHED.build(address());
    observed.tick(observed.now);
    let now = observed.now;
    observed.onions.get_mut(&address()).unwrap().publication = Some(Publication::new(address(), None, now));
    let heal = [Step::Heal(address())];
    assert_eq!(plan(&desired, &observed), []);
    observed.tick(now + minute);
    assert_eq!(plan(&desired, &observed), []);
    observed.tick(now + minute * 2);
    assert_eq!(plan(&desired, &observed), heal);
    observed.health.heal(address(), observed.now);
    assert_eq!(plan(&desired, &observed), []);
    observed.tick(now + minute * 4);
    assert_eq!(plan(&desired, &observed), heal);
    // Not while there is no network: Tor can do nothing about it.
    observed.tor.circuits = false;
    observed.tick(now + minute * 60);
    assert_eq!(plan(&desired, &observed), []);

    // Uploads that begin and fail again and again are no progress.
    observed.tor.circuits = true;
    observed.tick(now + minute * 61);
    observed.health.recovered(&address());
    let begin = |observed: &mut Observed| {
        let (moment, hsdir) = (observed.now, HsDir::from("B".to_owned()));
        let publication = observed.onions.get_mut(&address()).unwrap().publication.as_mut().unwrap();
        publication.begin(hsdir.clone(), DescriptorId::from_bytes([1; 32]), moment);
        publication.fail(&hsdir, Some(DescriptorId::from_bytes([1; 32])), moment);
    };
    for (minutes, expected) in [(61, &[][..]), (62, &[]), (63, &heal)] {
        observed.tick(now + minute * minutes);
        begin(&mut observed);
        assert_eq!(plan(&desired, &observed), expected, "{minutes}");
    }

    // What is published is wedged when it is not renewed.
    let (_, mut observed) = PUBLISHED.build(address());
    observed.tick(now + minute * 149);
    assert_eq!(plan(&desired, &observed), []);
    observed.tick(now + minute * 151);
    assert_eq!(plan(&desired, &observed), heal);
}
