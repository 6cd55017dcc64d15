// SPDX-License-Identifier: GPL-3.0-or-later
//! The loop over simulated ports and a real store: faults, orders and races that a real Tor shows rarely.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tails_server::controller::{
    AddOnionError, Controller, Fact, PublishRequest, Reactor, RecordChange, RemoveOnionError, RequestError, Snapshot,
    State, Stop, Visit,
};
use tails_server::sim::Machine;
use tails_server_state::{
    Autostart, Change, ClientAuthorization, ClientSecretKey, Exposure, JoinedService, NewClient, NewClientKey,
    OnionKey, Persistence, PortMapping, ServiceName, Store, StoreLayout, Target, VirtualPort, Wish,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A loop with a simulated machine under it.
struct House {
    directory: TempDir,
    machine: Machine,
    controller: Controller,
    stop: Stop,
    task: JoinHandle<()>,
}

impl House {
    fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap())
    }

    fn open_in(directory: TempDir) -> Self {
        Self::open_over(directory, Machine::new)
    }

    /// The controller is killed and started again; Tor stays.
    async fn restart(self) -> Self {
        self.task.abort();
        let _ = self.task.await;
        drop(self.controller);
        let house = Self::open_over(self.directory, |facts| self.machine.with_facts(facts));
        house.machine.connect().await;
        house.machine.network(true).await;
        house.machine.bootstrap(100).await;
        house
    }

    fn open_over(directory: TempDir, machine: impl FnOnce(tokio::sync::mpsc::Sender<Fact>) -> Machine) -> Self {
        let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
        let store = Arc::new(Store::open(&layout));
        let (facts, incoming) = tokio::sync::mpsc::channel(64);
        let machine = machine(facts);
        let (reactor, controller, stop) =
            Reactor::new(store, Arc::default(), (machine.tor(), machine.listening(), machine.host()), incoming);
        Self { directory, machine, controller, stop, task: tokio::spawn(reactor.run()) }
    }

    async fn with_tor() -> Self {
        let house = Self::open();
        house.machine.start_tor().await;
        house
    }

    async fn close(self) -> TempDir {
        self.stop.stop();
        self.task.await.unwrap();
        self.directory
    }

    async fn publish(&self, name: &str, port: u16) -> Result<Change, RequestError> {
        self.controller.publish(request(name, port)).await.map(|(_, change)| change)
    }

    /// Waits until the picture is as asked for; the simulated clock runs while nothing else does.
    async fn until(&self, is_so: impl Fn(&Snapshot) -> bool) {
        let mut pictures = self.controller.pictures();
        pictures.mark_changed();
        let reached = tokio::time::timeout(Duration::from_secs(600), pictures.wait_for(|picture| is_so(picture))).await;
        assert!(reached.is_ok(), "never reached: {:#?}", self.controller.snapshot());
    }

    async fn until_state(&self, name: &str, state: State) {
        let name: ServiceName = name.parse().unwrap();
        self.until(|picture| picture.services.get(&name).is_some_and(|service| service.state == state)).await;
    }
}

fn request(name: &str, port: u16) -> PublishRequest {
    let target: Target = format!("127.0.0.1:{port}").parse().unwrap();
    let virtual_port = VirtualPort::new(NonZeroU16::new(80).unwrap());
    PublishRequest {
        name: Some(name.parse().unwrap()),
        ports: vec![PortMapping { virtual_port, target }].try_into().unwrap(),
        persistence: Persistence::Kept,
        autostart: Autostart::Off,
        exposure: Exposure::default(),
        wish: Wish::Enabled,
    }
}

/// Runs a story on a simulated clock.
fn story<F: Future<Output = ()>>(story: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(story);
}

#[test]
fn tor_restart_republishes_the_same_addresses() {
    story(async {
        let house = House::with_tor().await;
        for (name, port) in [("one", 1001), ("two", 1002), ("three", 1003)] {
            house.publish(name, port).await.unwrap();
            house.until_state(name, State::Published).await;
        }
        let before = house.machine.onions();
        assert_eq!(before.len(), 3);
        for _ in 0..3 {
            house.machine.kill_tor().await;
            house.until_state("two", State::WaitingForTor).await;
            house.machine.start_tor().await;
            house.until(|picture| picture.services.values().all(|service| service.state == State::Published)).await;
            assert_eq!(house.machine.onions(), before);
        }
        assert_eq!(house.machine.requests(), 12, "each service is added once after each start");
        house.close().await;
    });
}

#[test]
fn a_service_moves_between_the_places_while_it_stays_published() {
    story(async {
        let house = House::with_tor().await;
        let name: ServiceName = "web".parse().unwrap();
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        let (before, mut pictures) = (house.machine.onions(), house.controller.pictures());
        for place in [Persistence::Amnesic, Persistence::Kept, Persistence::Amnesic] {
            let moved = house.controller.change(name.clone(), RecordChange::Persistence(place)).await.unwrap();
            assert_eq!(moved, Change::Changed);
            let status = pictures.borrow_and_update().services.get(&name).cloned().unwrap();
            assert_eq!((status.record.persistence(), status.state), (place, State::Published));
            // Whatever would follow from it, in five minutes of the simulated clock.
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert_eq!(house.controller.snapshot().services.get(&name).unwrap().state, State::Published);
        }
        assert_eq!((house.machine.onions(), house.machine.requests()), (before, 1));
        let house = house.restart().await;
        house.until_state("web", State::Published).await;
        house.close().await;
    });
}

#[test]
fn nothing_is_added_before_tor_is_bootstrapped() {
    story(async {
        let house = House::open();
        house.publish("web", 8080).await.unwrap();
        house.machine.connect().await;
        house.machine.bootstrap(99).await;
        house.until(|picture| picture.tor.bootstrap_percent == 99).await;
        assert_eq!(house.machine.requests(), 0);
        house.machine.network(true).await;
        house.machine.bootstrap(100).await;
        house.until_state("web", State::Published).await;
        house.close().await;
    });
}

#[test]
fn what_is_acknowledged_is_there_after_a_crash() {
    story(async {
        let house = House::open();
        house.publish("web", 8080).await.unwrap();
        house.publish("pad", 9001).await.unwrap();
        house.controller.set_wish("pad".parse().unwrap(), Wish::Disabled).await.unwrap();
        let address = house.controller.snapshot().services.values().next().unwrap().address;
        house.task.abort();
        let _ = house.task.await;
        drop(house.controller);
        let house = House::open_in(house.directory);
        house.machine.start_tor().await;
        house.until_state("web", State::Published).await;
        let picture = house.controller.snapshot();
        assert_eq!(picture.services[&"pad".parse::<ServiceName>().unwrap()].state, State::Disabled);
        assert_eq!(picture.services.values().next().unwrap().address, address);
        house.close().await;
    });
}

#[test]
fn a_passing_failure_is_tried_again_and_a_lasting_one_waits_for_a_person() {
    story(async {
        let house = House::with_tor().await;
        house.machine.faults(|faults| {
            faults.add.extend([AddOnionError::Collision, AddOnionError::Failed("busy".to_owned())]);
        });
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        assert_eq!(house.machine.requests(), 3);

        house.machine.faults(|faults| faults.add.push_back(AddOnionError::Refused("no".to_owned())));
        house.publish("pad", 9001).await.unwrap();
        house.until_state("pad", State::Failed).await;
        // An hour of the simulated clock, in which nothing may happen.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(house.machine.requests(), 4, "what a person has to mend is not tried again and again");
        house.controller.set_wish("pad".parse().unwrap(), Wish::Enabled).await.unwrap();
        house.until_state("pad", State::Published).await;
        house.close().await;
    });
}

#[test]
fn a_service_that_ends_the_connection_stays_withdrawn_and_the_others_stay_published() {
    story(async {
        let house = House::open();
        let bad = "bad";
        let name: ServiceName = bad.parse().unwrap();
        let others = ["one", "two", "three"];
        for (port, other) in (1001..).zip(others) {
            house.publish(other, port).await.unwrap();
        }
        house.publish(bad, 6666).await.unwrap();
        let address = house.controller.snapshot().services[&name].address;
        house.machine.faults(|faults| faults.fatal.extend([address]));
        let settled = |picture: &Snapshot| {
            let state = |name: &str| picture.services[&name.parse::<ServiceName>().unwrap()].state;
            state(bad) == State::Failed && others.iter().all(|other| state(other) == State::Published)
        };

        // All at once after a start, alone while the others are published, and with a Tor that is started again.
        house.machine.start_tor().await;
        house.until(settled).await;
        let problem = house.controller.snapshot().services[&name].problem.clone().unwrap();
        assert!(problem.message.contains("time and again") && problem.hint.unwrap().contains("150 clients"));
        let before = house.machine.requests();
        house.controller.set_wish(name.clone(), Wish::Enabled).await.unwrap();
        house.until(|picture| !settled(picture)).await;
        house.until(settled).await;
        assert_eq!(house.machine.requests(), before + 4, "one try, and the others after it");
        let before = house.machine.requests();
        // An hour of the simulated clock, in which nothing may happen.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(house.machine.requests(), before, "it was tried again");
        house.machine.kill_tor().await;
        house.machine.start_tor().await;
        house.until(|picture| picture.tor.online && settled(picture)).await;
        assert_eq!(house.machine.requests(), before + 3, "a restart of Tor is no reason to try it again");

        // It is mended, a person says.
        house.machine.faults(|faults| faults.fatal.clear());
        house.controller.set_wish(name, Wish::Enabled).await.unwrap();
        house.until_state(bad, State::Published).await;
        house.close().await;
    });
}

#[test]
fn a_service_that_tor_does_not_let_go_is_called_stopping_until_it_is_gone() {
    story(async {
        let house = House::with_tor().await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        let failures = std::iter::repeat_n(RemoveOnionError::Failed("busy".to_owned()), 2);
        house.machine.faults(|faults| faults.remove.extend(failures));
        house.controller.set_wish("web".parse().unwrap(), Wish::Disabled).await.unwrap();
        house.until_state("web", State::Stopping).await;
        assert_eq!(house.machine.onions().len(), 1);
        house.until_state("web", State::Disabled).await;
        assert_eq!(house.machine.onions().len(), 0);
        house.close().await;
    });
}

#[test]
fn a_listener_that_goes_takes_the_service_along_and_brings_it_back() {
    story(async {
        let house = House::with_tor().await;
        let target: Target = "127.0.0.1:8080".parse().unwrap();
        house.machine.silence(&target).await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Starting).await;
        assert_eq!(house.machine.requests(), 0);
        for round in 1..=3 {
            house.machine.unsilence(&target).await;
            house.until_state("web", State::Published).await;
            house.machine.silence(&target).await;
            house.until_state("web", State::Starting).await;
            house.until(|_| house.machine.onions().is_empty()).await;
            assert_eq!(house.machine.requests(), round);
        }
        house.close().await;
    });
}

#[test]
fn removing_closes_and_forgets_and_the_name_is_free_for_another_address() {
    story(async {
        let house = House::with_tor().await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        let first = house.machine.onions();
        house.controller.remove("web".parse().unwrap()).await.unwrap();
        house.until(|picture| picture.services.is_empty() && house.machine.onions().is_empty()).await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        assert!(house.machine.onions().is_disjoint(&first));
        house.close().await;
    });
}

#[test]
fn asking_twice_is_no_error_and_asking_otherwise_is() {
    story(async {
        let house = House::open();
        assert_eq!(house.publish("web", 8080).await.unwrap(), Change::Changed);
        assert_eq!(house.publish("web", 8080).await.unwrap(), Change::Unchanged);
        assert!(matches!(house.publish("web", 8081).await, Err(RequestError::Exists(_))));
        let web: ServiceName = "web".parse().unwrap();
        for (wish, change) in
            [(Wish::Enabled, Change::Unchanged), (Wish::Disabled, Change::Changed), (Wish::Disabled, Change::Unchanged)]
        {
            assert_eq!(house.controller.set_wish(web.clone(), wish).await.unwrap(), change);
        }
        let nobody: ServiceName = "nobody".parse().unwrap();
        assert!(matches!(
            house.controller.set_wish(nobody.clone(), Wish::Enabled).await,
            Err(RequestError::Unknown(_))
        ));
        assert!(matches!(house.controller.remove(nobody).await, Err(RequestError::Unknown(_))));
        house.close().await;
    });
}

#[test]
fn a_name_is_made_where_none_is_given() {
    story(async {
        let house = House::open();
        let unnamed = |port| PublishRequest { name: None, ..request("x", port) };
        for (port, name, change) in [
            (8080, "port-8080", Change::Changed),
            (8080, "port-8080", Change::Unchanged),
            (8081, "port-8081", Change::Changed),
        ] {
            let (made, changed) = house.controller.publish(unnamed(port)).await.unwrap();
            assert_eq!((made.as_str(), changed), (name, change));
        }
        // The name is taken by other ports.
        house.publish("port-9000", 1).await.unwrap();
        assert_eq!(house.controller.publish(unnamed(9000)).await.unwrap().0.as_str(), "port-9000-2");
        house.close().await;
    });
}

#[test]
fn without_confirmed_uploads_nothing_is_published() {
    story(async {
        let house = House::with_tor().await;
        house.machine.faults(|faults| faults.uploads_hang = true);
        house.publish("web", 8080).await.unwrap();
        house.until(|picture| picture.services.values().any(|service| service.current.attempted > 0)).await;
        // An hour of the simulated clock, in which nothing may happen.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        house.until_state("web", State::Publishing).await;
        house.close().await;
    });
}

#[test]
fn a_service_that_does_not_get_published_is_given_a_new_life_until_it_is() {
    story(async {
        let house = House::with_tor().await;
        house.machine.faults(|faults| faults.uploads_hang = true);
        house.publish("web", 8080).await.unwrap();
        let (web, before): (ServiceName, _) = ("web".parse().unwrap(), house.machine.requests());
        house.until(|picture| picture.services[&web].healed == 2).await;
        let service = house.controller.snapshot().services[&web].clone();
        assert!(service.state == State::Publishing && service.problem.is_some() && house.machine.requests() > before);
        house.machine.faults(|faults| faults.uploads_hang = false);
        house.until_state("web", State::Published).await;
        assert_eq!(house.controller.snapshot().services[&web].healed, 0);
        house.close().await;
    });
}

#[test]
fn a_private_service_is_up_only_while_it_has_clients() {
    story(async {
        let house = House::with_tor().await;
        let exposure = Exposure { client_authorization: ClientAuthorization::On, ..Exposure::default() };
        house.controller.publish(PublishRequest { exposure, ..request("web", 8080) }).await.unwrap();
        house.until_state("web", State::Failed).await;
        assert!(house.machine.onions().is_empty());
        let web = || "web".parse::<ServiceName>().unwrap();
        let key = || NewClientKey::Made(ClientSecretKey::generate().unwrap());
        for name in ["alice", "bob"] {
            let client = NewClient { name: name.parse().unwrap(), key: key() };
            house.controller.add_client(web(), client).await.unwrap();
        }
        house.until_state("web", State::Published).await;
        for (name, state) in [("alice", State::Published), ("bob", State::Failed)] {
            house.controller.remove_client(web(), name.parse().unwrap()).await.unwrap();
            let settled = |picture: &Snapshot| picture.services[&web()].access_settled;
            house.until(|picture| settled(picture) && picture.services[&web()].state == state).await;
        }
        assert!(house.machine.onions().is_empty());
        house.close().await;
    });
}

#[test]
fn what_was_joined_is_given_to_every_tor_until_it_is_left() {
    story(async {
        let house = House::with_tor().await;
        let joined = theirs("theirs");
        let (name, address) = (joined.name.clone(), joined.address);
        house.controller.join(joined, Some(ClientSecretKey::generate().unwrap())).await.unwrap();
        let ready = |picture: &Snapshot| picture.joined.get(&name).is_some_and(|joined| joined.ready);
        house.until(ready).await;
        assert!(house.machine.credentials().contains_key(&address));
        house.machine.kill_tor().await;
        house.until(|picture| !ready(picture)).await;
        assert!(house.machine.credentials().is_empty());
        house.machine.start_tor().await;
        house.until(ready).await;
        assert!(house.machine.credentials().contains_key(&address));
        house.controller.leave(name.clone()).await.unwrap();
        while house.machine.credentials().contains_key(&address) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.close().await;
    });
}

#[test]
fn a_late_upload_of_an_earlier_life_does_not_publish_the_next_one() {
    story(async {
        let house = House::with_tor().await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        house.machine.faults(|faults| faults.uploads_hang = true);
        let address = *house.machine.onions().iter().next().unwrap();
        let web: ServiceName = "web".parse().unwrap();
        for _ in 0..20 {
            // The whole pair of the earlier life waits in the queue while the service goes and comes.
            let controller = house.controller.clone();
            let name = web.clone();
            let toggle = async {
                controller.set_wish(name.clone(), Wish::Disabled).await.unwrap();
                controller.set_wish(name, Wish::Enabled).await.unwrap();
            };
            tokio::join!(house.machine.late_upload(address), toggle);
        }
        house.until(|picture| picture.services[&web].current.attempted == 4).await;
        let service = house.controller.snapshot().services[&web].clone();
        assert_eq!((service.state, service.current.confirmed), (State::Publishing, 0));
        house.close().await;
    });
}

#[test]
fn what_tor_does_not_let_go_goes_with_the_connection() {
    story(async {
        let house = House::with_tor().await;
        house.publish("web", 8080).await.unwrap();
        house.publish("pad", 9001).await.unwrap();
        house.until(|picture| picture.services.values().all(|service| service.state == State::Published)).await;
        let refused = RemoveOnionError::Failed("a filter does not let it through".to_owned());
        house.machine.faults(|faults| faults.remove.extend(std::iter::repeat_n(refused, 1000)));
        // The record is gone at once: nobody would see that the service is still open.
        house.controller.remove("web".parse().unwrap()).await.unwrap();
        house.until(|_| house.machine.onions().is_empty()).await;
        house.until_state("pad", State::Published).await;
        assert_eq!(house.machine.onions().len(), 1);
        house.close().await;
    });
}

#[test]
fn stopping_withdraws_and_answers_no_more() {
    story(async {
        let house = House::with_tor().await;
        house.publish("web", 8080).await.unwrap();
        house.until_state("web", State::Published).await;
        let (machine, controller) = (house.machine.clone(), house.controller.clone());
        let directory = house.close().await;
        assert!(machine.onions().is_empty());
        assert!(matches!(controller.publish(request("pad", 1)).await, Err(RequestError::Stopping)));
        drop(controller);
        let house = House::open_in(directory);
        assert_eq!(house.controller.snapshot().services.len(), 1);
        house.close().await;
    });
}

/// Waits until the machine is as asked for; the simulated clock runs while nothing else does.
async fn until_machine(house: &House, is_so: impl Fn(&Machine) -> bool) {
    for _ in 0..10_000 {
        if is_so(&house.machine) {
            return;
        }
        // The machine tells nobody what it has.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(is_so(&house.machine), "never reached: {:#?}", house.controller.snapshot());
}

fn theirs(name: &str) -> JoinedService {
    JoinedService {
        name: name.parse().unwrap(),
        address: OnionKey::generate().unwrap().address(),
        persistence: Persistence::Kept,
        title: None,
        ports: Vec::new(),
        note: String::new(),
        expires: None,
    }
}

#[test]
fn what_is_forgotten_leaves_tor_also_when_the_controller_is_killed_at_once() {
    story(async {
        let mut house = House::with_tor().await;
        let joined = theirs("theirs");
        house.controller.join(joined.clone(), Some(ClientSecretKey::generate().unwrap())).await.unwrap();
        for (name, port) in [("gone", 1001), ("renewed", 1002), ("stays", 1003)] {
            house.publish(name, port).await.unwrap();
            house.until_state(name, State::Published).await;
        }
        until_machine(&house, |machine| machine.credentials().contains_key(&joined.address)).await;
        let address = |name: &str| house.controller.snapshot().services[&name.parse::<ServiceName>().unwrap()].address;
        let [gone, renewed, stays] = ["gone", "renewed", "stays"].map(address);
        for address in [gone, renewed, stays] {
            house.machine.visit(address);
        }
        // Tor is away when it is said, so that nothing of it can be done before the end.
        house.machine.lose().await;
        house.until_state("gone", State::WaitingForTor).await;
        house.controller.remove("gone".parse().unwrap()).await.unwrap();
        house.controller.replace_key("renewed".parse().unwrap(), None).await.unwrap();
        house.controller.leave("theirs".parse().unwrap()).await.unwrap();
        assert!(house.machine.visited().len() == 3 && house.machine.credentials().len() == 1);
        house = house.restart().await;
        house.until_state("stays", State::Published).await;
        until_machine(&house, |machine| machine.credentials().is_empty() && machine.visited().len() == 1).await;
        assert!(house.machine.visited().contains(&stays), "whom everybody may visit keeps its visitors");
        let directory = house.close().await;
        let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
        assert_eq!(Store::open(&layout).farewells(), [], "what is done is not remembered");
    });
}

#[test]
fn a_service_that_is_joined_again_with_another_key_is_reached_with_that_one() {
    story(async {
        let house = House::with_tor().await;
        let joined = theirs("theirs");
        let keys = [(); 3].map(|()| ClientSecretKey::generate().unwrap());
        for key in keys {
            let public_key = key.public_key();
            house.controller.join(joined.clone(), Some(key)).await.unwrap();
            until_machine(&house, |machine| machine.credentials().get(&joined.address) == Some(&public_key)).await;
            house.until(|picture| picture.joined[&joined.name].ready).await;
        }
        // The last one counts, also when Tor is just taking the one before it.
        house.machine.faults(|faults| faults.slow_keys = Duration::from_secs(1));
        let [one, two] = [(); 2].map(|()| ClientSecretKey::generate().unwrap());
        let last = two.public_key();
        for key in [one, two] {
            house.controller.join(joined.clone(), Some(key)).await.unwrap();
            // Enough for it to be on its way, and not for it to be there.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        until_machine(&house, |machine| machine.credentials().get(&joined.address) == Some(&last)).await;
        let again = JoinedService { name: "other".parse().unwrap(), ..joined };
        assert!(house.controller.join(again, None).await.is_err(), "one address has one name, and one key");
        house.close().await;
    });
}

#[test]
fn a_service_that_is_joined_during_a_check_of_it_keeps_its_key() {
    story(async {
        let house = House::with_tor().await;
        house.publish("mine", 9001).await.unwrap();
        house.until_state("mine", State::Published).await;
        let address = house.controller.snapshot().services.values().next().unwrap().address;
        let joined = JoinedService { address, ..theirs("again") };
        let key = ClientSecretKey::generate().unwrap();
        let public_key = key.public_key();
        let check = tokio::spawn({
            let controller = house.controller.clone();
            async move { controller.check("mine".parse().unwrap(), Visit::Try).await }
        });
        // The visit is on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.controller.join(joined.clone(), Some(key)).await.unwrap();
        assert!(!check.is_finished());
        check.await.unwrap().unwrap().unwrap();
        until_machine(&house, |machine| machine.credentials().get(&address) == Some(&public_key)).await;
        house.until(|picture| picture.joined[&joined.name].ready).await;
        assert_eq!(house.machine.credentials().get(&address), Some(&public_key));
        house.close().await;
    });
}

#[test]
fn a_service_that_failed_for_good_and_is_removed_is_no_longer_waited_with() {
    story(async {
        let house = House::with_tor().await;
        house.machine.faults(|faults| faults.add.push_back(AddOnionError::Refused("no".to_owned())));
        house.publish("pad", 9001).await.unwrap();
        house.until_state("pad", State::Failed).await;
        let address = house.controller.snapshot().services.values().next().unwrap().address;
        house.machine.visit(address);
        house.controller.remove("pad".parse().unwrap()).await.unwrap();
        until_machine(&house, |machine| machine.visited().is_empty()).await;
        house.close().await;
    });
}
