// SPDX-License-Identifier: GPL-3.0-or-later
//! A service moves from one place to the other.

use std::path::Path;

use tails_server_state::{
    Autostart, Change, OnionKey, Persistence, Store, StoreError, StoreLayout, StoredService, Wish,
};

use crate::given::{client_name, closed, files, key, layout, made, name, record};
use crate::root::{Medium, assert_inside, run_inside};

fn service(store: &Store, service: &str) -> StoredService {
    store.services().into_iter().find(|found| found.record.name().as_str() == service).unwrap()
}

fn is_in(directory: &Path, key: &OnionKey) -> bool {
    let secret = key.expose_expanded();
    // An export under way may have got its name meanwhile.
    let holds = |bytes: Vec<u8>| bytes.windows(secret.len()).any(|window| window == secret);
    files(directory).into_iter().any(|path| holds(std::fs::read(path).unwrap_or_default()))
}

#[test]
fn what_is_kept_comes_back_after_a_reboot_and_what_is_not_any_more_does_not() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    let (web, secret) = (name("web"), key());
    store.add(&closed("web", Persistence::Amnesic), &secret, Wish::Enabled).unwrap();
    store.add_client(&web, made("alice")).unwrap();
    let before = service(&store, "web");
    let reboot = |store: Store| {
        drop(store);
        std::fs::remove_dir_all(&layout.amnesic).unwrap();
        Store::open(&layout)
    };

    assert_eq!(store.set_persistence(&web, Persistence::Kept).unwrap(), Change::Changed);
    let expected = StoredService { record: closed("web", Persistence::Kept), ..before };
    let moved = service(&store, "web");
    assert_eq!(moved, StoredService { enabled_at: moved.enabled_at, ..expected.clone() });
    assert!(!is_in(&layout.amnesic, &secret), "at once");
    let store = reboot(store);
    assert_eq!(service(&store, "web"), StoredService { wish: Wish::Disabled, enabled_at: 0, ..expected });
    assert!(store.client_key(&web, &client_name("alice")).is_ok());
    store.set_record(&closed("web", Persistence::Kept).with_autostart(Autostart::On).unwrap()).unwrap();

    assert_eq!(store.set_persistence(&web, Persistence::Amnesic).unwrap(), Change::Changed);
    assert_eq!(service(&store, "web").record, closed("web", Persistence::Amnesic));
    assert_eq!(service(&store, "web").wish, Wish::Enabled, "as autostart had it");
    assert!(!is_in(&layout.kept, &secret), "at once");
    let store = reboot(store);
    assert!(store.services().is_empty() && store.recovery(Persistence::Kept).is_none());
    let unknown = store.set_persistence(&web, Persistence::Kept);
    assert!(matches!(unknown, Err(StoreError::Unknown { .. })), "{unknown:?}");
}

#[test]
fn a_full_disk_lets_go_and_takes_nothing_in() {
    run_inside("moves::full");
}

#[test]
#[ignore = "started by another test"]
fn full() {
    assert_inside();
    let root = tempfile::tempdir().unwrap();
    let medium = Medium::new(root.path(), 16);
    let layout = StoreLayout { kept: medium.mounted.join("kept"), ..layout(root.path()) };
    let store = Store::open(&layout);
    let (going, coming) = (key(), key());
    store.add(&record("going", Persistence::Kept, Autostart::On), &going, Wish::Enabled).unwrap();
    store.add(&record("coming", Persistence::Amnesic, Autostart::Off), &coming, Wish::Enabled).unwrap();
    let before = service(&store, "coming");
    medium.fill(0);
    // What is left of the segment that is being written may still take some.
    let mut added = 0;
    while store.add(&record(&format!("s{added}"), Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).is_ok() {
        added += 1;
    }
    let refused = store.set_persistence(&name("coming"), Persistence::Kept);
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(service(&store, "coming"), before);
    assert!(!is_in(&layout.kept, &coming));
    medium.fill(0);
    assert_eq!(store.set_persistence(&name("going"), Persistence::Amnesic).unwrap(), Change::Changed);
    assert!(!is_in(&layout.kept, &going));
    assert_eq!(service(&store, "going").record, record("going", Persistence::Amnesic, Autostart::Off));
    drop(store);
    let store = Store::open(&layout);
    assert_eq!(store.services().len(), 2 + added, "{:?}", store.problem(Persistence::Kept));
    assert_eq!(store.key(&name("going")).unwrap().expose_expanded(), going.expose_expanded());
}
