// SPDX-License-Identifier: GPL-3.0-or-later
//! The lives of one service in Tor, one after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use tornet::Website;

use crate::harness::{Controller, PATIENCE, host_tor};

/// How long after our controller an event may reach the test: Tor writes to both in the same breath.
const SAME_BREATH: Duration = Duration::from_millis(500);

/// Tor blames its guard for circuits that are closed before their first hop answered, and takes another one. So no life
/// ends before Tor has the circuits that it needs: it sends the descriptors then.
#[test]
fn a_client_who_is_let_in_right_after_another_does_not_cost_tor_its_guard() {
    let (tor, site) = (host_tor(), Website::start("a page").unwrap());
    let host = Controller::with(&tor);
    let mut control = tor.control().unwrap();
    control.command("SETEVENTS HS_DESC GUARD").unwrap();
    host.cli(["publish", "--private", "--client", "alice", "--name", "web", &format!("80:{}", site.port())])
        .succeeded();
    let mut events = Vec::new();
    while !events.iter().any(|event: &String| event.starts_with("HS_DESC CREATED")) {
        events.push(control.next_event(PATIENCE).expect("a life of the service"));
    }
    host.cli(["client", "add", "web", "bob"]).succeeded();
    host.wait_for_state("web", "published");
    assert_eq!(host.status("web")["clients"], 2);

    events.extend(std::iter::from_fn(|| control.next_event(SAME_BREATH).ok()));
    let (mut descriptors, mut lives, mut has_sent) = (BTreeSet::new(), 1, false);
    for event in &events {
        let words: Vec<_> = event.split(' ').collect();
        match words[..] {
            // Tor makes each once in the life of a service: this is the next life.
            ["HS_DESC", "CREATED", _, _, _, descriptor, ..] if !descriptors.insert(descriptor) => {
                assert!(has_sent, "a life that ended too early: {events:#?}");
                (descriptors, lives, has_sent) = (BTreeSet::from([descriptor]), lives + 1, false);
            }
            ["HS_DESC", "UPLOAD", ..] => has_sent = true,
            ["GUARD", "ENTRY", _, state, ..] => assert_ne!(state, "DOWN", "{events:#?}"),
            _ => (),
        }
    }
    assert!(has_sent && lives == 2, "{lives} lives: {events:#?}");
}
