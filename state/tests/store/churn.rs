// SPDX-License-Identifier: GPL-3.0-or-later
//! A process that changes a store until it is killed, and a model of what it must have left behind.
//!
//! The process says on its standard output what it is about to do and what was acknowledged. Whatever was acknowledged has
//! to be there afterwards; the one thing that was not may be there as a whole or not at all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tails_server_state::{
    Autostart, ClientAuthorization, Exposure, JoinedService, NewClient, NewClientKey, OnionKey, Persistence, PortMap,
    SecretHeld, ServiceName, ServiceRecord, Store, StoreError, StoredService, Wish,
};

use crate::given::{PLACES, client_key, client_name, layout, name};

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
        if habit == Habit::Mixed && dice.roll(8) == 0 {
            if let Err(error) = change_others(&store, &mut dice) {
                println!("failed {error} {error:?}");
                return;
            }
            println!("ack {}", moment());
            continue;
        }
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
            (Some(service), choice) if habit == Habit::Mixed && choice < 6 => {
                change_access(&store, &service, choice, &mut dice)
            }
            (Some(service), 6 | 7) if habit == Habit::Mixed => {
                let here = service.record.persistence();
                let place = PLACES[usize::from(here == Persistence::Kept)];
                println!("try move {name} {place:?}");
                store.set_persistence(&name, place).map(drop)
            }
            (Some(service), _) => {
                let wish = if service.wish == Wish::Enabled { Wish::Disabled } else { Wish::Enabled };
                println!("try wish {name} {wish:?}");
                store.set_wish(&name, wish).map(drop)
            }
        };
        match done {
            Ok(()) => println!("ack {}", moment()),
            Err(error) => {
                println!("failed {error} {error:?}");
                return;
            }
        }
    }
}

/// Microseconds, to compare what two processes did.
pub(crate) fn moment() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap()
}

/// Joins or leaves a service of somebody else, or makes or drops a request.
fn change_others(store: &Store, dice: &mut Dice) -> Result<(), StoreError> {
    let name = format!("o{}", dice.roll(4));
    let place = PLACES[usize::from(name.ends_with('0'))];
    let key = client_key();
    if dice.roll(2) == 0 {
        let name = client_name(&name);
        if store.requests().iter().any(|request| request.name == name) {
            println!("try drop request/{name}");
            return store.remove_request(&name).map(drop);
        }
        println!("try put request/{name} {}", key.public_key().base32());
        return store.add_request(&name, &key, place).map(drop);
    }
    let name: ServiceName = name.parse().unwrap();
    let known = store.joined().into_iter().find(|joined| joined.name == name);
    if known.is_some() && dice.roll(2) == 0 {
        println!("try drop joined/{name}");
        return store.leave(&name).map(drop);
    }
    let joined = known.unwrap_or_else(|| JoinedService {
        name: name.clone(),
        address: OnionKey::generate().unwrap().address(),
        persistence: place,
        title: None,
        ports: Vec::new(),
        note: "x".repeat(300),
        expires: None,
    });
    println!("try put joined/{name} {} {}", joined.address.service_id(), key.public_key().base32());
    store.join(&joined, Some(&key)).map(drop)
}

/// Changes who may reach a service, or its address.
fn change_access(store: &Store, service: &StoredService, choice: u64, dice: &mut Dice) -> Result<(), StoreError> {
    let name = service.record.name();
    let client = client_name(&format!("c{}", dice.roll(5)));
    let has = |name: &str| service.clients.iter().any(|known| known.name.as_str() == name);
    let is_there = has(client.as_str());
    match choice {
        1 => {
            let key = OnionKey::generate().unwrap();
            println!("try key {name} {}", key.address().service_id());
            store.replace_key(name, &key)
        }
        2 => {
            let authorization = match service.record.exposure().client_authorization {
                ClientAuthorization::On => ClientAuthorization::Off,
                ClientAuthorization::Off => ClientAuthorization::On,
            };
            println!("try authorization {name} {authorization:?}");
            let exposure = Exposure { client_authorization: authorization, ..Exposure::default() };
            store.set_record(&service.record.clone().with_exposure(exposure)).map(drop)
        }
        3 if is_there && !has(&format!("d{client}")) => {
            println!("try rename {name} {client} d{client}");
            store.rename_client(name, &client, &client_name(&format!("d{client}"))).map(drop)
        }
        _ if is_there => {
            println!("try uninvite {name} {client}");
            store.remove_client(name, &client).map(drop)
        }
        _ => {
            let key = client_key();
            let public = key.public_key();
            let (held, key) = match dice.roll(2) {
                0 => (SecretHeld::Here, NewClientKey::Made(key)),
                _ => (SecretHeld::Elsewhere, NewClientKey::Brought(public)),
            };
            println!("try invite {name} {client} {} {held:?}", public.base32());
            store.add_client(name, NewClient { name: client, key })
        }
    }
}

/// The ports that a service of this name has: one or, for the longer names, as many and as long ones as there can be.
fn ports_of(name: &str) -> PortMap {
    let count = if name.len() < 3 { 1 } else { PortMap::MAX };
    let port = |number| format!("{}:unix:/run/{name}/{number:0>95}", number + 1).parse().unwrap();
    PortMap::try_from((0..count).map(port).collect::<Vec<_>>()).unwrap()
}

/// What a service has to be: place, autostart, wish, address and authorisation, as text; a client of it, by
/// `SERVICE/CLIENT`; what somebody else's service has to be, by `joined/NAME`, and a request, by `request/NAME`.
pub(crate) type Expected = BTreeMap<String, Vec<String>>;

/// What must be there, and what may be there instead if the last thing was done after all.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) certain: Expected,
    pub(crate) possible: Option<Expected>,
    pub(crate) acknowledged: usize,
    /// The moment of the last one.
    pub(crate) acknowledged_at: u64,
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
                next.insert((*name).to_owned(), texts([place, autostart, wish, address, &"Off"]));
                self.possible = Some(next);
            }
            ["try", "remove", name] => {
                next.retain(|key, _| key != name && !key.starts_with(&format!("{name}/")));
                self.possible = Some(next);
            }
            ["try", "key", name, address] => {
                next.get_mut(*name).unwrap()[3] = (*address).to_owned();
                self.possible = Some(next);
            }
            ["try", "move", name, place] => {
                let parts = next.get_mut(*name).unwrap();
                parts[0] = (*place).to_owned();
                if *place == "Amnesic" {
                    parts[1] = "Off".to_owned();
                }
                self.possible = Some(next);
            }
            ["try", "authorization", name, authorization] => {
                next.get_mut(*name).unwrap()[4] = (*authorization).to_owned();
                self.possible = Some(next);
            }
            ["try", "invite", name, client, public, held] => {
                next.insert(format!("{name}/{client}"), texts([public, held]));
                self.possible = Some(next);
            }
            ["try", "uninvite", name, client] => {
                next.remove(&format!("{name}/{client}"));
                self.possible = Some(next);
            }
            ["try", "rename", name, from, to] => {
                let client = next.remove(&format!("{name}/{from}")).unwrap();
                next.insert(format!("{name}/{to}"), client);
                self.possible = Some(next);
            }
            ["try", "put", key, values @ ..] => {
                next.insert((*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect());
                self.possible = Some(next);
            }
            ["try", "drop", key] => {
                next.remove(*key);
                self.possible = Some(next);
            }
            ["try", "wish", name, wish] => {
                next.get_mut(*name).unwrap()[2] = (*wish).to_owned();
                self.possible = Some(next);
            }
            ["ack", at] => {
                self.acknowledged_at = at.parse().unwrap();
                self.certain = self.possible.take().unwrap();
                self.acknowledged += 1;
            }
            _ => {}
        }
    }
}

fn texts<const COUNT: usize>(words: [&&str; COUNT]) -> Vec<String> {
    words.into_iter().map(|word| (*word).to_owned()).collect()
}

/// What of it is kept, without the wishes of the session.
pub(crate) fn kept(expected: &Expected) -> Expected {
    let is_kept = |key: &str| {
        // As `change_others` has it.
        if key.starts_with("joined/") || key.starts_with("request/") {
            return !key.ends_with('0');
        }
        let service = key.split('/').next().unwrap_or(key);
        expected.get(service).is_some_and(|parts| parts[0] == "Kept")
    };
    let kept = expected.iter().filter(|(key, _)| is_kept(key)).map(|(key, parts)| {
        let mut parts = parts.clone();
        if !key.contains('/') {
            parts.remove(2);
        }
        (key.clone(), parts)
    });
    kept.collect()
}

pub(crate) fn found(store: &Store) -> Expected {
    let mut found = Expected::new();
    for service in store.services() {
        let name = service.record.name();
        for client in &service.clients {
            if client.secret == SecretHeld::Here {
                assert_eq!(store.client_key(name, &client.name).unwrap().public_key(), client.public_key);
            }
            let parts = vec![client.public_key.base32(), format!("{:?}", client.secret)];
            found.insert(format!("{name}/{}", client.name), parts);
        }
    }
    for joined in store.joined() {
        assert_eq!(joined.note.len(), 300);
        let key = store.joined_key(&joined.name).unwrap().unwrap();
        let parts = vec![joined.address.service_id(), key.public_key().base32()];
        found.insert(format!("joined/{}", joined.name), parts);
    }
    for request in store.requests() {
        let key = store.request_key(&request.name).unwrap();
        assert_eq!(key.public_key(), request.public_key);
        found.insert(format!("request/{}", request.name), vec![request.public_key.base32()]);
    }
    let services = store.services().into_iter().map(|service| {
        let key = store.key(service.record.name()).unwrap();
        assert_eq!(key.address(), service.address, "{}", service.record.name());
        let record = &service.record;
        assert_eq!(*record.ports(), ports_of(record.name().as_str()), "{}", record.name());
        let (place, autostart) = (record.persistence(), record.autostart());
        let authorization = record.exposure().client_authorization;
        let parts = vec![
            format!("{place:?}"),
            format!("{autostart:?}"),
            format!("{:?}", service.wish),
            key.address().service_id(),
            format!("{authorization:?}"),
        ];
        (record.name().to_string(), parts)
    });
    found.extend(services);
    found
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
