// SPDX-License-Identifier: GPL-3.0-or-later
//! SIGKILL at any moment: what was acknowledged is there again, and nothing is there by half.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use tails_server::bus::api::ManagerProxy;
use tails_server_state::{Autostart, Persistence, Store, StoreLayout, Wish};
use tornet::{Tor, TorOptions, wait_until};

use crate::given::{Dice, Process};
use crate::harness::{Controller, PATIENCE};
use crate::manager;

const ROUNDS: u64 = 200;
const NAMES: u64 = 12;
const PLACES: [Persistence; 2] = [Persistence::Kept, Persistence::Amnesic];

/// A service as it was acknowledged. The address is learned after the acknowledgement, and must never change then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    place: Persistence,
    autostart: Autostart,
    wish: Wish,
    address: Option<String>,
}

type Services = BTreeMap<String, Service>;

/// What must be there, and what may be there instead if the last request was carried out after all.
#[derive(Debug, Default)]
struct Model {
    certain: Services,
    possible: Option<Services>,
    acknowledged: usize,
    interrupted: usize,
}

impl Model {
    /// Takes over what was found, which has to be one of the two.
    fn settle(&mut self, found: Services, round: u64) {
        let possible = self.possible.take();
        self.interrupted += usize::from(possible.is_some());
        let fits = |model: &Services| {
            model.len() == found.len()
                && model.iter().zip(&found).all(|((name, service), (other, found))| {
                    let known = service.address.is_none() || service.address == found.address;
                    let same = Service { address: found.address.clone(), ..service.clone() } == *found;
                    name == other && known && same
                })
        };
        assert!(
            fits(&self.certain) || possible.as_ref().is_some_and(fits),
            "round {round}: found {found:#?}, acknowledged {:#?}, or {possible:#?}",
            self.certain
        );
        self.certain = found;
    }
}

/// What the store has, read by the library while no controller runs. Every service has its key, and that its address.
fn found_in_store(controller: &Controller, round: u64) -> Services {
    let layout = StoreLayout { kept: controller.state().join("kept"), amnesic: controller.runtime().join("amnesic") };
    let store = Store::open(&layout);
    for place in PLACES {
        assert!(store.problem(place).is_none(), "round {round}: {:?}", store.problem(place));
        assert!(store.recovery(place).is_none(), "round {round}: {:?}", store.recovery(place));
    }
    let services = store.services().into_iter().map(|service| {
        let name = service.record.name();
        let key = store.key(name).unwrap_or_else(|cause| panic!("round {round}: {name} has no key: {cause}"));
        assert_eq!(key.address(), service.address, "round {round}: {name}");
        let (place, autostart, wish) = (service.record.persistence(), service.record.autostart(), service.wish);
        let address = Some(service.address.display_unredacted());
        (name.to_string(), Service { place, autostart, wish, address })
    });
    services.collect()
}

/// What the next controller says that there is.
async fn found_by_controller(manager: &ManagerProxy<'_>) -> Services {
    let (_, problems, services) = manager.overview().await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let mut found = Services::new();
    for (name, service) in services {
        let address = Some(manager.address(&name).await.unwrap());
        let place = if service.persistence { Persistence::Kept } else { Persistence::Amnesic };
        let autostart = if service.autostart { Autostart::On } else { Autostart::Off };
        let wish = if service.enabled { Wish::Enabled } else { Wish::Disabled };
        found.insert(name, Service { place, autostart, wish, address });
    }
    found
}

/// Asks for changes until the controller is gone.
async fn ask_until_killed(manager: &ManagerProxy<'_>, model: &mut Model, dice: &mut Dice) {
    loop {
        let name = format!("s{}", dice.roll(NAMES));
        let mut next = model.certain.clone();
        let done = match (next.get_mut(&name), dice.roll(6)) {
            (None, choice) => {
                let place = PLACES[usize::from(choice % 2 == 0)];
                let autostart = if place == Persistence::Kept && choice > 2 { Autostart::On } else { Autostart::Off };
                let options = manager::options(&name, place, autostart);
                next.insert(name.clone(), Service { place, autostart, wish: Wish::Enabled, address: None });
                model.possible = Some(next);
                manager.publish(&[(80, "127.0.0.1:1"), (81, "[::1]:1")], options).await.map(drop)
            }
            (Some(_), 0 | 1) => {
                next.remove(&name);
                model.possible = Some(next);
                manager.remove(&name).await
            }
            (Some(service), _) => {
                let enabled = service.wish == Wish::Enabled;
                service.wish = if enabled { Wish::Disabled } else { Wish::Enabled };
                model.possible = Some(next);
                if enabled { manager.disable(&name).await.map(drop) } else { manager.enable(&name).await.map(drop) }
            }
        };
        if let Err(cause) = done {
            assert!(matches!(cause, tails_server::bus::api::ApiError::Bus(_)), "not killed: {cause}");
            return;
        }
        model.certain = model.possible.take().unwrap();
        model.acknowledged += 1;
        if let Some(service) = model.certain.get_mut(&name).filter(|service| service.address.is_none()) {
            // Killed between the two: the address is learned at the next opening.
            service.address = manager.address(&name).await.ok();
        }
    }
}

#[test]
fn whatever_was_acknowledged_survives_two_hundred_kills_at_random_moments() {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    // One controller after the other on the same directories.
    let controller = Controller::new(format!("unix:{}", tor.control_socket().display()));
    let mut dice = Dice::new(11);
    let mut model = Model::default();
    let mut killed_early = 0;
    for round in 0..ROUNDS {
        let mut process = Process::start(&mut controller.command());
        // One in four is killed while it starts, the others among their requests.
        if round % 4 == 0 {
            // Not to wait for anything: to hit any moment of what follows.
            thread::sleep(Duration::from_micros(dice.roll(60_000)));
            process.0.kill().unwrap();
            process.end();
            killed_early += 1;
        } else {
            let moment = Duration::from_micros(dice.roll(80_000));
            manager::block_on(async {
                let manager = connected(&controller, &mut process).await;
                model.settle(found_by_controller(&manager).await, round);
                let pid = rustix::process::Pid::from_child(&process.0);
                let killer = thread::spawn(move || {
                    // Not to wait for anything: to hit any moment of the requests.
                    thread::sleep(moment);
                    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
                });
                ask_until_killed(&manager, &mut model, &mut dice).await;
                killer.join().unwrap();
            });
            process.end();
        }
        // Every other time the next controller meets the ruins.
        if round % 2 == 1 {
            model.settle(found_in_store(&controller, round), round);
        }
    }
    model.settle(found_in_store(&controller, ROUNDS), ROUNDS);
    let Model { acknowledged, interrupted, certain, .. } = model;
    let count = certain.len();
    println!(
        "{ROUNDS} kills, {killed_early} of them during the start; {acknowledged} changes acknowledged, all there; \
         {interrupted} interrupted, each there as a whole or not at all; {count} services at the end"
    );
    assert!(acknowledged > 100 && interrupted > 50, "the kills missed what they should hit");
    assert!(!controller.log().contains("panicked") && !controller.log().contains("bug:"), "{}", controller.log());
}

async fn connected(controller: &Controller, process: &mut Process) -> ManagerProxy<'static> {
    let bus = controller.bus();
    let there = wait_until(PATIENCE, || {
        assert!(process.0.try_wait().unwrap().is_none(), "it ended: {}", controller.log());
        std::os::unix::net::UnixStream::connect(&bus).ok()
    });
    there.unwrap_or_else(|| panic!("nobody listens: {}", controller.log()));
    manager::connect(&bus).await.unwrap()
}
