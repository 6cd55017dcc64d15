// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server plan`: what the controller does and waits for, in its own words, without doing anything.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tornet::wait_until;

use crate::given::{NO_TOR, assert_refused, controller, publish};
use crate::harness::{Controller, PATIENCE};
use crate::peer::{Peer, obey, send};

fn plan(controller: &Controller, name: Option<&str>) -> Vec<Value> {
    let answer = controller.cli(["plan", "--json"].into_iter().chain(name)).succeeded();
    let told: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
    for told in &told {
        assert!(told["what"].is_string() && told["why"].is_string(), "{told:#}");
    }
    assert!(!answer.stdout.contains(".onion"), "{answer:#?}");
    told
}

/// The one thing that is told of a service, once it is so.
fn until(controller: &Controller, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let told = wait_until(PATIENCE, || {
        let mut told = plan(controller, Some(name));
        assert!(told.len() == 1, "{told:#?}");
        Some(told.remove(0)).filter(&is_so)
    });
    told.unwrap_or_else(|| panic!("{:#?}\n{}", plan(controller, Some(name)), controller.log()))
}

#[test]
fn what_is_waited_for_is_said_with_what_to_do() {
    let controller = controller();
    let nothing = controller.cli(["plan"]).succeeded();
    assert_eq!((nothing.stdout.trim(), nothing.stderr.trim()), ("[]", "There is nothing to do."));
    publish(&controller, "web", &[]);
    let silent = until(&controller, "web", |told| told["why"].as_str().unwrap().contains("nothing listens"));
    assert_eq!(
        (&silent["stage"], &silent["act"], &silent["what"]),
        (&"waits".into(), &Value::Null, &"publish it".into())
    );
    assert!(silent["hint"].as_str().unwrap().contains("Start the server"), "{silent:#}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("80:{}", listener.local_addr().unwrap().port());
    controller.cli(["publish", &port, "--name", "pad"]).succeeded();
    let waiting = until(&controller, "pad", |told| told["why"].as_str().unwrap().contains("no control socket"));
    assert_eq!(waiting["stage"], "waits");

    // What is settled is told of only when it is asked for.
    controller.cli(["disable", "pad"]).succeeded();
    let settled = until(&controller, "pad", |told| told["stage"] == "settled");
    assert!(settled["why"].as_str().unwrap().contains("disabled"), "{settled:#}");
    assert!(plan(&controller, None).iter().all(|told| told["service"] == "web"));
    assert_refused(controller.cli(["plan", "wbe"]), 3, &["Did you mean \"web\"?"]);
}

#[test]
fn each_step_of_a_described_service_is_said_while_it_is_under_way_and_none_once_all_is_done() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    let mut controller =
        Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", services.to_str().unwrap()]);
    controller.start();
    assert_eq!(plan(&controller, Some("mumble")), [Value::Null; 0], "it is known, and nothing is planned");
    controller.cli(["enable", "mumble"]).succeeded();
    let installing = until(&controller, "mumble", |told| told["act"] == "install");
    assert_eq!(installing["stage"], "under-way");
    assert_eq!(installing["why"], "it is enabled, or was asked for, and its server is not installed");
    let settled = until(&controller, "mumble", |told| told["stage"] == "settled");
    assert!(settled["why"].as_str().unwrap().contains("HSDirs have its descriptor"), "{settled:#}");
    let nothing = controller.cli(["plan"]).succeeded();
    assert_eq!((nothing.stdout.trim(), nothing.stderr.trim()), ("[]", "There is nothing to do."));
}

#[test]
fn a_retry_has_its_time_and_to_ask_for_the_plan_changes_nothing() {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let control = place.path().join("control");
    let (heard, refusals) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (theirs, count) = (Arc::clone(&heard), Arc::clone(&refusals));
    let _tor = Peer::start(&control, move |stream| {
        let (heard, count) = (Arc::clone(&theirs), Arc::clone(&count));
        obey(stream, move |command, stream| {
            heard.lock().unwrap().push(command.split(' ').next().unwrap().to_owned());
            if command.starts_with("ADD_ONION") {
                count.fetch_add(1, Ordering::SeqCst);
                send(stream, b"551 Failed to add Onion Service\r\n");
                return false;
            }
            true
        });
    });
    let mut controller = Controller::new(format!("unix:{}", control.display()));
    controller.start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("80:{}", listener.local_addr().unwrap().port());
    controller.cli(["publish", &port, "--name", "web"]).succeeded();
    let held = until(&controller, "web", |told| told["until"].is_string());
    assert_eq!((&held["stage"], &held["act"]), (&"waits".into(), &Value::Null), "{held:#}");
    assert!(held["what"] == "add it to Tor" || held["what"] == "publish it", "{held:#}");
    // The pauses double: there is one long enough to ask often.
    let quiet = wait_until(PATIENCE, || {
        let before = heard.lock().unwrap().len();
        for _ in 0..10 {
            plan(&controller, None);
        }
        (heard.lock().unwrap().len() == before).then_some(())
    });
    let commands = heard.lock().unwrap().clone();
    assert!(quiet.is_some(), "{commands:?}");
    let again = wait_until(PATIENCE, || (refusals.load(Ordering::SeqCst) >= 2).then_some(()));
    assert!(again.is_some(), "it is tried again by itself");
}
