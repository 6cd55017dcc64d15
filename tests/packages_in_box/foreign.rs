// SPDX-License-Identifier: GPL-3.0-or-later
//! The package beside an installation from source, and on a system on which something can not be withdrawn.

use tails_box::{Release, may_boot};

use crate::package;
use crate::system::{NEW, OLD, SOURCE, System, UNIT};

/// The controller on the bus.
const NAME: &str = "org.boum.tails.Server1";

#[test]
fn the_package_takes_over_what_came_from_source_and_the_source_leaves_the_package_alone() {
    if !may_boot("the_package_takes_over_what_came_from_source_and_the_source_leaves_the_package_alone") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release) else { continue };
        system.unpack_source();
        let programs = format!("{SOURCE}/programs");
        let (is_done, told) = system.install_from_source(&["--programs", &programs]);
        assert!(is_done, "{release}: {told}");
        system.run(&["test", "-f", "/usr/share/man/man1/tails-server-publish.1"]);
        system.cli(&["publish", "80:8080", "--name", "kept", "--persistent", "--autostart"]);
        let (address, controller) = (system.address("kept"), system.invocation(UNIT));

        assert!(system.apt(&["install", OLD]).contains("Taking over"), "{release}");
        assert_eq!(system.address("kept"), address);
        assert_ne!(system.invocation(UNIT), controller, "{release}: the one from source runs on");
        system.run(&["dpkg", "--verify", "tails-server"]);

        for words in [&["--programs", &programs][..], &["--remove"]] {
            let (is_done, told) = system.install_from_source(words);
            assert!(!is_done && told.contains("the Debian package tails-server is installed"), "{release}: {told}");
        }
        assert_eq!(system.run(&["dpkg", "--verify", "tails-server"]), "", "{release}: nothing was touched");

        refuses_to_leave_a_service_alone(&system, release);
        system.apt(&["remove", "tails-server"]);
        refuses_what_is_older_than_the_source(&system, release);
        let (is_done, told) = system.install_from_source(&["--programs", &programs]);
        assert!(is_done, "{release}: {told}");
        assert_eq!(system.address("kept"), address, "{release}");
        // The package is only remembered, and what it would delete is in use.
        assert!(system.apt(&["purge", "tails-server"]).contains("nothing is deleted"), "{release}");
        assert_eq!(system.address("kept"), address, "{release}");
        system.run(&["systemctl", "is-enabled", UNIT]);
    }
}

#[test]
fn an_upgrade_that_was_cut_off_is_mended_or_removed_and_leaves_nothing_open() {
    if !may_boot("an_upgrade_that_was_cut_off_is_mended_or_removed_and_leaves_nothing_open") {
        return;
    }
    let Some(system) = System::boot(Release::Trixie) else { return };
    system.apt(&["install", OLD]);
    for name in ["ngircd", "sftp"] {
        system.cli(&["enable", name]);
    }
    system.wait_for_state("sftp", "waiting-for-tor");
    let address = system.address("sftp");
    system.run(&["dpkg", "--unpack", NEW]);
    system.run(&["dpkg", "--configure", "--pending"]);
    system.wait_for_state("sftp", "waiting-for-tor");
    assert_eq!(system.address("sftp"), address);
    let spare = "/var/lib/tails-server-helper/.spare";
    assert!(!system.told(&["test", "-e", spare]).0);

    // dpkg calls no prerm for what is only unpacked.
    system.run(&["dpkg", "--unpack", NEW]);
    system.apt(&["purge", "tails-server"]);
    assert!(!system.is_active(UNIT), "{}", system.log());
    assert_eq!(system.listening(), [""; 0]);
    assert!(!system.told(&["pgrep", "tails-server"]).0);
    let left = ["find", "/etc", "/run/systemd/system", "/srv/tails-sftp", "/var/lib", "-name", "*tails-s*"];
    let (_, left) = system.told(&left);
    assert!(!left.contains("/var/lib/tails-s") && !left.contains("50-tails-server"), "{left}");
}

/// A service that can not be withdrawn runs on: then the package has to stay, and go on.
fn refuses_to_leave_a_service_alone(system: &System, release: Release) {
    let ledger = "/var/lib/tails-server-helper/broken.json";
    system.machine.write(ledger, "no ledger").unwrap();
    assert!(!system.told(&["/usr/lib/tails-server/withdraw-all"]).0, "{release}");
    // Whoever asks on the bus would start it, and it would apply anew what is being withdrawn.
    assert!(!system.told(&["busctl", "call", NAME, "/", "org.freedesktop.DBus.Peer", "Ping"]).0, "{release}");
    assert!(!system.is_active(UNIT), "{release}");
    let (is_done, told) = system.try_apt(&["remove", "tails-server"]);
    assert!(!is_done && told.contains("Error: broken can not be withdrawn"), "{release}: {told}");
    assert!(system.is_active(UNIT), "{release}: {}", system.log());
    system.cli(&["status"]);
    system.run(&["rm", ledger]);
}

/// What was installed from source may be newer than the package, too.
fn refuses_what_is_older_than_the_source(system: &System, release: Release) {
    let program = "/usr/bin/tails-serverd";
    system.machine.write(program, "#!/bin/sh\necho tails-serverd 99.1\n").unwrap();
    system.run(&["chmod", "755", program]);
    let (is_done, told) = system.try_apt(&["install", OLD]);
    let refusal = format!("Error: tails-server {} can not follow 99.1", package::OLD);
    assert!(!is_done && told.contains(&refusal), "{release}: {told}");
    system.run(&["rm", program]);
}
