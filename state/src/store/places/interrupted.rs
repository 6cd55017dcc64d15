// SPDX-License-Identifier: GPL-3.0-or-later
//! What becomes of clients, options, records and keys when the disk fails on the way.

use std::path::Path;

use super::*;
use crate::client::{ClientName, ClientSecretKey, NewClient, NewClientKey};
use crate::exposure::{ClientAuthorization, Exposure};
use crate::store::disk::faults;
use crate::store::files;

const PLACES: [Persistence; 2] = [Persistence::Kept, Persistence::Amnesic];

fn open(root: &Path) -> Places {
    Places::open(&StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") })
}

fn web() -> ServiceName {
    "web".parse().unwrap()
}

fn alice() -> ClientName {
    "alice".parse().unwrap()
}

fn record(place: Persistence, authorization: ClientAuthorization) -> ServiceRecord {
    let ports = vec!["80".parse().unwrap()].try_into().unwrap();
    let exposure = Exposure { client_authorization: authorization, ..Exposure::default() };
    ServiceRecord::new(web(), place, Autostart::Off, ports).unwrap().with_exposure(exposure)
}

fn private(root: &Path, place: Persistence) -> Places {
    let places = open(root);
    let key = OnionKey::generate().unwrap();
    places.add(&record(place, ClientAuthorization::On), &key, Wish::Enabled, &[]).unwrap();
    places
}

fn found(places: &Places) -> StoredService {
    places.services().remove(&web()).unwrap()
}

fn holds(root: &Path, secret: &[u8]) -> bool {
    files::entries(root).unwrap().iter().any(|path| {
        if path.is_dir() {
            holds(path, secret)
        } else {
            std::fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret)
        }
    })
}

#[test]
fn a_service_that_could_not_be_opened_to_all_is_open_to_nobody_else() {
    for place in PLACES {
        for failures in 1..12 {
            let root = tempfile::tempdir().unwrap();
            let places = private(root.path(), place);
            faults::fail_syncs(0, failures);
            places.set_record(&record(place, ClientAuthorization::Off)).unwrap_err();
            let is_open = |places: &Places| {
                let found = found(places);
                let authorization = found.record.exposure().client_authorization;
                found.wish == Wish::Enabled && authorization == ClientAuthorization::Off
            };
            assert!(!is_open(&places), "{failures} {place:?}");
            faults::fail_syncs(0, 0);
            for place in places.both() {
                place.mend();
                assert!(place.is_open(), "{:?}", place.view().problem);
            }
            assert!(!is_open(&places), "{failures} {place:?}");
            places.set_record(&record(place, ClientAuthorization::On)).unwrap();
            places.set_record(&record(place, ClientAuthorization::Off)).unwrap();
            places.set_wish(&web(), Wish::Enabled).unwrap();
            assert!(is_open(&places), "{failures} {place:?}");
        }
    }
}

#[test]
fn a_client_that_could_not_be_added_was_not() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let places = private(root.path(), place);
        let key = ClientSecretKey::generate().unwrap();
        let secret = *key.expose_bytes();
        let client = NewClient { name: alice(), key: NewClientKey::Made(key) };
        faults::fail_syncs(0, 1);
        places.add_client(&web(), &client).unwrap_err();
        assert_eq!(found(&places).clients, []);
        assert!(!holds(root.path(), &secret), "{place:?}");
        places.add_client(&web(), &client).unwrap();
        assert_eq!(found(&places).clients.len(), 1);
    }
}

#[test]
fn a_removal_that_is_durable_is_said_to_be_and_the_secret_goes_as_soon_as_it_can() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let places = private(root.path(), place);
        let key = ClientSecretKey::generate().unwrap();
        let secret = *key.expose_bytes();
        places.add_client(&web(), &NewClient { name: alice(), key: NewClientKey::Made(key) }).unwrap();
        assert_eq!(places.export(), Pending::Nothing);
        faults::fail_syncs(1, 1);
        assert_eq!(places.remove_client(&web(), &alice()).unwrap(), Change::Changed);
        assert_eq!(found(&places).clients, []);
        assert!(holds(root.path(), &secret) && places.of(place).is_behind(), "{place:?}");
        assert_eq!(places.export(), Pending::Nothing);
        assert!(!holds(root.path(), &secret) && !places.of(place).is_behind(), "{place:?}");
        // If it is not durable, it says so.
        let key = ClientSecretKey::generate().unwrap();
        places.add_client(&web(), &NewClient { name: alice(), key: NewClientKey::Made(key) }).unwrap();
        faults::fail_syncs(0, 1);
        places.remove_client(&web(), &alice()).unwrap_err();
    }
}

#[test]
fn a_replaced_key_goes_as_soon_as_it_can() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let places = private(root.path(), place);
        let old = places.key(&web()).unwrap();
        assert_eq!(places.export(), Pending::Nothing);
        let new = OnionKey::generate().unwrap();
        // A kept one says farewell to the old address in the amnesic place first.
        faults::fail_syncs(if place == Persistence::Kept { 2 } else { 1 }, 1);
        places.replace_key(&web(), &new).unwrap();
        assert_eq!(found(&places).address, new.address());
        assert!(holds(root.path(), old.expose_expanded()));
        drop(places);
        // Also when the process ends on the way.
        let places = open(root.path());
        assert!(!holds(root.path(), old.expose_expanded()) && holds(root.path(), new.expose_expanded()));
        assert_eq!(found(&places).address, new.address());
    }
}

#[test]
fn a_client_without_a_service_is_damage() {
    let root = tempfile::tempdir().unwrap();
    let places = private(root.path(), Persistence::Kept);
    let key = ClientSecretKey::generate().unwrap();
    let payload = migrations::client_to_payload(&key.public_key(), Some(&key));
    let stray = Row { tree: Tree::Clients, key: "other/alice".to_owned(), generation: 0, payload };
    places.kept.commit(vec![RowChange::Put(stray)]).unwrap();
    drop(places);
    let places = open(root.path());
    let recovery = places.kept.view().recovery.clone();
    assert!(recovery.is_some() || places.kept.view().problem.is_some());
    assert!(places.services().values().all(|service| service.clients.is_empty() && service.wish == Wish::Disabled));
}

fn option_name() -> OptionName {
    "server-password".parse().unwrap()
}

#[test]
fn an_option_has_the_old_value_or_the_new_one_and_the_old_one_goes_as_soon_as_it_can() {
    for place in PLACES {
        for (skipped, failures) in [(0, 1), (0, 3), (1, 1)] {
            let root = tempfile::tempdir().unwrap();
            let places = private(root.path(), place);
            let [old, new] = ["the-old-password", "the-new-password"].map(OptionText::new);
            places.set_option(&web(), &option_name(), &old).unwrap();
            assert_eq!(places.export(), Pending::Nothing);
            faults::fail_syncs(skipped, failures);
            let set = places.set_option(&web(), &option_name(), &new);
            faults::fail_syncs(0, 0);
            places.of(place).mend();
            let found = places.options(&web()).unwrap();
            let found = found.get(&option_name()).unwrap().expose();
            assert!([old.expose(), new.expose()].contains(&found), "{place:?} {skipped} {failures}");
            assert!(set.is_err() || found == new.expose(), "what is acknowledged holds");
            if set.is_ok() {
                assert_eq!(places.export(), Pending::Nothing);
                assert!(!holds(root.path(), old.expose().as_bytes()), "{place:?} {skipped} {failures}");
            }
        }
    }
}

#[test]
fn a_service_that_could_not_be_added_leaves_none_of_its_secrets() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let places = open(root.path());
        let secrets = [(option_name(), OptionText::new("the-secret-password"))];
        let key = OnionKey::generate().unwrap();
        // The wish of a kept one is written first.
        faults::fail_syncs(if place == Persistence::Kept { 1 } else { 0 }, 1);
        let added = places.add(&record(place, ClientAuthorization::Off), &key, Wish::Enabled, &secrets);
        assert!(added.is_err() && places.services().is_empty(), "{place:?}");
        assert!(!holds(root.path(), b"the-secret-password"), "{place:?}");
    }
}
