// SPDX-License-Identifier: GPL-3.0-or-later
//! Disable, enable, remove; and what is left of all that after a reboot.

use std::fs;

use tornet::Website;

use crate::harness::{Controller, shared_tor, visit, visit_fails};
use crate::witness::Witness;

#[test]
fn disable_withdraws_enable_brings_the_address_back_and_remove_forgets_it() {
    let mut witness = Witness::of(shared_tor());
    let controller = Controller::with(shared_tor());
    let site = Website::start("a page").unwrap();
    let ports = format!("80:{}", site.port());
    let address = controller.publish("web", &[&ports], &[]);
    let other = controller.publish("other", &[&ports], &[]);
    assert_eq!((visit(&address, 80), visit(&other, 80)), ("a page".into(), "a page".into()));

    controller.cli(["disable", "web"]).succeeded();
    // Not soon: it is so when the command returns.
    assert!(!witness.knows(&address));
    assert_eq!(controller.service_state("web"), "disabled");
    assert_eq!(controller.service_state("other"), "published");
    visit_fails(&address, &other, 80);

    controller.cli(["enable", "web", "--wait", "--timeout", "120"]).succeeded();
    assert_eq!(controller.address("web"), address);
    assert_eq!(visit(&address, 80), "a page");

    // Without a terminal nobody can have meant it.
    controller.cli(["remove", "web"]).failed(6);
    assert!(witness.knows(&address) && controller.service_state("web") == "published");
    controller.cli(["remove", "web", "--yes"]).succeeded();
    assert!(!witness.knows(&address));
    controller.cli(["address", "web"]).failed(3);
    controller.cli(["enable", "web"]).failed(3);
    assert!(!controller.cli(["list"]).succeeded().stdout.contains("web"));

    let new = controller.publish("web", &[&ports], &[]);
    assert_ne!(new, address);
    assert_eq!(visit(&new, 80), "a page");
    assert!(!witness.knows(&address));
    visit_fails(&address, &new, 80);
}

#[test]
fn after_a_reboot_only_autostart_counts_and_only_what_is_kept_is_there() {
    let mut controller = Controller::with(shared_tor());
    let site = Website::start("a page").unwrap();
    let ports = format!("80:{}", site.port());
    let auto = controller.publish("auto", &[&ports], &["--persistent", "--autostart"]);
    let kept = controller.publish("kept", &[&ports], &["--persistent"]);
    let amnesic = controller.publish("amnesic", &[&ports], &[]);
    let mut witness = Witness::of(shared_tor());

    // Without a reboot the wishes of this session hold.
    controller.terminate();
    controller.start();
    for (name, address) in [("auto", &auto), ("kept", &kept), ("amnesic", &amnesic)] {
        controller.wait_for_state(name, "published");
        assert_eq!(controller.address(name), *address);
    }

    controller.terminate();
    // The runtime directory is in memory: this is all that a reboot does to us.
    fs::remove_dir_all(controller.runtime()).unwrap();
    controller.start();
    controller.wait_for_state("auto", "published");
    assert_eq!(controller.address("auto"), auto);
    assert_eq!(visit(&auto, 80), "a page");
    assert_eq!(controller.service_state("kept"), "disabled");
    assert_eq!(controller.address("kept"), kept);
    assert!(!witness.knows(&kept));
    controller.cli(["address", "amnesic"]).failed(3);
    assert!(!witness.knows(&amnesic));

    controller.cli(["enable", "kept", "--wait", "--timeout", "120"]).succeeded();
    assert_eq!(controller.address("kept"), kept);
    assert_eq!(visit(&kept, 80), "a page");
}
