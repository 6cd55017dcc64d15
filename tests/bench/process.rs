// SPDX-License-Identifier: GPL-3.0-or-later
//! What the kernel knows of a process.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Time over which it is looked at whether a process has anything to do: half a per cent of it is nothing.
const QUIET: Duration = Duration::from_millis(250);
/// The longest time to wait for that.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line of a status file, in its own unit.
fn value(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// A memory figure of the process in MiB, such as `VmRSS`.
pub(crate) fn memory(pid: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes = value(&status, name).ok_or("no such figure")?;
    Ok(kibibytes as f64 / 1024.0)
}

/// How often each thread gave up the processor of its own will, by thread id, and the thread's name.
// Each time it sleeps is counted once, so the difference between two looks is how often it woke up.
pub(crate) fn sleeps(pid: u32) -> Outcome<BTreeMap<u32, (String, u64)>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path();
        // A thread may end while this looks.
        let Ok(status) = fs::read_to_string(path.join("status")) else { continue };
        let name = status.lines().find_map(|line| line.strip_prefix("Name:\t")).unwrap_or_default().to_owned();
        let thread = path.file_name().and_then(|name| name.to_str()?.parse().ok()).ok_or("no thread")?;
        found.insert(thread, (name, value(&status, "voluntary_ctxt_switches").ok_or("no count")?));
    }
    Ok(found)
}

/// How often the threads woke up between two looks, by their names. A thread that is gone woke up to end.
pub(crate) fn woken(
    before: &BTreeMap<u32, (String, u64)>,
    after: &BTreeMap<u32, (String, u64)>,
) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for thread in before.keys().chain(after.keys().filter(|thread| !before.contains_key(thread))) {
        let was = before.get(thread).map_or(0, |(_, count)| *count);
        let (name, count) = match (after.get(thread), before.get(thread)) {
            (Some((name, count)), _) => (name, count - was),
            (None, Some((name, _))) => (name, 1),
            (None, None) => continue,
        };
        if count > 0 {
            *found.entry(name.clone()).or_insert(0) += count;
        }
    }
    found
}

/// Processor time that the process has used so far, in user and in kernel mode.
pub(crate) fn processor_time(pid: u32) -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // proc(5): schedstat begins with the nanoseconds on a processor. A thread may end while this looks.
        let stat = fs::read_to_string(entry?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += stat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Waits until the process has next to nothing to do for a while.
pub(crate) fn settle(pid: u32) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let mut last = processor_time(pid)?;
    while Instant::now() < deadline {
        // Settled is what uses no processor time for this long; no event says so.
        thread::sleep(QUIET);
        let now = processor_time(pid)?;
        if now.saturating_sub(last) <= QUIET / 200 {
            return Ok(());
        }
        last = now;
    }
    Err("the process never comes to rest".into())
}
