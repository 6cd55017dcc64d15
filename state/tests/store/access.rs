// SPDX-License-Identifier: GPL-3.0-or-later
//! Clients, options, other keys, services of others and requests, when nothing goes wrong.

use std::time::{Duration, Instant};

use tails_server_state::{
    AuthorizedClient, Autostart, Change, ClientAuthorization, ClientSecretKey, Exposure, JoinedService, MOST_CLIENTS,
    NewClient, NewClientKey, Persistence, ProofOfWork, SecretHeld, Store, StoreError, StoredService, Wish,
};

use crate::given::{PLACES, client_key, client_name, closed, key, layout, made, name, record};

fn service(store: &Store, name: &str) -> StoredService {
    store.services().into_iter().find(|service| service.record.name().as_str() == name).unwrap()
}

pub(crate) fn joined(name: &str, persistence: Persistence) -> JoinedService {
    JoinedService {
        name: name.parse().unwrap(),
        address: key().address(),
        persistence,
        title: Some("Mümble".to_owned()),
        ports: vec!["64738".parse().unwrap()],
        note: "password: hunter2".to_owned(),
        expires: Some(2_000_000_000),
    }
}

#[test]
fn clients_come_back_after_a_restart_with_what_is_here_of_their_keys() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let (alice, bob) = (client_key(), client_key().public_key());
        let web = name("web");
        {
            let store = Store::open(&layout(root.path()));
            store.add(&record("web", place, Autostart::Off), &key(), Wish::Enabled).unwrap();
            let copy = ClientSecretKey::from_bytes(alice.expose_bytes()).unwrap();
            store.add_client(&web, NewClient { name: client_name("zoe"), key: NewClientKey::Brought(bob) }).unwrap();
            store.add_client(&web, NewClient { name: client_name("al"), key: NewClientKey::Made(copy) }).unwrap();
            assert_eq!(store.rename_client(&web, &client_name("al"), &client_name("alice")).unwrap(), Change::Changed);
            assert_eq!(
                store.rename_client(&web, &client_name("alice"), &client_name("alice")).unwrap(),
                Change::Unchanged
            );
        }
        let store = Store::open(&layout(root.path()));
        let expected = [
            AuthorizedClient { name: client_name("alice"), public_key: alice.public_key(), secret: SecretHeld::Here },
            AuthorizedClient { name: client_name("zoe"), public_key: bob, secret: SecretHeld::Elsewhere },
        ];
        assert_eq!(service(&store, "web").clients, expected);
        let found = store.client_key(&web, &client_name("alice")).unwrap();
        assert_eq!(found.expose_bytes(), alice.expose_bytes());
        let elsewhere = store.client_key(&web, &client_name("zoe"));
        assert!(matches!(elsewhere, Err(StoreError::SecretElsewhere { .. })), "{elsewhere:?}");
        let unknown = store.client_key(&web, &client_name("al"));
        assert!(matches!(unknown, Err(StoreError::UnknownClient { .. })), "{unknown:?}");
        assert_eq!(store.remove_client(&web, &client_name("zoe")).unwrap(), Change::Changed);
        assert_eq!(store.remove_client(&web, &client_name("zoe")).unwrap(), Change::Unchanged);
        assert_eq!(service(&store, "web").clients, expected[..1]);
        // Who takes the name of a removed service does not take its clients.
        store.remove(&web).unwrap();
        store.add(&record("web", place, Autostart::Off), &key(), Wish::Enabled).unwrap();
        assert_eq!(service(&store, "web").clients, []);
        drop(store);
        let store = Store::open(&layout(root.path()));
        assert_eq!((service(&store, "web").clients, store.recovery(place)), (Vec::new(), None));
    }
}

#[test]
fn what_makes_no_sense_of_a_client_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    let web = name("web");
    let nobody = store.add_client(&web, made("alice"));
    assert!(matches!(nobody, Err(StoreError::Unknown { .. })), "{nobody:?}");
    assert!(matches!(store.remove_client(&web, &client_name("alice")), Err(StoreError::Unknown { .. })));
    store.add(&record("web", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).unwrap();
    store.add(&record("chat", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).unwrap();
    let alice = client_key();
    let brought = |name| NewClient { name: client_name(name), key: NewClientKey::Brought(alice.public_key()) };
    store.add_client(&web, brought("alice")).unwrap();
    let again = store.add_client(&web, made("alice"));
    assert!(matches!(again, Err(StoreError::ClientExists { .. })), "{again:?}");
    let same_key = store.add_client(&web, brought("bob"));
    assert!(matches!(&same_key, Err(StoreError::ClientKeyTaken { client, .. }) if client.as_str() == "alice"));
    // At another service the same client is welcome.
    store.add_client(&name("chat"), brought("alice")).unwrap();
    store.add_client(&web, made("bob")).unwrap();
    let taken = store.rename_client(&web, &client_name("alice"), &client_name("bob"));
    assert!(matches!(taken, Err(StoreError::ClientExists { .. })), "{taken:?}");
    let unknown = store.rename_client(&web, &client_name("carol"), &client_name("dan"));
    assert!(matches!(unknown, Err(StoreError::UnknownClient { .. })), "{unknown:?}");
    assert_eq!(service(&store, "web").clients.len(), 2);
}

#[test]
fn as_many_clients_as_tor_can_publish_and_not_one_more() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    let web = name("web");
    store.add(&record("web", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).unwrap();
    let mut slowest = Duration::ZERO;
    for number in 0..MOST_CLIENTS {
        // The longest names there are, made and brought.
        let key = client_key();
        let key = if number % 2 == 0 { NewClientKey::Made(key) } else { NewClientKey::Brought(key.public_key()) };
        let start = Instant::now();
        store.add_client(&web, NewClient { name: client_name(&format!("c{number:0>31}")), key }).unwrap();
        slowest = slowest.max(start.elapsed());
    }
    let refused = store.add_client(&web, made("more"));
    assert!(matches!(refused, Err(StoreError::TooManyClients { .. })), "{refused:?}");
    let start = Instant::now();
    store.remove_client(&web, &client_name(&format!("c{:0>31}", 7))).unwrap();
    println!("{MOST_CLIENTS} clients: slowest addition {slowest:?}, removal {:?}", start.elapsed());
    store.add_client(&web, made("more")).unwrap();
    drop(store);
    let start = Instant::now();
    let store = Store::open(&layout);
    println!("open: {:?}", start.elapsed());
    assert_eq!((service(&store, "web").clients.len(), store.recovery(Persistence::Kept)), (MOST_CLIENTS, None));
    let start = Instant::now();
    assert_eq!(store.remove(&web).unwrap(), Change::Changed);
    println!("removal of the service: {:?}", start.elapsed());
    drop(store);
    assert!(Store::open(&layout).services().is_empty());
}

#[test]
fn a_record_changes_in_its_place_and_keeps_key_clients_and_wish() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&layout(root.path()));
        let web = name("web");
        let key = key();
        store.add(&record("web", place, Autostart::Off), &key, Wish::Enabled).unwrap();
        store.add_client(&web, made("alice")).unwrap();
        let before = service(&store, "web");
        assert_eq!(*before.record.exposure(), Exposure::default());
        assert_eq!(store.set_record(&before.record).unwrap(), Change::Unchanged);
        let exposure = Exposure {
            client_authorization: ClientAuthorization::On,
            max_streams: Some("65535".parse().unwrap()),
            proof_of_work: Some(ProofOfWork::default()),
        };
        let ports = vec!["81:8081".parse().unwrap()].try_into().unwrap();
        let mut changed = before.record.clone().with_exposure(exposure).with_ports(ports);
        if place == Persistence::Kept {
            changed = changed.with_autostart(Autostart::On).unwrap();
        }
        assert_eq!(store.set_record(&changed).unwrap(), Change::Changed);
        let expected = StoredService { record: changed.clone(), ..before.clone() };
        assert_eq!(service(&store, "web"), expected);
        drop(store);
        let store = Store::open(&layout(root.path()));
        assert_eq!(service(&store, "web"), expected);
        assert_eq!(store.key(&web).unwrap().expose_expanded(), key.expose_expanded());
        // Back to open, and closed again.
        for authorization in [ClientAuthorization::Off, ClientAuthorization::On] {
            let exposure = Exposure { client_authorization: authorization, ..exposure };
            let next = changed.clone().with_exposure(exposure);
            assert_eq!(store.set_record(&next).unwrap(), Change::Changed);
            assert_eq!(service(&store, "web"), StoredService { record: next, ..expected.clone() });
        }
        let elsewhere = if place == Persistence::Kept { Persistence::Amnesic } else { Persistence::Kept };
        let moved = store.set_record(&record("web", elsewhere, Autostart::Off));
        assert!(matches!(moved, Err(StoreError::OtherPlace { .. })), "{moved:?}");
        let unknown = store.set_record(&record("other", place, Autostart::Off));
        assert!(matches!(unknown, Err(StoreError::Unknown { .. })), "{unknown:?}");
    }
}

#[test]
fn another_key_is_another_address_and_nothing_else() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&layout(root.path()));
        let web = name("web");
        store.add(&closed("web", place), &key(), Wish::Enabled).unwrap();
        store.add_client(&web, made("alice")).unwrap();
        let before = service(&store, "web");
        let new = key();
        store.replace_key(&web, &new).unwrap();
        store.replace_key(&web, &new).unwrap();
        let expected = StoredService { address: new.address(), ..before };
        assert_eq!(service(&store, "web"), expected);
        assert_eq!(store.key(&web).unwrap().expose_expanded(), new.expose_expanded());
        drop(store);
        let store = Store::open(&layout(root.path()));
        assert_eq!((service(&store, "web"), store.recovery(place)), (expected, None));
        assert_eq!(store.key(&web).unwrap().expose_expanded(), new.expose_expanded());
        let unknown = store.replace_key(&name("other"), &key());
        assert!(matches!(unknown, Err(StoreError::Unknown { .. })), "{unknown:?}");
    }
}

#[test]
fn an_address_belongs_to_one_service_in_both_places_together() {
    for (one, other) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&layout(root.path()));
        let key = key();
        store.add(&record("web", PLACES[one], Autostart::Off), &key, Wish::Disabled).unwrap();
        let again = store.add(&record("copy", PLACES[other], Autostart::Off), &key, Wish::Enabled);
        assert!(matches!(&again, Err(StoreError::AddressTaken { name }) if name.as_str() == "web"), "{again:?}");
        store.add(&record("copy", PLACES[other], Autostart::Off), &self::key(), Wish::Enabled).unwrap();
        let again = store.replace_key(&name("copy"), &key);
        assert!(matches!(&again, Err(StoreError::AddressTaken { name }) if name.as_str() == "web"), "{again:?}");
        store.remove(&name("web")).unwrap();
        store.replace_key(&name("copy"), &key).unwrap();
    }
}

#[test]
fn the_last_use_of_a_service_is_known_across_restarts_of_ours() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let order = |store: &Store| {
        let mut services = store.services();
        services.sort_by_key(|service| service.enabled_at);
        services.iter().map(|service| service.record.name().to_string()).collect::<Vec<_>>()
    };
    let store = Store::open(&layout);
    for (name, place) in [("a", Persistence::Kept), ("b", Persistence::Amnesic), ("c", Persistence::Kept)] {
        store.add(&record(name, place, Autostart::Off), &key(), Wish::Disabled).unwrap();
    }
    assert_eq!(order(&store), ["a", "b", "c"]);
    store.set_wish(&name("a"), Wish::Enabled).unwrap();
    store.set_wish(&name("c"), Wish::Enabled).unwrap();
    store.add_client(&name("b"), made("alice")).unwrap();
    assert_eq!(order(&store), ["b", "a", "c"]);
    // Rewritten, too.
    store.remove_client(&name("b"), &client_name("alice")).unwrap();
    drop(store);
    assert_eq!(order(&Store::open(&layout)), ["b", "a", "c"]);
    std::fs::remove_dir_all(&layout.amnesic).unwrap();
    assert!(Store::open(&layout).services().iter().all(|service| service.enabled_at == 0));
}

#[test]
fn services_of_others_are_joined_once_and_left() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&layout(root.path()));
        let (mumble, secret) = (joined("mumble", place), client_key());
        assert_eq!(store.join(&mumble, Some(&secret)).unwrap(), Change::Changed);
        assert_eq!(store.join(&mumble, Some(&secret)).unwrap(), Change::Unchanged);
        // A service of ours may have the same name.
        store.add(&record("mumble", place, Autostart::Off), &key(), Wish::Enabled).unwrap();
        let other = store.join(&joined("mumble", place), Some(&secret));
        assert!(matches!(other, Err(StoreError::Exists { .. })), "{other:?}");
        let new = client_key();
        assert_eq!(store.join(&mumble, Some(&new)).unwrap(), Change::Changed);
        let blog = joined("blog", place);
        store.join(&blog, None).unwrap();
        drop(store);
        let store = Store::open(&layout(root.path()));
        assert_eq!(store.recovery(place), None);
        assert_eq!(store.joined(), [blog, mumble.clone()]);
        assert_eq!(store.joined_key(&mumble.name).unwrap().unwrap().expose_bytes(), new.expose_bytes());
        assert!(store.joined_key(&name("blog")).unwrap().is_none());
        let unknown = store.joined_key(&name("other"));
        assert!(matches!(unknown, Err(StoreError::NotJoined { .. })), "{unknown:?}");
        // To the other place.
        let elsewhere = if place == Persistence::Kept { Persistence::Amnesic } else { Persistence::Kept };
        let moved = JoinedService { persistence: elsewhere, ..mumble };
        assert_eq!(store.join(&moved, Some(&new)).unwrap(), Change::Changed);
        assert_eq!(store.joined()[1], moved);
        assert_eq!(store.joined_key(&moved.name).unwrap().unwrap().expose_bytes(), new.expose_bytes());
        assert_eq!(store.leave(&moved.name).unwrap(), Change::Changed);
        assert_eq!(store.leave(&moved.name).unwrap(), Change::Unchanged);
        assert_eq!(store.joined().len(), 1);
        drop(store);
        assert_eq!(Store::open(&layout(root.path())).joined().len(), 1);
    }
}

#[test]
fn a_note_that_does_not_fit_is_refused_and_the_longest_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    let of = |length| JoinedService { note: "x".repeat(length), ..joined("mumble", Persistence::Kept) };
    let longest = (0..20_000).rev().step_by(100).find(|length| store.join(&of(*length), None).is_ok()).unwrap();
    assert!(longest > 4096, "{longest}");
    let refused = store.join(&JoinedService { note: "x".repeat(longest + 100), ..store.joined()[0].clone() }, None);
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    drop(store);
    assert_eq!(Store::open(&layout(root.path())).joined()[0].note.len(), longest);
}

#[test]
fn requests_are_found_by_their_public_key() {
    let root = tempfile::tempdir().unwrap();
    let (alice, bob) = (client_key(), client_key());
    let store = Store::open(&layout(root.path()));
    assert_eq!(store.add_request(&client_name("alice"), &alice, Persistence::Amnesic).unwrap(), Change::Changed);
    assert_eq!(store.add_request(&client_name("alice"), &alice, Persistence::Amnesic).unwrap(), Change::Unchanged);
    for place in PLACES {
        let taken = store.add_request(&client_name("alice"), &bob, place);
        assert!(matches!(taken, Err(StoreError::RequestExists { .. })), "{taken:?}");
    }
    store.add_request(&client_name("bob"), &bob, Persistence::Kept).unwrap();
    drop(store);
    let store = Store::open(&layout(root.path()));
    let names = |store: &Store| store.requests().iter().map(|it| it.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&store), ["alice", "bob"]);
    assert_eq!(store.request_key(&client_name("alice")).unwrap().expose_bytes(), alice.expose_bytes());
    let (found, key) = store.request_key_for(&bob.public_key()).unwrap().unwrap();
    assert_eq!((found, key.expose_bytes()), (client_name("bob"), bob.expose_bytes()));
    assert!(store.request_key_for(&client_key().public_key()).unwrap().is_none());
    assert_eq!(store.remove_request(&client_name("alice")).unwrap(), Change::Changed);
    assert_eq!(store.remove_request(&client_name("alice")).unwrap(), Change::Unchanged);
    let unknown = store.request_key(&client_name("alice"));
    assert!(matches!(unknown, Err(StoreError::UnknownRequest { .. })), "{unknown:?}");
    drop(store);
    std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
    assert_eq!(names(&Store::open(&layout(root.path()))), ["bob"]);
}
