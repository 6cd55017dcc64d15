// SPDX-License-Identifier: GPL-3.0-or-later
//! Publishing, seen from both ends.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tornet::{TorOptions, Website};

use crate::harness::{Controller, host_tor, network, shared_tor, visit};
use crate::site::Place;

#[test]
fn two_ports_and_a_socket_of_one_service_reach_a_visitor() {
    let controller = Controller::with(shared_tor());
    let directory = tempfile::tempdir().unwrap();
    let places = [
        Place::tcp(Ipv4Addr::LOCALHOST).unwrap(),
        Place::tcp(Ipv4Addr::LOCALHOST).unwrap(),
        Place::Unix(directory.path().join("pad.sock")),
    ];
    let _sites: Vec<_> = places.iter().zip(["one", "two", "pad"]).map(|(place, page)| place.open(page)).collect();
    let ports: Vec<String> =
        places.iter().zip([80, 8080, 443]).map(|(place, port)| format!("{port}:{}", place.target())).collect();
    let arguments = ["publish", "--name", "web", "--wait", "--timeout", "120", "--json"];
    let answer = controller.cli(arguments.into_iter().chain(ports.iter().map(String::as_str))).succeeded();

    // Progress and advice are talk, the result is data.
    let published: Value = serde_json::from_str(&answer.stdout).expect("nothing but JSON on standard output");
    for said in ["web: publishing, ", "uploads confirmed", "tails-server disable web", "forgotten, address and all"] {
        assert!(answer.stderr.contains(said), "{said:?} is missing in {}", answer.stderr);
    }
    assert_eq!(published["state"], "published");

    let address = controller.address("web");
    assert_eq!(address.len(), 56 + ".onion".len());
    for (port, page) in [(80, "one"), (8080, "two"), (443, "pad")] {
        assert_eq!(visit(&address, port), page);
    }
    every_verb_tells_the_same(&controller, &published, &address, &places);
}

/// `publish`, `info`, `list`, `status` and `address` say the same, as JSON and as YAML.
fn every_verb_tells_the_same(controller: &Controller, published: &Value, address: &str, places: &[Place]) {
    let json = |arguments: &[&str]| -> Value {
        let arguments = arguments.iter().copied().chain(["--json"]);
        serde_json::from_str(&controller.cli(arguments).succeeded().stdout).expect("JSON")
    };
    let info = json(&["info", "web"]);
    assert_eq!(&info, published);
    assert_eq!(info["address"], address);
    let mut ports: Vec<(u64, &str)> = info["ports"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|port| (port["virtual-port"].as_u64().expect("a number"), port["target"].as_str().expect("a target")))
        .collect();
    ports.sort_unstable();
    let targets: Vec<String> = places.iter().map(Place::target).collect();
    let [one, two, pad] = targets.as_slice() else { unreachable!("there are three") };
    assert_eq!(ports, [(80, one.as_str()), (443, pad.as_str()), (8080, two.as_str())]);

    let details = json(&["info", "web", "--details"]);
    assert!(details["details"]["uploads-confirmed"].as_u64().is_some_and(|count| count > 0), "{details}");
    let status = json(&["status", "web"]);
    assert_eq!((&status["state"], &status["published"]), (&"published".into(), &true.into()));
    assert_eq!((&status["running"], &status["installed"]), (&true.into(), &true.into()));
    let list = json(&["list"]);
    assert_eq!((&list[0]["name"], &list[0]["state"]), (&"web".into(), &"published".into()));
    let overview = json(&["status"]);
    assert_eq!((&overview["tor"]["online"], &overview["tor"]["bootstrap"]), (&true.into(), &100.into()));
    assert_eq!(overview["services"], list);

    assert_eq!(controller.cli(["address", "web"]).succeeded().stdout, format!("{address}\n"));
    assert_eq!(json(&["address", "web"])["address"], address);
    let yaml = controller.cli(["info", "web"]).succeeded().stdout;
    assert!(yaml.contains(&format!("address: {address}\n")) && yaml.contains("state: published\n"), "{yaml}");
    // Who looks over a shoulder at these does not learn the address.
    for arguments in [["list"].as_slice(), &["status"], &["status", "web"]] {
        let shown = controller.cli(arguments).succeeded().stdout;
        assert!(!shown.contains(".onion"), "{arguments:?} shows an address: {shown}");
    }
}

#[test]
fn waiting_shows_how_far_tor_is() {
    // A computer that starts without a network: Tor is there and stays at the beginning.
    let tor = network().tor(TorOptions::host().line("DisableNetwork 1")).unwrap();
    let controller = Controller::with(&tor);
    let site = Website::start("a page").unwrap();
    let port = format!("80:{}", site.port());
    let mut waiting = controller
        .cli_command(["publish", "--name", "web", "--wait", "--timeout", "120", &port])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines().map(|line| line.expect("UTF-8"));
    assert!(lines.any(|line| line.starts_with("web: waiting for Tor, 0 %")), "it does not wait for Tor");
    assert_eq!(controller.service_state("web"), "waiting-for-tor");
    tor.set_conf("DisableNetwork=0").unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(waiting.wait().unwrap().success(), "{rest:?}");
    for progress in ["web: waiting for Tor, ", "web: publishing, "] {
        assert!(rest.iter().any(|line| line.starts_with(progress)), "{progress:?} is missing in {rest:?}");
    }
    assert_eq!(visit(&controller.address("web"), 80), "a page");
}

#[test]
fn ten_services_at_once_are_all_published() {
    let tor = host_tor();
    let controller = Controller::with(&tor);
    let sites: Vec<_> = (0..10).map(|number| Website::start(&format!("page {number}")).unwrap()).collect();
    let began = Instant::now();
    for (number, site) in sites.iter().enumerate() {
        controller.cli(["publish", "--name", &format!("web{number}"), &format!("80:{}", site.port())]).succeeded();
    }
    for number in 0..sites.len() {
        controller.wait_for_state(&format!("web{number}"), "published");
    }
    eprintln!("ten services at once: published after {:.1?}", began.elapsed());
    thread::scope(|scope| {
        for number in 0..sites.len() {
            let address = controller.address(&format!("web{number}"));
            scope.spawn(move || assert_eq!(visit(&address, 80), format!("page {number}")));
        }
    });
    eprintln!("ten services at once: fetched after {:.1?}", began.elapsed());
}
