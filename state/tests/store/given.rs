// SPDX-License-Identifier: GPL-3.0-or-later
//! What the tests start from.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tails_server_state::{
    Autostart, ClientAuthorization, ClientName, ClientSecretKey, Exposure, NewClient, NewClientKey, OnionKey,
    Persistence, PortMap, ServiceName, ServiceRecord, Store, StoreLayout, Wish,
};

pub(crate) const PLACES: [Persistence; 2] = [Persistence::Kept, Persistence::Amnesic];

pub(crate) fn layout(root: &Path) -> StoreLayout {
    StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") }
}

pub(crate) fn record(name: &str, persistence: Persistence, autostart: Autostart) -> ServiceRecord {
    let ports = PortMap::try_from(vec!["80:8080".parse().unwrap()]).unwrap();
    ServiceRecord::new(name.parse().unwrap(), persistence, autostart, ports).unwrap()
}

pub(crate) fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

pub(crate) fn key() -> OnionKey {
    OnionKey::generate().unwrap()
}

/// A record of a service for its clients alone.
pub(crate) fn closed(name: &str, persistence: Persistence) -> ServiceRecord {
    let exposure = Exposure { client_authorization: ClientAuthorization::On, ..Exposure::default() };
    record(name, persistence, Autostart::Off).with_exposure(exposure)
}

pub(crate) fn client_name(text: &str) -> ClientName {
    text.parse().unwrap()
}

pub(crate) fn client_key() -> ClientSecretKey {
    ClientSecretKey::generate().unwrap()
}

/// A client whose key is made here.
pub(crate) fn made(name: &str) -> NewClient {
    NewClient { name: client_name(name), key: NewClientKey::Made(client_key()) }
}

pub(crate) fn wishes(store: &Store) -> Vec<(String, Wish)> {
    store.services().into_iter().map(|service| (service.record.name().to_string(), service.wish)).collect()
}

/// Adds services named `s0`, `s1`, ... and returns their keys.
pub(crate) fn add_services(store: &Store, count: usize, persistence: Persistence) -> Vec<OnionKey> {
    let add = |number| {
        let key = key();
        store.add(&record(&format!("s{number}"), persistence, Autostart::Off), &key, Wish::Enabled).unwrap();
        key
    };
    (0..count).map(add).collect()
}

/// Tries again until something comes of it, for ten seconds at most.
pub(crate) fn eventually<T>(attempt: impl Fn() -> Option<T>) -> Option<T> {
    let given_up = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(done) = attempt() {
            return Some(done);
        }
        if Instant::now() >= given_up {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All files below a directory, by name.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The directory of the database of a place.
pub(crate) fn database(place: &Path) -> PathBuf {
    let databases = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let mut databases: Vec<_> =
        databases.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("db-")).collect();
    databases.sort();
    databases.pop().unwrap()
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
