// SPDX-License-Identifier: GPL-3.0-or-later
//! Damaged in every way: never a panic, never silently fewer services, and what was found is put aside as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tails_server_state::{Autostart, Change, Loss, Persistence, Recovery, Rung, Store, StoreError, StoreLayout, Wish};

use crate::churn::Dice;
use crate::given::{
    add_services, client_name, closed, copy_tree, database, files, key, layout, made, name, record, wishes,
};

const SERVICES: usize = 40;

/// Nothing of this is about a disk, and there are many rounds.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What is expected of every service: its key; and of every client, by `SERVICE/CLIENT`.
type Keys = BTreeMap<String, Vec<u8>>;

fn keys(store: &Store) -> Keys {
    let mut keys = Keys::new();
    for service in store.services() {
        let name = service.record.name();
        let key = store.key(name).unwrap();
        assert_eq!(key.address(), service.address);
        keys.insert(name.to_string(), key.expose_expanded().to_vec());
        for client in &service.clients {
            let key = store.client_key(name, &client.name).unwrap();
            assert_eq!(key.public_key(), client.public_key);
            keys.insert(format!("{name}/{}", client.name), key.expose_bytes().to_vec());
        }
    }
    keys
}

fn services(keys: &Keys) -> usize {
    keys.keys().filter(|name| !name.contains('/')).count()
}

/// A store with some history: rewritten, reopened, changed, with both exports.
fn intact(root: &Path) -> (StoreLayout, Keys) {
    let layout = layout(root);
    let store = Store::open(&layout);
    add_services(&store, SERVICES + 1, Persistence::Kept);
    store.remove(&name("s0")).unwrap();
    for service in 1..10 {
        let service = name(&format!("s{service}"));
        for client in ["alice", "bob", "gone"] {
            store.add_client(&service, made(client)).unwrap();
        }
    }
    store.remove_client(&name("s1"), &client_name("gone")).unwrap();
    drop(store);
    let store = Store::open(&layout);
    store.add(&record("late", Persistence::Kept, Autostart::On), &key(), Wish::Enabled).unwrap();
    let keys = keys(&store);
    assert_eq!((services(&keys), keys.len()), (SERVICES + 1, SERVICES + 27));
    (layout, keys)
}

#[derive(Debug, Clone, Copy)]
enum Blow {
    Truncate { to_percent: u64 },
    CutOff { bytes: u64 },
    FlipBits { count: u64 },
    ZeroBlock,
    Garbage,
    Empty,
    Delete,
}

const BLOWS: [Blow; 12] = [
    Blow::Truncate { to_percent: 10 },
    Blow::Truncate { to_percent: 50 },
    Blow::Truncate { to_percent: 90 },
    Blow::CutOff { bytes: 1 },
    Blow::CutOff { bytes: 5000 },
    Blow::FlipBits { count: 1 },
    Blow::FlipBits { count: 30 },
    Blow::ZeroBlock,
    Blow::ZeroBlock,
    Blow::Garbage,
    Blow::Empty,
    Blow::Delete,
];

fn strike(path: &Path, blow: Blow, dice: &mut Dice) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len() as u64;
    // Most of the database is zeros, where nothing can be hurt: aim at what is written.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last as u64 + 1);
    match blow {
        Blow::Truncate { to_percent } => bytes.truncate((written * to_percent / 100) as usize),
        Blow::CutOff { bytes: count } => bytes.truncate(length.saturating_sub(count) as usize),
        Blow::FlipBits { count } => {
            for _ in 0..count {
                bytes[dice.roll(written) as usize] ^= 1 << dice.roll(8);
            }
        }
        Blow::ZeroBlock => {
            let start = dice.roll(written.div_ceil(4096)) * 4096;
            bytes.iter_mut().skip(start as usize).take(4096).for_each(|byte| *byte = 0);
        }
        Blow::Garbage => bytes.iter_mut().for_each(|byte| *byte = dice.roll(256) as u8),
        Blow::Empty => bytes.clear(),
        Blow::Delete => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

#[derive(Debug, Default)]
struct Tally {
    unnoticed: usize,
    index: usize,
    settings: usize,
    rebuilt: usize,
    repaired_perhaps: usize,
    rebuilt_perhaps: usize,
    with_loss: usize,
    older: usize,
    refused: usize,
}

/// Opens what was damaged. Everything that is damaged is in `struck`; whatever `must_be_whole` must end with all services.
fn check(layout: &StoreLayout, intact: &Keys, must_be_whole: bool, tally: &mut Tally, case: &str) {
    let before: BTreeMap<PathBuf, Vec<u8>> = contents(&layout.kept);
    let store = Store::open(layout);
    let problem = store.problem(Persistence::Kept);
    let recovery = store.recovery(Persistence::Kept);
    let copy = match (problem.as_deref(), &recovery) {
        (Some(StoreError::Damaged { copy, .. }), None) => {
            assert!(!must_be_whole, "{case}: {problem:?}");
            assert!(store.services().is_empty(), "{case}");
            tally.refused += 1;
            Some(copy.clone())
        }
        (None, Some(Recovery { rung, copy, loss, services, .. })) => {
            assert_eq!(*services, store.services().len(), "{case}");
            match (loss, rung) {
                (Loss::Nothing, Rung::Index) => tally.index += 1,
                (Loss::Nothing, Rung::Settings) => tally.settings += 1,
                (Loss::Nothing, Rung::Rebuilt) => tally.rebuilt += 1,
                (Loss::NotExcluded, Rung::Index | Rung::Settings) => tally.repaired_perhaps += 1,
                (Loss::NotExcluded, Rung::Rebuilt) => tally.rebuilt_perhaps += 1,
                (Loss::Proven { .. }, _) => {
                    assert!(!must_be_whole, "{case}: {recovery:?}");
                    tally.with_loss += 1;
                }
            }
            // Who may reach them is among what may be lost.
            if *loss != Loss::Nothing {
                let all_closed = wishes(&store).into_iter().all(|(_, wish)| wish == Wish::Disabled);
                assert!(all_closed, "{case}: {:?}", wishes(&store));
            }
            Some(copy.clone())
        }
        (None, None) => {
            tally.unnoticed += 1;
            None
        }
        (problem, recovery) => panic!("{case}: {problem:?} {recovery:?}"),
    };
    let found = keys(&store);
    if must_be_whole || recovery.as_ref().is_some_and(|recovery| recovery.loss == Loss::Nothing) {
        assert!(found == *intact, "{case}: {} services", found.len());
    }
    if problem.is_none() && recovery.is_none() && found != *intact {
        // The end of the log is cut off and the newest export is gone as well: nothing is left that knows of the last
        // change. It takes two damages at once; one alone never gets here.
        assert!(!must_be_whole && services(&found) == SERVICES && !found.contains_key("late"), "{case}");
        tally.older += 1;
    }
    for (name, key) in &found {
        assert_eq!(intact.get(name), Some(key), "{case}: {name}");
    }
    if let Some(copy) = copy {
        let aside = contents(&copy);
        for (path, bytes) in &before {
            if path.to_str().unwrap().starts_with("db-") || path.to_str().unwrap().starts_with("export-") {
                let same = aside.get(path) == Some(bytes) || path.to_str().unwrap().ends_with(".generating");
                assert!(same, "{case}: {} was not put aside as it was", path.display());
            }
        }
    }
    // And from here on all is well, or still refused.
    if problem.is_none() {
        store.add(&record("new", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).unwrap();
        drop(store);
        let store = Store::open(layout);
        let (problem, again) = (store.problem(Persistence::Kept), store.recovery(Persistence::Kept));
        // What was mended is new. What was not noticed, because nothing that counts was hit, may be noticed later.
        assert!(problem.is_none() && (recovery.is_none() || again.is_none()), "{case}: {problem:?} {again:?}");
        assert_eq!(store.services().len(), services(&found) + 1, "{case}");
    } else {
        let damaged = store.problem(Persistence::Kept);
        drop(store);
        let again = Store::open(layout).problem(Persistence::Kept);
        let place_of = |problem: Option<std::sync::Arc<StoreError>>| match problem.as_deref() {
            Some(StoreError::Damaged { copy, .. }) => copy.clone(),
            other => panic!("{case}: {other:?}"),
        };
        // sled may have changed what it could not open: then that is another damage.
        let (first, second) = (place_of(damaged), place_of(again));
        assert!(first.exists() && second.exists(), "{case}");
    }
}

fn contents(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = files(place).into_iter();
    all.map(|path| (path.strip_prefix(place).unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}

/// Files of the kept place whose name begins so.
fn targets(layout: &StoreLayout, target: &str) -> Vec<PathBuf> {
    let within = if target.starts_with("export") { layout.kept.clone() } else { database(&layout.kept) };
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(&within).into_iter().filter(|path| target == "*" || name(path).starts_with(target)).collect()
}

#[test]
fn no_damage_is_silent_and_all_but_the_worst_is_mended() {
    let root = in_memory();
    let (original, keys) = intact(&root.path().join("original"));
    let mut dice = Dice::new(3);
    let mut total = 0;
    for exports in ["both", "one", "old", "none"] {
        for target in ["db", "conf", "snap.", "*", "export-0", "export-1", "export-", "all"] {
            let mut tally = Tally::default();
            for (number, blow) in BLOWS.into_iter().enumerate() {
                let case = format!("{exports} exports, {target}: {blow:?}, {number}");
                let layout = layout(&root.path().join("damaged"));
                copy_tree(&original.kept, &layout.kept);
                copy_tree(&original.amnesic, &layout.amnesic);
                match exports {
                    "one" => strike(&newest_export(&layout), Blow::ZeroBlock, &mut dice),
                    "old" => std::fs::remove_file(newest_export(&layout)).unwrap(),
                    "none" => targets(&layout, "export-").iter().for_each(|path| std::fs::remove_file(path).unwrap()),
                    _ => {}
                }
                let mut struck = targets(&layout, if target == "all" { "*" } else { target });
                if target == "all" {
                    struck.extend(targets(&layout, "export-"));
                }
                for path in &struck {
                    strike(path, blow, &mut dice);
                }
                // With the newest export whole, whatever happens to the database is mended without loss. Without the
                // database, it takes the export.
                let database_is_struck = matches!(target, "db" | "*" | "all");
                let exports_are_struck = target == "all" || target.starts_with("export");
                let must_be_whole =
                    !database_is_struck && !matches!(target, "all") || exports == "both" && !exports_are_struck;
                check(&layout, &keys, must_be_whole, &mut tally, &case);
                std::fs::remove_dir_all(root.path().join("damaged")).unwrap();
                total += 1;
            }
            println!("exports: {exports:4}  struck: {target:8}  {tally:?}");
        }
    }
    println!("{total} damages");
}

fn newest_export(layout: &StoreLayout) -> PathBuf {
    // TSexport | version u16 | generation u64: see export.rs.
    let generation = |path: &PathBuf| u64::from_le_bytes(std::fs::read(path).unwrap()[10..18].try_into().unwrap());
    targets(layout, "export-").into_iter().max_by_key(generation).unwrap()
}

#[test]
fn an_empty_directory_is_the_only_one_that_becomes_an_empty_store() {
    let root = in_memory();
    let (original, keys) = intact(&root.path().join("original"));
    // The database is gone as if it had never been, and the exports tell.
    let one = layout(&root.path().join("one"));
    copy_tree(&original.kept, &one.kept);
    std::fs::remove_dir_all(database(&one.kept)).unwrap();
    let store = Store::open(&one);
    assert!(self::keys(&store) == keys);
    assert_eq!(store.recovery(Persistence::Kept).unwrap().loss, Loss::NotExcluded);
    drop(store);
    // Nothing but the copy of an earlier damage is left.
    let two = layout(&root.path().join("two"));
    copy_tree(&one.kept, &two.kept);
    std::fs::remove_dir_all(database(&two.kept)).unwrap();
    targets_of_exports(&two).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let problem = Store::open(&two).problem(Persistence::Kept).unwrap();
    assert!(matches!(*problem, StoreError::Damaged { .. }), "{problem:?}");
}

fn targets_of_exports(layout: &StoreLayout) -> Vec<PathBuf> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let all = files(&layout.kept).into_iter();
    all.filter(|path| path.parent() == Some(&layout.kept) && name(path).starts_with("export-")).collect()
}

#[test]
fn damage_met_in_the_middle_of_work_is_mended_or_named() {
    let root = in_memory();
    let (layout, keys) = intact(root.path());
    let store = Store::open(&layout);
    // Under the feet of the running process.
    strike(&database(&layout.kept).join("db"), Blow::Garbage, &mut Dice::new(1));
    for name in keys.keys().filter(|name| !name.contains('/')) {
        let key = store.key(&name.parse().unwrap()).unwrap();
        assert!(keys[name] == key.expose_expanded().to_vec(), "{name}");
    }
    let done = store.remove(&name("s1"));
    drop(store);
    let store = Store::open(&layout);
    println!("removal: {done:?}, then {:?}", store.recovery(Persistence::Kept));
    let found = self::keys(&store);
    let removed = usize::from(matches!(done, Ok(Change::Changed)));
    assert_eq!(services(&found), services(&keys) - removed);
    // s1 has two clients.
    assert_eq!(found.len(), keys.len() - 3 * removed);
}

#[test]
fn what_is_proven_to_be_lost_is_said_and_everything_is_closed() {
    let root = in_memory();
    let layout = layout(root.path());
    add_services(&Store::open(&layout), 10, Persistence::Kept);
    for export in ["export-0", "export-1"] {
        std::fs::copy(layout.kept.join(export), root.path().join(export)).unwrap();
    }
    let store = Store::open(&layout);
    store.add(&record("late", Persistence::Kept, Autostart::On), &key(), Wish::Enabled).unwrap();
    drop(store);
    // Opened once more, the index knows of it, so that the log can not be taken for one that ended before.
    drop(Store::open(&layout));
    for export in ["export-0", "export-1"] {
        std::fs::copy(root.path().join(export), layout.kept.join(export)).unwrap();
    }
    let path = database(&layout.kept).join("db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The head of the row that holds the key: see envelope.rs.
    let head = b"TSrow\x01\0\x02\x04late";
    let rows: Vec<_> = (0..bytes.len() - head.len()).filter(|start| bytes[*start..].starts_with(head)).collect();
    assert!(!rows.is_empty());
    for start in rows {
        bytes[start + 60] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        let store = Store::open(&layout);
        let found = wishes(&store);
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|(name, wish)| name != "late" && *wish == Wish::Disabled), "{found:?}");
        if let Some(recovery) = store.recovery(Persistence::Kept) {
            assert!(matches!(recovery.loss, Loss::Proven { .. }), "{recovery:?}");
            assert!(recovery.to_string().contains("lost") && recovery.hint().contains("damaged-0001"));
        }
    }
}

/// Puts back what an earlier file of a place was, as a backup that was restored or a medium that lies would.
fn forget_what_came_after(layout: &StoreLayout, then: &Path) {
    std::fs::remove_dir_all(database(&layout.kept)).unwrap();
    for export in ["export-0", "export-1"] {
        std::fs::copy(then.join(export), layout.kept.join(export)).unwrap();
    }
}

#[test]
fn a_client_that_may_have_come_back_opens_nothing_until_the_service_is_asked_for_again() {
    let root = in_memory();
    let layout = layout(&root.path().join("store"));
    let web = name("web");
    let store = Store::open(&layout);
    store.add(&closed("web", Persistence::Kept).with_autostart(Autostart::On).unwrap(), &key(), Wish::Enabled).unwrap();
    store.add(&record("pad", Persistence::Amnesic, Autostart::Off), &key(), Wish::Enabled).unwrap();
    store.add_client(&web, made("alice")).unwrap();
    store.add_client(&web, made("mallory")).unwrap();
    drop(store);
    copy_tree(&layout.kept, &root.path().join("then"));
    let store = Store::open(&layout);
    store.remove_client(&web, &client_name("mallory")).unwrap();
    drop(store);
    forget_what_came_after(&layout, &root.path().join("then"));

    let kept = |store: &Store| wishes(store).into_iter().find(|(name, _)| name == "web").unwrap().1;
    let store = Store::open(&layout);
    assert_eq!(store.recovery(Persistence::Kept).unwrap().loss, Loss::NotExcluded);
    assert_eq!(store.services()[1].clients.len(), 2, "nothing knows of the removal");
    assert_eq!(wishes(&store), [("pad".to_owned(), Wish::Enabled), ("web".to_owned(), Wish::Disabled)]);
    drop(store);
    // Not after a crash, nor after reboots, though it starts by itself, nor by any other change.
    for _ in 0..2 {
        let store = Store::open(&layout);
        assert_eq!((kept(&store), store.recovery(Persistence::Kept)), (Wish::Disabled, None));
        assert_eq!(store.set_wish(&web, Wish::Disabled).unwrap(), Change::Unchanged);
        drop(store);
        std::fs::remove_dir_all(&layout.amnesic).unwrap();
        assert_eq!(kept(&Store::open(&layout)), Wish::Disabled);
    }
    let store = Store::open(&layout);
    store.remove_client(&web, &client_name("mallory")).unwrap();
    store.replace_key(&web, &key()).unwrap();
    let record = store.services()[0].record.clone();
    let exposure = tails_server_state::Exposure { max_streams: Some("9".parse().unwrap()), ..*record.exposure() };
    store.set_record(&record.with_exposure(exposure)).unwrap();
    assert_eq!(kept(&store), Wish::Disabled);
    // Asked for, it is as any other, also after a reboot.
    assert_eq!(store.set_wish(&web, Wish::Enabled).unwrap(), Change::Changed);
    assert_eq!(kept(&store), Wish::Enabled);
    drop(store);
    std::fs::remove_dir_all(&layout.amnesic).unwrap();
    assert_eq!(kept(&Store::open(&layout)), Wish::Enabled);
}

#[test]
fn an_export_of_a_later_version_is_left_alone() {
    let root = in_memory();
    let (layout, _) = intact(root.path());
    let export = layout.kept.join("export-0");
    let mut bytes = std::fs::read(&export).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    std::fs::write(&export, bytes).unwrap();
    let before = contents(&layout.kept);
    let store = Store::open(&layout);
    let problem = store.problem(Persistence::Kept).unwrap();
    assert!(matches!(*problem, StoreError::TooNew { version: 2, .. }), "{problem:?}");
    drop(store);
    assert!(contents(&layout.kept) == before);
}
