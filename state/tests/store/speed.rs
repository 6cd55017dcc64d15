// SPDX-License-Identifier: GPL-3.0-or-later
//! A thousand services. The limits are those of the daemon, with room for a busy machine and a debug build.

use std::time::{Duration, Instant};

use tails_server_state::{Autostart, Change, Persistence, Store, Wish};

use crate::given::{PLACES, key, layout, name, record};

const MOST: usize = 1000;

#[test]
fn a_thousand_services_are_no_burden() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    let mut added = Vec::new();
    for number in 0..MOST {
        let service = record(&format!("s{number}"), PLACES[number % 2], Autostart::Off);
        let key = key();
        let start = Instant::now();
        store.add(&service, &key, Wish::Enabled).unwrap();
        added.push(start.elapsed());
    }
    let (mut first, mut last) = (added[..100].to_vec(), added[MOST - 100..].to_vec());
    first.sort();
    last.sort();
    println!("add: median of the first hundred {:?}, of the last {:?}, slowest {:?}", first[50], last[50], last[99]);
    let start = Instant::now();
    drop(store);
    println!("close: {:?}", start.elapsed());

    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let start = Instant::now();
        let store = Store::open(&layout);
        let opened = start.elapsed();
        assert_eq!(store.services().len(), MOST);
        println!("open: {opened:?}, with services(): {:?}", start.elapsed());
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_millis(1000), "{slowest:?}");

    let store = Store::open(&layout);
    let start = Instant::now();
    for number in 0..100 {
        store.key(&name(&format!("s{number}"))).unwrap();
    }
    println!("100 keys: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(100));
    let start = Instant::now();
    assert_eq!(store.set_wish(&name("s0"), Wish::Disabled).unwrap(), Change::Changed);
    println!("set_wish: {:?}", start.elapsed());
    for removed in ["s1", "s2"] {
        let start = Instant::now();
        store.remove(&name(removed)).unwrap();
        println!("remove: {:?}", start.elapsed());
    }
    assert!(store.problem(Persistence::Kept).is_none());
}
