// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine on which the helper is installed as a package would install it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tails_box::{Answer, Machine, Options, Release, wait_until};
use tails_server::descriptor::{Catalog, Origin, Source, Trust};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Who the controller runs as.
pub(crate) const CONTROLLER: &str = "tails-server";
pub(crate) const ADDRESS: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const DESCRIPTORS: &str = "/usr/share/tails-server/services";

/// A machine with the helper, its units and its descriptors.
pub(crate) struct Host {
    pub(crate) machine: Machine,
}

impl Host {
    /// None if the helper was built for a newer release than this one.
    pub(crate) fn boot(release: Release, options: Options) -> Option<Self> {
        let machine = Machine::boot(release, options).unwrap();
        let helper = "/usr/lib/tails-server/tails-server-helper";
        machine.copy(Path::new(env!("CARGO_BIN_EXE_tails-server-helper")), helper, "0755").unwrap();
        if machine.attempt(&[helper, "--version"]).unwrap().stderr.contains("GLIBC_") {
            println!("{release}: LEFT OUT, because the programs were built for a newer one");
            return None;
        }
        let host = Self { machine };
        for line in include_str!("../../contrib/lib/installed-files").lines().filter(|line| !line.starts_with('#')) {
            let [mode, from, to] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
            // Without the controller: the test is in its place.
            let is_wanted = !from.ends_with("/tails-serverd.service");
            if is_wanted && Path::new(env!("CARGO_MANIFEST_DIR")).join(from).is_file() {
                host.copy(from, to, mode);
            }
        }
        host.copy_descriptors();
        host.run(&["systemd-sysusers"]);
        host.run(&["systemd-tmpfiles", "--create", "tails-server.conf"]);
        host.run(&["systemctl", "daemon-reload"]);
        host.open_settings();
        Some(host)
    }

    /// Lets the settings of the network be changed. A box has all of /proc/sys read-only; a computer has not.
    pub(crate) fn open_settings(&self) {
        self.run(&["mount", "--bind", "/proc/sys/net", "/proc/sys/net"]);
        self.run(&["mount", "-o", "remount,bind,rw", "/proc/sys/net"]);
    }

    fn copy_descriptors(&self) {
        let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
        for service in std::fs::read_dir(services).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
            for file in std::fs::read_dir(service.path()).unwrap().map(Result::unwrap) {
                let (service, name) = (service.file_name(), file.file_name());
                let to = format!("{DESCRIPTORS}/{}/{}", service.to_str().unwrap(), name.to_str().unwrap());
                let mode = if name == "hook" { "0755" } else { "0644" };
                self.machine.copy(&file.path(), &to, mode).unwrap();
            }
        }
    }

    fn copy(&self, from: &str, to: &str, mode: &str) {
        self.machine.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(from), to, mode).unwrap();
    }

    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.machine.run(words).unwrap()
    }

    /// Writes the wishes for a service as the controller does.
    pub(crate) fn wish(&self, service: &str, wishes: &Value) {
        let half = format!("/run/tails-server/wishes/{service}.half");
        self.machine.write(&half, &wishes.to_string()).unwrap();
        self.run(&["chown", "tails-server:tails-server", &half]);
        self.run(&["chmod", "0600", &half]);
        self.run(&["mv", &half, &format!("/run/tails-server/wishes/{service}.json")]);
    }

    /// Has systemd do something with a unit, as a user; what the bus answers.
    pub(crate) fn ask(&self, user: &str, method: &str, arguments: &[&str]) -> Answer {
        let manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
        let words = [&["busctl", "call"][..], &manager, &[method], arguments].concat();
        self.machine.attempt_as(user, &words).unwrap()
    }

    /// Has an act done as the controller does: StartUnit, and the end of its job waited for; the outcome.
    pub(crate) fn act(&self, act: &str, service: &str) -> Value {
        let unit = format!("tails-server-{act}@{service}.service");
        // It fails when the unit does; what matters is what the helper tells.
        let words = ["systemctl", "--no-ask-password", "start", "--", &unit];
        let answer = self.machine.attempt_as(CONTROLLER, &words).unwrap();
        assert!(!answer.stderr.contains("authentication required"), "{unit}: {}", answer.stderr);
        self.outcome(service)
    }

    pub(crate) fn outcome(&self, service: &str) -> Value {
        let path = format!("/run/tails-server-helper/{service}/outcome.json");
        // As the controller, who has to be able to read it.
        serde_json::from_str(&self.machine.run_as(CONTROLLER, &["cat", &path]).unwrap()).unwrap()
    }

    /// An act that goes well.
    pub(crate) fn done(&self, act: &str, service: &str) -> Value {
        let outcome = self.act(act, service);
        let what = || format!("{act} {service}: {outcome}\n{}", self.machine.journal().unwrap());
        assert_eq!((outcome["act"].as_str(), outcome["result"].as_str()), (Some(act), Some("done")), "{}", what());
        outcome
    }

    /// An act that is refused; why, and what to do.
    pub(crate) fn refused(&self, act: &str, service: &str) -> String {
        let outcome = self.act(act, service);
        assert_eq!(outcome["result"], "failed", "{act} {service}: {outcome}");
        assert!(!outcome["hint"].as_str().unwrap().is_empty());
        outcome["message"].as_str().unwrap().to_owned()
    }

    /// The packages that are installed.
    pub(crate) fn packages(&self) -> BTreeSet<String> {
        let list = self.run(&["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]);
        list.lines().filter_map(|line| line.strip_suffix(" installed")).map(str::to_owned).collect()
    }

    /// The ports that are listened on, at which addresses.
    pub(crate) fn listening(&self) -> Vec<String> {
        let listeners = self.machine.listeners().unwrap();
        let addresses: BTreeSet<String> = listeners.iter().map(|listener| listener.address.to_string()).collect();
        addresses.into_iter().collect()
    }

    /// Connects somewhere from inside the control group of a unit; whether it went well.
    pub(crate) fn connects_from(&self, unit: &str, address: Ipv4Addr, port: u16) -> bool {
        let group = self.run(&["systemctl", "show", "--value", "--property=ControlGroup", unit]);
        let script = r#"echo 0 > "/sys/fs/cgroup$1/cgroup.procs"; exec timeout 3 bash -c "exec 3<>/dev/tcp/$2/$3""#;
        let words = ["sh", "-c", script, "connect", group.trim(), &address.to_string(), &port.to_string()];
        self.machine.attempt(&words).unwrap().status.success()
    }

    /// Whether packets from outside may be led to 127.0.0.1.
    pub(crate) fn leads_to_loopback(&self) -> bool {
        self.run(&["cat", "/proc/sys/net/ipv4/conf/all/route_localnet"]) == "1\n"
    }

    /// Joins another network to the machine: `near` is the machine's end of the cable, at `network`.1, and the other is
    /// at `network`.2.
    pub(crate) fn join(&self, name: &str, near: &str, network: &str) {
        let script = r#"ip netns add "$1" && ip link add "$2" type veth peer name far netns "$1" &&
            ip address add "$3.1/24" dev "$2" && ip link set "$2" up &&
            ip -n "$1" address add "$3.2/24" dev far && ip -n "$1" link set far up"#;
        self.run(&["sh", "-ec", script, "join", name, near, network]);
    }

    /// Whether somebody in another network reaches a port of the machine.
    pub(crate) fn connects_from_network(&self, name: &str, address: &str, port: u16) -> bool {
        let network = format!("--net=/run/netns/{name}");
        let script = format!("exec 3<>/dev/tcp/{address}/{port}");
        self.machine.attempt(&["nsenter", &network, "timeout", "3", "bash", "-c", &script]).unwrap().status.success()
    }

    pub(crate) fn wait_listening(&self, address: &str) {
        let listens = wait_until(PATIENCE, || self.listening().contains(&address.to_owned()).then_some(()));
        assert!(listens.is_some(), "{address} is not there:\n{}", self.machine.journal().unwrap());
    }

    /// What is in a file as a unit sees it.
    pub(crate) fn seen_by(&self, unit: &str, path: &str) -> String {
        let pid = self.main_pid(unit);
        self.run(&["nsenter", "--target", &pid, "--mount", "--", "cat", path])
    }

    pub(crate) fn main_pid(&self, unit: &str) -> String {
        let group = self.run(&["systemctl", "show", "--value", "--property=ControlGroup", unit]);
        let pids = self.run(&["cat", &format!("/sys/fs/cgroup{}/cgroup.procs", group.trim())]);
        pids.lines().next().unwrap().to_owned()
    }

    /// Digests of all that packages have put into /etc, and of what else is there.
    pub(crate) fn etc(&self) -> BTreeMap<String, String> {
        let sums = self.run(&["find", "/etc", "-type", "f", "-exec", "sha256sum", "{}", "+"]);
        let line = |line: &str| line.split_once("  ").map(|(sum, path)| (path.to_owned(), sum.to_owned()));
        sums.lines().filter_map(line).collect()
    }

    /// What is not in /etc as it was. A dpkg that was killed may leave copies that nothing reads: they do not count.
    pub(crate) fn etc_differences(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let after = self.etc();
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let differs = |path: &&String| !path.ends_with(".dpkg-new") && before.get(*path) != after.get(*path);
        paths.into_iter().filter(differs).cloned().collect()
    }

    /// Says something to a port of the machine, and listens until the answer has `expected` in it.
    pub(crate) fn talk(&self, port: u16, say: &str, expected: &str) -> String {
        // In the machine: only its own loopback leads there.
        let script = r#"exec 3<>"/dev/tcp/127.0.0.1/$1" && printf '%s' "$2" >&3
            while IFS= read -r -d '' -t 30 -n 1 -u 3 byte; do
                text+=$byte
                [[ $text != *"$3"* ]] || break
            done
            printf '%s' "$text""#;
        let words = ["bash", "-c", script, "talk", &port.to_string(), say, expected];
        let answer = self.machine.attempt(&words).unwrap();
        answer.stdout + &answer.stderr
    }

    /// What of the helper is left in memory.
    pub(crate) fn traces(&self, service: &str) -> String {
        let state = format!("/run/tails-server-helper/{service}");
        let units = self.run(&["find", "/run/systemd/system", "-name", "*tails-server*.conf"]);
        self.run(&["ls", "-A", &state]) + &units
    }
}

/// SHA-256 of the descriptor of a service in this directory, as the controller tells it.
pub(crate) fn digest(directory: &Path, service: &str) -> String {
    let path = directory.to_owned();
    let trust = Trust::RootAnd(rustix::process::geteuid().as_raw());
    let catalog = Catalog::load(&[Source { path, origin: Origin::Vendor }], trust);
    let descriptor = catalog.get(service).and_then(|entry| entry.descriptor.as_ref().ok());
    descriptor.unwrap().digest().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Wishes without a word about options.
pub(crate) fn wishes(service: &str, options: Value) -> Value {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    json!({
        "format": 1, "service": service, "descriptor": digest(&shipped, service), "address": ADDRESS, "options": options, "virtual-ports": {},
        "persistence": false, "allow-localhost": true, "allow-lan": false,
    })
}
