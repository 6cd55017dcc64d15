// SPDX-License-Identifier: GPL-3.0-or-later
use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::client::{ClientSecretKey, NewClient, NewClientKey};
use crate::described::OptionText;
use crate::joined::JoinedService;
use crate::key::OnionKey;
use crate::record::{Autostart, ServiceRecord};
use crate::store::StoreLayout;
use crate::store::disk::faults;

fn layout(root: &Path) -> StoreLayout {
    StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") }
}

fn open(root: &Path) -> Places {
    Places::open(&layout(root))
}

fn record(name: &str, place: Persistence, port: &str) -> ServiceRecord {
    let ports = vec![port.parse().unwrap()].try_into().unwrap();
    ServiceRecord::new(name.parse().unwrap(), place, Autostart::Off, ports).unwrap()
}

fn held(name: &str, place: Persistence, port: &str) -> HeldService {
    let client = |name: &str| NewClient {
        name: name.parse().unwrap(),
        key: NewClientKey::Made(ClientSecretKey::generate().unwrap()),
    };
    HeldService {
        record: record(name, place, port),
        key: OnionKey::generate().unwrap(),
        wish: Wish::Enabled,
        clients: vec![client("alice"), client("bob")],
        options: BTreeMap::from([("password".parse().unwrap(), OptionText::new(&"x".repeat(7000)))]),
    }
}

fn joined(name: &str, persistence: Persistence) -> HeldJoined {
    let service = JoinedService {
        name: name.parse().unwrap(),
        address: OnionKey::generate().unwrap().address(),
        persistence,
        title: None,
        ports: Vec::new(),
        note: "note".to_owned(),
        expires: None,
    };
    HeldJoined { service, key: Some(ClientSecretKey::generate().unwrap()) }
}

fn request(name: &str, persistence: Persistence) -> HeldRequest {
    HeldRequest { name: name.parse().unwrap(), key: ClientSecretKey::generate().unwrap(), persistence }
}

/// A backup that has something of each kind for each place, and replaces what [`begun`] has.
fn backup() -> Holdings {
    Holdings {
        services: vec![
            held("new-kept", Persistence::Kept, "80"),
            held("new-amnesic", Persistence::Amnesic, "80"),
            held("other-kept", Persistence::Kept, "81"),
            held("to-amnesic", Persistence::Amnesic, "81"),
            held("to-kept", Persistence::Kept, "81"),
        ],
        joined: vec![joined("theirs", Persistence::Kept), joined("pad", Persistence::Amnesic)],
        requests: vec![request("me", Persistence::Kept), request("you", Persistence::Amnesic)],
    }
}

/// What is there before.
fn begun(places: &Places) {
    for (name, place) in [
        ("other-kept", Persistence::Kept),
        ("to-amnesic", Persistence::Kept),
        ("to-kept", Persistence::Amnesic),
        ("stays", Persistence::Kept),
    ] {
        let options = [("motd".parse().unwrap(), OptionText::new("hello"))];
        let key = OnionKey::generate().unwrap();
        places.add(&record(name, place, "80"), &key, Wish::Disabled, &options).unwrap();
    }
    places.join(&joined("theirs", Persistence::Amnesic).service, None).unwrap();
    places.add_request(&"me".parse().unwrap(), &ClientSecretKey::generate().unwrap(), Persistence::Kept).unwrap();
}

/// All that can be seen of both places, secrets too.
fn picture(places: &Places) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, service) in places.services() {
        let key = places.key(&name).unwrap();
        assert_eq!(key.address(), service.address, "{name}");
        lines.push(format!("{service:?}").replace(&format!("enabled_at: {}", service.enabled_at), ""));
        for (option, text) in places.options(&name).unwrap() {
            lines.push(format!("{name} {option} {}", text.expose()));
        }
        for client in &service.clients {
            lines.push(format!("{:?}", places.client_key(&name, &client.name).unwrap().expose_bytes()));
        }
    }
    for (name, joined) in places.joined() {
        let key = places.joined_key(&name).unwrap().map(|key| *key.expose_bytes());
        lines.push(format!("{joined:?} {} {key:?}", joined.note));
    }
    for request in places.requests() {
        lines.push(format!("{request:?} {:?}", places.request_key(&request.name).unwrap().expose_bytes()));
    }
    lines
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() { copy_dir(&entry, &target) } else { std::fs::copy(&entry, &target).map(|_| ()).unwrap() }
    }
}

#[test]
fn what_is_restored_is_there_as_a_whole_and_what_is_not_in_it_stays() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let (before, backup) = (picture(&places), backup());
    places.restore(&backup).unwrap();
    let after = picture(&places);
    let services = places.services();
    for held in &backup.services {
        let found = &services[held.record.name()];
        assert_eq!((&found.record, found.address, found.wish), (&held.record, held.key.address(), Wish::Enabled));
        assert_eq!((found.clients.len(), places.options(held.record.name()).unwrap().len()), (2, 1));
    }
    assert!(before.iter().filter(|line| line.contains("stays")).all(|line| after.contains(line)));
    assert_eq!((services.len(), places.joined().len(), places.requests().len()), (6, 2, 2));
    // The addresses that were replaced are to be withdrawn.
    assert_eq!(places.farewells().len(), 4);
    drop(places);
    assert_eq!(picture(&open(root.path())), after);
}

fn secrets_in(root: &Path, secret: &[u8]) -> bool {
    super::super::super::files::entries(root).unwrap().iter().any(|path| {
        if path.is_dir() {
            secrets_in(path, secret)
        } else {
            std::fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret)
        }
    })
}

#[test]
fn kept_keys_do_not_stay_in_memory_nor_amnesic_ones_on_the_volume_nor_replaced_ones_anywhere() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let old = places.key(&"other-kept".parse().unwrap()).unwrap();
    let backup = backup();
    places.restore(&backup).unwrap();
    while places.is_behind() {
        places.export();
    }
    let (kept, amnesic) = (root.path().join("kept"), root.path().join("amnesic"));
    for held in &backup.services {
        let secret = held.key.expose_expanded();
        let is_kept = held.record.persistence() == Persistence::Kept;
        assert_eq!((secrets_in(&kept, secret), secrets_in(&amnesic, secret)), (is_kept, !is_kept));
    }
    assert!(!secrets_in(root.path(), old.expose_expanded()));
    assert!(!places.is_restoring());
}

// Linux forgets what it could not write: the sync after the one that failed succeeds without it.
#[test]
fn whatever_fails_on_the_way_all_of_it_is_there_or_nothing() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let before = picture(&places);
    drop(places);
    let backup = backup();
    let (mut refused, mut done) = (0, 0);
    for failures in [1, 2, 3, 50] {
        for syncs in 0..10 {
            let copy = tempfile::tempdir().unwrap();
            copy_dir(root.path(), copy.path());
            let places = open(copy.path());
            faults::fail_syncs(syncs, failures);
            let restored = places.restore(&backup);
            faults::fail_syncs(0, 0);
            let enabled = places.services().values().filter(|service| service.wish == Wish::Enabled).count();
            match &restored {
                Ok(()) => done += 1,
                Err(_) => {
                    assert_eq!(enabled, 0, "{syncs} {failures}: what was not acknowledged is open");
                    refused += 1;
                }
            }
            drop(places);
            let places = open(copy.path());
            let after = picture(&places);
            let all = backup.services.iter().all(|held| {
                places.services().get(held.record.name()).is_some_and(|found| found.address == held.key.address())
            });
            assert!(all || after == before && restored.is_err(), "{syncs} {failures} {restored:?}: {after:#?}");
            assert_eq!((places.joined().len(), places.requests().len()), if all { (2, 2) } else { (1, 1) });
            assert!(!places.is_restoring(), "{syncs} {failures}");
            places.restore(&backup).unwrap();
        }
    }
    assert!(refused > 3 && done > 3, "{refused} refused, {done} done");
}

#[test]
fn one_that_is_interrupted_between_the_places_is_ended_once_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let backup = backup();
    // What is in the files at each sync: what a killed program leaves.
    let stages = tempfile::tempdir().unwrap();
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let (from, to, counted) = (root.path().to_owned(), stages.path().to_owned(), std::rc::Rc::clone(&count));
    faults::on_syncing(move || {
        copy_dir(&from, &to.join(counted.get().to_string()));
        counted.set(counted.get() + 1);
    });
    let before = picture(&places);
    places.restore(&backup).unwrap();
    faults::on_syncing(|| ());
    let after = picture(&places);
    drop(places);
    let kept_key = backup.services[0].key.expose_expanded();
    let (mut stages_seen, mut begun) = (0, 0);
    for stage in 0..count.get() {
        let there = stages.path().join(stage.to_string());
        begun += usize::from(!secrets_in(&there.join("kept"), kept_key));
        let (amnesic, as_it_was) = (there.join("amnesic"), there.join("as-it-was"));
        copy_dir(&amnesic, &as_it_was);
        let places = open(&there);
        let found = picture(&places);
        assert_eq!(found, after, "stage {stage}");
        assert!(!places.is_restoring());
        // Done: what is removed from here on does not come back, not even where that it is done could not be written down.
        places.remove(&"new-kept".parse().unwrap()).unwrap();
        drop(places);
        std::fs::remove_dir_all(&amnesic).unwrap();
        std::fs::rename(&as_it_was, &amnesic).unwrap();
        let places = open(&there);
        assert!(
            !places.services().contains_key(&"new-kept".parse().unwrap()) && !places.is_restoring(),
            "stage {stage}"
        );
        stages_seen += 1;
    }
    println!("{stages_seen} moments, {begun} of them with the kept place as it was before");
    assert!(before != after && begun > 0 && stages_seen > begun + 1);
}

#[test]
fn without_the_persistent_volume_it_waits_and_after_a_reboot_it_is_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let before = picture(&places);
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let (from, counted) = (root.path().to_owned(), std::rc::Rc::clone(&count));
    let half = tempfile::tempdir().unwrap();
    let to = half.path().to_owned();
    // The first transaction is written, which is in the amnesic place.
    faults::on_syncing(move || {
        counted.set(counted.get() + 1);
        if counted.get() == 1 {
            copy_dir(&from, &to);
        }
    });
    let backup = backup();
    places.restore(&backup).unwrap();
    faults::on_syncing(|| ());
    let after = picture(&places);
    let away = half.path().join("away");
    std::fs::rename(half.path().join("kept"), &away).unwrap();
    std::fs::write(half.path().join("kept"), "in the way").unwrap();
    let places = open(half.path());
    assert!(places.is_restoring() && places.restore(&backup).is_err());
    drop(places);
    std::fs::remove_file(half.path().join("kept")).unwrap();
    std::fs::rename(&away, half.path().join("kept")).unwrap();
    let rebooted = tempfile::tempdir().unwrap();
    copy_dir(&half.path().join("kept"), &rebooted.path().join("kept"));
    assert_eq!(picture(&open(half.path())), after);
    let kept = |lines: &[String]| lines.iter().filter(|line| line.contains("persistence: Kept")).count();
    let found = open(rebooted.path());
    assert!(!found.is_restoring());
    assert_eq!(kept(&picture(&found)), kept(&before));
}

#[test]
fn two_of_one_key_are_refused_and_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    begun(&places);
    let before = picture(&places);
    let key = places.key(&"stays".parse().unwrap()).unwrap();
    let taken = HeldService { key, ..held("web", Persistence::Kept, "80") };
    let refused = places.restore(&Holdings { services: vec![taken], ..Holdings::default() });
    assert!(matches!(refused, Err(StoreError::AddressTaken { name }) if name.as_str() == "stays"));
    let twin = |name| HeldService {
        key: OnionKey::from_expanded(key_bytes().as_slice().try_into().unwrap()).unwrap(),
        ..held(name, Persistence::Kept, "80")
    };
    let refused = places.restore(&Holdings { services: vec![twin("a"), twin("b")], ..Holdings::default() });
    assert!(matches!(refused, Err(StoreError::AddressTaken { .. })));
    assert_eq!(picture(&places), before);
}

fn key_bytes() -> Vec<u8> {
    let mut bytes = vec![0x40; OnionKey::BYTES];
    bytes[0] = 8;
    bytes
}
