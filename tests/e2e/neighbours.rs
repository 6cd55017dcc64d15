// SPDX-License-Identifier: GPL-3.0-or-later
//! Others have onion services in the same Tor. Ours come and go; theirs are none of our business.

use std::time::Duration;

use tornet::{Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, visit};
use crate::witness::Witness;

#[test]
fn foreign_services_are_left_alone_and_none_of_ours_is_left_behind() {
    let tor = host_tor();
    let (theirs, ours) = (Website::start("theirs").unwrap(), Website::start("ours").unwrap());
    let mut neighbour = Witness::of(&tor);
    let attached = neighbour.add_foreign("DiscardPK", theirs.port());
    let detached = neighbour.add_foreign("DiscardPK,Detach", theirs.port());
    let undisturbed = |neighbour: &mut Witness, when: &str| {
        assert_eq!(neighbour.own(), std::slice::from_ref(&attached), "{when}");
        assert_eq!(neighbour.detached(), std::slice::from_ref(&detached), "{when}");
        assert!(neighbour.knows(&attached) && neighbour.knows(&detached), "{when}");
    };

    let mut controller = Controller::with(&tor);
    let ports = format!("80:{}", ours.port());
    let address = controller.publish("web", &[&ports], &[]);
    assert_eq!(visit(&address, 80), "ours");
    undisturbed(&mut neighbour, "published");
    controller.cli(["disable", "web"]).succeeded();
    assert!(!neighbour.knows(&address));
    undisturbed(&mut neighbour, "disabled");
    controller.cli(["enable", "web", "--wait", "--timeout", "120"]).succeeded();
    assert!(neighbour.knows(&address));
    controller.cli(["remove", "web", "--yes"]).succeeded();
    assert!(!neighbour.knows(&address));
    undisturbed(&mut neighbour, "removed");

    let address = controller.publish("web", &[&ports], &[]);
    assert!(neighbour.knows(&address));
    controller.kill();
    let gone = wait_until(PATIENCE, || (!neighbour.knows(&address)).then_some(()));
    assert!(gone.is_some(), "the service of a killed controller is still in Tor");
    undisturbed(&mut neighbour, "the controller killed");

    controller.start();
    controller.wait_for_state("web", "published");
    assert!(neighbour.knows(&address));
    let (status, after) = controller.terminate();
    assert!(status.success(), "{status}: {}", controller.log());
    assert!(after < Duration::from_secs(5), "SIGTERM took {after:.1?}");
    assert!(!neighbour.knows(&address), "SIGTERM leaves the service in Tor");
    let log = controller.log();
    assert!(log.contains("services withdrawn count=1"), "withdrawn, not only dropped: {log}");
    assert!(!log.contains(address.trim_end_matches(".onion")), "the log names an address: {log}");
    undisturbed(&mut neighbour, "the controller terminated");
    eprintln!("SIGTERM: ended after {after:.2?}");
    for address in [&attached, &detached] {
        assert_eq!(visit(address, 80), "theirs");
    }
}
