// SPDX-License-Identifier: GPL-3.0-or-later
//! Finding the first process of a PID namespace, and holding on to it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The first process of a PID namespace: when it ends, all processes of that namespace do.
#[derive(Debug)]
pub(crate) struct Init {
    pid: u32,
    // With the number alone a signal could reach another process that got the same number.
    handle: OwnedFd,
}

impl Init {
    /// The one below the process `ancestor` that is 1 in a namespace of its own and has this name.
    pub(crate) fn find(ancestor: u32, name: &str) -> Option<Self> {
        let all = processes();
        let mut known = vec![ancestor];
        let mut next = 0;
        while let Some(&parent) = known.get(next) {
            known.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
            next += 1;
        }
        let is_it = |process: &&Entry| process.is_init && process.name == name && known.contains(&process.pid);
        let pid = all.iter().find(is_it)?.pid;
        let handle = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
        Some(Self { pid, handle })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// A path as it would be without symbolic links in what the process sees.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.pid))
    }

    /// SIGKILL to all of its namespace.
    pub(crate) fn kill(&self) {
        // It fails only when the process has ended, which is what we want.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

struct Entry {
    pid: u32,
    parent: u32,
    name: String,
    is_init: bool,
}

fn processes() -> Vec<Entry> {
    let Ok(directory) = fs::read_dir("/proc") else { return Vec::new() };
    // Many end while we look.
    directory.flatten().filter_map(|entry| parse(&fs::read_to_string(entry.path().join("status")).ok()?)).collect()
}

/// Reads `/proc/PID/status`.
fn parse(status: &str) -> Option<Entry> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // The number in each namespace, ours first.
    let numbers: Vec<&str> = field("NSpid")?.split_ascii_whitespace().collect();
    Some(Entry {
        pid: field("Pid")?.parse().ok()?,
        parent: field("PPid")?.parse().ok()?,
        name: field("Name")?.to_owned(),
        is_init: numbers.len() > 1 && numbers.last() == Some(&"1"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_an_inner_namespace_is_told_from_others() {
        let status = |numbers: &str| format!("Name:\tsystemd\nUmask:\t0000\nPid:\t77\nPPid:\t70\nNSpid:\t{numbers}\n");
        let entry = parse(&status("77\t9\t1")).unwrap();
        assert_eq!((entry.pid, entry.parent, entry.name.as_str(), entry.is_init), (77, 70, "systemd", true));
        assert!(!parse(&status("77\t9\t2")).unwrap().is_init);
        assert!(!parse(&status("1")).unwrap().is_init, "the system's own is not meant");
        assert!(parse("Name:\tkthreadd\n").is_none());
    }
}
