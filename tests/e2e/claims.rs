// SPDX-License-Identifier: GPL-3.0-or-later
//! Whoever says "published" has to have a proof, and an observer with a control connection of his own has it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tornet::{Observer, Tor, TorOptions, Website, wait_until};

use crate::harness::{Controller, PATIENCE, network};

/// Enough that some are published and others on their way when something happens.
const SERVICES: usize = 12;
/// How many of them are published when Tor is killed for the first time.
const SOME: usize = 3;
/// How often the status is asked while there is no Tor.
const LOOKS: usize = 20;

#[test]
fn every_published_has_its_proof_while_tor_and_the_controller_are_killed() {
    // It comes without a network each time, so that the observer is there before anything is uploaded.
    let tor = network().tor(TorOptions::host().line("DisableNetwork 1")).unwrap();
    let mut controller = Controller::with(&tor);
    let site = Website::start("a page").unwrap();
    let publish = |number: usize| {
        let name = format!("web{number}");
        controller.cli(["publish", "--name", &name, &format!("80:{}", site.port())]).succeeded();
        let address = controller.address(&name);
        (name, address)
    };
    let claims = Claims::new((0..SERVICES).map(publish).collect());
    let _watch = claims.follow(&controller);

    claims.tor_begins(&tor);
    claims.wait_for(SOME, &controller, "first boot");
    tor.kill();
    claims.nothing_is_claimed_without_tor(&controller);
    tor.start().unwrap();
    claims.tor_begins(&tor);
    claims.wait_for(SERVICES, &controller, "tor killed in the middle of it");

    controller.kill();
    claims.services_are_gone();
    controller.start();
    let _watch = claims.follow(&controller);
    claims.wait_for(SERVICES, &controller, "controller killed");

    tor.kill();
    claims.nothing_is_claimed_without_tor(&controller);
    tor.start_fresh().unwrap();
    claims.tor_begins(&tor);
    claims.wait_for(SERVICES, &controller, "tor killed, fresh data");
    claims.are_of_what_visitors_ask_for(&tor);
}

/// The claims of a controller about its services, and the observer who checks them.
#[derive(Clone)]
struct Claims(Arc<Mutex<Judge>>);

struct Judge {
    /// The addresses by the names.
    addresses: BTreeMap<String, String>,
    /// The services that `watch` says are published.
    published: BTreeSet<String>,
    /// Nobody, while there is no Tor: no claim is true then.
    observer: Option<Observer>,
    confirmed: usize,
    mistakes: Vec<String>,
}

impl Claims {
    fn new(addresses: BTreeMap<String, String>) -> Self {
        let (published, mistakes) = (BTreeSet::new(), Vec::new());
        Self(Arc::new(Mutex::new(Judge { addresses, published, observer: None, confirmed: 0, mistakes })))
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks each change that this controller tells of, from here on.
    fn follow(&self, controller: &Controller) -> Watch {
        self.judge().published.clear();
        let watch = controller.cli_command(["watch", "--json"]).stdout(Stdio::piped()).spawn();
        let mut watch = watch.expect("tails-server runs");
        let (output, claims) = (watch.stdout.take().expect("a pipe"), self.clone());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let change: Value = serde_json::from_str(&line).expect("a line of JSON");
                if change["change"] == "service" {
                    claims.judge().change(&change);
                }
            }
        });
        Watch(watch)
    }

    /// Tor is there, without any service. It gets the network once the observer is there, too.
    fn tor_begins(&self, tor: &Tor) {
        self.judge().observer = Some(Observer::of(tor).expect("an independent control connection"));
        tor.set_conf("DisableNetwork=0").expect("a network");
    }

    /// The controller is gone, and with it its services, though Tor is there.
    fn services_are_gone(&self) {
        let mut judge = self.judge();
        let observer = judge.observer.as_mut().expect("an observer");
        observer.catch_up().expect("a control connection");
        observer.services_are_gone();
    }

    /// Asks for the status until so many services are published; each answer is checked.
    fn wait_for(&self, count: usize, controller: &Controller, what: &str) {
        let began = Instant::now();
        let before = self.judge().confirmed;
        let reached = wait_until(PATIENCE, || {
            let published = self.look(controller).1;
            (published >= count || !self.judge().mistakes.is_empty()).then_some(())
        });
        let judge = self.judge();
        assert_eq!(judge.mistakes, Vec::<String>::new(), "{what}: {}", controller.log());
        assert!(reached.is_some(), "{what}: {:?} are published: {}", judge.published, controller.log());
        assert!(judge.confirmed > before, "{what}: nothing was checked");
        eprintln!(
            "{what}: {count} published after {:.1?}, {} claims checked",
            began.elapsed(),
            judge.confirmed - before
        );
    }

    /// Tor is killed. From when the controller knows that on, nothing is published for anybody who asks.
    fn nothing_is_claimed_without_tor(&self, controller: &Controller) {
        // An answer with published services fails the test here already, once Tor is lost in the same answer.
        let lost = wait_until(PATIENCE, || (!self.look(controller).0).then_some(()));
        assert!(lost.is_some(), "{}", controller.log());
        let told = wait_until(PATIENCE, || self.judge().published.is_empty().then_some(()));
        assert!(told.is_some(), "watch still tells of {:?}", self.judge().published);
        self.judge().observer = None;
        for _ in 0..LOOKS {
            assert_eq!(self.look(controller), (false, 0));
        }
        assert_eq!(self.judge().mistakes, Vec::<String>::new());
    }

    /// Visitors ask for the very descriptors that the observer has counted, as Tor itself shows when it asks for one.
    fn are_of_what_visitors_ask_for(&self, tor: &Tor) {
        let mut visitor = tor.control().expect("a control connection");
        visitor.command("SETEVENTS HS_DESC").expect("events of descriptors");
        let judge = self.judge();
        for address in judge.addresses.values() {
            let id = address.trim_end_matches(".onion");
            visitor.command(&format!("HSFETCH {id}")).expect("a question for the descriptor");
            let asked = loop {
                let event = visitor.next_event(PATIENCE).expect("an event");
                let words: Vec<&str> = event.split(' ').collect();
                if let ["HS_DESC", "REQUESTED", address, _, _, descriptor, ..] = words.as_slice()
                    && *address == id
                {
                    break (*descriptor).to_owned();
                }
            };
            assert_eq!(judge.observer.as_ref().and_then(|observer| observer.descriptor(address)), Some(asked.as_str()));
        }
    }

    /// One answer of `status`: whether there is a Tor, and how many services are published.
    fn look(&self, controller: &Controller) -> (bool, usize) {
        let status = controller.cli(["status", "--json"]).succeeded().stdout;
        let status: Value = serde_json::from_str(&status).expect("JSON");
        let is_connected = status["tor"]["connected"].as_bool().expect("a yes or a no");
        let services = status["services"].as_array().expect("a list");
        let published: Vec<&Value> = services.iter().filter(|service| service["state"] == "published").collect();
        let mut judge = self.judge();
        for service in &published {
            let name = service["name"].as_str().expect("a name");
            judge.check(name, "status");
            if !is_connected {
                judge.mistakes.push(format!("status: {name} is published without a Tor"));
            }
        }
        (is_connected, published.len())
    }
}

impl Judge {
    fn change(&mut self, change: &Value) {
        let name = change["name"].as_str().expect("a name");
        if change["state"] == "published" {
            self.check(name, "watch");
            self.published.insert(name.to_owned());
        } else {
            self.published.remove(name);
        }
    }

    /// The controller has just said that this service is published.
    fn check(&mut self, name: &str, who: &str) {
        let is_proven = self.observer.as_mut().is_some_and(|observer| {
            // If Tor was killed meanwhile, all that it said has been heard nonetheless.
            let _ = observer.catch_up();
            observer.is_published(&self.addresses[name])
        });
        if is_proven {
            self.confirmed += 1;
        } else {
            self.mistakes.push(format!("{who}: {name} is published without a proof"));
        }
    }
}

/// `tails-server watch`, ended when dropped.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
