// SPDX-License-Identifier: GPL-3.0-or-later
//! A process that changes a store until it is killed, and a model of what it must have left behind.
//!
//! The process says on its standard output what it is about to do and what was acknowledged. Whatever was acknowledged has
//! to be there afterwards; the one thing that was not may be there as a whole or not at all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tails_server_state::{Autostart, OnionKey, Persistence, PortMap, ServiceRecord, Store, Wish};

use crate::given::{PLACES, layout, name};

const DIRECTORY: &str = "TAILS_SERVER_TEST_DIRECTORY";
const SEED: &str = "TAILS_SERVER_TEST_SEED";
const HABIT: &str = "TAILS_SERVER_TEST_HABIT";

/// How the process spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// All kinds of changes to a few services.
    Mixed,
    /// Ever more and as large services as can be, so that the file of the database has to grow.
    Growing,
}

impl Habit {
    /// How many different names there are.
    const fn names(self) -> u64 {
        match self {
            Self::Mixed => 20,
            Self::Growing => 100_000,
        }
    }
}

/// A sequence of numbers that is the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    // Marsaglia, Xorshift RNGs.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

/// Not a test: what [`Churn`] runs.
#[test]
#[ignore = "started by other tests"]
fn process() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let mut dice = Dice::new(std::env::var(SEED).unwrap().parse().unwrap());
    let habit = if std::env::var(HABIT).unwrap() == "Growing" { Habit::Growing } else { Habit::Mixed };
    println!("\nopening");
    let store = Store::open(&layout(&directory));
    for place in PLACES {
        if let Some(problem) = store.problem(place) {
            println!("failed {place:?}: {problem} {problem:?}");
            return;
        }
    }
    println!("opened");
    loop {
        let name = name(&format!("s{}", dice.roll(habit.names())));
        let there = store.services().into_iter().find(|service| *service.record.name() == name);
        let done = match (there, dice.roll(12)) {
            (None, choice) => {
                let place = PLACES[usize::from(choice % 2 == 0)];
                let autostart = if place == Persistence::Kept && choice > 4 { Autostart::On } else { Autostart::Off };
                let wish = if choice % 3 == 0 { Wish::Disabled } else { Wish::Enabled };
                let key = OnionKey::generate().unwrap();
                println!("try add {name} {place:?} {autostart:?} {wish:?} {}", key.address().service_id());
                let service = ServiceRecord::new(name.clone(), place, autostart, ports_of(name.as_str())).unwrap();
                store.add(&service, &key, wish)
            }
            (Some(_), 0) if habit == Habit::Mixed => {
                println!("try remove {name}");
                store.remove(&name).map(drop)
            }
            (Some(service), _) => {
                let wish = if service.wish == Wish::Enabled { Wish::Disabled } else { Wish::Enabled };
                println!("try wish {name} {wish:?}");
                store.set_wish(&name, wish).map(drop)
            }
        };
        match done {
            Ok(()) => println!("ack"),
            Err(error) => {
                println!("failed {error} {error:?}");
                return;
            }
        }
    }
}

/// The ports that a service of this name has: one or, for the longer names, as many and as long ones as there can be.
fn ports_of(name: &str) -> PortMap {
    let count = if name.len() < 3 { 1 } else { PortMap::MAX };
    let port = |number| format!("{}:unix:/run/{name}/{number:0>95}", number + 1).parse().unwrap();
    PortMap::try_from((0..count).map(port).collect::<Vec<_>>()).unwrap()
}

/// What a service has to be: place, autostart, wish and address, as text.
pub(crate) type Expected = BTreeMap<String, [String; 4]>;

/// What must be there, and what may be there instead if the last thing was done after all.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) certain: Expected,
    pub(crate) possible: Option<Expected>,
    pub(crate) acknowledged: usize,
}

impl Model {
    /// Takes over what was found, which is one of the two.
    pub(crate) fn settle(&mut self, store: &Store) {
        let found = found(store);
        let possible = self.possible.take();
        if found != self.certain {
            let differing = |model: &Expected| {
                let names = model.keys().chain(found.keys()).filter(|name| model.get(*name) != found.get(*name));
                names
                    .take(5)
                    .map(|name| format!("{name}: {:?}, not {:?}", found.get(name), model.get(name)))
                    .collect::<Vec<_>>()
            };
            assert!(
                possible.as_ref() == Some(&found),
                "against what was acknowledged: {:#?}; against what was not: {:#?}",
                differing(&self.certain),
                possible.as_ref().map(differing)
            );
        }
        self.certain = found;
    }

    fn read(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let mut next = self.certain.clone();
        match words.as_slice() {
            ["try", "add", name, place, autostart, wish, address] => {
                next.insert((*name).to_owned(), [place, autostart, wish, address].map(|word| (*word).to_owned()));
                self.possible = Some(next);
            }
            ["try", "remove", name] => {
                next.remove(*name);
                self.possible = Some(next);
            }
            ["try", "wish", name, wish] => {
                next.get_mut(*name).unwrap()[2] = (*wish).to_owned();
                self.possible = Some(next);
            }
            ["ack"] => {
                self.certain = self.possible.take().unwrap();
                self.acknowledged += 1;
            }
            _ => {}
        }
    }
}

fn found(store: &Store) -> Expected {
    let services = store.services().into_iter().map(|service| {
        let key = store.key(service.record.name()).unwrap();
        assert_eq!(key.address(), service.address, "{}", service.record.name());
        let record = &service.record;
        assert_eq!(*record.ports(), ports_of(record.name().as_str()), "{}", record.name());
        let (place, autostart) = (record.persistence(), record.autostart());
        let parts =
            [format!("{place:?}"), format!("{autostart:?}"), format!("{:?}", service.wish), key.address().service_id()];
        (record.name().to_string(), parts)
    });
    services.collect()
}

/// The running process.
pub(crate) struct Churn {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Churn {
    pub(crate) fn start(directory: &Path, habit: Habit, seed: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "churn::process", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(SEED, seed.to_string())
            .env(HABIT, format!("{habit:?}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut churn = Self { child, lines };
        while churn.line().unwrap() != "opening" {}
        churn
    }

    fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }

    /// Reads until so many changes were acknowledged.
    pub(crate) fn read(&mut self, model: &mut Model, acknowledgements: usize) {
        let enough = model.acknowledged + acknowledgements;
        while model.acknowledged < enough {
            let line = self.line().unwrap();
            assert!(!line.starts_with("failed"), "{line}");
            model.read(&line);
        }
    }

    /// Kills it, and reads what it had said until then. Failures are told apart by the caller: after a power cut they are
    /// what has to happen.
    pub(crate) fn kill(mut self, model: &mut Model) -> Option<String> {
        self.child.kill().unwrap();
        let mut failure = None;
        while let Some(line) = self.line() {
            model.read(&line);
            if line.starts_with("failed") {
                failure = Some(line);
            }
        }
        self.child.wait().unwrap();
        failure
    }
}
