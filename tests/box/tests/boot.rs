// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine as such: it boots, boots again, and loses its power.

use tails_box::{Error, Machine, Options, Release, may_boot};

#[test]
fn every_release_boots_and_a_reboot_is_another_boot() {
    if !may_boot("every_release_boots_and_a_reboot_is_another_boot") {
        return;
    }
    for release in Release::ALL {
        let mut machine = Machine::boot(release, Options::new()).unwrap();
        let system = machine.run(&["cat", "/etc/os-release"]).unwrap();
        assert!(system.contains(release.codename()), "{system}");
        assert_eq!(machine.run(&["cat", "/proc/1/comm"]).unwrap(), "systemd\n");

        let boot_id = |machine: &Machine| machine.run(&["cat", "/proc/sys/kernel/random/boot_id"]).unwrap();
        let before = boot_id(&machine);
        machine.write("/var/lib/kept", "kept").unwrap();
        machine.write("/run/gone", "gone").unwrap();
        machine.reboot().unwrap();
        assert_ne!(boot_id(&machine), before);
        assert_eq!(machine.run(&["cat", "/var/lib/kept"]).unwrap(), "kept");
        assert!(!machine.attempt(&["test", "-e", "/run/gone"]).unwrap().status.success());
    }
}

#[test]
fn a_power_cut_loses_what_was_not_synced_and_keeps_what_was() {
    if !may_boot("a_power_cut_loses_what_was_not_synced_and_keeps_what_was") {
        return;
    }
    let mut machine = Machine::boot(Release::Trixie, Options::new().with_disk()).unwrap();
    // What the first boot has written goes to the disk by its own clock; ours must not go along.
    machine.run(&["sync"]).unwrap();
    machine.run(&["sh", "-c", "echo synced > /var/lib/synced && sync /var/lib/synced"]).unwrap();
    machine.run(&["sh", "-c", "echo hoped for > /var/lib/hoped-for"]).unwrap();
    machine.power_cut().unwrap();
    assert_eq!(machine.run(&["cat", "/var/lib/synced"]).unwrap(), "synced\n");
    let hoped_for = machine.attempt(&["cat", "/var/lib/hoped-for"]).unwrap();
    assert_eq!(hoped_for.stdout, "", "it was never synced");
}

#[test]
fn without_a_disk_there_is_no_power_cut() {
    if !may_boot("without_a_disk_there_is_no_power_cut") {
        return;
    }
    let mut machine = Machine::boot(Release::Trixie, Options::new()).unwrap();
    assert!(matches!(machine.power_cut(), Err(Error::Without("disk"))));
    assert!(matches!(machine.neighbour(), Err(Error::Without("LAN"))));
}
