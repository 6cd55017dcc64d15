// SPDX-License-Identifier: GPL-3.0-or-later
//! What an open store costs while nothing happens. In a process of its own: other tests would wake its threads.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::time::Duration;

use tails_server_state::{Autostart, OnionKey, Persistence, PortMap, ServiceRecord, Store, StoreLayout, Wish};

/// How often all threads of this process but that of the test gave up the processor of their own will.
fn sleeps() -> u64 {
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    let count = |task: fs::DirEntry| {
        // A thread may end meanwhile.
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap);
    tasks.filter(|task| *task.file_name() != *own).map(count).sum()
}

#[test]
fn no_thread_wakes_up_while_nothing_happens() {
    let directory = tempfile::tempdir().unwrap();
    let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
    let store = Store::open(&layout);
    let ports = PortMap::try_from(vec!["80:8080".parse().unwrap()]).unwrap();
    let record = ServiceRecord::new("web".parse().unwrap(), Persistence::Kept, Autostart::On, ports).unwrap();
    store.add(&record, &OnionKey::generate().unwrap(), Wish::Enabled).unwrap();
    // The export follows a second later.
    std::thread::sleep(Duration::from_secs(3));
    let before = sleeps();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(sleeps() - before, 0);
}
