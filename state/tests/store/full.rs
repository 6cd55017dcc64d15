// SPDX-License-Identifier: GPL-3.0-or-later
//! On a full disk nobody can be let in, and everybody can be sent away.

use tails_server_state::{
    Autostart, Change, ClientAuthorization, NewClient, NewClientKey, Persistence, Store, StoreError, Wish,
};

use crate::access::joined;
use crate::given::{PLACES, client_key, client_name, closed, files, key, layout, made, name, record};
use crate::root::{Medium, assert_inside, run_inside};

#[test]
fn on_a_full_disk_clients_are_removed_and_services_are_closed() {
    run_inside("full::closing");
}

#[test]
#[ignore = "started by another test"]
fn closing() {
    assert_inside();
    for full in PLACES {
        let root = tempfile::tempdir().unwrap();
        let medium = Medium::new(root.path(), 16);
        let mut layout = layout(root.path());
        match full {
            Persistence::Kept => layout.kept = medium.mounted.join("kept"),
            Persistence::Amnesic => layout.amnesic = medium.mounted.join("amnesic"),
        }
        let store = Store::open(&layout);
        let web = name("web");
        let secret = client_key();
        let bytes = secret.expose_bytes().to_vec();
        store.add(&closed("web", full), &key(), Wish::Enabled).unwrap();
        store.add(&record("open", full, Autostart::Off), &key(), Wish::Enabled).unwrap();
        store.add_client(&web, NewClient { name: client_name("first"), key: NewClientKey::Made(secret) }).unwrap();
        let mumble = joined("mumble", full);
        store.join(&mumble, Some(&client_key())).unwrap();
        for number in 0..5 {
            store.add_client(&web, made(&format!("c{number}"))).unwrap();
        }
        let of = |store: &Store, name: &str| {
            store.services().into_iter().find(|service| service.record.name().as_str() == name).unwrap()
        };
        let clients = |store: &Store| of(store, "web").clients.len();
        medium.fill(0);
        // What is left of the segment that is being written may still take some.
        let mut added = 0;
        let refusal = loop {
            let service = record(&format!("more{added}"), full, Autostart::Off);
            match store.add(&service, &key(), Wish::Enabled) {
                Ok(()) => added += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refusal, StoreError::Full { .. }), "{full:?}: {refusal:?}");
        let refusal = store.add_client(&web, made("more"));
        assert!(matches!(refusal, Err(StoreError::Full { .. })), "{full:?}: {refusal:?}");
        let refusal = store.join(&joined("more", full), None);
        assert!(matches!(refusal, Err(StoreError::Full { .. })), "{full:?}: {refusal:?}");
        assert_eq!(store.set_record(&closed("open", full)).unwrap(), Change::Changed, "{full:?}");
        medium.fill(0);
        let before = clients(&store);
        assert_eq!(store.remove_client(&web, &client_name("first")).unwrap(), Change::Changed, "{full:?}");
        let holding = |path: &std::path::PathBuf| {
            // An export under way may have got its name meanwhile.
            let found = std::fs::read(path).unwrap_or_default();
            found.windows(16).any(|window| *window == bytes[..16])
        };
        let left: Vec<_> = files(&layout.kept).into_iter().chain(files(&layout.amnesic)).filter(holding).collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new(), "{full:?}");
        assert_eq!(clients(&store), before - 1);
        medium.fill(0);
        for number in [1, 2, 3] {
            assert_eq!(store.remove_client(&web, &client_name(&format!("c{number}"))).unwrap(), Change::Changed);
            medium.fill(0);
        }
        assert_eq!(store.leave(&mumble.name).unwrap(), Change::Changed);
        drop(store);
        medium.fill(0);
        let store = Store::open(&layout);
        assert_eq!((clients(&store), store.joined().len()), (before - 4, 0), "{:?}", store.problem(full));
        assert_eq!(of(&store, "open").record.exposure().client_authorization, ClientAuthorization::On);
    }
}
