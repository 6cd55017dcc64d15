// SPDX-License-Identifier: GPL-3.0-or-later
//! "enable mumble" on a fresh machine, and what is left of it.

use tails_box::{Options, Release, may_boot};

use crate::system::System;

const HERE: &str = "127.0.0.1:64738";

#[test]
fn a_server_is_enabled_by_one_command_waits_for_tor_and_leaves_nothing() {
    if !may_boot("a_server_is_enabled_by_one_command_waits_for_tor_and_leaves_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release, Options::new()) else { continue };
        let watch = system.machine.watch_listeners().unwrap();
        system.start_tor();
        system.wait_for_tor();
        system.cli(&["enable", "mumble"]);
        system.wait_for_state("mumble", "waiting-for-tor");
        println!("{release}: {:#}", system.status("mumble"));
        println!("{}", system.cli(&["info", "mumble", "--details", "--show-secrets"]));
        assert_eq!(system.listening(), [HERE], "{release}");
        system.cli(&["disable", "mumble"]);
        system.wait_for_state("mumble", "disabled");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}
