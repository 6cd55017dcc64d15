// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine whose firewall is as that of Tails: ferm's rules, made anew at times, and those of a session.

use std::ops::Deref;
use std::path::Path;

use serde_json::{Value, json};
use tails_box::{Options, Release};

use crate::host::{Host, wishes};

pub(crate) const SESSION_RULES: &str = "/var/lib/iptables/session-rules";

/// The machine.
pub(crate) struct Tails {
    pub(crate) host: Host,
}

impl Deref for Tails {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Tails {
    /// None if the helper was built for a newer release than this one.
    pub(crate) fn boot(release: Release) -> Option<Self> {
        let host = Host::boot(release, Options::new().with_lan())?;
        host.machine.copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tails"), "/").unwrap();
        host.run(&["systemd-sysusers"]);
        host.run(&["update-alternatives", "--set", "iptables", "/usr/sbin/iptables-legacy"]);
        host.run(&["ln", "-sf", "/usr/local/sbin/iptables-restore", "/etc/alternatives/iptables-restore"]);
        // What others have there, before us. The last is in a table that ferm leaves alone.
        for rule in [
            "-I INPUT -p udp --dport 5353 -m comment --comment not-tails-server:x -j ACCEPT",
            "-t nat -I PREROUTING -p tcp --dport 7777 -j DNAT --to-destination 10.77.0.2:8888",
        ] {
            host.run(&[&["tails-add-session-firewall-rule"], &rule.split(' ').collect::<Vec<_>>()[..]].concat());
        }
        let quoted = r#"a "--comment tails-server:x" b"#;
        host.run(&["iptables", "-t", "raw", "-A", "PREROUTING", "-m", "comment", "--comment", quoted, "-j", "ACCEPT"]);
        let tails = Self { host };
        tails.firewall_up();
        Some(tails)
    }

    /// Reboots it; a network comes up.
    pub(crate) fn reboot(&mut self) {
        self.host.machine.reboot().unwrap();
        self.host.open_settings();
        self.firewall_up();
    }

    /// As when a network comes up.
    pub(crate) fn firewall_up(&self) {
        self.run(&["firewall-up"]);
    }

    /// All rules and policies of the kernel, in their order; without what counts packets, and when it was told.
    pub(crate) fn rules(&self) -> Vec<String> {
        let saved = self.run(&["iptables-save"]);
        let lines = saved.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(" [").next().unwrap().to_owned()).collect()
    }

    /// The rules of one service in the kernel, sorted.
    pub(crate) fn rules_of(&self, service: &str) -> Vec<String> {
        let mark = format!("\"tails-server:{service}:");
        let mut rules: Vec<String> = self.rules().into_iter().filter(|rule| rule.contains(&mark)).collect();
        rules.sort();
        rules
    }

    /// The rules of the session.
    pub(crate) fn session(&self) -> String {
        self.run(&["cat", SESSION_RULES])
    }

    /// Applies a service with these wishes; what is told beside that it went well.
    pub(crate) fn apply(&self, service: &str, pairs: &[(&str, Value)]) -> String {
        let mut wishes = wishes(service, json!({ "password": "abc" }));
        for (key, value) in pairs {
            wishes[*key] = value.clone();
        }
        self.wish(service, &wishes);
        self.done("apply", service)["message"].as_str().unwrap().to_owned()
    }

    /// Whether a user connects to a port of this computer. Whoever does not is told so at once.
    pub(crate) fn connects_as(&self, user: &str, port: u16) -> bool {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let status = self.machine.attempt_as(user, &["timeout", "20", "bash", "-c", &script]).unwrap().status;
        assert_ne!(status.code(), Some(124), "{user} waits for nothing");
        status.success()
    }
}
