// SPDX-License-Identifier: GPL-3.0-or-later
//! What people choose about a server that runs: who reaches it, what is kept, and what a change costs.

use std::io::Read;

use serde_json::{Value, json};
use tails_box::{Machine, Options, Release, may_boot, wait_until};

use crate::host::{Host, PATIENCE, wishes};

const SERVICE: &str = "ngircd";
const UNIT: &str = "ngircd.service";
const PORT: u16 = 6667;

fn wish(pairs: &[(&str, Value)]) -> Value {
    let mut wishes = wishes(SERVICE, json!({ "password": "abc" }));
    for (key, value) in pairs {
        wishes[*key] = value.clone();
    }
    wishes
}

/// Whether somebody in the LAN reaches the server: a connection alone is not enough, it has to answer.
pub(crate) fn reached_from_lan(machine: &Machine) -> bool {
    use std::io::Write;
    let Ok(mut stream) = machine.neighbour().unwrap().connect(PORT) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"PASS abc\r\nNICK lan\r\nUSER a 0 * :a\r\n").unwrap();
    let mut byte = [0];
    stream.read(&mut byte).unwrap() == 1
}

#[test]
fn what_this_system_can_not_do_as_wished_is_refused_and_said() {
    if !may_boot("what_this_system_can_not_do_as_wished_is_refused_and_said") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        host.done("install", SERVICE);
        // It is only recommended.
        host.run(&["mv", "/usr/sbin/nft", "/usr/sbin/nft.away"]);
        for (option, value) in [("allow-localhost", false), ("allow-lan", true)] {
            host.wish(SERVICE, &wish(&[(option, json!(value))]));
            let told = host.refused("apply", SERVICE);
            assert!(told.starts_with(option) && told.contains("no nftables"), "{release}: {told}");
            assert_eq!(host.listening(), [""; 0], "{release}");
        }
        host.wish(SERVICE, &wish(&[]));
        host.done("apply", SERVICE);
        host.done("withdraw", SERVICE);

        host.run(&["systemctl", "mask", UNIT]);
        let told = host.refused("apply", SERVICE);
        assert!(told.starts_with("ngircd.service is masked"), "{release}: {told}");
        let hint = host.outcome(SERVICE)["hint"].to_string();
        assert!(hint.contains("sudo systemctl unmask ngircd.service"), "{release}: {hint}");
        host.run(&["systemctl", "unmask", UNIT]);
        host.done("apply", SERVICE);
    }
}

#[test]
fn the_lan_and_this_computer_reach_a_server_as_long_as_people_wish() {
    if !may_boot("the_lan_and_this_computer_reach_a_server_as_long_as_people_wish") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new().with_lan()) else { continue };
        host.done("install", SERVICE);
        host.run(&["systemctl", "start", "nftables.service"]);
        let apply = |pairs: &[(&str, Value)]| {
            host.wish(SERVICE, &wish(pairs));
            host.done("apply", SERVICE);
            host.wait_listening("127.0.0.1:6667");
        };
        let connects_as = |user: &str| {
            let script = "exec 3<>/dev/tcp/127.0.0.1/6667";
            host.machine.attempt_as(user, &["timeout", "20", "bash", "-c", script]).unwrap().status.success()
        };
        apply(&[]);
        assert!(!reached_from_lan(&host.machine), "{release}");
        assert!(connects_as("nobody"));

        apply(&[("allow-lan", json!(true))]);
        assert!(reached_from_lan(&host.machine), "{release}: {}", host.run(&["nft", "list", "ruleset"]));
        assert_eq!(host.listening(), ["127.0.0.1:6667"], "it listens on loopback all the same");

        apply(&[("allow-lan", json!(true)), ("allow-localhost", json!(false))]);
        assert!(reached_from_lan(&host.machine));
        assert!(!connects_as("nobody") && !connects_as("root"), "{release}");
        assert!(connects_as("debian-tor"), "{release}: Tor always does");

        // Whoever loads the rules of the system anew flushes all others.
        for verb in ["reload", "restart"] {
            host.run(&["systemctl", verb, "nftables.service"]);
            // Ours come after them, and nobody waits for that.
            let is_back = || (reached_from_lan(&host.machine) && !connects_as("nobody")).then_some(());
            assert!(wait_until(PATIENCE, is_back).is_some(), "{release}: after {verb}");
        }

        apply(&[]);
        assert!(!reached_from_lan(&host.machine), "{release}");
        assert!(connects_as("nobody"), "{release}");

        apply(&[("allow-lan", json!(true))]);
        host.done("withdraw", SERVICE);
        let tables = host.run(&["nft", "list", "tables"]);
        assert!(!tables.contains("tails"), "{release}: {tables}");
        assert_eq!(host.run(&["cat", "/proc/sys/net/ipv4/conf/all/route_localnet"]), "0\n");
    }
}

#[test]
fn rules_that_could_not_be_taken_away_go_with_the_next_run() {
    if !may_boot("rules_that_could_not_be_taken_away_go_with_the_next_run") {
        return;
    }
    let Some(host) = Host::boot(Release::Trixie, Options::new().with_lan()) else { return };
    host.done("install", SERVICE);
    host.wish(SERVICE, &wish(&[("allow-lan", json!(true))]));
    host.done("apply", SERVICE);
    host.run(&["systemctl", "mask", "--runtime", "tails-server-firewall.service"]);
    host.refused("withdraw", SERVICE);
    host.run(&["systemctl", "unmask", "--runtime", "tails-server-firewall.service"]);
    assert!(host.run(&["nft", "list", "tables"]).contains("tails"));
    host.done("withdraw", SERVICE);
    assert_eq!(host.run(&["nft", "list", "tables"]), "");
}

#[test]
fn whoever_flushes_the_rules_opens_nothing_of_loopback_to_the_lan() {
    if !may_boot("whoever_flushes_the_rules_opens_nothing_of_loopback_to_the_lan") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new().with_lan()) else { continue };
        host.done("install", SERVICE);
        host.run(&["systemctl", "start", "nftables.service"]);
        let ways = || host.run(&["ip", "-4", "rule", "show"]);
        let before = ways();
        // Somebody else in the LAN speaks to loopback, where another program listens.
        let words = ["systemd-run", "--quiet", "--socket-property=ListenStream=127.0.0.1:8081", "sleep", "1h"];
        host.run(&words);
        host.join("other", "lan1", "10.200.2");
        let script = "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet && \
                      ip route add 127.0.0.1/32 via 10.200.2.1 dev far";
        host.run(&["nsenter", "--net=/run/netns/other", "sh", "-ec", script]);
        let is_open = || host.connects_from_network("other", "127.0.0.1", 8081);
        let apply = |is_on: bool| {
            host.wish(SERVICE, &wish(&[("allow-lan", json!(is_on))]));
            host.done("apply", SERVICE);
            host.wait_listening("127.0.0.1:6667");
        };

        apply(true);
        let guarded = ways();
        for flush in ["nft flush ruleset", "nft -f /etc/nftables.conf", "systemctl stop nftables.service"] {
            assert!(reached_from_lan(&host.machine), "{release}: {}", host.run(&["nft", "list", "ruleset"]));
            assert!(!is_open(), "{release}: before {flush}");
            host.run(&flush.split(' ').collect::<Vec<_>>());
            assert!(host.leads_to_loopback() && !host.run(&["nft", "list", "tables"]).contains("tails"));
            assert!(!is_open(), "{release}: after {flush}");
            assert!(!reached_from_lan_at_all(&host.machine), "{release}: after {flush}");
            host.run(&["systemctl", "restart", "tails-server-firewall.service"]);
        }

        // What a crash may have left: some of ours, in the middle of coming or going.
        for script in [
            "ip rule add pref 1 lookup local; ip rule del pref 0 to 127.0.0.0/8 blackhole",
            "ip rule add pref 1 lookup local; \
             for rule in 'iif lo lookup local' 'fwmark 0x7a115e7 lookup local' blackhole; do \
                 ip rule del pref 0 to 127.0.0.0/8 $rule; done; \
             ip rule del pref 0 lookup local; ip rule add pref 0 to 127.0.0.0/8 iif lo lookup local",
            "ip rule add pref 1 lookup local",
        ] {
            host.run(&["sh", "-ec", script]);
            apply(true);
            assert_eq!(ways(), guarded, "{release}: {script}");
            assert!(reached_from_lan(&host.machine) && !is_open(), "{release}: {script}");
            host.run(&["sh", "-ec", script]);
            apply(false);
            assert_eq!(ways(), before, "{release}: {script}");
            apply(true);
        }

        // Without any guard the kernel would let it in.
        host.run(&["nft", "flush", "ruleset"]);
        host.run(&["ip", "rule", "del", "pref", "0", "to", "127.0.0.0/8", "blackhole"]);
        assert!(is_open(), "{release}: somebody is there");
        host.done("withdraw", SERVICE);
        assert!(!is_open(), "{release}");
        assert_eq!(ways(), before, "{release}");
    }
}

/// Whether somebody in the LAN can as much as connect.
fn reached_from_lan_at_all(machine: &Machine) -> bool {
    machine.neighbour().unwrap().connect(PORT).is_ok()
}

#[test]
fn a_hook_that_fails_does_not_leave_a_server_open() {
    if !may_boot("a_hook_that_fails_does_not_leave_a_server_open") {
        return;
    }
    let Some(host) = Host::boot(Release::Trixie, Options::new().with_lan()) else { return };
    let script = r#"mkdir -p /etc/tails-server/services && cp -r "/usr/share/tails-server/services/$1" "$2" &&
        printf '\n[hook]\nprogram = "hook"\nmoments = ["withdrawn"]\n' >> "$2/service.toml" &&
        printf '#!/bin/sh\nexit 1\n' > "$2/hook" && chmod 755 "$2/hook""#;
    let own = format!("/etc/tails-server/services/{SERVICE}");
    host.done("install", SERVICE);
    host.wish(SERVICE, &wish(&[("allow-lan", json!(true)), ("allow-localhost", json!(false))]));
    host.done("apply", SERVICE);
    host.wait_listening("127.0.0.1:6667");
    assert!(reached_from_lan(&host.machine));
    // From here on it has a hook.
    host.run(&["sh", "-ec", script, "hook", SERVICE, &own]);
    assert!(host.refused("withdraw", SERVICE).contains("hook"));
    assert!(!host.leads_to_loopback());
    let rules = host.run(&["nft", "list", "ruleset"]);
    assert!(!rules.contains("dnat to") && rules.contains("skuid"), "this computer is shut out all the same: {rules}");
    assert!(host.listening().is_empty());
    host.run(&["rm", "-r", &own]);
    host.done("withdraw", SERVICE);
    assert_eq!(host.run(&["nft", "list", "tables"]), "");
}

#[test]
fn a_change_costs_visitors_no_more_than_it_says() {
    if !may_boot("a_change_costs_visitors_no_more_than_it_says") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        host.done("install", SERVICE);
        let apply = |options: Value| {
            host.wish(SERVICE, &wish(&[("options", options)]));
            host.done("apply", SERVICE);
            host.main_pid(UNIT)
        };
        let first = apply(json!({ "password": "abc", "motd": "one" }));
        host.wait_listening("127.0.0.1:6667");
        let hello = "PASS abc\r\nNICK a\r\nUSER a 0 * :a\r\n";
        assert!(host.talk(PORT, hello, "- one").contains("- one"), "{release}");
        assert_eq!(apply(json!({ "password": "abc", "motd": "two" })), first, "{release}: a reload is enough");
        // It is told to read the file, and nobody hears when it has. 376 is the end of the message.
        let is_read = || host.talk(PORT, hello, " 376 ").contains("- two").then_some(());
        assert!(wait_until(PATIENCE, is_read).is_some(), "{release}: it has read the new file");
        assert_ne!(apply(json!({ "password": "abc", "motd": "two", "max-users": "5" })), first, "{release}");
    }
}

#[test]
fn what_is_kept_survives_a_reboot_and_takes_along_what_was_there() {
    if !may_boot("what_is_kept_survives_a_reboot_and_takes_along_what_was_there") {
        return;
    }
    let Some(mut host) = Host::boot(Release::Bookworm, Options::new().with_disk()) else { return };
    let service = "gobby";
    let wish = |host: &Host, is_kept: bool| {
        let mut wishes = wishes(service, json!({ "password": "abc" }));
        wishes["persistence"] = json!(is_kept);
        host.wish(service, &wishes);
        host.done("apply", service)["probes"]["tls-fingerprint"].as_str().unwrap().to_owned()
    };
    host.done("install", service);
    let print = wish(&host, false);
    host.run(&["sh", "-c", "echo text > /var/lib/tails-gobby/note && chown tails-gobby: /var/lib/tails-gobby/note"]);
    assert_eq!(wish(&host, true), print, "the certificate moves along");
    let see = |host: &Host| host.seen_by("tails-gobby.service", "/var/lib/tails-gobby/note");
    assert_eq!(see(&host), "text\n");
    host.run(&["sh", "-c", "echo more >> '/var/lib/tails-server-data/gobby/var=lib=tails-gobby/note'"]);
    assert_eq!(see(&host), "text\nmore\n");
    host.run(&["sync"]);
    host.machine.power_cut().unwrap();
    assert!(host.listening().is_empty());
    // What Tails forgets.
    host.run(&["rm", "-r", "/var/lib/tails-gobby"]);
    assert_eq!(wish(&host, true), print);
    assert_eq!(see(&host), "text\nmore\n");
    let other = wish(&host, false);
    assert_ne!(other, print, "what is not kept is another one");
    // What was made after a reboot from nothing does not take the place of what was kept.
    host.run(&["sh", "-c", "echo new > /var/lib/tails-gobby/note"]);
    assert_eq!(wish(&host, true), print);
    assert_eq!(see(&host), "text\nmore\n");
    host.done("uninstall", service);
    assert_eq!(
        host.run(&[
            "sh",
            "-c",
            "ls -d /var/lib/tails-gobby /var/lib/tails-server-data/gobby 2>&1 | grep -v cannot || true"
        ]),
        ""
    );
}

#[test]
fn what_a_server_has_gone_on_with_is_kept_and_what_was_kept_before_is_not_lost() {
    if !may_boot("what_a_server_has_gone_on_with_is_kept_and_what_was_kept_before_is_not_lost") {
        return;
    }
    let Some(host) = Host::boot(Release::Bookworm, Options::new()) else { return };
    let service = "gobby";
    let wish = |is_kept: bool| {
        let mut wishes = wishes(service, json!({ "password": "abc" }));
        wishes["persistence"] = json!(is_kept);
        host.wish(service, &wishes);
        host.done("apply", service)
    };
    let kept = "/var/lib/tails-server-data/gobby";
    let see = || host.seen_by("tails-gobby.service", "/var/lib/tails-gobby/note");
    let add = |path: &str, word: &str| host.run(&["sh", "-c", &format!("echo {word} >> '{path}/note'")]);
    let befores = || host.run(&["sh", "-c", &format!("ls -d {kept}/*.before-* 2>/dev/null || true")]);
    host.done("install", service);
    wish(false);
    add("/var/lib/tails-gobby", "first");
    wish(true);
    add(&format!("{kept}/var=lib=tails-gobby"), "kept");
    // Applied again and again, it stays what it is.
    wish(true);
    assert_eq!((see().as_str(), befores().as_str()), ("first\nkept\n", ""));
    wish(false);
    assert_eq!(see(), "first\n");
    add("/var/lib/tails-gobby", "meanwhile");
    // A copy that a crash has left half done.
    host.run(&["mkdir", "-p", &format!("{kept}/var=lib=tails-gobby.half/half")]);
    let told = wish(true);
    assert_eq!(see(), "first\nmeanwhile\n");
    let before = befores();
    assert!(told["message"].as_str().unwrap().contains(before.trim()), "{told} {before}");
    // The controller tells nobody: people find it in the journal.
    let journal = || host.machine.journal().unwrap();
    let told =
        wait_until(PATIENCE, || journal().contains(&format!("kept before are in {}", before.trim())).then_some(()));
    assert!(told.is_some(), "{}", journal());
    assert_eq!(host.run(&["cat", &format!("{}/note", before.trim())]), "first\nkept\n");
    // A crash just before the new copy had its name: the one before has another already.
    host.run(&["mv", &format!("{kept}/var=lib=tails-gobby"), &format!("{kept}/var=lib=tails-gobby.half")]);
    wish(true);
    assert_eq!((see().as_str(), befores()), ("first\nmeanwhile\n", before));

    // Data are deleted though nothing is installed any more and no ledger knows of them, and no link is followed.
    host.done("uninstall", service);
    host.run(&["mkdir", "-p", &format!("{kept}/var=lib=tails-gobby"), "/srv/else"]);
    host.run(&["touch", "/srv/else/file"]);
    host.run(&["ln", "-s", "/srv/else", &format!("{kept}/link")]);
    host.done("uninstall", service);
    assert_eq!(host.run(&["ls", "/var/lib/tails-server-data"]), "");
    host.run(&["ln", "-s", "/srv/else", kept]);
    host.done("uninstall", service);
    assert_eq!(
        host.run(&["ls", "/var/lib/tails-server-data", "/srv/else"]),
        "/srv/else:\nfile\n\n/var/lib/tails-server-data:\n"
    );
}

#[test]
fn what_runs_already_is_left_alone() {
    if !may_boot("what_runs_already_is_left_alone") {
        return;
    }
    let Some(host) = Host::boot(Release::Bookworm, Options::new()) else { return };
    host.machine.install(&[SERVICE]).unwrap();
    host.wait_listening("0.0.0.0:6667");
    let pid = host.main_pid(UNIT);
    host.done("install", SERVICE);
    host.wish(SERVICE, &wish(&[]));
    let refused = host.refused("apply", SERVICE);
    assert_eq!(refused, "ngircd.service is running, and Tails Server did not start it");
    host.done("withdraw", SERVICE);
    host.done("uninstall", SERVICE);
    assert_eq!(host.main_pid(UNIT), pid, "neither stopped nor removed");
    host.run(&["systemctl", "disable", "--now", UNIT]);
    host.done("apply", SERVICE);
    assert_eq!(host.listening(), ["127.0.0.1:6667"]);
}
