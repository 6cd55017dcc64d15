// SPDX-License-Identifier: GPL-3.0-or-later
//! Described services on a simulated machine, over a real store and the descriptors that are shipped: installed, started,
//! published, and what becomes of them when something fails or ends in between.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tails_server::controller::{
    ActKind, Applied, Controller, Fact, HostError, HostReach, Reactor, RecordChange, RequestError, ServiceStatus,
    Snapshot, State, Stop, Unit,
};
use tails_server::controller::{Repertoire, Unavailable};
use tails_server::descriptor::{Catalog, Debian, Origin, Source, Trust};
use tails_server::sim::Machine;
use tails_server_state::{Allow, Autostart, Change, OptionText, Persistence, ServiceName, Store, StoreLayout, Wish};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A loop with a simulated machine under it, on which the shipped services can be had.
struct House {
    directory: TempDir,
    store: Weak<Store>,
    machine: Machine,
    controller: Controller,
    stop: Stop,
    task: JoinHandle<()>,
}

fn repertoire(reach: HostReach) -> Arc<Repertoire> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    let source = Source { path, origin: Origin::Vendor };
    let catalog = Catalog::load(&[source], Trust::RootAnd(rustix::process::geteuid().as_raw()));
    let [.., debian] = Debian::KNOWN;
    Arc::new(Repertoire::new(catalog, reach, debian))
}

fn mumble() -> ServiceName {
    "mumble".parse().unwrap()
}

fn failure(message: &str) -> HostError {
    HostError::Failed { message: message.to_owned(), hint: Some("Go online".to_owned()) }
}

impl House {
    fn open_over(directory: TempDir, machine: impl FnOnce(tokio::sync::mpsc::Sender<Fact>) -> Machine) -> Self {
        let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
        let store = Arc::new(Store::open(&layout));
        let (facts, incoming) = tokio::sync::mpsc::channel(64);
        let machine = machine(facts);
        let ports = (machine.tor(), machine.listening(), machine.host());
        let kept = Arc::downgrade(&store);
        let (reactor, controller, stop) = Reactor::new(store, repertoire(HostReach::Full), ports, incoming);
        Self { directory, store: kept, machine, controller, stop, task: tokio::spawn(reactor.run()) }
    }

    /// A machine that is up: Tor is online, the host answers.
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let services = repertoire(HostReach::Full);
        let house = Self::open_over(directory, |facts| Machine::new(facts).with_services(&services));
        house.machine.start_host().await;
        house.machine.start_tor().await;
        house
    }

    /// The controller is killed; the machine stays.
    async fn kill(self) -> (TempDir, Machine) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.controller);
        // A process that is killed lets go of its files; a thread of this one finishes what it writes.
        while self.store.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (self.directory, self.machine)
    }

    /// Another controller on the same machine.
    async fn again((directory, machine): (TempDir, Machine)) -> Self {
        let house = Self::open_over(directory, |facts| machine.with_facts(facts));
        house.machine.start_host().await;
        house.machine.connect().await;
        house.machine.network(true).await;
        house.machine.bootstrap(100).await;
        house
    }

    async fn enable(&self) -> Result<Change, RequestError> {
        self.controller.enable(mumble()).await
    }

    /// Until it is done.
    async fn uninstall(&self) -> Result<(), RequestError> {
        self.controller.uninstall(mumble()).await?;
        self.controller.await_uninstalled(mumble()).await
    }

    async fn disable(&self) {
        self.controller.set_wish(mumble(), Wish::Disabled).await.unwrap();
    }

    async fn set(&self, option: &str, value: &str) -> Result<Change, RequestError> {
        self.controller.set_option(mumble(), option.to_owned(), OptionText::new(value)).await
    }

    async fn value(&self, option: &str) -> String {
        let options = self.controller.options(mumble()).await.unwrap();
        let found = options.into_iter().find(|report| report.name == option).unwrap();
        found.value.unwrap().expose().to_owned()
    }

    async fn until(&self, is_so: impl Fn(&ServiceStatus) -> bool) {
        let name = mumble();
        let is_so = |picture: &Arc<Snapshot>| picture.services.get(&name).is_some_and(&is_so);
        let mut pictures = self.controller.pictures();
        pictures.mark_changed();
        let reached = tokio::time::timeout(Duration::from_secs(3600), pictures.wait_for(is_so)).await;
        assert!(reached.is_ok(), "never reached: {:#?}", self.controller.snapshot().services);
    }

    async fn until_state(&self, state: State) {
        self.until(|service| service.state == state).await;
    }

    fn status(&self) -> ServiceStatus {
        self.controller.snapshot().services[&mumble()].clone()
    }

    /// What was done so far.
    fn acts(&self) -> Vec<ActKind> {
        self.machine.acts().into_iter().map(|(_, kind)| kind).collect()
    }

    fn server(&self) -> tails_server::controller::HostedService {
        self.machine.hosted(&mumble()).unwrap()
    }

    async fn close(self) -> (TempDir, Machine) {
        self.stop.stop();
        self.task.await.unwrap();
        (self.directory, self.machine)
    }
}

/// Runs a story on a simulated clock.
fn story<F: Future<Output = ()>>(story: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(story);
}

/// Collects the states that a service goes through, until it is published.
async fn states(house: &House) -> Vec<State> {
    let (name, mut pictures) = (mumble(), house.controller.pictures());
    let mut states = Vec::new();
    loop {
        let state = pictures.borrow_and_update().services.get(&name).map(|service| service.state);
        if states.last() != state.as_ref() {
            states.extend(state);
        }
        if state == Some(State::Published) {
            return states;
        }
        pictures.changed().await.unwrap();
    }
}

#[test]
fn a_service_of_the_catalogue_is_enabled_from_nothing_to_published_and_back() {
    story(async {
        let house = House::open().await;
        assert_eq!(house.controller.snapshot().services.len(), 0);
        let available = house.controller.snapshot().available[&mumble()].clone();
        assert_eq!((available.title.as_str(), available.installed, available.problem), ("Mumble", Some(false), None));
        let (seen, enabled) = tokio::join!(states(&house), house.enable());
        assert_eq!(enabled.unwrap(), Change::Changed);
        let expected = [State::Installing, State::Starting, State::Publishing, State::Published];
        assert_eq!(seen, expected);
        assert_eq!(house.acts(), [ActKind::Install, ActKind::Apply]);
        assert_eq!(house.enable().await.unwrap(), Change::Unchanged);
        let address = house.status().address;
        assert_eq!(house.value("server-password").await.len(), 20);

        house.disable().await;
        house.until_state(State::Disabled).await;
        assert!(house.machine.onions().is_empty() && house.server().applied == Applied::Nothing);
        assert_eq!(house.acts(), [ActKind::Install, ActKind::Apply, ActKind::Withdraw]);
        let password = house.value("server-password").await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        assert_eq!((house.status().address, house.value("server-password").await), (address, password));
        assert_eq!(house.acts().len(), 4, "installed once");
        house.close().await;
    });
}

#[test]
fn an_installation_that_fails_is_tried_again_and_says_why_meanwhile() {
    story(async {
        let house = House::open().await;
        house.machine.faults(|faults| faults.host.extend([failure("no network"), failure("no network")]));
        house.enable().await.unwrap();
        house.until(|service| service.problem.is_some()).await;
        let status = house.status();
        let problem = status.problem.unwrap();
        assert_eq!((status.state, problem.message.as_str()), (State::Installing, "no network"));
        assert_eq!(problem.hint.as_deref(), Some("Go online"));
        house.until_state(State::Published).await;
        assert_eq!(house.acts(), [ActKind::Install, ActKind::Install, ActKind::Install, ActKind::Apply]);
        house.close().await;
    });
}

#[test]
fn a_configuration_that_fails_for_good_waits_for_a_person() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.machine.faults(|faults| faults.host.extend(vec![failure("no such file"); 5]));
        house.set("max-users", "7").await.unwrap();
        house.until_state(State::Failed).await;
        // An hour of the simulated clock, in which nothing may happen but that it is closed: what it ran as before is not
        // what anybody wishes.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(house.acts().get(2..), Some(&[&[ActKind::Apply; 5][..], &[ActKind::Withdraw]].concat()[..]));
        assert!(house.machine.onions().is_empty() && house.server().applied == Applied::Nothing);
        assert_eq!(house.status().state, State::Failed);
        assert_eq!(house.status().problem.unwrap().message, "no such file");
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.close().await;
    });
}

#[test]
fn a_server_that_ends_is_withdrawn_from_tor_and_comes_back() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let address = house.status().address;
        // It was all right for a while: at once.
        tokio::time::sleep(Duration::from_secs(300)).await;
        house.machine.set_unit(&mumble(), Unit::Failed("exit code 1".to_owned())).await;
        house.until_state(State::Starting).await;
        house.until_state(State::Published).await;
        assert!(house.machine.onions().contains(&address));
        // By systemd itself, before we do anything.
        house.machine.set_unit(&mumble(), Unit::Activating).await;
        house.until_state(State::Starting).await;
        assert!(house.machine.onions().is_empty() || house.status().state == State::Starting);
        house.machine.set_unit(&mumble(), Unit::Active).await;
        house.until_state(State::Published).await;
        assert_eq!(house.acts().len(), 3);
        house.close().await;
    });
}

#[test]
fn a_server_that_does_not_stay_up_is_started_less_and_less_often() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let begin = tokio::time::Instant::now();
        let mut starts = house.acts().len();
        while begin.elapsed() < Duration::from_secs(3600) {
            house.machine.set_unit(&mumble(), Unit::Failed("exit code 1".to_owned())).await;
            house.until_state(State::Starting).await;
            assert!(house.status().problem.is_none_or(|problem| problem.message.contains("exit code 1")));
            house.until(|service| service.state != State::Starting).await;
        }
        starts = house.acts().len() - starts;
        assert!((10..40).contains(&starts), "{starts} starts in an hour");
        house.close().await;
    });
}

#[test]
fn a_changed_option_is_applied_while_the_service_stays_published() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let (before, requests) = (house.server().applied, house.machine.requests());
        assert_eq!(house.set("welcome-message", "Hello\nall").await.unwrap(), Change::Changed);
        assert_eq!(house.status().state, State::Starting, "what is published is not what is wished");
        house.until_state(State::Published).await;
        assert_ne!(house.server().applied, before);
        assert_eq!(house.set("welcome-message", "Hello\nall").await.unwrap(), Change::Unchanged);
        house.controller.reset_option(mumble(), "welcome-message".to_owned()).await.unwrap();
        house.until(|service| service.state == State::Published).await;
        assert_eq!(house.server().applied, before, "the same wishes are the same text");
        house.controller.change(mumble(), RecordChange::AllowLan(Allow::Yes)).await.unwrap();
        house.until_state(State::Published).await;
        assert_ne!(house.server().applied, before);
        assert_eq!(house.machine.requests(), requests, "Tor has had it all the time");
        // Another port is another life in Tor.
        assert_eq!(house.set("virtual-port", "1234").await.unwrap(), Change::Changed);
        house
            .until(|service| {
                let port = service.record.ports().iter().next().map(|mapping| mapping.virtual_port.number());
                service.state == State::Published && port == Some(1234)
            })
            .await;
        assert_eq!(house.machine.requests(), requests + 1);
        house.close().await;
    });
}

#[test]
fn options_are_judged_before_they_are_remembered() {
    story(async {
        let house = House::open().await;
        let unknown = house.set("max-user", "7").await.unwrap_err();
        assert!(unknown.hint().unwrap().contains("Did you mean \"max-users\"?"), "{unknown}");
        for (option, value) in [
            ("max-users", "0"),
            ("max-users", "many"),
            ("require-certificate", "perhaps"),
            ("virtual-port", "0"),
            ("tls-fingerprint", "AB"),
            ("server-password", "with space"),
            ("no-such-thing", ""),
        ] {
            let refused = house.set(option, value).await.unwrap_err();
            assert!(refused.hint().is_some(), "{option}: {refused}");
        }
        assert_eq!(house.controller.snapshot().services.len(), 0, "nothing was begun");
        let nothing = house.controller.enable("mumbel".parse().unwrap()).await.unwrap_err();
        assert!(matches!(nothing, RequestError::Unknown(_)), "{nothing}");
        house.close().await;
    });
}

#[test]
fn disabling_during_the_installation_ends_with_nothing_running() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until(|service| service.hosting.as_ref().is_some_and(|hosting| hosting.progress.is_some())).await;
        assert_eq!(house.status().state, State::Installing);
        house.disable().await;
        house.until_state(State::Stopping).await;
        house.until_state(State::Disabled).await;
        assert_eq!(house.acts(), [ActKind::Install]);
        assert_eq!((house.server().installed, house.server().applied), (true, Applied::Nothing));
        assert!(house.machine.onions().is_empty());
        house.close().await;
    });
}

#[test]
fn a_controller_that_is_killed_at_any_moment_goes_on_where_it_was() {
    // Every tenth of a second of the way from nothing to published, and of the way back.
    for (wish, moments) in [(Wish::Enabled, 40), (Wish::Disabled, 8)] {
        for moment in 0..moments {
            story(async {
                let house = House::open().await;
                house.enable().await.unwrap();
                if wish == Wish::Disabled {
                    house.until_state(State::Published).await;
                    house.disable().await;
                }
                tokio::time::sleep(Duration::from_millis(100 * moment)).await;
                let house = House::again(house.kill().await).await;
                match wish {
                    Wish::Enabled => {
                        house.until_state(State::Published).await;
                        assert_eq!(house.machine.onions().len(), 1);
                    }
                    Wish::Disabled => {
                        house.until_state(State::Disabled).await;
                        // What was begun when the first one was killed has ended by then.
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        assert_eq!(house.server().applied, Applied::Nothing, "{moment}");
                        assert!(house.machine.onions().is_empty());
                    }
                }
                house.close().await;
            });
        }
    }
}

#[test]
fn after_a_reboot_what_is_to_start_by_itself_starts_and_nothing_else() {
    for (autostart, state) in [(Autostart::On, State::Published), (Autostart::Off, State::Disabled)] {
        story(async {
            let house = House::open().await;
            house.controller.change(mumble(), RecordChange::Persistence(Persistence::Kept)).await.unwrap();
            house.controller.change(mumble(), RecordChange::Autostart(autostart)).await.unwrap();
            house.set("server-password", "correcthorse").await.unwrap();
            house.enable().await.unwrap();
            house.until_state(State::Published).await;
            let address = house.status().address;
            let (directory, machine) = house.kill().await;
            std::fs::remove_dir_all(directory.path().join("amnesic")).unwrap();
            machine.reboot_host();
            let house = House::again((directory, machine)).await;
            house.until_state(state).await;
            assert_eq!(house.status().address, address);
            assert_eq!(house.value("server-password").await, "correcthorse");
            assert_eq!(house.machine.onions().len(), usize::from(autostart == Autostart::On));
            house.close().await;
        });
    }
}

#[test]
fn what_is_kept_from_now_on_is_applied_anew_and_stays_in_tor() {
    story(async {
        let house = House::open().await;
        let keep = |place| house.controller.change(mumble(), RecordChange::Persistence(place));
        keep(Persistence::Amnesic).await.unwrap();
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let (address, password) = (house.status().address, house.value("server-password").await);
        let (applied, requests) = (house.server().applied, house.machine.requests());
        for (place, acts) in [(Persistence::Kept, 3), (Persistence::Amnesic, 4), (Persistence::Kept, 5)] {
            assert_eq!(keep(place).await.unwrap(), Change::Changed);
            house.until(|service| service.state == State::Published && service.record.persistence() == place).await;
            let is_as_before = house.server().applied == applied;
            assert_eq!((house.acts().len(), is_as_before), (acts, place == Persistence::Amnesic), "{place:?}");
            assert_eq!(keep(place).await.unwrap(), Change::Unchanged);
        }
        assert_eq!(house.machine.requests(), requests, "Tor has had it all the time");
        let (directory, machine) = house.kill().await;
        std::fs::remove_dir_all(directory.path().join("amnesic")).unwrap();
        machine.reboot_host();
        let house = House::again((directory, machine)).await;
        house.until_state(State::Disabled).await;
        assert_eq!((house.status().address, house.value("server-password").await), (address, password));
        house.close().await;
    });
}

#[test]
fn without_the_host_nothing_stays_open_that_nobody_can_vouch_for() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.machine.lose_host().await;
        house.until_state(State::Starting).await;
        let problem = house.status().problem.unwrap();
        assert!(problem.message.contains("the simulated systemd does not answer"), "{problem:?}");
        house.until(|_| house.machine.onions().is_empty()).await;
        house.machine.start_host().await;
        house.until_state(State::Published).await;
        house.close().await;
    });
}

#[test]
fn what_nobody_can_ask_about_is_not_called_disabled() {
    let says = |service: &ServiceStatus, words: &str| {
        service.problem.as_ref().is_some_and(|problem| problem.message.contains(words))
    };
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.machine.lose_host().await;
        house.until_state(State::Starting).await;
        house.disable().await;
        house.until(|service| service.wish == Wish::Disabled && says(service, "can not be asked")).await;
        house.until(|_| house.machine.onions().is_empty()).await;
        assert_eq!(house.status().state, State::Stopping, "its server runs");
        // Nor by a controller that has just begun.
        let (directory, machine) = house.kill().await;
        let house = House::open_over(directory, |facts| machine.with_facts(facts));
        let reached = house.controller.pictures().wait_for(|picture| !picture.services.is_empty()).await.is_ok();
        assert_eq!((reached, house.status().state, house.status().problem), (true, State::Stopping, None));
        house.machine.start_host().await;
        house.until_state(State::Disabled).await;
        assert_eq!(house.server().applied, Applied::Nothing);
        house.close().await;
    });
}

#[test]
fn what_is_removed_is_withdrawn_and_what_is_uninstalled_is_gone() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let enabled = house.uninstall().await.unwrap_err();
        assert!(matches!(enabled, RequestError::StillEnabled(_)), "{enabled}");
        house.disable().await;
        // Once it is down: no need to wait for that.
        house.uninstall().await.unwrap();
        assert_eq!((house.server().installed, house.server().applied), (false, Applied::Nothing));
        // Its data may be there without its server.
        house.uninstall().await.unwrap();
        assert_eq!(house.acts().last_chunk(), Some(&[ActKind::Uninstall; 2]));

        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.controller.remove(mumble()).await.unwrap();
        let mut pictures = house.controller.pictures();
        while house.server().applied != Applied::Nothing {
            // The host tells what it did, and the picture has it.
            let _ = tokio::time::timeout(Duration::from_secs(1), pictures.changed()).await;
        }
        assert!(house.machine.onions().is_empty() && house.controller.snapshot().services.is_empty());
        house.uninstall().await.unwrap();
        assert!(!house.server().installed);
        let unknown = house.controller.uninstall("mumbel".parse().unwrap()).await.unwrap_err();
        assert!(matches!(unknown, RequestError::Unknown(_)), "{unknown}");
        house.close().await;
    });
}

/// What a person asks for who wants a service to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    Uninstall,
    Remove,
}

impl Goodbye {
    /// Asks, and does not wait for the host.
    async fn begin(self, house: &House) {
        match self {
            Self::Uninstall => {
                house.disable().await;
                let controller = house.controller.clone();
                tokio::spawn(async move { controller.uninstall(mumble()).await });
                // The simulated clock stands still until it is remembered.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Self::Remove => drop(house.controller.remove(mumble()).await.unwrap()),
        }
    }
}

/// Waits until the host has done an act.
async fn until_done(house: &House, kind: ActKind) {
    for _ in 0..3600 {
        if house.acts().last() == Some(&kind) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(house.acts().last(), Some(&kind), "{:?}", house.controller.snapshot().services);
    // It ends in a tenth of a second, and is forgotten then.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[test]
fn what_is_to_be_gone_is_gone_though_the_controller_is_killed_at_any_moment() {
    for goodbye in [Goodbye::Uninstall, Goodbye::Remove] {
        // Every twentieth of a second from the question to a while after the end.
        for moment in 0..12 {
            story(async {
                let house = House::open().await;
                house.enable().await.unwrap();
                house.until_state(State::Published).await;
                goodbye.begin(&house).await;
                tokio::time::sleep(Duration::from_millis(50 * moment)).await;
                let house = House::again(house.kill().await).await;
                until_done(&house, ActKind::Uninstall).await;
                let server = house.server();
                assert_eq!((server.installed, server.applied), (false, Applied::Nothing), "{goodbye:?} {moment}");
                assert!(house.machine.onions().is_empty());
                let is_known = house.controller.snapshot().services.contains_key(&mumble());
                assert_eq!(is_known, goodbye == Goodbye::Uninstall);
                // Done is done.
                let acts = house.acts().len();
                let house = House::again(house.close().await).await;
                tokio::time::sleep(Duration::from_secs(600)).await;
                assert_eq!(house.acts().len(), acts, "{goodbye:?} {moment}");
                house.close().await;
            });
        }
    }
}

#[test]
fn without_the_host_what_is_to_be_gone_waits_for_it() {
    for goodbye in [Goodbye::Uninstall, Goodbye::Remove] {
        story(async {
            let house = House::open().await;
            house.enable().await.unwrap();
            house.until_state(State::Published).await;
            house.machine.lose_host().await;
            goodbye.begin(&house).await;
            let later = house.uninstall().await.unwrap_err();
            assert!(matches!(later, RequestError::Postponed(_)) && later.hint().is_some(), "{later}");
            let house = House::again(house.kill().await).await;
            until_done(&house, ActKind::Uninstall).await;
            assert!(!house.server().installed);
            house.close().await;
        });
    }
}

#[test]
fn a_server_is_installed_before_anybody_enables_its_service() {
    story(async {
        let house = House::open().await;
        let install = || async {
            let is_new = house.controller.install(mumble()).await?;
            house.controller.await_installed(mumble()).await.map(|()| is_new)
        };
        let nobody = house.controller.await_installed(mumble()).await.unwrap_err();
        assert!(matches!(nobody, RequestError::NotInstalling(_)), "{nobody}");
        house.machine.faults(|faults| faults.host.push_back(failure("apt is busy")));
        let failed = install().await.unwrap_err();
        assert!(matches!(failed, RequestError::NotInstalled { .. }) && !house.server().installed, "{failed}");
        // Whoever asks again has it at once, and nothing else is done.
        assert_eq!(install().await.unwrap(), Change::Changed);
        assert_eq!((house.server().installed, house.server().applied), (true, Applied::Nothing));
        assert_eq!(house.acts(), [ActKind::Install, ActKind::Install]);
        assert!(house.controller.snapshot().services.is_empty(), "nobody wishes for the service");
        assert_eq!(install().await.unwrap(), Change::Unchanged);

        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        assert_eq!(house.acts().iter().filter(|act| **act == ActKind::Install).count(), 2);
        let unknown = house.controller.install("mumbel".parse().unwrap()).await.unwrap_err();
        assert!(matches!(unknown, RequestError::Unknown(_)), "{unknown}");
        house.close().await;
    });
}

#[test]
fn what_fails_to_be_uninstalled_is_tried_again() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.disable().await;
        house.until_state(State::Disabled).await;
        house.machine.faults(|faults| faults.host.extend([failure("apt is busy"), failure("apt is busy")]));
        let failed = house.uninstall().await.unwrap_err();
        assert!(matches!(failed, RequestError::Host { .. }), "{failed}");
        assert!(house.server().installed);
        house.uninstall().await.unwrap_err();
        house.uninstall().await.unwrap();
        assert!(!house.server().installed);

        // By itself, too, and also when the system does not let us.
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.disable().await;
        house.until_state(State::Disabled).await;
        let denied = || HostError::Refused { act: ActKind::Uninstall, why: "polkit".to_owned() };
        house.machine.faults(|faults| faults.host.extend([denied(), denied(), failure("apt is busy")]));
        house.uninstall().await.unwrap_err();
        let before = house.acts().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((house.server().installed, house.acts().len()), (false, before + 3));
        house.close().await;
    });
}

#[test]
fn who_enables_a_service_again_takes_back_what_has_not_begun() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        house.disable().await;
        house.until_state(State::Disabled).await;
        house.machine.lose_host().await;
        house.uninstall().await.unwrap_err();
        house.enable().await.unwrap();
        house.machine.start_host().await;
        house.until_state(State::Published).await;
        assert!(!house.acts().contains(&ActKind::Uninstall));
        house.disable().await;
        house.until_state(State::Disabled).await;
        // An hour of the simulated clock, in which nothing may be deleted.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!house.acts().contains(&ActKind::Uninstall));

        // What has begun is finished, and the service is installed anew.
        let (gone, enabled) = tokio::join!(house.uninstall(), async {
            while house.acts().last() != Some(&ActKind::Uninstall) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            house.enable().await
        });
        assert_eq!((gone.unwrap(), enabled.unwrap()), ((), Change::Changed));
        house.until_state(State::Published).await;
        assert_eq!(house.acts().last_chunk(), Some(&[ActKind::Uninstall, ActKind::Install, ActKind::Apply]));
        house.close().await;
    });
}

#[test]
fn another_service_of_a_name_begins_without_what_the_removed_one_had() {
    story(async {
        let house = House::open().await;
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        let address = house.status().address;
        house.controller.remove(mumble()).await.unwrap();
        house.enable().await.unwrap();
        house.until_state(State::Published).await;
        assert_ne!(house.status().address, address);
        let expected =
            [ActKind::Install, ActKind::Apply, ActKind::Withdraw, ActKind::Uninstall, ActKind::Install, ActKind::Apply];
        assert_eq!(house.acts(), expected);
        assert_eq!(house.machine.onions().len(), 1);
        house.close().await;
    });
}

#[test]
fn a_controller_of_one_person_says_who_could_run_what_it_can_not() {
    story(async {
        let directory = tempfile::tempdir().unwrap();
        let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
        let (facts, incoming) = tokio::sync::mpsc::channel(64);
        let machine = Machine::new(facts);
        let ports = (machine.tor(), machine.listening(), tails_server::adapters::NoHost);
        let store = Arc::new(Store::open(&layout));
        let (reactor, controller, stop) = Reactor::new(store, repertoire(HostReach::None), ports, incoming);
        let task = tokio::spawn(reactor.run());
        let refused = controller.enable(mumble()).await.unwrap_err();
        let is_it = matches!(refused, RequestError::Unavailable { cause: Unavailable::NeedsHost(_), .. });
        assert!(is_it && refused.hint().unwrap().contains("system's controller"), "{refused}");
        assert!(controller.snapshot().available[&mumble()].problem.is_some());
        stop.stop();
        task.await.unwrap();
    });
}
