// SPDX-License-Identifier: GPL-3.0-or-later
//! A server that fails: what it wrote last is told to the controller, which can not read the journal.

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot, wait_until};

use crate::host::{CONTROLLER, Host, PATIENCE, wishes};

const SERVICE: &str = "ngircd";
const UNIT: &str = "ngircd.service";

/// A server that writes and ends. It stands above ours: what an administrator lays over a unit in /etc does.
fn sabotage(host: &Host, kind: &str, script: &str) {
    let drop_in =
        format!("[Service]\nType={kind}\nPIDFile=\nRestart=no\nExecStart=\nExecStart=/bin/bash -c '{script}'\n");
    host.machine.write(&format!("/etc/systemd/system/{UNIT}.d/90-broken.conf"), &drop_in).unwrap();
    host.run(&["systemctl", "daemon-reload"]);
}

fn mend(host: &Host) {
    host.run(&["rm", &format!("/etc/systemd/system/{UNIT}.d/90-broken.conf")]);
    host.run(&["systemctl", "daemon-reload"]);
}

fn wait_failed(host: &Host) {
    let is_failed = || host.machine.attempt(&["systemctl", "is-failed", UNIT]).unwrap().status.success().then_some(());
    assert!(wait_until(PATIENCE, is_failed).is_some(), "{}", host.machine.journal().unwrap());
}

#[test]
fn what_a_server_wrote_before_it_failed_is_told_and_nothing_of_its_other_lives() {
    if !may_boot("what_a_server_wrote_before_it_failed_is_told_and_nothing_of_its_other_lives") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        host.done("install", SERVICE);
        host.wish(SERVICE, &wishes(SERVICE, json!({ "password": "abc" })));

        // It does not start: systemd waits for a word that it never says.
        let long = r#"printf "%%0300d\\n" 7"#;
        let said = r#"for n in 1 2 3 4; do echo "first life $n"; done; echo -e "\\033[31mred\\033[0m" >&2"#;
        sabotage(&host, "notify", &format!("{said}; {long}; exit 3"));
        let refused = host.refused("apply", SERVICE);
        assert_eq!(refused, "ngircd.service did not start: the control process exited with error code", "{release}");
        let log = host.outcome(SERVICE)["log"].clone();
        let cut = format!("{}…", "0".repeat(199));
        assert_eq!(log, json!(["first life 2", "first life 3", "first life 4", "red", cut]), "{release}");

        // It starts, and ends by itself later: told when it is started again.
        sabotage(&host, "exec", "echo second life; exit 4");
        host.done("apply", SERVICE);
        wait_failed(&host);
        mend(&host);
        let outcome = host.done("apply", SERVICE);
        assert_eq!(outcome["log"], json!(["second life"]), "{release}");
        host.wait_listening("127.0.0.1:6667");

        // One that ends as it was told to has no last words.
        assert_eq!(host.done("apply", SERVICE)["log"], json!([]), "{release}");

        // One that can not even be run says nothing itself: systemd does.
        sabotage(&host, "notify", "true");
        host.run(&["systemctl", "stop", UNIT]);
        host.run(&["chmod", "a-x", "/bin/bash"]);
        host.refused("apply", SERVICE);
        let log = host.outcome(SERVICE)["log"].to_string();
        // Whose word the reason counts as, systemd's or the unit's, is a race of its own: then its number is told.
        let is_told = log.contains("ermission denied") || log.contains("203/EXEC");
        assert!(is_told && !log.contains("second life"), "{release}: {log}");
        host.run(&["chmod", "a+x", "/bin/bash"]);

        // Who gets the file, and who does not.
        let file = format!("/run/tails-server-helper/{SERVICE}/outcome.json");
        assert!(!host.machine.attempt_as("nobody", &["cat", &file]).unwrap().status.success());
        let journal = host.machine.attempt_as(CONTROLLER, &["journalctl", "--unit", UNIT, "--lines=1"]).unwrap();
        assert!(!journal.stdout.contains("life"), "{release}: the controller reads the journal: {}", journal.stdout);

        mend(&host);
        host.done("apply", SERVICE);
        assert_eq!(host.done("withdraw", SERVICE)["log"], Value::from(Vec::<Value>::new()), "{release}");
    }
}

#[test]
fn a_server_whose_port_is_taken_says_so() {
    if !may_boot("a_server_whose_port_is_taken_says_so") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        host.done("install", SERVICE);
        host.wish(SERVICE, &wishes(SERVICE, json!({ "password": "abc" })));
        // Or systemd starts it again for ever, if it is slow enough at that.
        let once = "[Service]\nRestart=no\n";
        host.machine.write(&format!("/etc/systemd/system/{UNIT}.d/90-once.conf"), once).unwrap();
        let socket = "[Socket]\nListenStream=127.0.0.1:6667\n";
        host.machine.write("/etc/systemd/system/thief.socket", socket).unwrap();
        host.machine.write("/etc/systemd/system/thief.service", "[Service]\nExecStart=sleep infinity\n").unwrap();
        host.run(&["systemctl", "daemon-reload"]);
        host.run(&["systemctl", "start", "thief.socket"]);
        let first = host.act("apply", SERVICE);
        // Whether systemd notices while it starts is the unit's to say.
        let outcome = if first["result"] == "failed" {
            first
        } else {
            wait_failed(&host);
            host.run(&["systemctl", "stop", "thief.socket"]);
            host.act("apply", SERVICE)
        };
        let log = outcome["log"].to_string();
        assert!(log.contains("ddress already in use"), "{release}: {outcome}\n{}", host.machine.journal().unwrap());
    }
}
