// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine on which Tails Server is installed from source.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tails_box::{Answer, Machine, Options, Release, wait_until};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// The controller's unit.
pub(crate) const UNIT: &str = "tails-serverd.service";
/// Where people have unpacked it.
pub(crate) const SOURCE: &str = "/root/source";
pub(crate) const TOR: &str = "tor@default.service";
/// Its control port and its SOCKS port.
const TOR_PORTS: [u16; 2] = [9050, 9052];

/// systemd listens; no visitor will come, as Tor has no network.
const WEB_SOCKET: &str = "[Socket]\nListenStream=127.0.0.1:8080\n\n[Install]\nWantedBy=sockets.target\n";
const WEB_UNIT: &str = "[Service]\nExecStart=sleep infinity\n";

/// A machine with a running controller.
pub(crate) struct System {
    pub(crate) machine: Machine,
}

impl System {
    /// Boots a machine and installs the programs. None if they were built for a newer release than this one.
    pub(crate) fn boot(release: Release, options: Options) -> Option<Self> {
        let machine = Machine::boot(release, options).unwrap();
        let system = Self { machine };
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        system.machine.copy_tree(&source.join("contrib"), &format!("{SOURCE}/contrib")).unwrap();
        for program in [
            env!("CARGO_BIN_EXE_tails-server"),
            env!("CARGO_BIN_EXE_tails-serverd"),
            env!("CARGO_BIN_EXE_tails-server-helper"),
        ] {
            let name = Path::new(program).file_name().unwrap().to_str().unwrap();
            system.machine.copy(Path::new(program), &format!("{SOURCE}/programs/{name}"), "0755").unwrap();
        }
        let version = system.machine.attempt(&[&format!("{SOURCE}/programs/tails-serverd"), "--version"]).unwrap();
        if version.stderr.contains("GLIBC_") {
            println!("{release}: LEFT OUT, because the programs were built for a newer one");
            return None;
        }
        // Its configuration keeps it offline; see the recipe of the machine.
        assert_eq!(system.run(&["grep", "-c", "^DisableNetwork 1$", "/etc/tor/torrc"]), "1\n");
        system.run(&["systemctl", "unmask", "tor.service", TOR]);
        system.let_the_network_be_set();
        system.install();
        Some(system)
    }

    /// Installs or updates it, as a person does from source.
    pub(crate) fn install(&self) {
        self.run(&[&format!("{SOURCE}/contrib/install"), "--programs", &format!("{SOURCE}/programs")]);
    }

    /// A port that something listens on, with no descriptor.
    pub(crate) fn start_web(&self) {
        for (name, text) in [("web.socket", WEB_SOCKET), ("web.service", WEB_UNIT)] {
            self.machine.write(&format!("/etc/systemd/system/{name}"), text).unwrap();
        }
        self.run(&["systemctl", "enable", "--now", "web.socket"]);
    }

    /// A box has all of /proc/sys read-only; a computer has not.
    fn let_the_network_be_set(&self) {
        self.run(&["mount", "--bind", "/proc/sys/net", "/proc/sys/net"]);
        self.run(&["mount", "-o", "remount,bind,rw", "/proc/sys/net"]);
    }

    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.machine.run(words).unwrap()
    }

    /// Starts the system's Tor, and makes it open its control socket.
    pub(crate) fn start_tor(&self) {
        self.run(&["systemctl", "start", TOR]);
        // With DisableNetwork 1 tor opens its unix socket when it reads its configuration for the second time.
        self.run(&["systemctl", "reload", TOR]);
    }

    pub(crate) fn reboot(&mut self) {
        self.machine.reboot().unwrap();
        self.let_the_network_be_set();
    }

    pub(crate) fn power_cut(&mut self) {
        self.machine.power_cut().unwrap();
        self.let_the_network_be_set();
    }

    /// Runs `tails-server` as the administrator does; what became of it.
    pub(crate) fn attempt(&self, words: &[&str]) -> Answer {
        self.machine.attempt(&[&["tails-server"], words].concat()).unwrap()
    }

    /// Runs `tails-server` as the administrator does; what it prints.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let answer = self.attempt(words);
        assert!(answer.status.success(), "{words:?}: {}{}\n{}", answer.stdout, answer.stderr, self.log());
        answer.stdout
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.cli(&[&["--json"], words].concat())).unwrap()
    }

    /// Publishes; the address.
    pub(crate) fn publish(&self, words: &[&str]) -> String {
        let printed = self.json(&[&["publish"], words].concat());
        printed["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn address(&self, name: &str) -> String {
        self.cli(&["address", name]).trim_end().to_owned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let status = self.json(&["status"]);
        let services = status["services"].as_array().unwrap();
        services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What the controller says of Tor.
    pub(crate) fn tor(&self) -> Value {
        self.json(&["status"])["tor"].clone()
    }

    pub(crate) fn status(&self, name: &str) -> Value {
        self.json(&["status", name])
    }

    pub(crate) fn state(&self, name: &str) -> String {
        self.status(name)["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        let reached = wait_until(PATIENCE, || (self.state(name) == state).then_some(()));
        assert!(reached.is_some(), "{name} is not {state}: {:#}\n{}", self.status(name), self.log());
    }

    pub(crate) fn wait_for_tor(&self) {
        let connected = wait_until(PATIENCE, || (self.tor()["connected"] == true).then_some(()));
        assert!(connected.is_some(), "no connection to Tor:\n{}", self.log());
    }

    pub(crate) fn wait_until_tor_is_lost(&self) {
        let lost = wait_until(PATIENCE, || (self.tor()["connected"] == false).then_some(()));
        assert!(lost.is_some(), "still connected to Tor:\n{}", self.log());
    }

    /// Waits until systemd has started the controller again.
    pub(crate) fn wait_for_restart(&self) {
        let count = || self.run(&["systemctl", "show", "--value", "--property=NRestarts", UNIT]);
        let is_active = || self.machine.attempt(&["systemctl", "is-active", "--quiet", UNIT]).unwrap().status.success();
        let restarted = wait_until(PATIENCE, || (count() == "1\n" && is_active()).then_some(()));
        assert!(restarted.is_some(), "{}", self.log());
    }

    /// The ports that are listened on, at which addresses; without Tor's.
    pub(crate) fn listening(&self) -> Vec<String> {
        let listeners = self.machine.listeners().unwrap();
        let addresses: BTreeSet<_> = listeners.iter().map(|listener| listener.address).collect();
        let others = addresses.into_iter().filter(|address| !TOR_PORTS.contains(&address.port()));
        others.map(|address| address.to_string()).collect()
    }

    /// The value of an option as the owner sees it.
    pub(crate) fn option(&self, name: &str, option: &str) -> String {
        self.cli(&["get-option", name, option]).trim_end_matches('\n').to_owned()
    }

    /// Waits until the server runs with the options as they are.
    pub(crate) fn wait_until_applied(&self, name: &str) {
        let applied = wait_until(PATIENCE, || (self.status(name)["options-applied"] == true).then_some(()));
        assert!(applied.is_some(), "{name} does not run with its options: {:#}\n{}", self.status(name), self.log());
    }

    fn control_group(&self, unit: &str) -> String {
        let group = self.run(&["systemctl", "show", "--value", "--property=ControlGroup", unit]);
        format!("/sys/fs/cgroup{}/cgroup.procs", group.trim())
    }

    /// Connects somewhere from inside the control group of a unit; whether it went well.
    pub(crate) fn connects_from(&self, unit: &str, address: Ipv4Addr, port: u16) -> bool {
        let script = r#"echo 0 > "$1"; exec timeout 3 bash -c "exec 3<>/dev/tcp/$2/$3""#;
        let (group, address, port) = (self.control_group(unit), address.to_string(), port.to_string());
        self.machine.attempt(&["sh", "-c", script, "connect", &group, &address, &port]).unwrap().status.success()
    }

    /// What is in the first of these files that there is, as a unit sees it.
    pub(crate) fn seen_by(&self, unit: &str, path: &str, other: &str) -> String {
        let pids = self.run(&["cat", &self.control_group(unit)]);
        let look = r#"nsenter --target "$1" --mount -- sh -c 'cat "$0" 2>/dev/null || cat "$1"' "$2" "$3""#;
        self.run(&["sh", "-c", look, "look", pids.lines().next().unwrap(), path, other])
    }

    pub(crate) fn log(&self) -> String {
        self.machine.journal().unwrap()
    }
}
