// SPDX-License-Identifier: GPL-3.0-or-later
//! Through a filter with a profile that is not ours: no word that is not true, and advice.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use serde_json::Value;
use tornet::{Website, wait_until};

use crate::filter::{Filtered, OURS, overview};
use crate::harness::{Controller, PATIENCE, host_tor, shared_tor, visit, visit_fails};

/// Our profile, with one thing in it changed.
fn ours_but(what: &str, becomes: &str) -> String {
    assert!(OURS.contains(what), "{what}");
    OURS.replacen(what, becomes, 1)
}

/// What our profile has of ADD_ONION.
fn services() -> &'static str {
    let begin = OURS.find("    ADD_ONION:\n").expect("services");
    let end = OURS.find("    # Withdraws a service").expect("what follows them");
    &OURS[begin..end]
}

/// Waits until the overview has these words.
fn until_told(controller: &Controller, words: &str) -> Value {
    let told = wait_until(PATIENCE, || Some(overview(controller)).filter(|told| told.to_string().contains(words)));
    told.unwrap_or_else(|| unreachable!("{words:?} is never told: {:#}", overview(controller)))
}

#[test]
fn with_the_profile_of_another_program_it_says_what_is_missing_and_publishes_nothing() {
    let others = r"---
- apparmor-profiles: ['*']
  users: ['*']
  commands:
    GETINFO: ['version', 'onions/current', 'status/bootstrap-phase']
    ADD_ONION: ['NEW:ED25519-V3 Port=80,176[0-4][0-9]']
    DEL_ONION: ['.+']
  confs:
    __owningcontrollerprocess:
  events:
    CONF_CHANGED: {suppress: true}
    HS_DESC:
";
    let fixed_shape = ours_but(services(), "    ADD_ONION: ['NEW:ED25519-V3 Flags=DiscardPK Port=80,176[0-4][0-9]']\n");
    let site = Website::start("a page").unwrap();
    for (profile, refused, state, told) in [
        (others, "SETEVENTS ", "waiting-for-tor", "Tor can not be watched"),
        (&fixed_shape, "ADD_ONION ", "failed", "does not let the service through"),
        // Whether it is still the same Tor has to be known.
        (&ours_but("- 'process/pid'", "- 'version'"), "GETINFO process", "waiting-for-tor", "Tor can not be watched"),
    ] {
        let Filtered { directory: _kept, controller, filter } = Filtered::new(shared_tor(), profile);
        controller.cli(["publish", "--name", "web", &format!("80:{}", site.port())]).succeeded();
        let overview = until_told(&controller, told);
        let advice = controller.cli(["status", "web"]).succeeded().stdout;
        assert!(overview.to_string().contains("profile of Tails Server") || advice.contains("profile of Tails Server"));
        controller.wait_for_state("web", state);
        assert!(filter.refused().iter().any(|line| line.starts_with(refused)), "{:?}", filter.refused());
    }
}

#[test]
fn where_the_filter_hides_addresses_publication_is_counted_and_that_is_said() {
    let redacting = ours_but(
        "    HS_DESC:\n",
        r"    HS_DESC:
      response:
        - pattern: '650 HS_DESC CREATED .*'
          replacement: '650 HS_DESC CREATED redacted'
        - pattern: '650 HS_DESC UPLOAD (\S+ \S+) .*'
          replacement: '650 HS_DESC UPLOAD {} redacted redacted'
        - pattern: '650 HS_DESC UPLOADED (\S+ \S+) .*'
          replacement: '650 HS_DESC UPLOADED {} redacted'
        - pattern: '.*'
          replacement: ''
",
    );
    // The first hides the HSDir alone, the second the address, too.
    let tor = host_tor();
    for profile in [redacting.clone(), redacting.replace("{} redacted", "redacted redacted redacted")] {
        let Filtered { directory: _kept, controller, filter } = Filtered::new(&tor, &profile);
        let site = Website::start("a page").unwrap();
        let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
        assert_eq!(visit(&address, 80), "a page");
        let told = overview(&controller).to_string();
        assert!(told.contains("hides which service"), "{told}");
        let status = controller.cli(["status", "web"]).succeeded().stdout;
        assert!(status.contains("count"), "{status}");
        assert_eq!(filter.refused(), Vec::<String>::new());
    }
}

#[test]
fn where_the_filter_rewrites_targets_the_service_leads_there_and_its_publication_is_still_proven() {
    // As in Whonix, where a target of the workstation is rewritten to the workstation's address.
    let rewriting = ours_but(
        services(),
        r"    ADD_ONION:
      - pattern: '(\S+ Flags=\S+ Port=[0-9]+),127\.0\.0\.1:([0-9]+)'
        replacement: '{},127.0.0.2:{}'
",
    );
    let Filtered { directory: _kept, controller, filter: _filter } = Filtered::new(shared_tor(), &rewriting);
    let site = Website::start("where we said").unwrap();
    let port = format!("80:{}", site.port());
    let address = controller.publish("web", &[&port], &[]);
    // Nobody listens there, and nobody gets a page: published says that the service is found, and no more.
    let direct = Controller::with(shared_tor());
    let reachable = direct.publish("web", &[&port], &[]);
    assert_eq!(visit(&reachable, 80), "where we said");
    visit_fails(&address, &reachable, 80);
    let elsewhere = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), site.port())).unwrap();
    // For whoever comes, until the tests end: a visitor who gave up waiting may be the first.
    thread::spawn(move || {
        for mut visitor in elsewhere.incoming().flatten() {
            // The request is read: what is closed with something unread in it may take the answer along.
            let _ = visitor.read(&mut [0; 1024]);
            let _ = visitor.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 25\r\n\r\nwhere the filter rewrites");
        }
    });
    assert_eq!(visit(&address, 80), "where the filter rewrites");
    assert_eq!(controller.service_state("web"), "published");
}
