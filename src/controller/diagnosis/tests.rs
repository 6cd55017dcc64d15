// SPDX-License-Identifier: GPL-3.0-or-later
//! Each thing that can be wrong is found by its name, and nothing else with it.

use std::collections::{BTreeMap, BTreeSet};

use tails_server_state::{
    Autostart, JoinedService, OnionKey, Persistence, ServiceName, ServiceRecord, StoredService, Wish,
};

use super::*;
use crate::controller::ports::{Survey, Told, TorFact, TorProblem};
use crate::controller::shape::OnionShape;
use crate::controller::{
    Audience, Bootstrap, BootstrapWarning, Connection, Fact, Generation, HiddenUpload, HsDir, OnionFacts, Publication,
    Snapshot,
};

fn name() -> ServiceName {
    "web".parse().unwrap()
}

/// All that a diagnosis looks at.
struct World {
    service: StoredService,
    observed: Observed,
    looked: Looked,
}

impl World {
    /// One service that is published, and nothing is wrong.
    fn healthy() -> Self {
        let ports = vec!["80:8080".parse().unwrap()].try_into().unwrap();
        let service = StoredService {
            record: ServiceRecord::new(name(), Persistence::Kept, Autostart::Off, ports).unwrap(),
            address: OnionKey::generate().unwrap().address(),
            wish: Wish::Enabled,
            enabled_at: 1,
            clients: Vec::new(),
        };
        let mut observed = Observed::default();
        observed.tor.generation = Generation(1);
        observed.tor.connection = Connection::Up { version: "0.4.9.11".to_owned() };
        observed.tor.bootstrap = Bootstrap { percent: 100, summary: "Done".to_owned(), warning: None };
        (observed.tor.enough_directory, observed.tor.circuits) = (true, true);
        observed.listeners.looked_for = BTreeSet::from(["8080".parse().unwrap()]);
        observed.listeners.found = observed.listeners.looked_for.clone();
        let mut publication = Publication::new(service.address, None, observed.now);
        let hsdir = HsDir::from("A".to_owned());
        publication.begin(hsdir.clone(), tails_server_state::DescriptorId::from_bytes([1; 32]), observed.now);
        publication.confirm(&hsdir, observed.now);
        let (shape, publication) = (OnionShape::of(&service), Some(publication));
        let onion = OnionFacts { shape, publication, is_on_its_way: false, leaving: None };
        observed.onions.insert(service.address, onion);
        observed.visitors.insert(service.address, Audience::Everybody);
        let survey =
            Survey { network_disabled: Told::Answer(false), onions: Told::Answer(BTreeSet::from([service.address])) };
        let keys = BTreeMap::from([(name(), KeyLook::Matches)]);
        let store = StoreLook { keys, ..StoreLook::default() };
        let asked = Asked::about(&observed, survey);
        Self { service, observed, looked: Looked { store, asked, surroundings: Surroundings::default() } }
    }

    /// What is found and not as it should be, by name; without any address in all that is found.
    fn found(&self) -> Vec<(&'static str, Severity)> {
        let desired: Desired = std::iter::once(self.service.clone()).collect();
        let all = examine(&desired, &self.observed, &self.looked);
        assert!(!format!("{all:?}").contains(&self.service.address.service_id()), "{all:?}");
        for finding in all.iter().filter(|finding| finding.severity > Severity::Note) {
            assert!(finding.next_step.is_some(), "{finding:?}");
        }
        all.iter().filter(|finding| finding.severity > Severity::Ok).map(|it| (it.id, it.severity)).collect()
    }
}

fn problem(message: &str) -> TorProblem {
    TorProblem { message: message.to_owned(), hint: None }
}

#[test]
fn where_nothing_is_wrong_nothing_but_good_is_found() {
    assert_eq!(World::healthy().found(), []);
}

#[test]
fn each_thing_that_is_wrong_is_found_by_its_name() {
    use Severity::{Error, Note, Warning};
    type Harm = fn(&mut World);
    let table: &[(Harm, &[(&str, Severity)])] = &[
        (|it| it.observed.tor.clock_skew = Some(-120), &[("clock-skew", Warning)]),
        (|it| it.observed.tor.clock_skew = Some(7200), &[("clock-skew", Error)]),
        (|it| it.observed.tor.recommended_versions = Some("0.4.9.12".to_owned()), &[("tor-version", Warning)]),
        (|it| it.looked.asked.survey.network_disabled = Told::Answer(true), &[("disable-network", Error)]),
        (
            |it| it.looked.asked.survey.network_disabled = Told::Filtered,
            &[("control-filter", Note), ("disable-network", Note)],
        ),
        (|it| it.looked.asked.survey.network_disabled = Told::Nothing("x".to_owned()), &[("disable-network", Note)]),
        (|it| it.looked.asked.survey.onions = Told::Filtered, &[("control-filter", Note), ("tor-has-services", Note)]),
        (|it| it.looked.asked.survey.onions = Told::Answer(BTreeSet::new()), &[("tor-has-services", Error)]),
        (
            |it| {
                let more = OnionKey::generate().unwrap().address();
                it.looked.asked.survey.onions = Told::Answer(BTreeSet::from([it.service.address, more]));
            },
            &[("tor-has-services", Error)],
        ),
        (|it| drop(it.looked.store.keys.insert(name(), KeyLook::Differs)), &[("key-matches-address", Error)]),
        (
            |it| drop(it.looked.store.keys.insert(name(), KeyLook::Unreadable("x".to_owned()))),
            &[("key-matches-address", Error)],
        ),
        (
            |it| it.looked.store.kept.problem = Some(("damaged".to_owned(), "restore".to_owned())),
            &[("store-kept", Error)],
        ),
        (
            |it| {
                it.looked.store.kept.problem = Some(("not mounted".to_owned(), "mount it".to_owned()));
                it.looked.store.kept.is_awaited = true;
            },
            &[("store-kept", Warning)],
        ),
        (
            |it| it.looked.store.amnesic.recovery = Some(("mended".to_owned(), "see".to_owned())),
            &[("store-amnesic", Warning)],
        ),
        (|it| it.looked.surroundings.runtime_in_memory = false, &[("runtime-directory", Warning)]),
        (|it| it.looked.surroundings.state_in_memory = true, &[("state-directory", Warning)]),
        (|it| it.looked.surroundings.is_simulated = true, &[("simulation", Warning)]),
        (|it| it.observed.listeners.found.clear(), &[("listener", Warning), ("publication", Note)]),
        (|it| it.observed.listeners.looked_for.clear(), &[("listener", Note)]),
        (
            |it| it.observed.fold(Fact::Tor(Generation(1), TorFact::Lost(problem("gone")))),
            &[("control-port", Error), ("publication", Note)],
        ),
        (|it| it.observed.tor.bootstrap.percent = 45, &[("tor-bootstrap", Note), ("publication", Note)]),
        (
            |it| {
                let warning = BootstrapWarning { words: "No route".to_owned(), reason: "NOROUTE".to_owned() };
                it.observed.tor.bootstrap = Bootstrap { percent: 5, summary: String::new(), warning: Some(warning) };
            },
            &[("tor-bootstrap", Error), ("publication", Note)],
        ),
        (
            |it| {
                it.observed.visitors.remove(&it.service.address);
                it.service.wish = Wish::Disabled;
            },
            &[("publication", Note), ("access", Warning)],
        ),
        (
            |it| {
                let hint = Some("enable it again".to_owned());
                let problem = Problem { message: "refused".to_owned(), hint, outlook: Outlook::Lasting };
                it.observed.held.insert(it.service.address, problem);
            },
            &[("publication", Error)],
        ),
        (
            |it| it.observed.fold(Fact::Tor(Generation(1), TorFact::UploadHidden(HiddenUpload::Begun))),
            &[("control-filter", Warning)],
        ),
    ];
    for (number, (harm, expected)) in table.iter().enumerate() {
        let mut world = World::healthy();
        harm(&mut world);
        assert_eq!(world.found(), *expected, "row {number}");
    }
}

#[test]
fn what_was_under_way_when_tor_was_asked_is_no_finding() {
    let mut world = World::healthy();
    world.looked.asked.survey.onions = Told::Answer(BTreeSet::new());
    world.observed.busy.insert(world.service.address);
    let is_found = |world: &World| world.found().iter().any(|(id, _)| *id == "tor-has-services");
    assert!(!is_found(&world), "{:?}", world.found());
    // It has ended since, and another one began.
    let mut world = World::healthy();
    world.looked.asked.survey.onions = Told::Answer(BTreeSet::new());
    world.looked.asked.settled.clear();
    assert!(!is_found(&world), "{:?}", world.found());
    let mut world = World::healthy();
    world.observed.onions.clear();
    assert!(!is_found(&world), "{:?}", world.found());
    // Another Tor was asked.
    let mut world = World::healthy();
    world.looked.asked.survey.onions = Told::Answer(BTreeSet::new());
    world.looked.asked.generation = Generation(0);
    assert!(!is_found(&world), "{:?}", world.found());
}

#[test]
fn a_joined_service_whose_key_tor_lacks_is_found() {
    let mut world = World::healthy();
    let joined = JoinedService {
        name: "pad".parse().unwrap(),
        address: OnionKey::generate().unwrap().address(),
        persistence: Persistence::Kept,
        title: None,
        ports: Vec::new(),
        note: String::new(),
        expires: None,
    };
    let picture = |observed: &Observed| {
        let seen = status(&Desired::default(), observed, &[]);
        let ready = observed.credentials.contains(&joined.address);
        let joined = crate::controller::JoinedStatus { joined: joined.clone(), ready, problem: None };
        Snapshot { joined: BTreeMap::from([(joined.joined.name.clone(), joined)]), ..seen }
    };
    let severities = |picture| services::joined(&picture).iter().map(|it| it.severity).collect::<Vec<_>>();
    assert_eq!(severities(picture(&world.observed)), [Severity::Warning]);
    world.observed.credentials.insert(joined.address);
    assert_eq!(severities(picture(&world.observed)), [Severity::Ok]);
}
