// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine with the packages beside it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tails_box::{Answer, Machine, Options, Release, wait_until};

use crate::package::{packages, programs, source};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
const PATIENCE: Duration = Duration::from_secs(180);
/// The controller's unit.
pub(crate) const UNIT: &str = "tails-serverd.service";
/// Where the packages are in the machine.
pub(crate) const OLD: &str = "/root/old.deb";
pub(crate) const NEW: &str = "/root/new.deb";
/// Where people have unpacked the source.
pub(crate) const SOURCE: &str = "/root/source";

/// What a system writes by itself, what apt, dpkg and systemd remember of packages, and what ngIRCd and systemd leave for servers.
const IRRELEVANT: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/run/systemd",
    "/run/udev",
    "/run/log",
    "/run/adduser",
    "/run/agetty.reload",
    "/run/ircd",
    "/run/ngircd",
    "/run/ssh-unix-local",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/srv/repository",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
];

pub(crate) struct System {
    pub(crate) machine: Machine,
}

impl System {
    /// Boots a machine that has nothing of ours. None if the programs were built for a newer release than this one.
    pub(crate) fn boot(release: Release) -> Option<Self> {
        let packages = packages();
        let machine = Machine::boot(release, Options::new()).unwrap();
        machine.copy(&programs().join("tails-serverd"), "/tmp/tails-serverd", "0755").unwrap();
        let version = machine.attempt(&["/tmp/tails-serverd", "--version"]).unwrap();
        if version.stderr.contains("GLIBC_") {
            println!("{release}: LEFT OUT, because the programs were built for a newer one");
            return None;
        }
        for (package, to) in [(&packages.old, OLD), (&packages.new, NEW)] {
            machine.copy(package, to, "0644").unwrap();
        }
        machine.run(&["apt-get", "-q", "update"]).unwrap();
        Some(Self { machine })
    }

    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.machine.run(words).unwrap()
    }

    /// What a command says on both streams; whether it went well.
    pub(crate) fn told(&self, words: &[&str]) -> (bool, String) {
        let Answer { status, stdout, stderr, .. } = self.machine.attempt(words).unwrap();
        (status.success(), stdout + &stderr)
    }

    /// Has apt do something, without a network.
    pub(crate) fn apt(&self, words: &[&str]) -> String {
        let (is_done, told) = self.try_apt(words);
        assert!(is_done, "{words:?}: {told}\n{}", self.log());
        told
    }

    pub(crate) fn try_apt(&self, words: &[&str]) -> (bool, String) {
        let always = ["apt-get", "-q", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"];
        self.told(&[&always[..], words].concat())
    }

    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let (is_done, told) = self.told(&[&["tails-server"], words].concat());
        assert!(is_done, "{words:?}: {told}\n{}", self.log());
        told
    }

    pub(crate) fn address(&self, name: &str) -> String {
        self.cli(&["address", name]).trim_end().to_owned()
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        let status = || serde_json::from_str::<Value>(&self.cli(&["--json", "status", name])).unwrap();
        let reached = wait_until(PATIENCE, || (status()["state"] == state).then_some(()));
        assert!(reached.is_some(), "{name} is not {state}: {:#}\n{}", status(), self.log());
    }

    /// Which run of a unit this is; empty if there is none.
    pub(crate) fn invocation(&self, unit: &str) -> String {
        self.run(&["systemctl", "show", "--value", "--property=InvocationID", unit])
    }

    pub(crate) fn is_active(&self, unit: &str) -> bool {
        self.machine.attempt(&["systemctl", "--quiet", "is-active", unit]).unwrap().status.success()
    }

    /// The addresses that are listened on.
    pub(crate) fn listening(&self) -> Vec<String> {
        let listeners = self.machine.listeners().unwrap();
        listeners.iter().map(|listener| listener.address.to_string()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All packages that dpkg knows of.
    pub(crate) fn installed(&self) -> BTreeSet<String> {
        let names = self.run(&["dpkg-query", "--show", "--showformat=${Package}\n"]);
        names.lines().map(str::to_owned).collect()
    }

    /// All files and directories that matter.
    pub(crate) fn tree(&self) -> BTreeSet<String> {
        let mut words = vec!["find", "/", "("];
        for (number, path) in IRRELEVANT.iter().enumerate() {
            if number > 0 {
                words.push("-o");
            }
            words.extend(["-path", path]);
        }
        words.extend([")", "-prune", "-o", "-print"]);
        self.run(&words).lines().map(str::to_owned).collect()
    }

    /// What of ours there is outside of what people have, by its name.
    pub(crate) fn ours(&self) -> String {
        let places = ["/usr", "/etc", "/run"];
        self.run(&[&["find"][..], &places, &["-name", "*tails-server*", "-not", "-path", "*/systemd/units/*"]].concat())
    }

    /// Unpacks the source with its programs, as a person does.
    pub(crate) fn unpack_source(&self) {
        self.machine.copy_tree(&source().join("contrib"), &format!("{SOURCE}/contrib")).unwrap();
        for program in ["tails-server", "tails-serverd", "tails-server-helper"] {
            let to = format!("{SOURCE}/programs/{program}");
            self.machine.copy(&programs().join(program), &to, "0755").unwrap();
        }
    }

    /// Runs contrib/install there; whether it went well, and what it says.
    pub(crate) fn install_from_source(&self, words: &[&str]) -> (bool, String) {
        self.told(&[&[&*format!("{SOURCE}/contrib/install")], words].concat())
    }

    pub(crate) fn log(&self) -> String {
        self.machine.journal().unwrap()
    }
}
