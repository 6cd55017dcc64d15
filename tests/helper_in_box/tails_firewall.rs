// SPDX-License-Identifier: GPL-3.0-or-later
//! Who reaches a server in Tails, and that its firewall is never less than it was.

use serde_json::json;
use tails_box::{Release, may_boot};

use crate::choices::reached_from_lan;
use crate::tails::{SESSION_RULES, Tails};

const SERVICE: &str = "ngircd";
const PORT: u16 = 6667;
const HERE: &str = "127.0.0.1:6667";

#[test]
fn in_tails_the_lan_reaches_a_server_as_long_as_people_wish() {
    if !may_boot("in_tails_the_lan_reaches_a_server_as_long_as_people_wish") {
        return;
    }
    for release in Release::ALL {
        let Some(tails) = Tails::boot(release) else { continue };
        tails.done("install", SERVICE);
        let (rules, session) = (tails.rules(), tails.session());
        let reached = || reached_from_lan(&tails.host.machine);

        tails.apply(SERVICE, &[]);
        tails.wait_listening(HERE);
        assert!(!reached(), "{release}");
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");

        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        tails.wait_listening(HERE);
        assert!(reached(), "{release}: {:#?}", tails.rules());
        assert_eq!(tails.listening(), [HERE], "it listens on loopback all the same");
        let ours = tails.rules_of(SERVICE);
        assert!(tails.session().starts_with(&session), "{release}: {}", tails.session());
        for _ in 0..2 {
            tails.firewall_up();
            assert!(reached(), "{release}: {:#?}", tails.rules());
            assert_eq!(tails.rules_of(SERVICE), ours, "{release}: each rule once");
        }
        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        assert_eq!(tails.rules_of(SERVICE), ours, "{release}: each rule once");

        tails.apply(SERVICE, &[]);
        assert!(!reached(), "{release}");
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");

        tails.apply(SERVICE, &[("allow-lan", json!(true)), ("allow-localhost", json!(false))]);
        tails.done("withdraw", SERVICE);
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");
        assert!(!tails.leads_to_loopback());
        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        tails.done("uninstall", SERVICE);
        assert_eq!((tails.rules(), tails.session()), (rules, session), "{release}");
    }
}

#[test]
fn in_tails_the_lan_reaches_nothing_else_and_tails_own_networks_nothing() {
    if !may_boot("in_tails_the_lan_reaches_nothing_else_and_tails_own_networks_nothing") {
        return;
    }
    let Some(tails) = Tails::boot(Release::Trixie) else { return };
    tails.done("install", SERVICE);
    tails.apply(SERVICE, &[("allow-lan", json!(true))]);
    tails.wait_listening(HERE);
    assert!(reached_from_lan(&tails.machine));

    // As Tor Browser's network in Tails.
    tails.join("tbb", "veth-tbb", "10.200.1");
    assert!(!tails.connects_from_network("tbb", "10.200.1.1", PORT));
    // The same cable by another name, so that it is no matter of the cable.
    tails.join("other", "lan1", "10.200.2");
    assert!(tails.connects_from_network("other", "10.200.2.1", PORT));
    tails.join("world", "wan0", "198.51.100");
    assert!(!tails.connects_from_network("world", "198.51.100.1", PORT), "no private address");

    // Somebody lets the LAN in to a port, where another program listens on loopback; and the LAN speaks to loopback.
    let words =
        ["systemd-run", "--quiet", "--socket-property=ListenStream=127.0.0.1:8081", "--unit=own", "sleep", "1h"];
    tails.run(&words);
    let rule = "tails-add-session-firewall-rule --apply -I INPUT -p tcp --dport 8081 -j ACCEPT";
    tails.run(&rule.split(' ').collect::<Vec<_>>());
    let script = "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet && \
                  ip route add 127.0.0.1/32 via 10.200.2.1 dev far";
    tails.run(&["nsenter", "--net=/run/netns/other", "sh", "-ec", script]);
    for _ in 0..2 {
        assert!(tails.connects_as("amnesia", 8081), "somebody is there");
        assert!(!tails.connects_from_network("other", "127.0.0.1", 8081));
        assert!(tails.leads_to_loopback(), "the kernel would let it in");
        tails.firewall_up();
    }
}

#[test]
fn in_tails_the_rules_of_others_stay_as_they_are() {
    if !may_boot("in_tails_the_rules_of_others_stay_as_they_are") {
        return;
    }
    let Some(tails) = Tails::boot(Release::Trixie) else { return };
    let other = "nginx";
    let both = [("allow-lan", json!(true)), ("allow-localhost", json!(false))];
    for service in [SERVICE, other] {
        tails.done("install", service);
        tails.apply(service, &both);
    }
    let (rules, lines) = (tails.rules_of(other), ours(&tails.session(), other));
    assert_eq!((rules.len(), lines.len()), (9, 9), "{rules:#?}");
    // Somebody adds a rule in between, and one that is not in the kernel.
    for words in [["--apply", "-I", "INPUT", "-i", "tun0", "-j", "ACCEPT"].as_slice(), &["-I", "FORWARD", "-j", "DROP"]]
    {
        tails.run(&[&["tails-add-session-firewall-rule"], words].concat());
    }
    let strangers = |session: &str| {
        let lines = session.split_inclusive('\n').filter(|line| !line.contains(&format!("tails-server:{SERVICE}:")));
        lines.collect::<String>()
    };
    let before = (strangers(&tails.session()), without(&tails.rules(), SERVICE));
    for act in ["withdraw", "apply", "uninstall"] {
        tails.done(act, SERVICE);
        assert_eq!((strangers(&tails.session()), without(&tails.rules(), SERVICE)), before, "{act}");
        assert_eq!(tails.rules_of(SERVICE).is_empty(), act != "apply", "{act}");
        assert!(tails.leads_to_loopback(), "{act}: the other one needs it");
    }
    assert_eq!((tails.rules_of(other), ours(&tails.session(), other)), (rules.clone(), lines.clone()));
    tails.done("withdraw", other);
    assert!(!tails.rules().concat().contains("\"tails-server:"), "{:#?}", tails.rules());
    assert!(!tails.leads_to_loopback());

    // What iptables does not take is no line either: it would end at it the next time.
    let session = tails.session();
    let link = "/etc/alternatives/iptables-restore";
    let [broken, whole] = ["/bin/false", "/usr/local/sbin/iptables-restore"].map(|to| ["ln", "-sf", to, link]);
    tails.run(&broken);
    assert!(tails.refused("apply", other).starts_with("/usr/sbin/iptables-restore failed"));
    assert_eq!(tails.session(), session);
    tails.run(&whole);
    tails.done("withdraw", other);

    // A line without an end is not given to iptables, and ours would become part of it.
    let line = "-I FORWARD -j REJECT";
    tails.run(&["sh", "-c", &format!("printf %s '{line}' >> {SESSION_RULES}")]);
    let unfinished = tails.session();
    tails.done("withdraw", other);
    assert_eq!(tails.session(), unfinished, "none of ours is to be in it");
    tails.apply(other, &both);
    assert!(tails.session().starts_with(&format!("{unfinished}\n")), "{}", tails.session());
    tails.firewall_up();
    assert_eq!((tails.rules_of(other), ours(&tails.session(), other)), (rules, lines));
    tails.done("withdraw", other);
    assert_eq!(tails.session(), format!("{unfinished}\n"));
}

#[test]
fn in_tails_only_tor_reaches_a_server_that_is_closed_to_this_computer() {
    if !may_boot("in_tails_only_tor_reaches_a_server_that_is_closed_to_this_computer") {
        return;
    }
    for release in Release::ALL {
        let Some(tails) = Tails::boot(release) else { continue };
        tails.done("install", SERVICE);
        let who = || ["debian-tor", "amnesia", "root", "nobody"].map(|user| tails.connects_as(user, PORT));
        let told = tails.apply(SERVICE, &[]);
        tails.wait_listening(HERE);
        assert_eq!(who(), [true, true, false, false], "{release}: as Tails has it");
        assert!(told.contains("Tails lets nobody but Tor and the user of the desktop connect"), "{told}");
        let told = tails.apply(SERVICE, &[("allow-localhost", json!(false))]);
        assert_eq!(told, "");
        for _ in 0..2 {
            assert_eq!(who(), [true, false, false, false], "{release}: {:#?}", tails.rules());
            tails.firewall_up();
        }
        assert!(!tails.leads_to_loopback());
        assert!(!reached_from_lan(&tails.machine), "{release}");
        tails.apply(SERVICE, &[]);
        assert_eq!(who(), [true, true, false, false], "{release}");
    }
}

#[test]
fn in_tails_an_act_killed_at_any_rule_is_made_whole_by_the_next_run() {
    if !may_boot("in_tails_an_act_killed_at_any_rule_is_made_whole_by_the_next_run") {
        return;
    }
    let Some(tails) = Tails::boot(Release::Trixie) else { return };
    tails.done("install", SERVICE);
    let clean = (tails.rules(), tails.session(), false);
    let state = || (tails.rules(), tails.session(), tails.leads_to_loopback());
    let both = [("allow-lan", json!(true)), ("allow-localhost", json!(false))];
    tails.apply(SERVICE, &both);
    let rules = tails.rules_of(SERVICE);
    let lines = ours(&tails.session(), SERVICE);
    assert_eq!((rules.len(), lines.len()), (9, 9), "{rules:#?}");
    tails.done("withdraw", SERVICE);
    assert_eq!(state(), clean);

    let mut moments = 0;
    for moment in 1.. {
        if !kill_at(&tails, "apply", moment) {
            break;
        }
        moments = moment;
        // One way at half of the moments before something, and at half of those after it; the other way at the rest.
        if moment / 2 % 2 == 0 {
            tails.firewall_up();
            tails.done("apply", SERVICE);
            let has = (tails.rules_of(SERVICE), ours(&tails.session(), SERVICE));
            assert_eq!(has, (rules.clone(), lines.clone()), "{moment}: each rule once");
            assert!(tails.leads_to_loopback());
        }
        tails.done("withdraw", SERVICE);
        assert_eq!(state(), clean, "{moment}");
    }
    // Before and after each of nine lines, and of the change of the kernel's rules.
    assert_eq!(moments, 20);

    for moment in 1..=2 {
        for is_up in [false, true] {
            tails.done("apply", SERVICE);
            assert!(kill_at(&tails, "withdraw", moment));
            if is_up {
                tails.firewall_up();
            }
            tails.done("withdraw", SERVICE);
            assert_eq!(state(), clean, "{moment}, {is_up}");
        }
    }
}

#[test]
fn in_tails_what_outlives_a_reboot_is_gone_after_the_first_act() {
    if !may_boot("in_tails_what_outlives_a_reboot_is_gone_after_the_first_act") {
        return;
    }
    let Some(mut tails) = Tails::boot(Release::Trixie) else { return };
    let session = tails.session();
    tails.done("install", SERVICE);
    tails.apply(SERVICE, &[("allow-lan", json!(true))]);
    tails.reboot();
    assert!(!tails.rules_of(SERVICE).is_empty() && tails.session() != session, "the file has outlived it");
    assert!(!tails.leads_to_loopback() && !reached_from_lan(&tails.machine), "and opens nothing");
    tails.done("withdraw", SERVICE);
    assert_eq!((tails.rules_of(SERVICE), tails.session()), (vec![], session));
}

#[test]
fn in_tails_networks_may_come_up_while_acts_go_on() {
    if !may_boot("in_tails_networks_may_come_up_while_acts_go_on") {
        return;
    }
    let Some(tails) = Tails::boot(Release::Trixie) else { return };
    tails.done("install", SERVICE);
    let (clean, session) = (tails.rules(), tails.session());
    // More often than any network comes up, so that each act meets one.
    let script = "while sleep 0.1; do firewall-up || echo >> /run/failed; echo >> /run/ups; done";
    tails.run(&["systemd-run", "--quiet", "--unit=ups", "sh", "-c", script]);
    for _ in 0..5 {
        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        tails.done("withdraw", SERVICE);
        assert!(!tails.leads_to_loopback());
        assert_eq!(tails.session(), session);
    }
    tails.apply(SERVICE, &[("allow-lan", json!(true))]);
    tails.run(&["systemctl", "stop", "ups.service"]);
    println!(
        "networks that came up, and failed to: {}",
        tails.run(&["sh", "-c", "wc -l /run/ups /run/failed || true"])
    );
    tails.firewall_up();
    tails.wait_listening(HERE);
    assert!(reached_from_lan(&tails.machine));
    assert_eq!(tails.rules_of(SERVICE).len(), 8, "each rule once");
    tails.done("withdraw", SERVICE);
    assert_eq!((tails.rules(), tails.session()), (clean, session));
}

/// The lines of one service, sorted.
fn ours(session: &str, service: &str) -> Vec<String> {
    let mark = format!("tails-server:{service}:");
    let mut lines: Vec<String> = session.lines().filter(|line| line.contains(&mark)).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The rules of all others.
fn without(rules: &[String], service: &str) -> Vec<String> {
    rules.iter().filter(|rule| !rule.contains(&format!("\"tails-server:{service}:"))).cloned().collect()
}

/// Has an act done that is killed at the given moment of its work on the firewall; whether it came so far.
fn kill_at(tails: &Tails, act: &str, moment: u32) -> bool {
    tails.machine.write("/run/moments", &format!("{moment}\n")).unwrap();
    let unit = format!("tails-server-{act}@{SERVICE}.service");
    let ended = tails.machine.attempt(&["systemctl", "start", &unit]).unwrap().status.success();
    let left = tails.run(&["cat", "/run/moments"]).trim().parse::<i64>().unwrap();
    tails.run(&["rm", "/run/moments"]);
    assert_eq!(ended, left > 0, "{act}, {moment}: {}", tails.machine.journal().unwrap());
    !ended
}
