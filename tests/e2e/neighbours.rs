// SPDX-License-Identifier: GPL-3.0-or-later
//! Others have onion services in the same Tor. Ours come and go; theirs are none of our business.

use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

#[test]
fn a_service_of_somebody_else_with_our_key_is_not_taken_for_ours() {
    let tor = host_tor();
    let site = Website::start("ours").unwrap();
    let controller = Controller::with(&tor);
    let port = format!("80:{}", site.port());
    let address = controller.publish("web", &[&port], &["--private", "--client", "alice"]);
    let copy = controller.runtime().join("copy");
    controller.cli(["key", "export", "web", "--output", copy.to_str().unwrap()]).succeeded();
    controller.cli(["disable", "web"]).succeeded();
    // Tor's form of the file is a header of 32 bytes and the expanded key.
    let key = STANDARD.encode(&fs::read(copy.join("hs_ed25519_secret_key")).unwrap()[32..]);
    let theirs = Website::start("theirs").unwrap();
    let add = format!("ADD_ONION ED25519-V3:{key} Flags=DiscardPK,Detach Port=80,127.0.0.1:{}", theirs.port());
    tor.control().unwrap().command(&add).unwrap();
    let mut witness = Witness::of(&tor);
    assert_eq!(witness.detached(), std::slice::from_ref(&address));
    assert_eq!(visit(&address, 80), "theirs", "it is open to everybody");

    controller.cli(["enable", "web"]).succeeded();
    let told = wait_until(PATIENCE, || {
        let status = controller.status("web");
        assert_ne!(status["state"], "published", "{status}");
        let problem = status["problem"].as_str().unwrap_or_default();
        problem.contains("has a service with this address already").then_some(status)
    });
    let status = told.unwrap_or_else(|| unreachable!("it is not told: {}", controller.status("web")));
    assert_eq!(status["access-settled"], false, "nobody knows whom that one lets in: {status}");
    assert_eq!(witness.detached(), std::slice::from_ref(&address), "theirs is left alone");

    tor.control().unwrap().command(&format!("DEL_ONION {}", address.trim_end_matches(".onion"))).unwrap();
    controller.wait_for_state("web", "published");
    assert_eq!(controller.status("web")["access-settled"], true);
    assert!(witness.detached().is_empty() && witness.knows(&address));
}
