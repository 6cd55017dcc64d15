// SPDX-License-Identifier: GPL-3.0-or-later
//! The power is cut while something goes on: after the boot the machine converges by itself, and nothing was open.

use std::thread;
use std::time::Duration;

use tails_box::{Options, Release, may_boot, wait_until};

use crate::system::{PATIENCE, System};

const HERE: &str = "127.0.0.1:64738";
const UNIT: &str = "mumble-server.service";

#[test]
fn after_a_power_cut_at_any_time_the_service_is_whole_again_with_nobody_doing_anything() {
    if !may_boot("after_a_power_cut_at_any_time_the_service_is_whole_again_with_nobody_doing_anything") {
        return;
    }
    for release in Release::ALL {
        survive(release);
    }
}

fn survive(release: Release) {
    let Some(mut system) = System::boot(release, Options::new().with_disk()) else { return };
    // The installation of our own; the controller has to take care of what comes after.
    system.run(&["sync"]);
    system.cli(&["enable", "mumble"]);
    system.cli(&["set-option", "mumble", "persistence", "on"]);
    system.cli(&["set-option", "mumble", "autostart", "on"]);
    let address = system.address("mumble");
    let mut fingerprint = None;
    // In the installation: at its begin, in the download, while dpkg is at work.
    for delay in [0, 1500] {
        cut(&mut system, delay);
    }
    // dpkg calls it installed, and the disk has never seen some of its files.
    let words = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", "mumble-server"];
    let is_there = || (system.machine.attempt(&words).unwrap().stdout == "installed").then_some(());
    assert!(wait_until(PATIENCE, is_there).is_some(), "{}", system.log());
    cut(&mut system, 0);
    whole(&system, &address, &mut fingerprint);
    assert_eq!(damage(&system), [""; 0]);
    // While it is applied, and withdrawn.
    for delay in [0, 300, 700, 1200] {
        system.cli(&["disable", "mumble"]);
        system.cli(&["enable", "mumble"]);
        cut(&mut system, delay);
        whole(&system, &address, &mut fingerprint);
    }
    // While an option changes: the old value or the new one, and the server runs with that.
    for (round, delay) in [50, 300, 700, 1200].into_iter().enumerate() {
        let value = format!("round {round}");
        begin(&system, &["set-option", "mumble", "welcome-message", &value]);
        cut(&mut system, delay);
        whole(&system, &address, &mut fingerprint);
    }
}

#[test]
fn after_a_power_cut_while_a_service_becomes_persistent_it_is_whole_or_forgotten() {
    if !may_boot("after_a_power_cut_while_a_service_becomes_persistent_it_is_whole_or_forgotten") {
        return;
    }
    let Some(mut system) = System::boot(Release::Bookworm, Options::new().with_disk()) else { return };
    system.run(&["sync"]);
    let mut survived = 0;
    for delay in [0, 100, 400, 800, 1500] {
        system.cli(&["enable", "mumble"]);
        system.wait_for_state("mumble", "waiting-for-tor");
        system.cli(&["set-option", "mumble", "persistence", "off"]);
        let address = system.address("mumble");
        let mut fingerprint = Some(system.option("mumble", "tls-fingerprint"));
        begin(&system, &["set-option", "mumble", "persistence", "on"]);
        cut(&mut system, delay);
        if system.names().is_empty() {
            assert_eq!(system.listening(), [""; 0], "after {delay} ms");
            continue;
        }
        survived += 1;
        // It is there, and not wanted in this session.
        system.cli(&["enable", "mumble"]);
        whole(&system, &address, &mut fingerprint);
    }
    assert!(survived > 0, "nothing was ever kept");
    // What was answered is so.
    system.cli(&["enable", "mumble"]);
    system.wait_for_state("mumble", "waiting-for-tor");
    system.cli(&["set-option", "mumble", "persistence", "on"]);
    let (address, mut fingerprint) = (system.address("mumble"), Some(system.option("mumble", "tls-fingerprint")));
    cut(&mut system, 0);
    assert_eq!(system.names(), ["mumble"]);
    system.cli(&["enable", "mumble"]);
    whole(&system, &address, &mut fingerprint);
}

/// Has the command line do something, and does not wait for it.
fn begin(system: &System, words: &[&str]) {
    system.run(&[&["systemd-run", "--quiet", "--no-block", "--collect", "--", "tails-server"][..], words].concat());
}

/// Cuts the power this many milliseconds from now; nothing is open then.
fn cut(system: &mut System, delay: u64) {
    // To hit another moment of what goes on.
    thread::sleep(Duration::from_millis(delay));
    system.power_cut();
    assert!(system.machine.listeners().unwrap().iter().all(tails_box::Listener::is_local), "after {delay} ms");
}

/// What dpkg finds wrong with the server; a box may do without manuals.
fn damage(system: &System) -> Vec<String> {
    let found = system.machine.attempt(&["dpkg", "--verify", "mumble-server"]).unwrap().stdout;
    found.lines().filter(|line| !line.contains(" /usr/share/")).map(str::to_owned).collect()
}

/// The service comes to run, with the address, the certificate and the options that it has for people.
fn whole(system: &System, address: &str, fingerprint: &mut Option<String>) {
    let watch = system.machine.watch_listeners().unwrap();
    system.wait_for_state("mumble", "waiting-for-tor");
    system.wait_until_applied("mumble");
    assert_eq!(system.address("mumble"), address);
    assert_eq!(system.listening(), [HERE]);
    let shown = system.option("mumble", "tls-fingerprint");
    assert_eq!(*fingerprint.get_or_insert(shown.clone()), shown, "what was told once is kept");
    let message = system.option("mumble", "welcome-message");
    let in_force = system.seen_by(UNIT, "/etc/mumble/mumble-server.ini", "/etc/mumble-server.ini");
    assert!(in_force.contains(message.lines().next().unwrap()), "{message}: {in_force}");
    assert_eq!(watch.reachable().unwrap(), []);
}
