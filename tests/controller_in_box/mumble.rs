// SPDX-License-Identifier: GPL-3.0-or-later
//! "enable mumble" on a fresh machine, and what is left of it.

use serde_json::Value;
use tails_box::{NEIGHBOUR_ADDRESS, Options, Release, may_boot, wait_until};

use crate::system::{PATIENCE, System};

const HERE: &str = "127.0.0.1:64738";
const PACKAGE: &str = "mumble-server";
const UNIT: &str = "mumble-server.service";

#[test]
fn a_server_is_enabled_by_one_command_waits_for_tor_and_leaves_nothing() {
    if !may_boot("a_server_is_enabled_by_one_command_waits_for_tor_and_leaves_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release, Options::new().with_lan()) else { continue };
        let watch = system.machine.watch_listeners().unwrap();
        system.start_tor();
        system.wait_for_tor();
        assert!(system.cli(&["list"]).contains("mumble"));
        system.cli(&["enable", "mumble"]);
        system.wait_for_state("mumble", "waiting-for-tor");
        let status = system.status("mumble");
        assert_eq!((&status["running"], &status["published"]), (&true.into(), &false.into()), "{release}: {status:#}");
        assert_eq!(system.listening(), [HERE], "{release}");

        looked_into(&system);

        let outside = system.machine.neighbour().unwrap().listen().unwrap();
        let port = outside.local_addr().unwrap().port();
        assert!(system.connects_from("dbus.service", NEIGHBOUR_ADDRESS, port), "{release}");
        assert!(!system.connects_from(UNIT, NEIGHBOUR_ADDRESS, port), "{release}: the server speaks past Tor");

        system.cli(&["disable", "mumble"]);
        system.wait_for_state("mumble", "disabled");
        assert_eq!(system.listening(), [""; 0], "{release}");
        // Sums of all packaged files, of those in /etc, too.
        assert_eq!(system.run(&["dpkg", "--verify", PACKAGE]), "", "{release}: packaged files are as they were");
        assert_eq!(system.run(&["find", "/run/systemd/system", "-name", "*tails-server*"]), "", "{release}");
        assert!(!system.run(&["nft", "list", "tables"]).contains("tails"), "{release}");

        system.cli(&["uninstall", "mumble", "--yes"]);
        assert!(!system.machine.attempt(&["dpkg", "--status", PACKAGE]).unwrap().status.success(), "{release}");
        assert_eq!(system.names(), ["mumble"], "{release}: its address is kept");
        system.cli(&["remove", "mumble", "--yes"]);
        assert_eq!(system.names(), [""; 0], "{release}");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}

/// What people see of it who want to know what it does, and whether something is wrong.
fn looked_into(system: &System) {
    let (address, password) = (system.address("mumble"), system.option("mumble", "server-password"));
    // Root may write in the name of a unit. systemd.journal-fields(7)
    let talk = format!("MESSAGE=said {password} at {address}\nOBJECT_SYSTEMD_UNIT={UNIT}\n");
    system.run(&["sh", "-c", r#"printf "$0" | logger --journald; journalctl --sync"#, &talk]);
    let log = system.cli(&["log", "mumble"]);
    for line in [
        " mumble-server.service: Started ",
        " tails-serverd.service: INFO state changed service=mumble",
        ": said [redacted] at [redacted].onion",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains(&password) && !log.contains(address.trim_end_matches(".onion")), "{log}");
    followed(system, &password);
    system.run(&["useradd", "--create-home", "reader"]);
    let denied = ["setpriv", "--reuid=reader", "--regid=reader", "--clear-groups", "journalctl", "--unit", UNIT];
    let told = system.machine.attempt(&denied).unwrap().stderr;
    assert!(told.contains("insufficient permissions") || told.contains("not seeing messages from"), "{told}");
    let waiting = system.json(&["plan", "mumble"]);
    assert_eq!(waiting[0]["stage"], "waits", "{waiting:#}");

    // Tor has no network here, and that is all that is wrong.
    let findings = || -> Vec<Value> {
        let answer = system.attempt(&["--json", "doctor"]);
        assert_eq!(answer.status.code(), Some(1), "{}{}", answer.stdout, answer.stderr);
        serde_json::from_str(&answer.stdout).unwrap()
    };
    let bad = |findings: &[Value]| -> Vec<String> {
        let is_bad = |finding: &&Value| finding["severity"] == "warning" || finding["severity"] == "error";
        findings.iter().filter(is_bad).map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = findings();
    assert_eq!(bad(&all), ["disable-network"], "{all:#?}");
    let of =
        |id: &str| all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| unreachable!("no {id}: {all:#?}"));
    for id in ["controller-unit", "drop-ins", "packages", "server-as-wished", "listener-exposed", "firewall", "host"] {
        assert_eq!(of(id)["severity"], "ok", "{:#}", of(id));
    }
    let drop_in = format!("/run/systemd/system/{UNIT}.d/50-tails-server.conf");
    let away = "/run/drop-in";
    system.run(&["mv", &drop_in, away]);
    assert_eq!(bad(&findings()), ["disable-network", "drop-in-missing"]);
    system.run(&["mv", away, &drop_in]);
    assert_eq!(bad(&findings()), ["disable-network"]);
}

/// A password that is set while somebody follows its log is not shown to them, and neither is the one before.
fn followed(system: &System, before: &str) {
    const SHOWN: &str = "/run/followed";
    let output = format!("--property=StandardOutput=truncate:{SHOWN}");
    let follow = ["tails-server", "log", "mumble", "--follow", "--lines=1"];
    system.run(&[&["systemd-run", "--quiet", "--collect", "--unit=follow", &output, "--"][..], &follow].concat());
    let write = |text: &str| {
        let talk = format!("MESSAGE={text}\nOBJECT_SYSTEMD_UNIT={UNIT}\n");
        system.run(&["sh", "-c", r#"printf "$0" | logger --journald; journalctl --sync"#, &talk]);
    };
    let shown = |words: &str| {
        let shown = wait_until(PATIENCE, || {
            // It is there soon after the unit has begun.
            let shown = system.machine.attempt(&["cat", SHOWN]).unwrap().stdout;
            shown.contains(words).then_some(shown)
        });
        shown.unwrap_or_else(|| unreachable!("no {words}: {}", system.run(&["cat", SHOWN])))
    };
    // The last line of those before is shown once it follows.
    shown(": said ");
    let set = "a-password-that-is-set-later";
    system.cli(&["set-option", "mumble", "server-password", set]);
    system.wait_until_applied("mumble");
    write(&format!("later {set} and {before} too"));
    let log = shown("later ");
    assert!(log.contains("later [redacted] and [redacted] too"), "{log}");
    assert!(!log.contains(set) && !log.contains(before), "{log}");
    system.run(&["systemctl", "stop", "follow"]);
}

#[test]
fn a_program_of_a_person_is_never_published_in_the_place_of_a_server() {
    if !may_boot("a_program_of_a_person_is_never_published_in_the_place_of_a_server") {
        return;
    }
    let Some(system) = System::boot(Release::Trixie, Options::new()) else { return };
    system.run(&["useradd", "--create-home", "mallory"]);
    let trap = ["systemd-run", "--quiet", "--collect", "--unit=trap", "--uid=mallory", "--"];
    let listen = ["systemd-socket-activate", "--listen=127.0.0.1:64738", "cat"];
    system.run(&[&trap[..], &listen].concat());
    system.cli(&["enable", "mumble"]);
    let told = wait_until(PATIENCE, || {
        let status = system.status("mumble");
        let problem = status["problem"].as_str().unwrap_or_default();
        (status["installed"] == true && problem.contains("somebody who uses this computer")).then_some(status)
    });
    let told = told.unwrap_or_else(|| unreachable!("{:#}\n{}", system.status("mumble"), system.log()));
    assert_eq!(told["running"], false, "{told:#}");
    system.run(&["systemctl", "stop", "trap"]);
    // Its own server has the port once it is started again.
    system.wait_for_state("mumble", "waiting-for-tor");
}
