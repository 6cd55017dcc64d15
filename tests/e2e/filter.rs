// SPDX-License-Identifier: GPL-3.0-or-later
//! Through a filter of onion-grater's kind, with our profile: everything works, but for what does not fit into a line.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tornet::{Filter, Profile, Tor, TorOptions, Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, network, visit};
use crate::witness::Witness;

/// The profile that is installed.
pub(crate) const OURS: &str = include_str!("../../contrib/onion-grater/tails-server.yml");
/// The port of onion-grater.
const PORT: u16 = 951;
/// How long after a restart of Tor the controller may take the old one for the new one, and then some.
const NOTICED: Duration = Duration::from_secs(60);

/// A filter on a unix socket before a tor, and a controller that is given it for Tor.
pub(crate) struct Filtered {
    pub(crate) controller: Controller,
    pub(crate) filter: Filter,
    // Taken apart, it has to be named first: the socket goes last.
    pub(crate) directory: TempDir,
}

impl Filtered {
    pub(crate) fn new(tor: &Tor, profile: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("ts-filter-").tempdir().expect("a directory");
        let socket = directory.path().join("control");
        let filter = Filter::on_socket(&socket, tor, Profile::parse(profile).expect("a profile"));
        let filter = filter.expect("a filter");
        let mut controller = Controller::new(format!("unix:{}", socket.display()));
        controller.start();
        Self { controller, filter, directory }
    }
}

pub(crate) fn overview(controller: &Controller) -> Value {
    serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).expect("JSON")
}

/// Whether a page comes from a private service, on circuits of its own.
fn page(tor: &Tor, address: &str, word: &str) -> Option<String> {
    let proxy = tornet::socks::Proxy::isolated(tor.socks_port(), word);
    tornet::socks::get(proxy, address, 80, "/", Duration::from_secs(20)).ok()
}

fn gets_in(tor: &Tor, address: &str) -> bool {
    let mut tries = 0;
    let found = wait_until(PATIENCE, || {
        tries += 1;
        page(tor, address, &format!("filtered-{tries}"))
    });
    found.as_deref() == Some("a page")
}

/// The place where onion-grater listens, or a socket where that needs root and there is none.
fn in_its_place(tor: &Tor, directory: &TempDir) -> (Filter, String) {
    let profile = || Profile::parse(OURS).expect("our profile");
    match Filter::on_port(PORT, tor, profile()) {
        Ok(filter) => return (filter, format!("tcp:127.0.0.1:{PORT}")),
        Err(cause) => {
            let may_go_without = std::env::var_os("TAILS_SERVER_WITHOUT_ROOT").is_some();
            let is_for_root = cause.kind() == io::ErrorKind::PermissionDenied;
            assert!(is_for_root && may_go_without, "cannot listen on port {PORT}: {cause}");
        }
    }
    let socket = directory.path().join("control");
    (Filter::on_socket(&socket, tor, profile()).expect("a filter"), format!("unix:{}", socket.display()))
}

#[test]
fn with_our_profile_everything_works_and_nothing_is_refused() {
    let tor = host_tor();
    let directory = tempfile::Builder::new().prefix("ts-filter-").tempdir().unwrap();
    let (filter, place) = in_its_place(&tor, &directory);
    let mut host = Controller::new(place);
    host.start();
    let site = Website::start("a page").unwrap();
    let port = format!("80:{}", site.port());

    let address = host.publish("web", &[&port], &[]);
    for (option, value) in [("max-streams", "100"), ("pow", "on")] {
        host.cli(["set-option", "web", option, value, "--yes"]).succeeded();
    }
    host.wait_for_state("web", "published");
    assert_eq!(visit(&address, 80), "a page");
    let info: Value =
        serde_json::from_str(&host.cli(["info", "web", "--details", "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&info["state"], info.get("problem")), (&"published".into(), None), "{info}");
    let check: Value = serde_json::from_str(&host.cli(["check", "web", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(check["found"], true, "{check}");
    // A real Tor answers what the doctor asks, and the filter lets it through.
    let findings: Value = serde_json::from_str(&host.cli(["doctor", "--json"]).stdout).unwrap();
    let of = |id: &str| findings.as_array().unwrap().iter().find(|finding| finding["id"] == id).unwrap().clone();
    for id in ["control-filter", "disable-network", "tor-bootstrap", "tor-has-services", "publication", "listener"] {
        assert_eq!(of(id)["severity"], "ok", "{findings:#}");
    }

    // Somebody is let in, with a controller and a filter of their own, and sent away.
    let theirs = network().tor(TorOptions::client()).unwrap();
    theirs.wait_bootstrapped(PATIENCE).unwrap();
    let guest = Filtered::new(&theirs, OURS);
    host.cli(["publish", "--private", "--name", "pad", &port]).succeeded();
    host.cli(["client", "add", "pad", "bob"]).succeeded();
    let invitation = host.cli(["invite", "pad", "--for", "alice"]).succeeded().stdout;
    host.wait_for_state("pad", "published");
    let private = host.address("pad");
    let file = guest.controller.runtime().join("invitation");
    fs::write(&file, invitation).unwrap();
    guest.controller.cli(["join", file.to_str().unwrap(), "--yes"]).succeeded();
    assert!(gets_in(&theirs, &private));
    let answer = host.cli(["client", "remove", "pad", "alice", "--yes"]).succeeded();
    assert!(answer.stderr.contains("ended at"), "{answer:#?}");
    host.wait_for_state("pad", "published");
    assert_eq!(host.status("pad")["access-settled"], true);
    assert_eq!(page(&theirs, &private, "removed"), None);
    guest.controller.cli(["leave", "pad", "--yes"]).succeeded();
    let has_left = || guest.filter.lines().iter().any(|line| line.starts_with("ONION_CLIENT_AUTH_REMOVE "));
    assert!(wait_until(PATIENCE, || has_left().then_some(())).is_some());

    is_published_again_after_a_restart(&tor, &host, &address, &private);
    let told = overview(&host);
    assert!(!told.to_string().contains("hides"), "{told:#}");
    assert_eq!((filter.refused(), guest.filter.refused()), (vec![], vec![]));
    for command in ["CLOSECIRCUIT", "HSFETCH", "ADD_ONION", "DEL_ONION", "GETINFO circuit-status"] {
        assert!(filter.lines().iter().any(|line| line.starts_with(command)), "{command} was not tried");
    }
}

/// The filter keeps our connection and goes over to the next Tor, which has nothing of ours.
fn is_published_again_after_a_restart(tor: &Tor, host: &Controller, address: &str, private: &str) {
    let began = Instant::now();
    tor.kill();
    tor.start().expect("the same tor");
    tor.wait_bootstrapped(PATIENCE).expect("in the network");
    let noticed = wait_until(NOTICED, || (host.service_state("web") != "published").then_some(()));
    assert!(noticed.is_some(), "published, by a Tor that has nothing of it");
    let after = began.elapsed();
    let mut witness = Witness::of(tor);
    for (name, address) in [("web", address), ("pad", private)] {
        host.wait_for_state(name, "published");
        assert!(witness.knows(address), "{name} is called published, and this Tor does not have it");
    }
    eprintln!("a restart behind the filter: noticed after {after:.1?}, all published after {:.1?}", began.elapsed());
    assert_eq!(visit(address, 80), "a page");
}

#[test]
fn a_service_that_does_not_fit_into_a_line_stays_withdrawn_and_the_others_stay_published() {
    const CLIENTS: usize = 160;
    const FIT: usize = 150;
    let tor = host_tor();
    let Filtered { directory: _kept, controller, filter } = Filtered::new(&tor, OURS);
    let site = Website::start("a page").unwrap();
    let port = format!("80:{}", site.port());
    let address = controller.publish("web", &[&port], &[]);
    controller.cli(["publish", "--private", "--name", "crowd", &port]).succeeded();
    controller.cli(["disable", "crowd"]).succeeded();
    for number in 1..=CLIENTS {
        controller.cli(["client", "add", "crowd", &format!("c{number}")]).succeeded();
    }
    let before = filter.connections();
    let began = Instant::now();
    controller.cli(["enable", "crowd"]).succeeded();
    controller.wait_for_state("crowd", "failed");
    let failed = began.elapsed();
    controller.wait_for_state("web", "published");
    let ended = filter.connections() - before;
    eprintln!("{ended} connections ended; failed after {failed:.1?}, others published after {:.1?}", began.elapsed());
    assert!(ended <= 4, "{ended} connections");
    let status = controller.cli(["status", "crowd"]).succeeded().stdout;
    assert!(status.contains("when Tor is given the service") && status.contains("about 150 clients"), "{status}");
    // Long enough for several more attempts, of which there may be none.
    thread::sleep(Duration::from_secs(10));
    assert_eq!(filter.connections() - before, ended, "it was tried again");
    assert_eq!(controller.service_state("web"), "published");
    assert_eq!(visit(&address, 80), "a page");

    controller.cli(["disable", "crowd"]).succeeded();
    for number in FIT + 1..=CLIENTS {
        controller.cli(["client", "remove", "crowd", &format!("c{number}"), "--yes"]).succeeded();
    }
    controller.cli(["enable", "crowd"]).succeeded();
    controller.wait_for_state("crowd", "published");
    assert_eq!(filter.connections() - before, ended);
}
