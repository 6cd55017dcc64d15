// SPDX-License-Identifier: GPL-3.0-or-later
//! What the store promises, when nothing goes wrong.

use tails_server_state::{Autostart, Change, OnionKey, Persistence, Store, StoreError, Wish};

use crate::given::{layout, name, record, wishes};

#[test]
fn services_keys_and_wishes_come_back_after_a_restart_of_ours() {
    let root = tempfile::tempdir().unwrap();
    let key = OnionKey::generate().unwrap();
    let other = OnionKey::generate().unwrap();
    {
        let store = Store::open(&layout(root.path()));
        assert!(store.problem(Persistence::Kept).is_none(), "{:?}", store.problem(Persistence::Kept));
        assert!(store.problem(Persistence::Amnesic).is_none());
        store.add(&record("web", Persistence::Kept, Autostart::Off), &key, Wish::Enabled).unwrap();
        store.add(&record("chat", Persistence::Amnesic, Autostart::Off), &other, Wish::Enabled).unwrap();
        assert_eq!(store.set_wish(&name("chat"), Wish::Disabled).unwrap(), Change::Changed);
        assert_eq!(store.set_wish(&name("chat"), Wish::Disabled).unwrap(), Change::Unchanged);
    }
    let store = Store::open(&layout(root.path()));
    assert_eq!(wishes(&store), [("chat".to_owned(), Wish::Disabled), ("web".to_owned(), Wish::Enabled)]);
    assert_eq!(store.services()[1].record, record("web", Persistence::Kept, Autostart::Off));
    assert_eq!(store.services()[1].address, key.address());
    assert_eq!(store.key(&name("web")).unwrap().expose_expanded(), key.expose_expanded());
    assert_eq!(store.key(&name("chat")).unwrap().expose_expanded(), other.expose_expanded());
    assert_eq!(store.recovery(Persistence::Kept), None);
}

#[test]
fn a_reboot_leaves_the_kept_services_and_their_autostart() {
    let root = tempfile::tempdir().unwrap();
    {
        let store = Store::open(&layout(root.path()));
        for (service, wish) in [
            (record("auto", Persistence::Kept, Autostart::On), Wish::Disabled),
            (record("hand", Persistence::Kept, Autostart::Off), Wish::Enabled),
            (record("gone", Persistence::Amnesic, Autostart::Off), Wish::Enabled),
        ] {
            store.add(&service, &OnionKey::generate().unwrap(), wish).unwrap();
        }
    }
    std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
    let store = Store::open(&layout(root.path()));
    assert_eq!(wishes(&store), [("auto".to_owned(), Wish::Enabled), ("hand".to_owned(), Wish::Disabled)]);
}

#[test]
fn a_name_is_taken_once_in_both_places_together() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    store
        .add(&record("web", Persistence::Amnesic, Autostart::Off), &OnionKey::generate().unwrap(), Wish::Enabled)
        .unwrap();
    for place in [Persistence::Kept, Persistence::Amnesic] {
        let again = store.add(&record("web", place, Autostart::Off), &OnionKey::generate().unwrap(), Wish::Enabled);
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    }
}

#[test]
fn a_removed_service_is_gone_and_its_name_is_free() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    for place in [Persistence::Kept, Persistence::Amnesic] {
        let service = record("web", place, Autostart::Off);
        for _ in 0..3 {
            store.add(&service, &OnionKey::generate().unwrap(), Wish::Enabled).unwrap();
            assert_eq!(store.remove(&name("web")).unwrap(), Change::Changed);
            assert_eq!(store.remove(&name("web")).unwrap(), Change::Unchanged);
            assert!(matches!(store.key(&name("web")), Err(StoreError::Unknown { .. })));
            assert!(matches!(store.set_wish(&name("web"), Wish::Enabled), Err(StoreError::Unknown { .. })));
        }
    }
    drop(store);
    let store = Store::open(&layout(root.path()));
    assert!(store.services().is_empty());
    for place in [Persistence::Kept, Persistence::Amnesic] {
        assert!(store.problem(place).is_none() && store.recovery(place).is_none());
    }
}
