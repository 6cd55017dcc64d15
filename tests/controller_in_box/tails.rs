// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine on which things go as in Tails: what plays it is in `tests/tails/`.

mod boots;
mod chain;
mod hook;
mod volume;
mod witness;

use std::ops::{Deref, DerefMut};
use std::path::Path;

use serde_json::Value;
use tails_box::{Options, Release, STICK, wait_until};

use self::witness::Life;
use crate::reach::Reach;
use crate::system::{PATIENCE, System, TOR, UNIT};

/// Tails' own target, and the hook that tells the controller of it.
const TARGET: &str = "tails-tor-has-bootstrapped.target";
const WAIT: &str = "tails-wait-until-tor-has-bootstrapped.service";
const FLAG_FILE: &str = "tails-tor-has-bootstrapped-flag-file.service";
const HOOK: &str = "tails-server-tor-hook.service";
const TORRC: &str = "/etc/tor/torrc";
/// As Tails has it, as far as it matters here.
const TORRC_OF_TAILS: &str = "ControlPort 127.0.0.1:9052\nDisableNetwork 1\nSandbox 1\nSocksPort 127.0.0.1:9050\n";
/// What an image takes of `contrib/tails/persistent-storage/`, and where; its README says the same.
const OF_THE_IMAGE: [(&str, &str, &str); 6] = [
    ("settings.toml", "/etc/tails-server/settings.toml", "0644"),
    (
        "tails-serverd.service.d/persistent-storage.conf",
        "/usr/lib/systemd/system/tails-serverd.service.d/persistent-storage.conf",
        "0644",
    ),
    ("tails-server-volume.tmpfiles", "/usr/lib/tmpfiles.d/tails-server-volume.conf", "0644"),
    ("release-volume", "/usr/local/lib/tails-server/release-volume", "0755"),
    (
        "on-activated-hooks/TailsServer/10-start-tails-server",
        "/usr/local/lib/persistent-storage/on-activated-hooks/TailsServer/10-start-tails-server",
        "0755",
    ),
    (
        "on-deactivated-hooks/TailsServer/10-start-tails-server",
        "/usr/local/lib/persistent-storage/on-deactivated-hooks/TailsServer/10-start-tails-server",
        "0755",
    ),
];
/// What plays the Internet, and not what is ours, are processes of root on ports from here on.
const INTERNET: &str = "-A OUTPUT -o lo -p tcp -m multiport --dports 10000:32000 -m owner --uid-owner root -j ACCEPT\n";
/// As the last rule refuses everybody, with a counter for each who could be one of ours.
const COUNTERS: &str = "\
-A OUTPUT -m owner --uid-owner tails-server -m comment --comment refused -j REJECT
-A OUTPUT -m owner --uid-owner root -m comment --comment refused -j REJECT
";
const CONTROL_PORT_COUNTER: &str = "\
-A OUTPUT -o lo -p tcp --dport 9052 -m owner --uid-owner tails-server -m comment --comment refused -j REJECT
";

/// Whether Tails is told to tell the controller of Tor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Enabled,
    Absent,
}

/// The machine.
struct Tails {
    system: System,
}

impl Deref for Tails {
    type Target = System;

    fn deref(&self) -> &System {
        &self.system
    }
}

impl DerefMut for Tails {
    fn deref_mut(&mut self) -> &mut System {
        &mut self.system
    }
}

impl Tails {
    /// A Tails on which Tails Server is installed and nothing was done yet, its Persistent Storage unlocked. None if the
    /// programs were built for a newer one.
    fn boot() -> Option<Self> {
        let system = System::boot(Release::Trixie, Options::new().with_lan().with_stick())?;
        system.run(&["systemctl", "stop", UNIT]);
        system.machine.copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tails"), "/").unwrap();
        system.run(&["systemd-sysusers"]);
        system.run(&["update-alternatives", "--set", "iptables", "/usr/sbin/iptables-legacy"]);
        let rules = system.run(&["cat", "/usr/local/share/tails-rules"]);
        let (control_port, last) =
            ("-A OUTPUT -o lo -d 127.0.0.1 -p tcp --dport 9052 -j REJECT\n", "-A OUTPUT -j REJECT ");
        let rules = rules.replace(control_port, &format!("{CONTROL_PORT_COUNTER}{control_port}"));
        let rules = rules.replace(last, &format!("{INTERNET}{COUNTERS}{last}"));
        assert_eq!(rules.matches("refused").count(), 3);
        system.machine.write("/usr/local/share/tails-rules", &rules).unwrap();
        let storage = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/tails/persistent-storage");
        for (from, to, mode) in OF_THE_IMAGE {
            system.machine.copy(&storage.join(from), to, mode).unwrap();
        }
        let lines = "persistence.conf";
        system.machine.copy(&storage.join(lines), &format!("{STICK}/{lines}"), "0600").unwrap();
        // An image has these in memory, made anew at each boot.
        system.run(&[
            "sh",
            "-c",
            "rm -r /var/lib/tails-server /var/lib/tails-server-data && systemd-tmpfiles --create",
        ]);
        system.machine.write(TORRC, TORRC_OF_TAILS).unwrap();
        system.run(&["systemctl", "daemon-reload"]);
        let tails = Self { system };
        tails.run(&["systemctl", "enable", "ferm.service", TARGET, WAIT, FLAG_FILE]);
        // A network that comes up starts it, and nothing else.
        tails.run(&["systemctl", "disable", "--quiet", "tor.service"]);
        tails.hook(Hook::Enabled);
        tails.run(&["systemctl", "start", "ferm.service"]);
        tails.run(&["systemctl", "start", UNIT]);
        tails.unlock();
        Some(tails)
    }

    fn hook(&self, hook: Hook) {
        let verb = match hook {
            Hook::Enabled => "enable",
            Hook::Absent => "disable",
        };
        self.run(&["systemctl", "--quiet", verb, HOOK]);
    }

    /// As in the Welcome Screen.
    fn unlock(&self) {
        self.run(&["unlock"]);
    }

    /// What `status` says of Tails Server itself.
    fn problems(&self) -> String {
        self.json(&["status"]).to_string()
    }

    /// Boots it again: no network, nothing unlocked.
    fn boot_again(&mut self) {
        self.refused();
        self.system.reboot();
    }

    /// Lets the cable be plugged in, or pulled out.
    fn network(&self, becomes: &str) {
        self.run(&["network", becomes]);
    }

    /// Makes its Tor, from its next life on, a member of this network.
    fn join(&self, reach: &Reach) {
        let torrc = format!("{TORRC_OF_TAILS}{}", reach.torrc_lines());
        self.machine.write(TORRC, &torrc).unwrap();
    }

    /// The state of a service and whether its server runs with its options; None while nobody answers.
    fn status_now(&self, service: &str) -> Option<(String, bool)> {
        let answer = self.attempt(&["--json", "status", service]);
        let status: Value = serde_json::from_str(&answer.stdout).ok()?;
        Some((status["state"].as_str()?.to_owned(), status["options-applied"] == true))
    }

    fn is_active(&self, unit: &str) -> bool {
        self.machine.attempt(&["systemctl", "is-active", "--quiet", unit]).unwrap().status.success()
    }

    fn wait_for_target(&self) {
        let reached = wait_until(PATIENCE, || self.is_active(TARGET).then_some(()));
        assert!(reached.is_some(), "no bootstrap:\n{}", self.log());
        self.run(&["test", "-e", "/run/tor-has-bootstrapped/done"]);
    }

    /// What witnesses wrote in each life of Tor since the boot.
    fn lives(&self) -> Vec<Life> {
        // Before the first life there is no file.
        witness::lives(&self.machine.attempt(&["cat", "/run/witness"]).unwrap().stdout)
    }

    /// Asserts that Tor got a service once in its present life, and not before it had bootstrapped.
    fn assert_once_and_not_early(&self, address: &str) {
        // The witness is a shell, and slower than our controller.
        let published = || self.lives().pop().filter(|life| life.published(address).is_some());
        wait_until(PATIENCE, published).unwrap().assert_once_and_not_early();
    }

    /// What the firewall refused of ours since the boot. Nothing of ours may need a rule that Tails does not have.
    fn refused(&self) -> String {
        self.run(&["/usr/local/lib/count-refused"]);
        let refused = self.run(&["cat", "/run/refused"]);
        assert_eq!(refused, "", "{}", self.log());
        refused
    }
}
