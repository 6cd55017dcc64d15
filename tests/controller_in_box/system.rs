// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine on which our programs are installed, and something to publish.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tails_box::{Machine, Options, Release, wait_until};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
const PATIENCE: Duration = Duration::from_secs(120);
/// The controller's unit.
pub(crate) const UNIT: &str = "tails-server.service";
/// Who the controller runs as: somebody without any right but to speak with Tor.
const USER: &str = "tails-server";
const TOR: &str = "tor@default.service";

const CONTROLLER_UNIT: &str = "\
[Service]
Type=notify
User=tails-server
StateDirectory=tails-server
RuntimeDirectory=tails-server
RuntimeDirectoryPreserve=restart
ExecStart=/usr/local/bin/tails-serverd --user --settings /dev/null --control unix:/run/tor/control \
    --state-directory /var/lib/tails-server --runtime-directory /run/tails-server
Restart=always
RestartSec=0

[Install]
WantedBy=multi-user.target
";
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
        for program in [env!("CARGO_BIN_EXE_tails-serverd"), env!("CARGO_BIN_EXE_tails-server")] {
            let program = Path::new(program);
            let to = format!("/usr/local/bin/{}", program.file_name().unwrap().to_str().unwrap());
            machine.copy(program, &to, "0755").unwrap();
        }
        let version = machine.attempt(&["tails-serverd", "--version"]).unwrap();
        if version.stderr.contains("GLIBC_") {
            println!("{release}: LEFT OUT, because the programs were built for a newer one");
            return None;
        }
        machine.run(&["useradd", "--system", "--groups", "debian-tor", USER]).unwrap();
        for (name, text) in [(UNIT, CONTROLLER_UNIT), ("web.socket", WEB_SOCKET), ("web.service", WEB_UNIT)] {
            machine.write(&format!("/etc/systemd/system/{name}"), text).unwrap();
        }
        machine.run(&["systemctl", "enable", "--now", "web.socket", UNIT]).unwrap();
        // Its configuration keeps it offline; see the recipe of the machine.
        assert_eq!(machine.run(&["grep", "-c", "^DisableNetwork 1$", "/etc/tor/torrc"]).unwrap(), "1\n");
        machine.run(&["systemctl", "unmask", "tor.service", TOR]).unwrap();
        Some(Self { machine })
    }

    /// Starts the system's Tor, and makes it open its control socket.
    pub(crate) fn start_tor(&self) {
        self.machine.run(&["systemctl", "start", TOR]).unwrap();
        // With DisableNetwork 1 tor opens its unix socket when it reads its configuration for the second time.
        self.machine.run(&["systemctl", "reload", TOR]).unwrap();
    }

    /// Runs `tails-server` as the controller's user; what it prints.
    fn cli(&self, words: &[&str]) -> String {
        self.machine.run_as(USER, &[&["tails-server"], words].concat()).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
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

    pub(crate) fn state(&self, name: &str) -> String {
        self.json(&["status", name])["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        let reached = wait_until(PATIENCE, || (self.state(name) == state).then_some(()));
        assert!(reached.is_some(), "{name} is {}, not {state}:\n{}", self.state(name), self.log());
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
        let count = || self.machine.run(&["systemctl", "show", "--value", "--property=NRestarts", UNIT]).unwrap();
        let is_active = || self.machine.attempt(&["systemctl", "is-active", "--quiet", UNIT]).unwrap().status.success();
        let restarted = wait_until(PATIENCE, || (count() == "1\n" && is_active()).then_some(()));
        assert!(restarted.is_some(), "{}", self.log());
    }

    fn log(&self) -> String {
        self.machine.run(&["journalctl", "--no-pager", "--boot", "--unit", UNIT]).unwrap()
    }
}
