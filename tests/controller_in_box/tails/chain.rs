// SPDX-License-Identifier: GPL-3.0-or-later
//! The chain of Tails: boot, volume, network, Tor, bootstrapped, published; and again, whatever happens to the network.

use tails_box::{may_boot, wait_until};

use super::Tails;
use crate::clients::irc::Guest;
use crate::reach::Reach;
use crate::system::PATIENCE;

const SERVICE: &str = "ngircd";
const PORT: u16 = 6667;

#[test]
fn the_chain_of_tails_ends_in_a_published_service_once_and_never_early() {
    if !may_boot("the_chain_of_tails_ends_in_a_published_service_once_and_never_early") {
        return;
    }
    let Some(mut tails) = Tails::boot() else { return };
    tails.network("up");
    tails.cli(&["enable", SERVICE]);
    for option in ["persistence", "autostart", "allow-lan"] {
        tails.cli(&["set-option", SERVICE, option, "on"]);
    }
    tails.wait_for_state(SERVICE, "waiting-for-tor");
    tails.wait_until_applied(SERVICE);
    let (address, password) = (tails.address(SERVICE), tails.option(SERVICE, "password"));

    // Boot, without a network; then somebody unlocks the volume.
    tails.boot_again();
    let reach = Reach::around(&tails);
    tails.join(&reach);
    // The controller is there before the volume: it says what is missing, and nothing is written to where it will be.
    assert_eq!(tails.names(), [""; 0]);
    assert!(tails.problems().contains("Persistent Storage"), "{}", tails.problems());
    let refused = tails.attempt(&["publish", "8080", "--persistent"]);
    assert!(!refused.status.success() && refused.stderr.contains("Persistent Storage"), "{refused:?}");
    assert_eq!(tails.run(&["find", "/var/lib/tails-server", "/var/lib/tails-server-data", "-mindepth", "1"]), "");
    tails.unlock();
    tails.wait_for_state(SERVICE, "waiting-for-tor");
    assert_eq!(tails.address(SERVICE), address);
    assert!(tails.lives().iter().all(|life| life.bootstrapped().is_none()));

    // The network comes up, and Tor is restarted; it waits until Tor Connection lets it onto the network.
    tails.network("up");
    assert_eq!(wait_for_life(&tails, 0), 1, "no network, no Tor");
    assert_eq!(tails.state(SERVICE), "waiting-for-tor");
    assert!(tails.lives().last().unwrap().added().is_empty());
    tails.run(&["tor-connection", "connect"]);
    reach.wait_for_visitor();
    published(&tails, &address);
    let visit = |nick| Guest::join(reach.connect(&tails, &address, PORT), nick, &password, "lobby");
    let (_guest, said) = visit("alice");
    assert!(said.contains(" 001 alice "), "{said}");

    for _ in 0..3 {
        let before = tails.lives().len();
        tails.network("down");
        gone(&tails);
        tails.network("up");
        assert_eq!(wait_for_life(&tails, before), before + 1, "restarted by the dispatcher");
        published(&tails, &address);
        lan_reaches(&tails);
    }
    let before = tails.lives().len();
    tails.run(&["tor-connection", "switch", "CircuitStreamTimeout 60"]);
    assert_eq!(wait_for_life(&tails, before), before + 1);
    published(&tails, &address);
    let (_guest, said) = visit("bob");
    assert!(said.contains(" 001 bob "), "{said}");
    lan_reaches(&tails);
    tails.refused();
    // Tails lets no system user use Tor's SOCKS port: the visit is left out, and the look for the descriptor counts.
    let answer = tails.attempt(&["check", SERVICE]);
    assert!(
        answer.stdout.contains("found: true\n") && answer.stdout.contains("reached: null\n"),
        "{}{}",
        answer.stdout,
        answer.stderr
    );
}

#[test]
fn with_tor_up_a_service_waits_until_somebody_listens_as_packages_come_late_in_tails() {
    if !may_boot("with_tor_up_a_service_waits_until_somebody_listens_as_packages_come_late_in_tails") {
        return;
    }
    let Some(tails) = Tails::boot() else { return };
    tails.start_web();
    tails.run(&["systemctl", "stop", "web.socket", "web.service"]);
    let reach = Reach::around(&tails);
    tails.join(&reach);
    let address = tails.publish(&["80:8080", "--name", "web"]);
    tails.network("up");
    tails.run(&["tor-connection", "connect"]);
    tails.wait_for_target();
    tails.wait_for_tor();
    tails.wait_for_state("web", "starting");
    // Told once more that Tor is up: it is no reason.
    tails.run(&["systemctl", "restart", super::HOOK]);
    assert_eq!(tails.state("web"), "starting");
    assert!(tails.lives().last().unwrap().added().is_empty());
    tails.run(&["systemctl", "start", "web.socket"]);
    published_as("web", &tails, &address);
    tails.refused();
}

/// Waits for the target and for the service, and asserts that Tor got it once in this life and not early.
fn published(tails: &Tails, address: &str) {
    published_as(SERVICE, tails, address);
}

pub(super) fn published_as(service: &str, tails: &Tails, address: &str) {
    tails.wait_for_target();
    tails.wait_for_state(service, "published");
    tails.assert_once_and_not_early(address);
}

/// The target stops with the network; Tor goes on.
fn gone(tails: &Tails) {
    let stopped = wait_until(PATIENCE, || (!tails.is_active(super::TARGET)).then_some(()));
    assert!(stopped.is_some(), "{}", tails.log());
    assert!(tails.is_active(super::TOR), "Tails leaves it");
}

/// Waits until Tor lives once more; how many lives that are.
pub(super) fn wait_for_life(tails: &Tails, before: usize) -> usize {
    wait_until(PATIENCE, || Some(tails.lives().len()).filter(|lives| *lives > before)).unwrap()
}

/// The rules of allow-lan survive that the firewall is made anew.
fn lan_reaches(tails: &Tails) {
    let connected = wait_until(PATIENCE, || tails.machine.neighbour().unwrap().connect(PORT).ok());
    assert!(connected.is_some(), "{}", tails.run(&["iptables-save"]));
}
