// SPDX-License-Identifier: GPL-3.0-or-later
use std::collections::BTreeMap;

use tails_server_state::{
    Allow, Autostart, ClientAuthorization, ClientSecretKey, Exposure, HeldJoined, HeldRequest, HeldService, Holdings,
    JoinedService, LocalAccess, NewClient, NewClientKey, OnionKey, OptionText, Persistence, ProofOfWork, ServiceKind,
    ServiceRecord, Store, StoreLayout, Wish,
};

use super::convert::{read, write};
use super::*;
use crate::controller::repertoire::Repertoire;

fn service(name: &str, place: Persistence, autostart: Autostart, wish: Wish) -> HeldService {
    let ports = vec!["80:8080".parse().unwrap(), "81:unix:/run/a.sock".parse().unwrap()].try_into().unwrap();
    let made = NewClientKey::Made(ClientSecretKey::generate().unwrap());
    let brought = NewClientKey::Brought(ClientSecretKey::generate().unwrap().public_key());
    HeldService {
        record: ServiceRecord::new(name.parse().unwrap(), place, autostart, ports).unwrap(),
        key: OnionKey::generate().unwrap(),
        wish,
        clients: vec![
            NewClient { name: "alice".parse().unwrap(), key: made },
            NewClient { name: "bob".parse().unwrap(), key: brought },
        ],
        options: BTreeMap::from([("motd".parse().unwrap(), OptionText::new("a \"word\"\nü"))]),
    }
}

fn everything() -> Holdings {
    let mut described = service("mumble", Persistence::Amnesic, Autostart::Off, Wish::Disabled);
    let access = LocalAccess { localhost: Allow::Yes, lan: Allow::No };
    let exposure = Exposure {
        client_authorization: ClientAuthorization::On,
        max_streams: Some("7".parse().unwrap()),
        proof_of_work: Some(ProofOfWork::new(1, 2).unwrap()),
    };
    described.record = described.record.of_kind(ServiceKind::Described(access)).with_exposure(exposure);
    let joined = |name: &str, persistence, key: Option<ClientSecretKey>, expires| HeldJoined {
        service: JoinedService {
            name: name.parse().unwrap(),
            address: OnionKey::generate().unwrap().address(),
            persistence,
            title: key.is_some().then(|| "Chess".to_owned()),
            ports: vec!["80".parse().unwrap()],
            note: "password: \"x\"".to_owned(),
            expires,
        },
        key,
    };
    let key = || ClientSecretKey::generate().unwrap();
    Holdings {
        services: vec![described, service("web", Persistence::Kept, Autostart::On, Wish::Enabled)],
        joined: vec![
            joined("club", Persistence::Kept, Some(key()), Some(7)),
            joined("pad", Persistence::Amnesic, None, None),
        ],
        requests: vec![HeldRequest { name: "me".parse().unwrap(), key: key(), persistence: Persistence::Kept }],
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
    (directory, Store::open(&layout))
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let written = write(&everything()).unwrap();
    assert_eq!(*write(&read(&written).unwrap()).unwrap(), *written);
    let (_directory, store) = store();
    store.restore(&read(&written).unwrap()).unwrap();
    assert_eq!(*write(&store.holdings().unwrap()).unwrap(), *written);
}

/// Version 1 stays as it is.
#[test]
fn a_backup_of_version_1_is_read_for_ever() {
    let fixture = include_bytes!("../../../fixtures/backup/version-1.json");
    let holdings = read(fixture).unwrap();
    assert_eq!((holdings.services.len(), holdings.joined.len(), holdings.requests.len()), (2, 2, 1));
    assert_eq!(write(&holdings).unwrap().as_slice(), fixture.trim_ascii_end());
}

#[test]
fn what_can_not_be_is_refused_and_names_what_it_is() {
    let written = String::from_utf8(write(&everything()).unwrap().to_vec()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(written.contains(from), "{from}");
        read(written.replacen(from, to, 1).as_bytes()).map(drop)
    };
    let entry = |name: &str| Err(InvalidArchive::Entry(name.to_owned()));
    assert_eq!(with("\"version\": 1", "\"version\": 2"), Err(InvalidArchive::TooNew(2)));
    assert_eq!(with("\"version\": 1", "\"version\": 0"), Err(InvalidArchive::NotOurs));
    assert_eq!(with("tails-server-remembered", "other"), Err(InvalidArchive::NotOurs));
    assert_eq!(with("\"enabled\": true", "\"enabled\": true, \"more\": 1"), Err(InvalidArchive::Form));
    assert_eq!(with("\"web\"", "\"mumble\""), entry("mumble"));
    assert_eq!(with("\"web\"", "\"../web\""), Err(InvalidArchive::Form));
    assert_eq!(with("\"autostart\": false", "\"autostart\": true"), entry("mumble"));
    assert_eq!(with("127.0.0.1:8080", "192.0.2.1:8080"), entry("mumble"));
    assert_eq!(with("\"bob\"", "\"alice\""), entry("mumble"));
    assert_eq!(with("\"max-streams\": 7", "\"max-streams\": 0"), entry("mumble"));
    assert_eq!(with("\"pad\"", "\"club\""), entry("club"));
    for nothing in [&b""[..], b"{}", b"[]", b"\xff", b"null"] {
        assert_eq!(read(nothing).map(drop), Err(InvalidArchive::NotOurs));
    }
}

fn mode(existing: Existing, wishes: Waking) -> RestoreMode {
    RestoreMode { existing, wishes }
}

/// Restores as the controller does.
fn restore(store: &Store, backup: &[u8], mode: RestoreMode) -> Vec<Restoration> {
    let (told, chosen) = examine::examine(store, &Repertoire::default(), read(backup).unwrap(), mode).unwrap();
    store.restore(&chosen).unwrap();
    told
}

fn wishes(store: &Store) -> Vec<(String, Wish, Autostart)> {
    let of = |service: tails_server_state::StoredService| {
        (service.record.name().to_string(), service.wish, service.record.autostart())
    };
    store.services().into_iter().map(of).collect()
}

#[test]
fn nothing_that_is_new_is_enabled_unless_asked_for_and_restoring_twice_is_restoring_once() {
    let backup = write(&everything()).unwrap();
    for (waking, wish, autostart) in
        [(Waking::Asleep, Wish::Disabled, Autostart::Off), (Waking::Awake, Wish::Enabled, Autostart::On)]
    {
        let (_directory, store) = store();
        let told = restore(&store, &backup, mode(Existing::Stays, waking));
        assert!(told.iter().all(|item| item.verdict == Verdict::New && item.is_done), "{told:#?}");
        assert_eq!(wishes(&store)[1], ("web".to_owned(), wish, autostart));
        assert_eq!(wishes(&store)[0].1, Wish::Disabled);
        let told = restore(&store, &backup, mode(Existing::IsReplaced, waking));
        assert!(told.iter().all(|item| item.verdict == Verdict::Same && !item.is_done), "{told:#?}");
        assert_eq!(wishes(&store)[1], ("web".to_owned(), wish, autostart));
    }
}

#[test]
fn what_is_here_with_the_same_key_stays_as_enabled_as_it_is() {
    let (_directory, store) = store();
    let backup = write(&everything()).unwrap();
    restore(&store, &backup, mode(Existing::Stays, Waking::Awake));
    let web = "web".parse().unwrap();
    store.reset_option(&web, &"motd".parse().unwrap()).unwrap();
    let told = restore(&store, &backup, mode(Existing::Stays, Waking::Asleep));
    assert_eq!(
        (&told[1].verdict, told[1].is_done, &told[1].differences[..]),
        (&Verdict::Different, false, &["options"][..])
    );
    restore(&store, &backup, mode(Existing::IsReplaced, Waking::Asleep));
    assert_eq!(store.options(&web).unwrap().len(), 1);
    assert_eq!(wishes(&store)[1], ("web".to_owned(), Wish::Enabled, Autostart::On));
    store.replace_key(&web, &OnionKey::generate().unwrap()).unwrap();
    let told = restore(&store, &backup, mode(Existing::IsReplaced, Waking::Asleep));
    assert_eq!((told[1].is_done, told[1].differences.contains(&"key")), (true, true));
    assert_eq!(wishes(&store)[1], ("web".to_owned(), Wish::Disabled, Autostart::Off));
}

#[test]
fn a_key_that_is_here_under_another_name_is_never_taken() {
    let (_directory, store) = store();
    let backup = write(&everything()).unwrap();
    let there = read(&backup).unwrap();
    let ports = vec!["80".parse().unwrap()].try_into().unwrap();
    let mine = ServiceRecord::new("mine".parse().unwrap(), Persistence::Kept, Autostart::Off, ports).unwrap();
    store.add(&mine, &there.services[1].key, Wish::Disabled).unwrap();
    let joined = JoinedService { name: "other".parse().unwrap(), ..there.joined[0].service.clone() };
    store.join(&joined, None).unwrap();
    let told = restore(&store, &backup, mode(Existing::IsReplaced, Waking::Awake));
    assert_eq!((&told[1].verdict, told[1].is_done), (&Verdict::Taken("mine".parse().unwrap()), false));
    assert_eq!((&told[2].verdict, told[2].is_done), (&Verdict::Taken("other".parse().unwrap()), false));
    assert_eq!(store.services().len(), 2);
}

#[test]
fn what_has_no_descriptor_here_is_restored_and_says_so() {
    let (_directory, store) = store();
    let told = restore(&store, &write(&everything()).unwrap(), RestoreMode::default());
    assert!(told[0].is_done && told[0].problem.as_ref().is_some_and(|problem| problem.contains("no descriptor")));
    assert_eq!(told[1].problem, None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0..4000_usize, with in "\\PC{0,3}", cut in 0..4000_usize) {
        let fixture = std::str::from_utf8(include_bytes!("../../../fixtures/backup/version-1.json")).unwrap();
        let (at, cut) = (at % fixture.len(), cut % 8);
        let text = format!("{}{with}{}", &fixture[..at], fixture.get(at + cut..).unwrap_or_default());
        let _ = read(text.as_bytes());
        let _ = read(&text.as_bytes()[..at]);
    }
}
