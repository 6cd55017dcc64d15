// SPDX-License-Identifier: GPL-3.0-or-later
//! Two places, several threads.

use std::sync::atomic::{AtomicBool, Ordering};

use tails_server_state::{Autostart, Change, Persistence, Store, StoreError, StoreLayout, Wish};

use crate::given::{add_services, copy_tree, eventually, key, layout, name, record, wishes};

#[test]
fn a_wish_without_its_service_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let service = record("web", Persistence::Kept, Autostart::Off);
    Store::open(&layout).add(&service, &key(), Wish::Enabled).unwrap();
    copy_tree(&layout.kept, &root.path().join("copy"));
    std::fs::remove_dir_all(&layout.kept).unwrap();
    assert!(Store::open(&layout).services().is_empty());
    // Were the wish still there, the service that comes back under this name would be opened by it.
    std::fs::remove_dir_all(&layout.kept).unwrap();
    std::fs::rename(root.path().join("copy"), &layout.kept).unwrap();
    assert_eq!(wishes(&Store::open(&layout)), [("web".to_owned(), Wish::Disabled)]);
}

#[test]
fn a_place_that_comes_late_does_not_take_over_a_name_nor_open_anything() {
    let root = tempfile::tempdir().unwrap();
    let early = layout(&root.path().join("early"));
    let late = StoreLayout { kept: early.kept.clone(), amnesic: root.path().join("late") };
    let first = Store::open(&early);
    let old = key();
    first.add(&record("web", Persistence::Kept, Autostart::On), &old, Wish::Enabled).unwrap();

    let second = Store::open(&late);
    let problem = second.problem(Persistence::Kept).unwrap();
    assert!(matches!(*problem, StoreError::Locked { .. }), "{problem:?}");
    let new = key();
    second.add(&record("web", Persistence::Amnesic, Autostart::Off), &new, Wish::Enabled).unwrap();
    drop(first);
    let other = record("other", Persistence::Kept, Autostart::Off);
    assert_eq!(eventually(|| second.add(&other, &key(), Wish::Disabled).ok()), Some(()));
    assert_eq!(second.problem(Persistence::Kept).map(|problem| problem.to_string()), None);

    let shown = second.services();
    assert_eq!(shown.iter().map(|service| service.record.name().as_str()).collect::<Vec<_>>(), ["other", "web"]);
    assert_eq!((shown[1].address, shown[1].wish), (new.address(), Wish::Enabled));
    assert_eq!(second.key(&name("web")).unwrap().address(), new.address());
    // What nobody asked for in this session stays closed when it comes to light.
    assert_eq!(second.remove(&name("web")).unwrap(), Change::Changed);
    let shown = second.services();
    assert_eq!((shown[1].address, shown[1].wish), (old.address(), Wish::Disabled));
}

#[test]
fn an_unusable_amnesic_place_opens_nothing() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    Store::open(&layout).add(&record("web", Persistence::Kept, Autostart::On), &key(), Wish::Enabled).unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    let store = Store::open(&StoreLayout { amnesic: root.path().join("file/amnesic"), ..layout });
    assert_eq!(wishes(&store), [("web".to_owned(), Wish::Disabled)]);
    let refused = store.set_wish(&name("web"), Wish::Enabled);
    assert!(matches!(refused, Err(StoreError::Absent { .. })), "{refused:?}");
}

#[test]
fn readers_are_not_disturbed_by_a_rewrite() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    let keys = add_services(&store, 20, Persistence::Kept);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let (store, keys, is_over) = (&store, &keys, &is_over);
                scope.spawn(move || {
                    let mut reads = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let number = 10 + (reads + reader) % 10;
                        let key = store.key(&name(&format!("s{number}"))).unwrap();
                        assert_eq!(key.expose_expanded(), keys[number].expose_expanded());
                        assert!(store.services().len() >= 10);
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for number in 0..10 {
            assert_eq!(store.remove(&name(&format!("s{number}"))).unwrap(), Change::Changed);
        }
        is_over.store(true, Ordering::Relaxed);
        let reads: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        println!("{reads:?} keys read during ten rewrites");
        assert!(reads.iter().all(|reads| *reads > 10), "{reads:?}");
    });
    assert_eq!(store.recovery(Persistence::Kept), None);
}
