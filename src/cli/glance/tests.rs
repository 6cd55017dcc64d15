// SPDX-License-Identifier: GPL-3.0-or-later
//! A fixed picture and a fixed width in, text out.

use super::*;
use crate::cli::terminal::width;

const NOW: u64 = 1_000_000;

fn tor() -> TorProperties {
    TorProperties {
        connected: true,
        version: Some("0.4.9.6".into()),
        bootstrap: 100,
        summary: "Done".into(),
        online: true,
        problem: None,
        hint: None,
        warnings: Vec::new(),
    }
}

fn service(state: &str, seconds: u64) -> ServiceProperties {
    ServiceProperties {
        state: state.into(),
        enabled: state != "disabled",
        running: true,
        described: false,
        installed: Some(true),
        progress: None,
        options_applied: None,
        allow_localhost: None,
        allow_lan: None,
        persistence: false,
        autostart: false,
        ports: vec![(80, "127.0.0.1:8080".into())],
        uploads_confirmed: 5,
        uploads_attempted: 16,
        other_confirmed: 0,
        other_attempted: 0,
        evidence: "none".into(),
        since: NOW - seconds,
        healed: 0,
        client_authorization: false,
        clients: 0,
        access_settled: true,
        max_streams: None,
        proof_of_work: None,
        problem: None,
        hint: None,
    }
}

fn described(description: &str) -> CatalogProperties {
    CatalogProperties {
        title: String::new(),
        description: description.into(),
        documentation: String::new(),
        client_application: String::new(),
        icon: String::new(),
        persistent_paths: Vec::new(),
        targets: Vec::new(),
        hosted: true,
        installed: None,
        problem: None,
        hint: None,
    }
}

fn services() -> HashMap<String, ServiceProperties> {
    let private = ServiceProperties {
        persistence: true,
        autostart: true,
        client_authorization: true,
        clients: 2,
        ..service("published", 200)
    };
    let stuck = ServiceProperties {
        problem: Some("nothing listens on 127.0.0.1:8080".into()),
        hint: Some("Start the server behind it".into()),
        ..service("starting", 3 * 3600)
    };
    let installing = ServiceProperties { progress: Some((43, "mumble".into())), ..service("installing", 12) };
    [
        ("web", private),
        ("pad", stuck),
        ("mumble", installing),
        ("files", service("publishing", 59)),
        ("old", service("disabled", 2 * 86_400)),
    ]
    .map(|(name, service)| (name.to_owned(), service))
    .into()
}

fn screen(columns: usize) -> Screen {
    Screen { width: Some(columns), ..Screen::PLAIN }
}

#[test]
fn one_glance_suffices() {
    let told = "\
+ Tor 0.4.9.6: online, 100 % bootstrapped

  NAME    STATE            SINCE   PERSISTED  AUTOSTART  CLIENTS
~ files   publishing 5/16  59 s    amnesic    off        open
~ mumble  installing 43 %  12 s    amnesic    off        open
- old     disabled         2 days  amnesic    off        open
! pad     starting         3 h     amnesic    off        open
    nothing listens on 127.0.0.1:8080
    Start the server behind it
+ web     published        3 min   kept       on         2";
    assert_eq!(overview(&tor(), &[], &services(), NOW, screen(80)), told);
    assert_eq!(overview(&tor(), &[], &services(), NOW, Screen::PLAIN), told);
}

#[test]
fn twenty_columns_are_enough() {
    let services = services().into_iter().filter(|(name, _)| name == "pad").collect();
    let told = "\
+ Tor 0.4.9.6:
online, 100 %
bootstrapped

! pad
  STATE: starting
  SINCE: 3 h
  PERSISTED: amnesic
  AUTOSTART: off
  CLIENTS: open
  nothing listens on
  127.0.0.1:8080
  Start the server
  behind it";
    assert_eq!(overview(&tor(), &[], &services, NOW, screen(20)), told);
}

#[test]
fn what_is_wrong_with_tor_and_the_store_comes_first() {
    let away = TorProperties {
        connected: false,
        version: None,
        bootstrap: 0,
        online: false,
        problem: Some("nothing answers on /run/tor/control".into()),
        hint: Some("Start Tor".into()),
        warnings: vec![("the clock is an hour slow".into(), "Set it".into()), ("it is old".into(), String::new())],
        ..tor()
    };
    let store = [StoreProblem { problem: "the disk is full".into(), hint: Some("Make room".into()) }];
    let told = "\
! Tor: not connected
  nothing answers on /run/tor/control
  Start Tor
! Warning: the clock is an hour slow
  Set it
! Warning: it is old
! Store: the disk is full
  Make room";
    assert_eq!(overview(&away, &store, &HashMap::new(), NOW, screen(80)), told);
    let begins = TorProperties { bootstrap: 62, online: false, summary: "Loading \x1b[2Jdescriptors".into(), ..tor() };
    let told = overview(&begins, &[], &HashMap::new(), NOW, screen(80));
    assert_eq!(told, "~ Tor 0.4.9.6: not online, 62 % bootstrapped (Loading [2Jdescriptors)");
}

#[test]
fn the_sign_says_what_the_colour_says() {
    let colourful = Screen { colours: true, ..screen(80) };
    let told = overview(&tor(), &[], &services(), NOW, colourful);
    for (sign, code) in [('+', "32"), ('~', "33"), ('!', "31"), ('-', "2")] {
        let line = told.lines().find(|line| line.starts_with(&format!("\x1b[{code}m{sign}")));
        assert!(line.is_some(), "{sign}: {told}");
    }
}

#[test]
fn the_list_has_the_services_and_then_those_that_can_be_had() {
    let services = services().into_iter().filter(|(name, _)| name == "pad" || name == "web").collect();
    let broken = CatalogProperties { problem: Some("its descriptor is broken".into()), ..described("") };
    let had = [("web", described("no")), ("ssh", described("A shell, and files")), ("zim", broken)];
    let had = had.map(|(name, described)| (name.to_owned(), described)).into();
    let told = "  \
  NAME  STATE      PORTS
! pad   starting   80:127.0.0.1:8080
    nothing listens on 127.0.0.1:8080
    Start the server behind it
+ web   published  80:127.0.0.1:8080

To be had with `tails-server enable NAME`:
  NAME  STATE        DESCRIPTION
  ssh   available    A shell, and files
! zim   unavailable
    its descriptor is broken";
    assert_eq!(list(&services, &had, screen(80)), told);
    assert_eq!(list(&HashMap::new(), &HashMap::new(), screen(80)), "");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut services = services();
    services.insert("a-very-long-name-of-a-service-that-somebody-took".into(), service("waiting-for-tor", 0));
    let had = [("日本".to_owned(), described("音声チャットサーバー、高品質"))].into();
    for columns in 8..120 {
        let told = overview(&tor(), &[], &services, NOW, screen(columns));
        assert!(told.lines().all(|line| width(line) <= columns), "{columns}:\n{told}");
        let told = list(&services, &had, screen(columns));
        assert!(told.lines().all(|line| width(line) <= columns), "{columns}:\n{told}");
    }
}

#[test]
fn an_age_is_told_in_the_largest_unit_that_fits() {
    for (seconds, told) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_399, "23 h"), (86_400, "1 day")]
    {
        assert_eq!(age(NOW - seconds, NOW), told);
    }
    assert_eq!(age(NOW + 5, NOW), "0 s", "the clock was set back");
    assert_eq!(age(0, 10 * 86_400), "10 days");
}

#[test]
fn a_service_that_was_never_seen_changes_nothing() {
    let told = overview(&tor(), &[], &HashMap::new(), NOW, screen(80));
    assert_eq!(told.lines().next().unwrap(), "+ Tor 0.4.9.6: online, 100 % bootstrapped");
    assert_eq!(told.lines().count(), 1);
}
