// SPDX-License-Identifier: GPL-3.0-or-later
//! No room, no right to write, somebody else in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tails_server_state::{Autostart, Change, Persistence, Store, StoreError, StoreLayout, Wish};

use crate::given::{PLACES, add_services, key, layout, name, record, wishes};
use crate::root::{Medium, assert_inside, run_inside};

const DIRECTORY: &str = "TAILS_SERVER_TEST_DIRECTORY";

#[test]
fn a_full_disk_loses_nothing_and_is_left_behind_without_a_restart() {
    run_inside("refused::full");
}

#[test]
#[ignore = "started by another test"]
fn full() {
    assert_inside();
    for full in PLACES {
        let root = tempfile::tempdir().unwrap();
        let medium = Medium::new(root.path(), 16);
        let mut layout = layout(root.path());
        match full {
            Persistence::Kept => layout.kept = medium.mounted.join("kept"),
            Persistence::Amnesic => layout.amnesic = medium.mounted.join("amnesic"),
        }
        fill_up(&layout, &medium, full);
    }
}

fn fill_up(layout: &StoreLayout, medium: &Medium, full: Persistence) {
    let store = Store::open(layout);
    let keys = add_services(&store, 10, full);
    let mut filler = medium.fill(0);
    let mut added = 0;
    // What is left of the segment that is being written may still take some.
    let refusal = loop {
        let service = record(&format!("more{added}"), full, Autostart::Off);
        match store.add(&service, &key(), Wish::Enabled) {
            Ok(()) => added += 1,
            Err(error) => break error,
        }
        assert!(added < 10_000);
    };
    assert!(matches!(refusal, StoreError::Full { .. }), "{full:?}: {refusal:?}");
    println!("{full:?}: {added} more until it was full");
    let check = |store: &Store, moment: &str| {
        let listed = store.services();
        assert!(listed.len() == 10 + added || listed.len() == 11 + added, "{moment}: {}", listed.len());
        assert!(store.problem(full).is_none(), "{moment}: {:?}", store.problem(full));
        for (number, key) in keys.iter().enumerate().skip(1) {
            let stored = store.key(&name(&format!("s{number}"))).unwrap();
            assert_eq!(stored.expose_expanded(), key.expose_expanded(), "{moment}");
        }
    };
    check(&store, "full");
    for _ in 0..3 {
        let again = store.add(&record("again", full, Autostart::Off), &key(), Wish::Enabled);
        assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");
    }
    check(&store, "refused");
    // Closing has to work when nothing else does.
    assert_eq!(store.set_wish(&name("s1"), Wish::Disabled).unwrap(), Change::Changed);
    drop(store);
    filler = medium.fill(0).max(filler);

    let store = Store::open(layout);
    check(&store, "opened on a full disk");
    assert!(wishes(&store).contains(&("s1".to_owned(), Wish::Disabled)));
    filler = medium.fill(0).max(filler);
    // So does removing, again and again, though somebody else takes all the room that it makes.
    for number in [0, 1, 2] {
        assert_eq!(store.remove(&name(&format!("s{number}"))).unwrap(), Change::Changed, "{full:?}");
        filler = medium.fill(0).max(filler);
    }

    std::fs::remove_file(filler).unwrap();
    assert_eq!(store.remove(&name("s0")).unwrap(), Change::Unchanged);
    assert!(matches!(store.key(&name("s0")), Err(StoreError::Unknown { .. })));
    store.add(&record("again", full, Autostart::Off), &key(), Wish::Enabled).unwrap();
    drop(store);
    let store = Store::open(layout);
    assert!(wishes(&store).contains(&("again".to_owned(), Wish::Enabled)));
    assert_eq!(store.recovery(full), None);
}

#[test]
fn what_can_not_be_opened_for_lack_of_room_can_be_closed_and_removed() {
    run_inside("refused::full_without_room_to_open");
}

// As a store of a version that kept no room for opening, or where that was used up.
#[test]
#[ignore = "started by another test"]
fn full_without_room_to_open() {
    assert_inside();
    for full in PLACES {
        for is_removed in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let medium = Medium::new(root.path(), 16);
            let mut layout = layout(root.path());
            let place = match full {
                Persistence::Kept => &mut layout.kept,
                Persistence::Amnesic => &mut layout.amnesic,
            };
            *place = medium.mounted.join("place");
            let opening = place.join("ballast-opening");
            add_services(&Store::open(&layout), 5, full);
            std::fs::remove_file(&opening).unwrap();
            medium.fill(0);
            let store = Store::open(&layout);
            let problem = store.problem(full).unwrap();
            assert!(matches!(*problem, StoreError::Full { .. }), "{problem:?}");
            let done = if is_removed {
                store.remove(&name("s0"))
            } else {
                // What is wished is in the amnesic place, also of a kept service that nobody has read yet.
                store.set_wish(&name("s0"), Wish::Disabled)
            };
            assert_eq!(done.unwrap(), Change::Changed, "{full:?}");
            assert!(store.problem(full).is_none());
            let is_open = |(found, wish): &(String, Wish)| found == "s0" && *wish == Wish::Enabled;
            assert!(!wishes(&store).iter().any(is_open), "{full:?}");
            assert_eq!(wishes(&store).len(), if is_removed { 4 } else { 5 });
        }
    }
}

#[test]
fn a_read_only_place_says_so_and_works_again_when_it_is_writable() {
    run_inside("refused::read_only");
}

#[test]
#[ignore = "started by another test"]
fn read_only() {
    assert_inside();
    let root = tempfile::tempdir().unwrap();
    let medium = Medium::new(root.path(), 16);
    let layout = StoreLayout { kept: medium.mounted.join("kept"), amnesic: root.path().join("amnesic") };
    add_services(&Store::open(&layout), 3, Persistence::Kept);
    medium.remount("ro");
    let store = Store::open(&layout);
    let problem = store.problem(Persistence::Kept).unwrap();
    assert!(matches!(*problem, StoreError::ReadOnly { .. }), "{problem:?}");
    // The other place works, and unknown is not taken for absent.
    add_services(&store, 1, Persistence::Amnesic);
    let unknown = store.key(&name("s2"));
    assert!(matches!(unknown, Err(StoreError::ReadOnly { .. })), "{unknown:?}");
    medium.remount("rw");
    let added = crate::given::eventually(|| {
        store.add(&record("new", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).ok()
    });
    assert_eq!(added, Some(()));
    assert!(store.problem(Persistence::Kept).is_none());
    assert!(wishes(&store).contains(&("s2".to_owned(), Wish::Enabled)));
}

#[test]
fn a_place_that_vanishes_is_absent_and_never_begun_anew() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    add_services(&store, 3, Persistence::Kept);
    drop(store);
    std::fs::write(root.path().join("file"), "").unwrap();
    let absent = StoreLayout { kept: root.path().join("file/kept"), ..layout };
    let store = Store::open(&absent);
    let problem = store.problem(Persistence::Kept).unwrap();
    assert!(matches!(*problem, StoreError::Absent { .. }), "{problem:?}");
    add_services(&store, 1, Persistence::Amnesic);
    let refused = store.add(&record("new", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled);
    assert!(matches!(refused, Err(StoreError::Absent { .. })), "{refused:?}");
}

#[test]
fn a_second_opener_is_told_at_once() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    add_services(&store, 1, Persistence::Kept);
    let second = Store::open(&layout);
    for place in PLACES {
        let problem = second.problem(place).unwrap();
        assert!(matches!(*problem, StoreError::Locked { .. }), "{problem:?}");
        assert!(problem.to_string().contains(layout.kept.parent().unwrap().to_str().unwrap()), "{problem}");
    }
    assert!(second.services().is_empty());
    let refused = second.add(&record("new", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled);
    assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
    assert!(inside("refused::look_only", root.path(), &[]).contains("Kept: Locked"));
    drop(store);
    assert!(inside("refused::look_only", root.path(), &[]).contains("Kept: 1 services"));
}

#[test]
fn what_does_not_belong_to_us_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    add_services(&Store::open(&layout), 1, Persistence::Kept);
    let shown = if rustix::process::geteuid().is_root() {
        // Root without any capability is a user like any other, and these belong to somebody else.
        for path in [&layout.kept, &layout.amnesic] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
        inside("refused::look_only", root.path(), &["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    } else {
        // Our own directories we would make ours again; the one above them is not.
        let set_mode = |mode| std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o000);
        let shown = inside("refused::look_only", root.path(), &[]);
        set_mode(0o700);
        shown
    };
    assert!(shown.contains("Kept: Permission") && shown.contains("Amnesic: Permission"), "{shown}");
}

/// Not a test: another process, that opens a store and says what it found.
#[test]
#[ignore = "started by other tests"]
fn look_only() {
    let store = Store::open(&layout(Path::new(&std::env::var_os(DIRECTORY).unwrap())));
    for place in PLACES {
        match store.problem(place) {
            Some(problem) => println!("\n{place:?}: {problem:?}"),
            None => println!("\n{place:?}: {} services", store.services().len()),
        }
    }
}

/// Runs an ignored test in a process of its own, by way of another program.
pub(crate) fn inside(test: &str, directory: &Path, by_way_of: &[&str]) -> String {
    let executable = std::env::current_exe().unwrap();
    let words = by_way_of.iter().map(Path::new).chain([executable.as_path()]).collect::<Vec<_>>();
    let output = Command::new(words[0])
        .args(&words[1..])
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    shown
}
