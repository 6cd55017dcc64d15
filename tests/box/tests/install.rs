// SPDX-License-Identifier: GPL-3.0-or-later
//! Servers from Debian's packages: what they do when they are installed, and how to keep them from it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panicking")]

use std::time::Duration;

use tails_box::{ListenWatch, Machine, Options, Release, may_boot, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const UNIT: &str = "mumble-server.service";

fn configuration(release: Release) -> &'static str {
    match release {
        Release::Bookworm => "/etc/mumble-server.ini",
        Release::Trixie => "/etc/mumble/mumble-server.ini",
    }
}

fn reachable(watch: ListenWatch) -> Vec<String> {
    watch.reachable().unwrap().iter().map(|listener| listener.address.to_string()).collect()
}

/// Waits until something listens on Mumble's port.
fn wait_listening(machine: &Machine) {
    let is_there =
        || machine.listeners().unwrap().iter().any(|listener| listener.address.port() == 64738).then_some(());
    assert!(wait_until(PATIENCE, is_there).is_some(), "{}", machine.journal().unwrap());
}

#[test]
fn a_package_opens_its_port_to_everybody_when_it_is_installed() {
    if !may_boot("a_package_opens_its_port_to_everybody_when_it_is_installed") {
        return;
    }
    for release in Release::ALL {
        let machine = Machine::boot(release, Options::new()).unwrap();
        let watch = machine.watch_listeners().unwrap();
        machine.install(&["mumble-server"]).unwrap();
        wait_listening(&machine);
        let seen = reachable(watch);
        assert!(seen.contains(&String::from("[::]:64738")), "{release}: {seen:?}");
    }
}

#[test]
fn masked_before_and_configured_for_loopback_it_is_never_open_to_others() {
    if !may_boot("masked_before_and_configured_for_loopback_it_is_never_open_to_others") {
        return;
    }
    for release in Release::ALL {
        let mut machine = Machine::boot(release, Options::new()).unwrap();
        let watch = machine.watch_listeners().unwrap();
        machine.run(&["systemctl", "mask", UNIT]).unwrap();
        machine.install(&["mumble-server"]).unwrap();
        // Debian 12's has a script of System V alone: unmasked, it would start at the next boot.
        machine.run(&["systemctl", "unmask", UNIT]).unwrap();
        machine.run(&["systemctl", "disable", UNIT]).unwrap();
        assert!(machine.listeners().unwrap().is_empty(), "{release}");

        let packaged = configuration(release);
        let sum = machine.run(&["sha256sum", packaged]).unwrap();
        let render = r#"cp -p "$1" /run/rendered.ini && sed -i 's/^;\?host=.*/host=127.0.0.1/' /run/rendered.ini"#;
        machine.run(&["sh", "-c", render, "render", packaged]).unwrap();
        let drop_in = format!("[Service]\nBindReadOnlyPaths=/run/rendered.ini:{packaged}\n");
        machine.write(&format!("/run/systemd/system/{UNIT}.d/50-rendered.conf"), &drop_in).unwrap();
        machine.run(&["systemctl", "daemon-reload"]).unwrap();
        machine.run(&["systemctl", "start", UNIT]).unwrap();
        wait_listening(&machine);
        assert_eq!(machine.run(&["sha256sum", packaged]).unwrap(), sum, "the packaged file is as it was");
        assert_eq!(
            reachable(watch),
            Vec::<String>::new(),
            "{release}: it listens on loopback, as in the rendered file"
        );

        // All of the drop-in is in /run. What would start now would be open to everybody.
        machine.reboot().unwrap();
        assert!(machine.listeners().unwrap().is_empty(), "{release}: it was disabled");
    }
}

#[test]
fn every_server_of_the_repository_can_be_installed_without_opening_a_port() {
    if !may_boot("every_server_of_the_repository_can_be_installed_without_opening_a_port") {
        return;
    }
    // Gobby's server, infinoted, has no unit.
    let packages = ["infinoted", "mumble-server", "nginx-light", "ngircd", "openssh-server", "prosody"];
    let units = ["mumble-server", "nginx", "ngircd", "ssh.service", "ssh.socket", "prosody"];
    for release in Release::ALL {
        let machine = Machine::boot(release, Options::new()).unwrap();
        let watch = machine.watch_listeners().unwrap();
        machine.run(&[&["systemctl", "mask"], &units[..]].concat()).unwrap();
        machine.install(&packages).unwrap();
        assert_eq!(reachable(watch), Vec::<String>::new(), "{release}");
        for package in packages {
            assert!(machine.run(&["dpkg", "--status", package]).unwrap().contains("Status: install ok installed"));
        }
    }
}
