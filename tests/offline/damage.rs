// SPDX-License-Identifier: GPL-3.0-or-later
//! A damaged store: the controller mends it and says so, or stays up and says so. It never begins anew in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::given::{NO_TOR, assert_refused, files, publish};
use crate::harness::Controller;

const KEPT: [&str; 3] = ["one", "two", "three"];

/// What a controller had stored when it ended: directories to copy, and the addresses.
struct Stored {
    origin: Controller,
    addresses: BTreeMap<String, String>,
}

impl Stored {
    fn new() -> Self {
        let mut origin = Controller::new(NO_TOR);
        origin.start();
        let mut addresses = BTreeMap::new();
        for name in KEPT {
            addresses.insert(name.to_owned(), publish(&origin, name, &["--persistent", "--autostart"]));
        }
        addresses.insert("pad".to_owned(), publish(&origin, "pad", &[]));
        let (status, _) = origin.terminate();
        assert_eq!(status.code(), Some(0));
        Self { origin, addresses }
    }

    /// A controller with a copy of all this, and where its kept place is.
    fn copy(&self) -> (Controller, PathBuf) {
        let controller = Controller::new(NO_TOR);
        copy_tree(&self.origin.state(), &controller.state());
        copy_tree(&self.origin.runtime(), &controller.runtime());
        let kept = controller.state().join("kept");
        (controller, kept)
    }
}

fn copy_tree(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn overview(controller: &Controller) -> Value {
    serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).unwrap()
}

fn names(overview: &Value) -> Vec<&str> {
    overview["services"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// Starts with this damage, and holds the controller to what it has to do in any case. Whether it said something.
fn face(what: &str, stored: &Stored, mut controller: Controller, damaged: &[(PathBuf, Vec<u8>)]) -> bool {
    controller.start();
    let seen = overview(&controller);
    let problems = seen["store-problems"].as_array().cloned().unwrap_or_default();
    let names = names(&seen);
    assert!(names.contains(&"pad"), "{what}: {seen:#}");
    assert_eq!(controller.address("pad"), stored.addresses["pad"], "{what}");
    // What is in memory goes on as if nothing were.
    for verb in ["disable", "enable"] {
        controller.cli([verb, "pad"]).succeeded();
    }
    publish(&controller, "another", &[]);
    let all_there = KEPT.iter().all(|name| names.contains(name));
    assert!(all_there || !problems.is_empty(), "{what}: something is missing, in silence: {seen:#}");
    for name in KEPT.iter().filter(|name| names.contains(name)) {
        assert_eq!(controller.address(name), stored.addresses[*name], "{what}");
    }
    for problem in &problems {
        let hint = problem["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("copy") || hint.contains("damaged") || hint.contains("Keep"), "{what}: {problem:#}");
    }
    if !problems.is_empty() {
        // Overwritten is nothing: what was found is still in some file, byte for byte.
        let everything: Vec<Vec<u8>> = files(&controller.state()).iter().map(|file| fs::read(file).unwrap()).collect();
        for (path, bytes) in damaged {
            assert!(everything.contains(bytes), "{what}: the bytes of {} are gone", path.display());
        }
    }
    if !all_there {
        let answer = controller.cli(["publish", "80:1", "--name", "more", "--persistent"]);
        assert_refused(answer, 1, &["damaged", "backup"]);
        assert_refused(controller.cli(["enable", "one"]), 1, &["damaged"]);
    }
    let (status, _) = controller.terminate();
    assert_eq!(status.code(), Some(0), "{what}");
    let log = controller.log();
    assert!(!log.contains("panicked") && !log.contains("bug:"), "{what}: {log}");
    assert!(problems.is_empty() || log.contains("ERROR") || log.contains("WARN"), "{what}: {log}");
    // And again: what was mended stays so, what was not is not emptied either.
    controller.start();
    let again = overview(&controller);
    assert_eq!(KEPT.iter().all(|name| self::names(&again).contains(name)), all_there, "{what}: {again:#}");
    !problems.is_empty()
}

type Damage = fn(&mut Vec<u8>);

const DAMAGES: [(&str, Damage); 5] = [
    ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
    ("empty", Vec::clear),
    ("a bit flipped at the front", |bytes| flip(bytes, 9)),
    ("a bit flipped in the middle", |bytes| {
        // Of what is in use: the database is mostly zeros.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        flip(bytes, used / 2);
    }),
    ("bits flipped all over", |bytes| (0..bytes.len()).step_by(97).for_each(|at| flip(bytes, at))),
];

fn flip(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
    }
}

#[test]
fn a_damaged_file_is_mended_or_told_of_and_nothing_is_overwritten() {
    let stored = Stored::new();
    let kept = stored.origin.state().join("kept");
    let (mut cases, mut told) = (0, 0);
    for file in files(&kept) {
        let name = file.strip_prefix(&kept).unwrap().to_owned();
        for (how, damage) in DAMAGES {
            let mut bytes = fs::read(&file).unwrap();
            let before = bytes.clone();
            damage(&mut bytes);
            if bytes == before {
                continue;
            }
            let (controller, kept) = stored.copy();
            fs::write(kept.join(&name), &bytes).unwrap();
            let what = format!("{}: {how}", name.display());
            cases += 1;
            told += usize::from(face(&what, &stored, controller, &[(name.clone(), bytes)]));
        }
    }
    println!("{cases} damaged files: all services there or told of each time; {told} times it had to be told");
    assert!(told >= 3, "nothing was damaged that matters");
}

#[test]
fn a_store_with_nothing_left_to_mend_it_from_is_told_of_and_left_alone() {
    let stored = Stored::new();
    for (how, damage) in [DAMAGES[1], DAMAGES[4]] {
        let (controller, kept) = stored.copy();
        let mut damaged = Vec::new();
        for file in files(&kept).into_iter().filter(|file| !file.ends_with("ballast") && !file.ends_with("state.lock"))
        {
            let mut bytes = fs::read(&file).unwrap();
            damage(&mut bytes);
            fs::write(&file, &bytes).unwrap();
            damaged.push((file, bytes));
        }
        let what = format!("everything {how}");
        assert!(face(&what, &stored, controller, &damaged), "{what}: nothing was said");
    }
}

#[test]
fn what_was_mended_is_told_by_status_with_where_the_copies_are() {
    let stored = Stored::new();
    let (mut controller, kept) = stored.copy();
    let database = files(&kept).into_iter().find(|file| file.ends_with("db")).unwrap();
    let mut bytes = fs::read(&database).unwrap();
    DAMAGES[4].1(&mut bytes);
    fs::write(&database, &bytes).unwrap();
    controller.start();
    let seen = overview(&controller);
    let problem = &seen["store-problems"][0];
    assert!(problem["problem"].as_str().unwrap().contains("the store was damaged and was re"), "{seen:#}");
    assert!(problem["hint"].as_str().unwrap().contains("damaged-"), "{seen:#}");
    let mut all = names(&seen);
    all.sort_unstable();
    assert_eq!(all, ["one", "pad", "three", "two"]);
}
