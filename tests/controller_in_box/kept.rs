// SPDX-License-Identifier: GPL-3.0-or-later
//! What people choose for a service that runs, over reboots: what is kept, and who reaches it beside Tor.

use std::io::Read;

use tails_box::{Options, Release, may_boot, wait_until};

use crate::system::{PATIENCE, System};

const PORT: u16 = 64738;

/// Whether somebody in the LAN reaches the server: a connection alone is not enough, it has to answer.
fn is_reached_from_lan(system: &System) -> bool {
    use std::io::Write;
    let Ok(mut stream) = system.machine.neighbour().unwrap().connect(PORT) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever speaks TLS answers to this with an alert, or hangs up; who only drops packets does not.
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    stream.read(&mut [0]).is_ok()
}

fn wait_reached_from_lan(system: &System, expected: bool) {
    let is_so = wait_until(PATIENCE, || (is_reached_from_lan(system) == expected).then_some(()));
    assert!(is_so.is_some(), "reached from the LAN: {}\n{}", !expected, system.log());
}

#[test]
fn what_is_kept_comes_back_after_a_reboot_with_all_that_was_chosen_and_what_is_amnesic_is_gone() {
    if !may_boot("what_is_kept_comes_back_after_a_reboot_with_all_that_was_chosen_and_what_is_amnesic_is_gone") {
        return;
    }
    for release in Release::ALL {
        let Some(mut system) = System::boot(release, Options::new().with_lan()) else { continue };
        let watch = system.machine.watch_listeners().unwrap();
        for name in ["mumble", "ngircd"] {
            system.cli(&["enable", name]);
        }
        for name in ["mumble", "ngircd"] {
            system.wait_for_state(name, "waiting-for-tor");
        }
        assert!(!is_reached_from_lan(&system), "{release}");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
        // Switched on for a service that runs: what it has made is kept.
        let fingerprint = system.option("mumble", "tls-fingerprint");
        for (option, value) in [("persistence", "on"), ("autostart", "on"), ("allow-lan", "on"), ("max-users", "7")] {
            system.cli(&["set-option", "mumble", option, value]);
        }
        wait_reached_from_lan(&system, true);
        system.run(&["systemctl", "restart", "nftables.service"]);
        wait_reached_from_lan(&system, true);
        let (address, password) = (system.address("mumble"), system.option("mumble", "server-password"));

        system.reboot();
        let watch = system.machine.watch_listeners().unwrap();
        assert_eq!(system.names(), ["mumble"], "{release}: what is amnesic is for one boot");
        system.wait_for_state("mumble", "waiting-for-tor");
        assert_eq!(system.address("mumble"), address);
        assert_eq!(system.option("mumble", "server-password"), password);
        assert_eq!(system.option("mumble", "tls-fingerprint"), fingerprint, "{release}: what the server made is kept");
        assert_eq!(system.option("mumble", "max-users"), "7");
        wait_reached_from_lan(&system, true);
        assert_eq!(system.listening(), ["127.0.0.1:64738"], "{release}: what is not wanted any more does not run");

        system.cli(&["set-option", "mumble", "allow-lan", "off"]);
        assert!(!is_reached_from_lan(&system), "{release}: it was answered that it is in force");
        system.run(&["systemctl", "restart", "nftables.service"]);
        assert!(!is_reached_from_lan(&system), "{release}");
        assert!(!system.run(&["nft", "list", "tables"]).contains("tails"), "{release}");
        assert_eq!(watch.reachable().unwrap(), [], "{release}: whoever reaches it from the LAN is led to loopback");
    }
}
