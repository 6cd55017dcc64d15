// SPDX-License-Identifier: GPL-3.0-or-later
//! Tails Server on a real Debian, beside the system's own Tor.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests may fail by panicking"
)]

mod attempts;
mod clients;
mod cuts;
mod data;
mod installed;
mod kept;
mod mumble;
mod profiles;
mod reach;
mod reached;
mod rights;
mod sessions;
mod system;
mod tails;
mod unit;

use serde_json::Value;
use system::System;
use tails_box::{Options, Release, may_boot};

#[test]
fn it_follows_tor_and_is_the_same_after_a_crash_and_what_was_kept_after_a_reboot() {
    if !may_boot("it_follows_tor_and_is_the_same_after_a_crash_and_what_was_kept_after_a_reboot") {
        return;
    }
    for release in Release::ALL {
        let Some(mut system) = System::boot(release, Options::new()) else { continue };
        system.start_web();
        // A machine where the controller is up before Tor, as it is at every boot.
        assert_eq!(system.tor()["connected"], false);
        let kept = system.publish(&["80:8080", "--name", "kept", "--persistent", "--autostart"]);
        let amnesic = system.publish(&["81:8080", "--name", "amnesic"]);
        assert_ne!(kept, amnesic);
        system.wait_for_state("kept", "waiting-for-tor");
        assert!(system.tor()["problem"].as_str().unwrap().starts_with("there is no control socket"), "{release}");

        system.start_tor();
        system.wait_for_tor();
        assert_eq!(system.tor()["problem"], Value::Null, "its group is enough for the cookie");
        system.machine.run(&["systemctl", "stop", "tor@default.service"]).unwrap();
        system.wait_until_tor_is_lost();
        system.start_tor();
        system.wait_for_tor();
        assert_eq!(system.state("kept"), "waiting-for-tor", "Tor is connected and has no network");

        system.machine.run(&["systemctl", "kill", "--signal=KILL", system::UNIT]).unwrap();
        system.wait_for_restart();
        system.wait_for_tor();
        assert_eq!((system.address("kept"), system.address("amnesic")), (kept.clone(), amnesic));
        system.wait_for_state("amnesic", "waiting-for-tor");

        system.reboot();
        assert_eq!(system.names(), ["kept"], "{release}: what is amnesic is for one boot");
        assert_eq!(system.address("kept"), kept);
        system.wait_for_state("kept", "waiting-for-tor");
        // Tor is started at boot, too, and only opens its socket when it is told to read its configuration again.
        system.start_tor();
        system.wait_for_tor();
        assert!(system.machine.listeners().unwrap().iter().all(tails_box::Listener::is_local));
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    if !may_boot("what_was_acknowledged_survives_a_power_cut") {
        return;
    }
    for release in Release::ALL {
        let Some(mut system) = System::boot(release, Options::new().with_disk()) else { continue };
        system.start_web();
        // The installation itself; the controller has to take care of what comes after.
        system.machine.run(&["sync"]).unwrap();
        let kept = system.publish(&["80:8080", "--name", "kept", "--persistent", "--autostart"]);
        system.power_cut();
        assert_eq!(system.names(), ["kept"], "{release}");
        assert_eq!(system.address("kept"), kept);
        system.wait_for_state("kept", "waiting-for-tor");
    }
}
