// SPDX-License-Identifier: GPL-3.0-or-later
//! A service is published for exactly as long as somebody listens on its target.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use tornet::{Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, visit, visit_fails};
use crate::site::{Place, Site};
use crate::witness::Witness;

/// Time for a service whose server went to be out of Tor. The kernel tells of TCP at once, unix sockets are looked at every
/// two seconds.
const WITHDRAWN: Duration = Duration::from_secs(10);

#[test]
fn a_service_comes_goes_and_comes_again_with_its_listener() {
    let tor = host_tor();
    let controller = Controller::with(&tor);
    let directory = tempfile::tempdir().unwrap();
    let socket = Place::Unix(directory.path().join("pad.sock"));
    // A socket that nobody listens on any more: one that never was is refused as a typing error.
    drop(socket.open(""));
    let mut places = vec![
        ("loopback", Place::tcp(Ipv4Addr::LOCALHOST).unwrap()),
        ("everywhere", Place::tcp(Ipv4Addr::UNSPECIFIED).unwrap()),
        ("socket", socket),
    ];
    match Place::tcp(Ipv6Addr::LOCALHOST) {
        Some(place) => places.push(("ipv6", place)),
        None => eprintln!("no IPv6 on the loopback: left out"),
    }

    let mut witness = Witness::of(&tor);
    for (name, place) in &places {
        controller.cli(["publish", "--name", name, &format!("80:{}", place.target())]).succeeded();
        controller.wait_for_state(name, "starting");
        let expected = format!("nothing listens on {}", place.target());
        let told = wait_until(PATIENCE, || (controller.status(name)["problem"] == *expected).then_some(()));
        assert!(told.is_some(), "{}", controller.status(name));
    }
    let addresses: Vec<String> = places.iter().map(|(name, _)| controller.address(name)).collect();
    // One with a server shows that there was time enough for the others.
    let reference = Website::start("reference").unwrap();
    let reachable = controller.publish("reference", &[&format!("80:{}", reference.port())], &[]);
    for ((name, _), address) in places.iter().zip(&addresses) {
        assert_eq!(controller.service_state(name), "starting");
        assert!(!witness.knows(address) && !witness.saw("HS_DESC", address), "{name} is in Tor");
    }

    let sites = open(&places);
    published(&controller, &places, &addresses, &mut witness);

    let began = Instant::now();
    drop(sites);
    for ((name, _), address) in places.iter().zip(&addresses) {
        let gone = wait_until(WITHDRAWN, || (!witness.knows(address)).then(|| began.elapsed()));
        eprintln!("{name}: out of Tor {:.1?} after its listener", gone.expect("withdrawn"));
        assert_eq!(controller.service_state(name), "starting");
    }
    visit_fails(&addresses[0], &reachable, 80);

    let _sites = open(&places);
    published(&controller, &places, &addresses, &mut witness);
    let now: Vec<String> = places.iter().map(|(name, _)| controller.address(name)).collect();
    assert_eq!(now, addresses);
}

fn open(places: &[(&str, Place)]) -> Vec<Site> {
    places.iter().map(|(name, place)| place.open(name)).collect()
}

/// All are published and known to Tor, and give a visitor their own page.
fn published(controller: &Controller, places: &[(&str, Place)], addresses: &[String], witness: &mut Witness) {
    for ((name, _), address) in places.iter().zip(addresses) {
        controller.wait_for_state(name, "published");
        assert!(witness.knows(address), "{name} is not in Tor");
    }
    thread::scope(|scope| {
        for ((name, _), address) in places.iter().zip(addresses) {
            scope.spawn(move || assert_eq!(visit(address, 80), *name));
        }
    });
}
