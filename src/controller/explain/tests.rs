// SPDX-License-Identifier: GPL-3.0-or-later
//! Each situation has its words, and no address is in any of them.

use std::time::Duration;

use tails_server_state::{Autostart, OnionKey, Persistence, ServiceRecord, Wish};

use super::*;
use crate::controller::ports::ActKind;
use crate::controller::shape::OnionShape;
use crate::controller::{
    Audience, Bootstrap, Connection, Generation, HsDir, OnionFacts, Publication, TorProblem, Visitors,
};

fn name() -> ServiceName {
    "web".parse().unwrap()
}

fn service(wish: Wish) -> StoredService {
    let ports = vec!["80:8080".parse().unwrap()].try_into().unwrap();
    StoredService {
        record: ServiceRecord::new(name(), Persistence::Kept, Autostart::Off, ports).unwrap(),
        address: OnionKey::generate().unwrap().address(),
        wish,
        enabled_at: 1,
        clients: Vec::new(),
    }
}

/// A Tor that is ready, and somebody who listens.
fn ready() -> Observed {
    let mut observed = Observed::default();
    observed.tor.generation = Generation(1);
    observed.tor.connection = Connection::Up { version: "0.4.9.11".to_owned() };
    observed.tor.bootstrap = Bootstrap { percent: 100, ..Bootstrap::default() };
    (observed.tor.enough_directory, observed.tor.circuits) = (true, true);
    observed.listeners.looked_for = BTreeSet::from(["8080".parse().unwrap()]);
    observed.listeners.found = observed.listeners.looked_for.clone();
    observed.tick(observed.now);
    observed
}

/// What is said of the one service; its address is nowhere in it.
fn told(service: &StoredService, observed: &Observed, schedule: &Schedule) -> Intention {
    let desired: Desired = std::iter::once(service.clone()).collect();
    let told = explain(&desired, observed, schedule);
    let text = format!("{told:?}");
    assert!(!text.contains(&service.address.service_id()), "{text}");
    let [one] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!(one.service, Some(name()));
    one.clone()
}

fn has(service: &StoredService, observed: &mut Observed, confirmed: bool) {
    let mut publication = Publication::new(service.address, None, observed.now);
    let hsdir = HsDir::from("A".to_owned());
    publication.begin(hsdir.clone(), tails_server_state::DescriptorId::from_bytes([1; 32]), observed.now);
    if confirmed {
        publication.confirm(&hsdir, observed.now);
    }
    let shape = OnionShape::of(service);
    let onion = OnionFacts { shape, publication: Some(publication), is_on_its_way: !confirmed, leaving: None };
    observed.onions.insert(service.address, onion);
    observed.visitors.insert(service.address, Audience::Everybody);
}

#[test]
fn each_situation_of_a_service_has_its_words() {
    let quiet = Schedule::default();
    let web = service(Wish::Enabled);
    let mut missing = ready();
    let next = told(&web, &missing, &quiet);
    assert_eq!((next.stage, next.act), (Stage::Next, Some("add-to-tor")));
    assert!(next.why.contains("somebody listens on its target, Tor is ready"), "{next:?}");

    missing.listeners.found.clear();
    let silent = told(&web, &missing, &quiet);
    assert_eq!((silent.stage, silent.act, silent.hint.is_some()), (Stage::Waits, None, true));
    assert!(silent.why.contains("nothing listens on 127.0.0.1:8080"), "{silent:?}");

    let mut lost = ready();
    lost.tor.connection = Connection::Lost(TorProblem { message: "there is no Tor".into(), hint: Some("x".into()) });
    let waiting = told(&web, &lost, &quiet);
    assert_eq!((waiting.stage, waiting.why.as_str()), (Stage::Waits, "there is no Tor"));

    let mut published = ready();
    has(&web, &mut published, true);
    let settled = told(&web, &published, &quiet);
    assert_eq!((settled.stage, settled.what.as_str()), (Stage::Settled, "nothing"));
    assert!(settled.why.contains("1 of 1 HSDirs"), "{settled:?}");

    let mut on_its_way = ready();
    has(&web, &mut on_its_way, false);
    let uploading = told(&web, &on_its_way, &quiet);
    assert!(uploading.stage == Stage::Waits && uploading.until.is_some(), "{uploading:?}");
    assert!(uploading.why.contains("0 of the 1 HSDirs"), "{uploading:?}");

    on_its_way.listeners.found.clear();
    let removal = told(&web, &on_its_way, &quiet);
    assert_eq!((removal.stage, removal.act), (Stage::Next, Some("remove-from-tor")));
    assert!(removal.why.contains("nobody listens on its target any more"), "{removal:?}");

    let disabled = service(Wish::Disabled);
    let mut left = ready();
    has(&disabled, &mut left, true);
    let closing = told(&disabled, &left, &quiet);
    assert_eq!((closing.act, closing.why.as_str()), (Some("remove-from-tor"), "it is disabled"));
    assert!(closing.what.contains("send away whoever is connected"), "{closing:?}");
    left.onions.clear();
    left.visitors.insert(disabled.address, Audience::NOBODY);
    assert_eq!(told(&disabled, &left, &quiet).stage, Stage::Settled);
}

#[test]
fn what_failed_waits_for_its_time_or_for_a_person() {
    let web = service(Wish::Enabled);
    let mut observed = ready();
    let due = observed.now + Duration::from_secs(7);
    for (outlook, stage, until) in [(Outlook::Retrying, Stage::Waits, Some(due)), (Outlook::Lasting, Stage::Held, None)]
    {
        let problem = Problem { message: "Tor refused it".to_owned(), hint: Some("see".to_owned()), outlook };
        observed.held.insert(web.address, problem);
        let retries = until.iter().map(|due| (web.address, *due)).collect();
        let held = told(&web, &observed, &Schedule { retries, ..Schedule::default() });
        assert_eq!((held.stage, held.until, held.hint.as_deref()), (stage, until, Some("see")));
        assert_eq!(held.why, "Tor refused it");
    }
}

#[test]
fn one_that_waits_for_room_is_told_how_many_are_before_it() {
    let web = service(Wish::Enabled);
    let mut observed = ready();
    let others: Vec<StoredService> = (0..8).map(|_| service(Wish::Enabled)).collect();
    for other in &others {
        has(other, &mut observed, false);
    }
    // Those others are not in the wishes, and so removed; what is said of this one is what counts.
    let desired: Desired = std::iter::once(web.clone()).collect();
    let told = explain(&desired, &observed, &Schedule::default());
    let waiting = told.iter().find(|told| told.service == Some(name())).unwrap();
    assert!(waiting.why.contains("8 services are on their way, and Tor is given no more than 8"), "{waiting:?}");
    let forgotten = told.iter().filter(|told| told.service.is_none()).collect::<Vec<_>>();
    assert_eq!(forgotten.len(), 8);
    assert!(forgotten.iter().all(|told| told.why == "it was removed"), "{forgotten:?}");
}

#[test]
fn what_was_begun_keeps_its_reason_while_it_is_under_way() {
    let web = service(Wish::Enabled);
    let mut observed = ready();
    let desired: Desired = std::iter::once(web.clone()).collect();
    let step = Step::AddOnion(name(), Visitors::Leave);
    let begun = Intention { stage: Stage::UnderWay, ..intention(&step, &desired, &observed) };
    let subject = Subject::of(&step, &desired).unwrap();
    let schedule = Schedule { begun: BTreeMap::from([(subject, begun.clone())]), ..Schedule::default() };
    observed.expect_onion(web.address, OnionShape::of(&web));
    let under_way = told(&web, &observed, &schedule);
    assert_eq!(under_way, begun);
    observed.busy.clear();
    assert_ne!(told(&web, &observed, &schedule).stage, Stage::UnderWay, "once it has ended, it is no more");
}

#[test]
fn every_step_has_words() {
    let web = service(Wish::Enabled);
    let desired: Desired = std::iter::once(web.clone()).collect();
    let observed = ready();
    let mut steps = vec![
        Step::AddOnion(name(), Visitors::Stay),
        Step::RemoveOnion(web.address, Visitors::Stay),
        Step::SendAway(web.address),
        Step::Heal(web.address),
        Step::AddCredential(name()),
        Step::RemoveCredential(web.address),
    ];
    steps.extend(ActKind::ALL.map(|kind| Step::Host(name(), kind)));
    let mut acts = BTreeSet::new();
    for step in &steps {
        let words = intention(step, &desired, &observed);
        assert!(words.what.len() > 10 && words.why.len() > 10, "{words:?}");
        assert!(!words.why.ends_with('.') && !format!("{words:?}").contains(&web.address.service_id()), "{words:?}");
        acts.insert(words.act.unwrap());
    }
    assert_eq!(acts.len(), steps.len(), "each has a word of its own");
}
