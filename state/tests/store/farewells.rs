// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor may still have of something that is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use tails_server_state::{Farewell, Store, Wish};

use crate::access::joined;
use crate::given::{PLACES, client_key, closed, files, key, layout, name};

fn farewells(store: &Store) -> BTreeSet<Farewell> {
    store.farewells().into_iter().collect()
}

/// Whether any file has the address, as bytes or as people write it.
fn is_found(root: &Path, farewell: &Farewell) -> bool {
    let (bytes, text) = (farewell.address().public_key(), farewell.address().service_id());
    files(root).iter().any(|path| {
        let content = std::fs::read(path).unwrap();
        let has = |wanted: &[u8]| content.windows(wanted.len()).any(|window| window == wanted);
        has(bytes) || has(text.as_bytes())
    })
}

#[test]
fn what_was_removed_is_remembered_until_tor_has_let_it_go_or_the_computer_was_off() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let store = Store::open(&layout);
        let (removed, replaced, replacing, theirs) = (key(), key(), key(), joined("theirs", place));
        store.add(&closed("gone", place), &removed, Wish::Enabled).unwrap();
        store.add(&closed("web", place), &replaced, Wish::Disabled).unwrap();
        store.join(&theirs, Some(&client_key())).unwrap();
        assert_eq!(farewells(&store), BTreeSet::new());
        store.remove(&name("gone")).unwrap();
        store.replace_key(&name("web"), &replacing).unwrap();
        store.leave(&name("theirs")).unwrap();
        let all = BTreeSet::from([
            Farewell::Service(removed.address()),
            Farewell::Service(replaced.address()),
            Farewell::Joined(theirs.address),
        ]);
        assert_eq!(farewells(&store), all);
        // A crash: the store is closed by nobody. All is durable, and the lock goes with the process.
        drop(store);
        let store = Store::open(&layout);
        assert_eq!(farewells(&store), all);

        for farewell in &all {
            store.forget_farewell(farewell).unwrap();
            store.forget_farewell(farewell).unwrap();
            assert!(!farewells(&store).contains(farewell));
            assert!(!is_found(root.path(), farewell), "{place:?}");
        }
        drop(store);
        let store = Store::open(&layout);
        assert_eq!(farewells(&store), BTreeSet::new());
        assert_eq!(store.services().len(), 1);

        store.remove(&name("web")).unwrap();
        assert_eq!(farewells(&store), BTreeSet::from([Farewell::Service(replacing.address())]));
        drop(store);
        std::fs::remove_dir_all(&layout.amnesic).unwrap();
        assert_eq!(farewells(&Store::open(&layout)), BTreeSet::new());
    }
}

#[test]
fn a_farewell_that_can_not_be_written_keeps_nothing_from_being_removed() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    // A file in the place of the directory.
    std::fs::write(&layout.amnesic, "").unwrap();
    let store = Store::open(&layout);
    let theirs = joined("theirs", tails_server_state::Persistence::Kept);
    store.join(&theirs, None).unwrap();
    assert_eq!(store.leave(&name("theirs")).unwrap(), tails_server_state::Change::Changed);
    assert!(store.joined().is_empty() && store.farewells().is_empty());
}
