// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor and the controller go and come back; the services do so too, at their addresses, with nobody doing anything.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tornet::{TorOptions, Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, network, visit};
use crate::outage::{Outage, Watch};
use crate::witness::Witness;

/// How long the late tor of the test below is late.
const LATE: Duration = Duration::from_secs(60);
/// Within what time it is noticed: an attempt is made every three seconds.
const NOTICED: Duration = Duration::from_secs(15);

#[test]
fn services_are_back_after_tor_was_killed_also_with_its_memory_lost() {
    let tor = host_tor();
    let controller = Controller::with(&tor);
    let watch = Watch::start(&controller.bus());
    let site = Website::start("a page").unwrap();
    let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    assert_eq!(visit(&address, 80), "a page");

    for (what, fresh) in [("tor killed", false), ("tor killed, fresh data", true)] {
        let seen_before = watch.changes_of("web").len();
        let mut outage = Outage::watch(&controller, "web");
        tor.kill();
        outage.begin();
        if fresh { tor.start_fresh() } else { tor.start() }.unwrap();
        outage.tor_is_back(&tor);
        assert_eq!(visit(&address, 80), "a page");
        outage.end(what);
        assert_eq!(controller.address("web"), address);
        counted_anew(&watch.changes_of("web").split_off(seen_before));
    }
}

/// The changes since Tor was killed: the confirmations of before count for nothing, and it is published once more than
/// half of the HSDirs have confirmed.
fn counted_anew(changes: &[(String, u64)]) {
    let published = changes.iter().position(|(state, _)| state == "published").expect("published in the end");
    let (outage, after) = changes.split_at(published);
    assert!(outage.first().is_some_and(|(_, confirmed)| *confirmed == 0), "{changes:?}");
    assert!(changes.is_sorted_by_key(|(_, confirmed)| *confirmed), "{changes:?}");
    // All three authorities and three relays of the private network are HSDirs of every service.
    let quorum = 6 / 2 + 1;
    assert!(outage.iter().all(|(state, confirmed)| state != "published" && *confirmed < quorum), "{changes:?}");
    assert!(after.iter().all(|(state, confirmed)| state == "published" && *confirmed >= quorum), "{changes:?}");
}

#[test]
fn services_are_back_after_tor_reloads_and_after_it_was_without_network() {
    let tor = host_tor();
    let controller = Controller::with(&tor);
    let site = Website::start("a page").unwrap();
    let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    assert_eq!(visit(&address, 80), "a page");

    let began = Instant::now();
    tor.reload().unwrap();
    assert_eq!(visit(&address, 80), "a page");
    eprintln!("SIGHUP: page after {:.1?}", began.elapsed());
    controller.wait_for_state("web", "published");
    assert_eq!(controller.address("web"), address);

    let mut witness = Witness::of(&tor);
    let mut outage = Outage::watch(&controller, "web");
    tor.set_conf("DisableNetwork=1").unwrap();
    outage.begin();
    assert_eq!(controller.service_state("web"), "waiting-for-tor");
    let asked = outage.answers();
    // It stays so for as long as the network is off: a few looks, each of which would fail the outage if published.
    assert!(wait_until(PATIENCE, || (outage.answers() > asked + 10).then_some(())).is_some());
    assert_eq!(witness.info("status/circuit-established"), "0");
    assert!(witness.knows(&address), "Tor keeps the service meanwhile");
    outage.network_is_back();
    let began = Instant::now();
    tor.set_conf("DisableNetwork=0").unwrap();
    assert_eq!(visit(&address, 80), "a page");
    eprintln!("DisableNetwork 0: page after {:.1?}", began.elapsed());
    outage.end("DisableNetwork 1 and 0");
    assert_eq!(controller.address("web"), address);
}

#[test]
fn services_are_back_after_the_controller_was_killed_also_together_with_tor() {
    let tor = host_tor();
    let mut controller = Controller::with(&tor);
    let site = Website::start("a page").unwrap();
    let ports = [format!("80:{}", site.port())];
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    // One that is kept and one that is not: neither depends on the controller living on.
    let address = controller.publish("web", &ports, &["--persistent", "--autostart"]);
    let amnesic = controller.publish("amnesic", &ports, &[]);
    assert_eq!(visit(&address, 80), "a page");

    let mut outage = Outage::watch(&controller, "web");
    controller.kill();
    outage.begin();
    let mut witness = Witness::of(&tor);
    let gone = wait_until(PATIENCE, || (!witness.knows(&address) && !witness.knows(&amnesic)).then_some(()));
    assert!(gone.is_some(), "a killed controller leaves a service in Tor");
    assert_eq!(witness.detached(), Vec::<String>::new());
    outage.tor_is_back(&tor);
    controller.start();
    assert_eq!(visit(&address, 80), "a page");
    outage.end("controller killed");
    assert_eq!(controller.address("web"), address);
    controller.wait_for_state("amnesic", "published");
    assert_eq!(controller.address("amnesic"), amnesic);

    let mut outage = Outage::watch(&controller, "web");
    controller.kill();
    tor.kill();
    outage.begin();
    controller.start();
    controller.wait_for_state("web", "waiting-for-tor");
    tor.start().unwrap();
    outage.tor_is_back(&tor);
    assert_eq!(visit(&address, 80), "a page");
    outage.end("tor and controller killed");
    assert_eq!(visit(&amnesic, 80), "a page");
    assert_eq!([controller.address("web"), controller.address("amnesic")], [address, amnesic]);
}

#[test]
fn a_service_is_published_once_a_tor_comes_that_is_a_minute_late() {
    let tor = network().tor(TorOptions::host()).unwrap();
    tor.kill();
    // As if it had never been: no socket, no cookie, no data.
    fs::remove_file(tor.control_socket()).unwrap();
    fs::remove_file(tor.cookie_file()).unwrap();
    let began = Instant::now();
    let controller = Controller::with(&tor);
    let site = Website::start("a page").unwrap();
    let waiting = controller
        .cli_command(["publish", "--name", "web", "--wait", "--timeout", "300", &format!("80:{}", site.port())])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let known = wait_until(PATIENCE, || (controller.cli(["status", "web"]).code == Some(0)).then_some(()));
    assert!(known.is_some(), "{}", controller.log());
    controller.wait_for_state("web", "waiting-for-tor");
    let status = controller.status("web");
    assert!(status["problem"].is_string() && status["hint"].is_string(), "{status}");
    let address = controller.address("web");
    let mut outage = Outage::watch(&controller, "web");
    outage.begin();
    let late = wait_until(2 * LATE, || (began.elapsed() >= LATE).then_some(()));
    assert!(late.is_some());
    let began = Instant::now();
    tor.start_fresh().unwrap();
    outage.tor_is_back(&tor);
    // This is why it is a minute: the pauses between the attempts must not have grown with it.
    let connected = wait_until(NOTICED, || {
        let overview = controller.cli(["status", "--json"]).succeeded().stdout;
        overview.contains("\"connected\": true").then(|| began.elapsed())
    });
    eprintln!("tor a minute late: noticed after {:.1?}", connected.expect("the late tor is noticed soon"));
    assert_eq!(visit(&address, 80), "a page");
    eprintln!("tor a minute late: page {:.1?} after its start", began.elapsed());
    outage.end("tor a minute late");

    let answer = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(answer.status.success(), "{said}");
    for progress in ["web: waiting-for-tor, ", "web: publishing, "] {
        assert!(said.contains(progress), "{progress:?} is missing in {said}");
    }
}
