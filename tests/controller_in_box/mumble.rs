// SPDX-License-Identifier: GPL-3.0-or-later
//! "enable mumble" on a fresh machine, and what is left of it.

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
