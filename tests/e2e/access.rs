// SPDX-License-Identifier: GPL-3.0-or-later
//! A private service: who was invited gets in, with any tor of theirs, until they are removed.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use tornet::socks::{self, Proxy};
use tornet::{Tor, TorOptions, Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, network};

/// Longer than a refusal takes, shorter than a visitor waits for a service that went.
const ONE_TRY: Duration = Duration::from_secs(20);

fn visit(tor: &Tor, address: &str, word: &str) -> Result<String, socks::SocksError> {
    socks::get(Proxy::isolated(tor.socks_port(), word), address, 80, "/", ONE_TRY)
}

/// Visits on fresh circuits until there is a page.
fn gets_in(tor: &Tor, address: &str) -> bool {
    let mut tries = 0;
    let page = wait_until(PATIENCE, || {
        tries += 1;
        visit(tor, address, &format!("in-{tries}")).ok()
    });
    if page.is_none() {
        eprintln!("no page after {tries} tries{}", network().told_of(address));
    }
    page.as_deref() == Some("a page")
}

#[test]
fn who_was_invited_gets_in_and_who_was_removed_does_not() {
    let (tor, theirs) = (host_tor(), network().tor(TorOptions::client()).unwrap());
    theirs.wait_bootstrapped(PATIENCE).unwrap();
    let (host, guest) = (Controller::with(&tor), Controller::with(&theirs));
    let site = Website::start("a page").unwrap();
    host.cli(["publish", "--private", "--name", "web", &format!("80:{}", site.port())]).succeeded();
    assert_eq!(host.service_state("web"), "failed", "nobody may connect: it is not even published");
    host.cli(["client", "add", "web", "bob"]).succeeded();
    let invitation = host.cli(["invite", "web", "--for", "alice", "--expires", "7d"]).succeeded().stdout;
    host.wait_for_state("web", "published");
    let address = host.address("web");
    assert!(visit(&theirs, &address, "uninvited").is_err());

    let file = guest.runtime().join("invitation");
    fs::write(&file, &invitation).unwrap();
    let began = Instant::now();
    guest.cli(["join", file.to_str().unwrap(), "--yes", "--json"]).succeeded();
    assert!(gets_in(&theirs, &address));
    eprintln!("join and fetch: {:.1?}", began.elapsed());

    // Tor forgets the key when it ends; the controller does not.
    theirs.kill();
    theirs.start().unwrap();
    theirs.wait_bootstrapped(PATIENCE).unwrap();
    assert!(gets_in(&theirs, &address));

    let check: Value = serde_json::from_str(&host.cli(["check", "web", "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&check["found"], &check["reached"]), (&Value::from(true), &Value::from(true)), "{check}");
    let check: Value =
        serde_json::from_str(&host.cli(["check", "web", "--no-visit", "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&check["found"], &check["reached"]), (&Value::from(true), &Value::Null), "{check}");

    let answer = host.cli(["client", "remove", "web", "alice", "--yes"]).succeeded();
    assert!(answer.stderr.contains("ended at"), "{answer:#?}");
    host.wait_for_state("web", "published");
    assert!(visit(&theirs, &address, "removed").is_err());
    // It is there, and for bob alone.
    let status = host.status("web");
    assert_eq!((&status["clients"], &status["access-settled"]), (&Value::from(1), &Value::from(true)), "{status}");
    assert_eq!(host.address("web"), address);
}
