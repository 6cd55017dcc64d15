// SPDX-License-Identifier: GPL-3.0-or-later
//! A store as it was released. If these tests fail, people lose what they stored: mend the program, not the fixture.

use std::path::{Path, PathBuf};

use tails_server_state::{
    Autostart, Loss, OnionKey, Persistence, PortMap, ServiceRecord, Store, StoreLayout, StoredService, Wish,
};

use crate::given::{copy_tree, database, layout, name};

const DIRECTORY: &str = "TAILS_SERVER_FIXTURE_DIRECTORY";

fn released() -> StoreLayout {
    layout(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/store/v1"))
}

/// A key that everybody knows.
fn throw_away(byte: u8) -> OnionKey {
    OnionKey::from_expanded(&[byte; OnionKey::BYTES]).unwrap()
}

fn expected() -> Vec<(StoredService, OnionKey)> {
    let service = |name: &str, persistence, autostart, ports: &[&str], wish, byte| {
        let ports: Vec<_> = ports.iter().map(|port| port.parse().unwrap()).collect();
        let ports = PortMap::try_from(ports).unwrap();
        let record = ServiceRecord::new(name.parse().unwrap(), persistence, autostart, ports).unwrap();
        (StoredService { record, address: throw_away(byte).address(), wish }, throw_away(byte))
    };
    vec![
        service("chat", Persistence::Kept, Autostart::Off, &["64738"], Wish::Enabled, 0x48),
        service("pad", Persistence::Amnesic, Autostart::Off, &["80:unix:/run/pad/http.sock"], Wish::Enabled, 0x50),
        service("web", Persistence::Kept, Autostart::On, &["80:8080", "443:[::1]:8443"], Wish::Disabled, 0x58),
    ]
}

fn check(store: &Store) {
    let expected = expected();
    assert_eq!(store.services(), expected.iter().map(|(service, _)| service.clone()).collect::<Vec<_>>());
    for (service, key) in expected {
        let stored = store.key(service.record.name()).unwrap();
        assert_eq!(stored.expose_expanded(), key.expose_expanded());
    }
}

fn copy(root: &Path) -> StoreLayout {
    let copy = layout(root);
    copy_tree(&released().kept, &copy.kept);
    copy_tree(&released().amnesic, &copy.amnesic);
    copy
}

#[test]
fn a_store_of_version_1_opens_with_all_that_was_in_it() {
    let root = tempfile::tempdir().unwrap();
    let layout = copy(root.path());
    for _ in 0..2 {
        let store = Store::open(&layout);
        for place in [Persistence::Kept, Persistence::Amnesic] {
            assert!(store.problem(place).is_none(), "{:?}", store.problem(place));
            assert_eq!(store.recovery(place), None);
        }
        check(&store);
    }
}

#[test]
fn an_export_of_version_1_is_enough() {
    let root = tempfile::tempdir().unwrap();
    let layout = copy(root.path());
    std::fs::remove_dir_all(database(&layout.kept)).unwrap();
    let store = Store::open(&layout);
    assert_eq!(store.recovery(Persistence::Kept).unwrap().loss, Loss::NotExcluded);
    check(&store);
}

/// Not a test: how the fixture was made.
#[test]
#[ignore = "writes the fixture of a new version"]
fn write() {
    let layout = layout(&PathBuf::from(std::env::var_os(DIRECTORY).unwrap()));
    let store = Store::open(&layout);
    for (service, key) in expected() {
        store.add(&service.record, &key, Wish::Enabled).unwrap();
    }
    let removed = crate::given::record("gone", Persistence::Kept, Autostart::Off);
    store.add(&removed, &throw_away(0x60), Wish::Enabled).unwrap();
    store.remove(&name("gone")).unwrap();
    store.set_wish(&name("web"), Wish::Disabled).unwrap();
    drop(store);
    check(&Store::open(&layout));
    for place in [&layout.kept, &layout.amnesic] {
        for left in ["ballast", "state.lock"] {
            std::fs::remove_file(place.join(left)).unwrap();
        }
    }
}
