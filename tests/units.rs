// SPDX-License-Identifier: GPL-3.0-or-later
//! The adapter of the host against a private dbus-daemon and a small systemd that is none: what it asks of systemd, and
//! what it tells the loop.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tails_server::adapters::{Units, UnitsPlaces};
use tails_server::bus::Listener;
use tails_server::controller::{ActKind, Controller, Fact, HostReach, Reactor, Repertoire, ServiceStatus, State, Stop};
use tails_server::descriptor::{Catalog, Debian, Origin, Source, Trust};
use tails_server::sim::Machine;
use tails_server_state::{OptionText, ServiceName, Store, StoreLayout, Wish};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zbus::object_server::SignalEmitter;
use zbus::{OwnedObjectPath, fdo};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server wrote before it failed.
const LOG: &str = r#"["listening on hunter2.onion", "cannot bind: address in use"]"#;
const UNIT: &str = "/org/freedesktop/systemd1/unit/mumble_2dserver_2eservice";

fn mumble() -> ServiceName {
    "mumble".parse().unwrap()
}

/// A message bus of our own.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start(directory: &Path) -> Self {
        let config = directory.join("bus.conf");
        let socket = directory.join("bus.socket");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN' \
             'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'><busconfig><type>session</type>\
             <listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context='default'><allow send_destination='*' \
             eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>",
            socket.display()
        );
        fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints the address once it listens.
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned() }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What the helper does when its unit is started.
#[derive(Debug, Clone)]
enum Plan {
    Done,
    Fails(&'static str),
    /// The server does not start.
    FailsToStart,
    /// systemd does not let us.
    Denied,
    /// It ends without a word.
    Dies,
    /// It says that it began, and no more.
    BeginsAndDies,
    /// It never ends.
    Hangs,
}

#[derive(Debug)]
struct World {
    directory: PathBuf,
    started: Vec<String>,
    plans: Vec<Plan>,
    unit: (&'static str, &'static str, i32),
    jobs: u32,
}

type Shared = Arc<Mutex<World>>;

/// The manager of a systemd, with a helper behind it.
struct Manager(Shared);

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn subscribe(&self) {}

    fn load_unit(&self, name: &str) -> OwnedObjectPath {
        if name == "mumble-server.service" {
            return UNIT.try_into().unwrap();
        }
        "/org/freedesktop/systemd1/unit/other".try_into().unwrap()
    }

    async fn start_unit(
        &self,
        name: String,
        mode: String,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        assert_eq!(mode, "replace");
        let (number, plan, world) = {
            let mut world = self.0.lock().unwrap();
            world.started.push(name.clone());
            world.jobs += 1;
            let plan = if world.plans.is_empty() { Plan::Done } else { world.plans.remove(0) };
            (world.jobs, plan, Arc::clone(&self.0))
        };
        if matches!(plan, Plan::Denied) {
            return Err(fdo::Error::AccessDenied("not for you".to_owned()));
        }
        let job: OwnedObjectPath = format!("/org/freedesktop/systemd1/job/{number}").try_into().unwrap();
        let (told, connection) = (job.clone(), connection.clone());
        tokio::spawn(async move {
            let result = help(&world, &name, &plan, &connection).await;
            let emitter = SignalEmitter::new(&connection, "/org/freedesktop/systemd1").unwrap();
            Self::job_removed(&emitter, number, told, name, result.to_owned()).await.unwrap();
        });
        Ok(job)
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

/// As the helper would, by the contract.
async fn help(world: &Shared, unit: &str, plan: &Plan, connection: &zbus::Connection) -> &'static str {
    let directory = world.lock().unwrap().directory.clone();
    let act = unit.strip_prefix("tails-server-").and_then(|rest| rest.split_once('@')).unwrap().0.to_owned();
    let told = directory.join("helper/mumble");
    fs::create_dir_all(&told).unwrap();
    if act == "install" {
        for percent in [14, 43] {
            replace(
                &told.join("progress.json"),
                &format!(r#"{{"act":"install","percent":{percent},"what":"mumble"}}"#),
            );
            // Long enough to be seen: a reader that is late sees only the last.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let _ = fs::remove_file(told.join("progress.json"));
    }
    match plan {
        Plan::Dies => return "failed",
        Plan::BeginsAndDies => {
            let text = format!(r#"{{"format":1,"act":"{act}","result":"begun","message":"?","hint":null}}"#);
            replace(&told.join("outcome.json"), &text);
            return "failed";
        }
        Plan::Hangs => std::future::pending().await,
        Plan::Fails(message) => {
            let text =
                format!(r#"{{"format":1,"act":"{act}","result":"failed","message":"{message}","hint":"Go on"}}"#);
            replace(&told.join("outcome.json"), &text);
            return "failed";
        }
        Plan::FailsToStart => {
            let text = format!(
                r#"{{"format":1,"act":"{act}","result":"failed","message":"it did not start","hint":null,"log":{LOG}}}"#
            );
            replace(&told.join("outcome.json"), &text);
            return "failed";
        }
        Plan::Done | Plan::Denied => {}
    }
    let mut more = String::new();
    match act.as_str() {
        "install" => {
            fs::write(directory.join("status"), "Package: mumble-server\nStatus: install ok installed\n").unwrap();
        }
        "apply" => {
            let wishes = directory.join("run/wishes/mumble.json");
            assert_eq!(fs::metadata(&wishes).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(directory.join("run/wishes")).unwrap().permissions().mode() & 0o777, 0o700);
            let text = fs::read(wishes).unwrap();
            let parsed: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!((&parsed["format"], &parsed["service"]), (&1.into(), &"mumble".into()));
            assert!(parsed["address"].as_str().unwrap().ends_with(".onion"));
            assert_eq!(parsed["options"]["server-password"].as_str().unwrap().len(), 20);
            assert_eq!(parsed["virtual-ports"]["voice"], 64738);
            let descriptor = parsed["descriptor"].as_str().unwrap();
            let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
            more = format!(
                r#","unit":"mumble-server.service","digest":"{digest}","descriptor":"{descriptor}","probes":{{"tls-fingerprint":"AB:CD"}}"#
            );
            set_unit(world, connection, ("active", "success", 0)).await;
        }
        "withdraw" => set_unit(world, connection, ("inactive", "success", 0)).await,
        "uninstall" => fs::write(directory.join("status"), "").unwrap(),
        other => panic!("no such act: {other}"),
    }
    let text = format!(r#"{{"format":1,"act":"{act}","result":"done","message":"ok","hint":null{more}}}"#);
    replace(&told.join("outcome.json"), &text);
    "done"
}

fn replace(path: &Path, text: &str) {
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, path).unwrap();
}

/// The unit of the server.
struct ServerUnit(Shared);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl ServerUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        self.0.lock().unwrap().unit.0.to_owned()
    }

    #[zbus(property)]
    fn load_state(&self) -> String {
        "loaded".to_owned()
    }
}

struct ServerService(Shared);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl ServerService {
    #[zbus(property)]
    fn result(&self) -> String {
        self.0.lock().unwrap().unit.1.to_owned()
    }

    #[zbus(property)]
    fn exec_main_status(&self) -> i32 {
        self.0.lock().unwrap().unit.2
    }
}

/// Any other unit: there is none.
struct NoUnit;

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl NoUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        "inactive".to_owned()
    }

    #[zbus(property)]
    fn load_state(&self) -> String {
        "not-found".to_owned()
    }
}

async fn set_unit(world: &Shared, connection: &zbus::Connection, unit: (&'static str, &'static str, i32)) {
    world.lock().unwrap().unit = unit;
    let served = connection.object_server().interface::<_, ServerUnit>(UNIT).await.unwrap();
    served.get().await.active_state_changed(served.signal_emitter()).await.unwrap();
}

async fn serve(bus: &Bus, world: &Shared) -> zbus::Connection {
    zbus::connection::Builder::address(bus.address.as_str())
        .name("org.freedesktop.systemd1")
        .serve_at("/org/freedesktop/systemd1", Manager(Arc::clone(world)))
        .serve_at(UNIT, ServerUnit(Arc::clone(world)))
        .serve_at(UNIT, ServerService(Arc::clone(world)))
        .serve_at("/org/freedesktop/systemd1/unit/other", NoUnit)
        .build()
        .await
        .unwrap()
}

/// The loop, a simulated Tor, the real adapter, and the systemd that is none.
struct House {
    directory: TempDir,
    bus: Bus,
    world: Shared,
    systemd: zbus::Connection,
    controller: Controller,
    stop: Option<Stop>,
    tasks: Vec<JoinHandle<()>>,
}

fn repertoire() -> Arc<Repertoire> {
    repertoire_of(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services"))
}

fn repertoire_of(path: PathBuf) -> Arc<Repertoire> {
    let catalog =
        Catalog::load(&[Source { path, origin: Origin::Vendor }], Trust::RootAnd(rustix::process::geteuid().as_raw()));
    let [.., debian] = Debian::KNOWN;
    Arc::new(Repertoire::new(catalog, HostReach::Full, debian))
}

/// The catalogue of an administrator who has changed the shipped descriptor of mumble, or has taken it away.
fn edited(directory: &Path, edit: Option<(&str, &str)>) -> Arc<Repertoire> {
    let services = directory.join("services");
    let _ = fs::remove_dir_all(&services);
    fs::create_dir_all(services.join("mumble")).unwrap();
    if let Some((from, to)) = edit {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services/mumble");
        for file in fs::read_dir(shipped).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, services.join("mumble").join(path.file_name().unwrap())).unwrap();
        }
        let path = services.join("mumble/service.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    } else {
        fs::remove_dir(services.join("mumble")).unwrap();
    }
    repertoire_of(services)
}

fn begin(directory: &Path, bus: &Bus, repertoire: Arc<Repertoire>) -> (Controller, Stop, Vec<JoinHandle<()>>) {
    let places = UnitsPlaces {
        bus: Some(bus.address.clone()),
        wishes: directory.join("run/wishes"),
        told: directory.join("helper"),
        drop_ins: directory.join("drop-ins"),
        packages: directory.join("status"),
        users: "/etc/passwd".into(),
    };
    let layout = StoreLayout { kept: directory.join("kept"), amnesic: directory.join("amnesic") };
    let (facts, incoming) = mpsc::channel::<Fact>(1024);
    let machine = Machine::new(facts.clone());
    let (host, keeper) = Units::start(places, &repertoire, facts);
    let store = Arc::new(Store::open(&layout));
    let (reactor, controller, stop) =
        Reactor::new(store, repertoire, (machine.tor(), machine.listening(), host), incoming);
    let tor = tokio::spawn(async move { machine.start_tor().await });
    (controller, stop, vec![tokio::spawn(reactor.run()), keeper, tor])
}

impl House {
    async fn open(plans: Vec<Plan>) -> Self {
        let directory = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
        let bus = Bus::start(directory.path());
        let world = World {
            directory: directory.path().to_owned(),
            started: Vec::new(),
            plans,
            unit: ("inactive", "success", 0),
            jobs: 0,
        };
        let world = Arc::new(Mutex::new(world));
        let systemd = serve(&bus, &world).await;
        let (controller, stop, tasks) = begin(directory.path(), &bus, repertoire());
        Self { directory, bus, world, systemd, controller, stop: Some(stop), tasks }
    }

    /// The controller is killed, and another one started.
    async fn restart(&mut self) {
        self.restart_with(repertoire()).await;
    }

    /// The same, and the other one finds other descriptors.
    async fn restart_with(&mut self, repertoire: Arc<Repertoire>) {
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        let (controller, stop, tasks) = begin(self.directory.path(), &self.bus, repertoire);
        (self.controller, self.stop, self.tasks) = (controller, Some(stop), tasks);
    }

    async fn until(&self, is_so: impl Fn(&ServiceStatus) -> bool) -> ServiceStatus {
        let name = mumble();
        let mut pictures = self.controller.pictures();
        pictures.mark_changed();
        let is_so = |picture: &Arc<tails_server::controller::Snapshot>| picture.services.get(&name).is_some_and(&is_so);
        let reached = tokio::time::timeout(PATIENCE, pictures.wait_for(is_so)).await;
        let reached = reached.map(|picture| picture.unwrap().services.get(&name).cloned());
        reached.ok().flatten().unwrap_or_else(|| panic!("never reached: {:#?}", self.controller.snapshot().services))
    }

    async fn until_state(&self, state: State) -> ServiceStatus {
        self.until(|service| service.state == state).await
    }

    fn started(&self) -> Vec<String> {
        self.world.lock().unwrap().started.clone()
    }
}

fn unit(kind: ActKind) -> String {
    format!("tails-server-{}@mumble.service", kind.as_str())
}

/// Runs a story on a real clock: there is another process in it.
fn story<F: Future<Output = ()>>(story: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}

#[test]
fn a_service_is_installed_applied_and_withdrawn_through_systemd() {
    story(async {
        let mut house = House::open(Vec::new()).await;
        house.controller.enable(mumble()).await.unwrap();
        let seen = house
            .until(|service| {
                let progress = service.hosting.as_ref().and_then(|hosting| hosting.progress.as_ref());
                progress.is_some_and(|progress| progress.percent == 43)
            })
            .await;
        assert_eq!(seen.state, State::Installing);
        let published = house.until_state(State::Published).await;
        assert_eq!(published.hosting.unwrap().probes, BTreeMap::from([("tls-fingerprint".into(), "AB:CD".into())]));
        assert_eq!(house.started(), [unit(ActKind::Install), unit(ActKind::Apply)]);

        // A controller that comes back finds all as it was left, and asks for nothing.
        house.restart().await;
        house.until_state(State::Published).await;
        assert_eq!(house.started().len(), 2);

        // Its server ends; PropertiesChanged says so.
        set_unit(&house.world, &house.systemd, ("failed", "exit-code", 3)).await;
        house.until_state(State::Starting).await;
        house.until_state(State::Published).await;
        assert_eq!(house.started().last(), Some(&unit(ActKind::Apply)));

        house.controller.set_wish(mumble(), Wish::Disabled).await.unwrap();
        house.until_state(State::Disabled).await;
        assert_eq!(house.started().last(), Some(&unit(ActKind::Withdraw)));
        assert!(!house.directory.path().join("run/wishes/mumble.json").exists(), "nobody needs the secrets there");
        house.controller.uninstall(mumble()).await.unwrap();
        house.controller.await_uninstalled(mumble()).await.unwrap();
        assert_eq!(house.started().last(), Some(&unit(ActKind::Uninstall)));
        house.stop.take().unwrap().stop();
    });
}

#[test]
fn what_the_helper_says_of_a_failure_is_what_people_see() {
    story(async {
        let house = House::open(vec![Plan::Fails("no network"), Plan::Dies, Plan::Denied]).await;
        house.controller.enable(mumble()).await.unwrap();
        let first = house.until(|service| service.problem.is_some()).await;
        let problem = first.problem.unwrap();
        assert_eq!((problem.message.as_str(), problem.hint.as_deref()), ("no network", Some("Go on")));
        assert_eq!(first.state, State::Installing);
        let says = |words: &'static str| {
            move |service: &ServiceStatus| {
                service.problem.as_ref().is_some_and(|problem| problem.message.contains(words))
            }
        };
        // The word of an act that failed before is not taken for one of this act.
        house.until(says("did not get it done")).await;
        let denied = house.until(says("not for you")).await;
        assert_eq!(denied.state, State::Failed, "no retry mends that");
        // A person may have mended it.
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
    });
}

#[test]
fn the_last_lines_of_a_server_that_failed_are_for_whoever_asks_and_for_nobody_else() {
    story(async {
        let mut house = House::open(vec![Plan::Done, Plan::FailsToStart]).await;
        let socket = house.directory.path().join("bus-of-ours");
        let listener = Listener::bind(&socket).await.unwrap();
        house.tasks.push(tokio::spawn(listener.serve(house.controller.clone())));
        house.controller.enable(mumble()).await.unwrap();
        let failed = house.until(|service| service.problem.is_some()).await;
        assert!(!format!("{failed:?}").contains("hunter2"), "{failed:?}");
        let ask = async |words: &[&str]| -> serde_json::Value {
            let mut asking = tokio::process::Command::new(env!("CARGO_BIN_EXE_tails-server"));
            asking.args(["--json", "--bus", &format!("unix:{}", socket.display())]).args(words);
            let answer = tokio::time::timeout(PATIENCE, asking.output()).await.unwrap().unwrap();
            serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"))
        };
        let log: serde_json::Value = serde_json::from_str(LOG).unwrap();
        assert_eq!(ask(&["status", "mumble"]).await["server-log"], log);
        assert_eq!(ask(&["info", "mumble", "--details"]).await["details"]["server-log"], log);
        for words in [&["status"][..], &["list"], &["info", "mumble"]] {
            let told = ask(words).await.to_string();
            assert!(told.contains("it did not start") && !told.contains("hunter2"), "{words:?}: {told}");
        }
        // The next time it starts, and nothing of the kind is left.
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        assert_eq!(ask(&["status", "mumble"]).await["server-log"], serde_json::Value::Null);
    });
}

#[test]
fn what_is_left_of_an_unknown_past_is_not_taken_for_ours() {
    story(async {
        let house = House::open(Vec::new()).await;
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        // The outcome is lost, and the drop-in is there: what is in force is not known.
        fs::create_dir_all(house.directory.path().join("drop-ins/mumble-server.service.d")).unwrap();
        fs::write(house.directory.path().join("drop-ins/mumble-server.service.d/50-tails-server.conf"), "").unwrap();
        fs::remove_file(house.directory.path().join("helper/mumble/outcome.json")).unwrap();
        let before = house.started().len();
        set_unit(&house.world, &house.systemd, ("active", "success", 0)).await;
        house.until_state(State::Starting).await;
        house.until_state(State::Published).await;
        assert_eq!(house.started().get(before..), Some(&[unit(ActKind::Apply)][..]));
    });
}

#[test]
fn a_server_whose_descriptor_is_gone_or_broken_is_withdrawn_all_the_same() {
    for edit in [None, Some(("format = 1", "fromat = 1"))] {
        story(async {
            let mut house = House::open(Vec::new()).await;
            house.controller.enable(mumble()).await.unwrap();
            house.until_state(State::Published).await;
            let catalog = edited(house.directory.path(), edit);
            house.restart_with(catalog).await;
            house.until_state(State::Failed).await;
            house.controller.set_wish(mumble(), Wish::Disabled).await.unwrap();
            let disabled = house.until_state(State::Disabled).await;
            assert_eq!(disabled.hosting.unwrap().installed, None, "nobody knows");
            assert_eq!(house.started().last(), Some(&unit(ActKind::Withdraw)));
            assert_eq!(house.world.lock().unwrap().unit.0, "inactive");
        });
    }
}

#[test]
fn a_server_is_configured_anew_when_its_descriptor_has_changed() {
    story(async {
        let mut house = House::open(Vec::new()).await;
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        // Something that is in no wish.
        let catalog = edited(house.directory.path(), Some(("[confinement]", "[confinement]\n# Edited.")));
        house.restart_with(catalog).await;
        house.until_state(State::Published).await;
        assert_eq!(house.started(), [unit(ActKind::Install), unit(ActKind::Apply), unit(ActKind::Apply)]);
    });
}

#[test]
fn an_act_that_was_killed_leaves_no_older_word() {
    story(async {
        let mut house = House::open(vec![Plan::Done, Plan::Done, Plan::BeginsAndDies]).await;
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        let option = ("max-users".to_owned(), OptionText::new("7"));
        house.controller.set_option(mumble(), option.0, option.1).await.unwrap();
        let killed = house.until(|service| service.problem.is_some()).await;
        assert!(killed.problem.unwrap().message.contains("did not get it done"));
        // What was wished before is not known to be in force.
        house.controller.reset_option(mumble(), "max-users".to_owned()).await.unwrap();
        house.until_state(State::Published).await;
        let applies = [unit(ActKind::Apply), unit(ActKind::Apply), unit(ActKind::Apply)];
        assert_eq!(house.started().get(1..), Some(&applies[..]));
        house.stop.take().unwrap().stop();
    });
}

#[test]
fn an_act_that_nobody_tells_the_end_of_is_begun_again() {
    story(async {
        let mut house = House::open(vec![Plan::Done, Plan::Hangs]).await;
        house.controller.enable(mumble()).await.unwrap();
        while house.started().len() < 2 {
            // The systemd that is none tells nobody what it was asked for.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // The act that hangs keeps the connection.
        house.systemd.release_name("org.freedesktop.systemd1").await.unwrap();
        let other = zbus::connection::Builder::address(house.bus.address.as_str()).build().await.unwrap();
        drop(std::mem::replace(&mut house.systemd, other));
        house.until(|service| service.problem.is_some()).await;
        house.systemd = serve(&house.bus, &house.world).await;
        house.until_state(State::Published).await;
        assert_eq!(house.started(), [unit(ActKind::Install), unit(ActKind::Apply), unit(ActKind::Apply)]);
    });
}

#[test]
fn systemd_that_leaves_the_bus_leaves_nothing_published() {
    story(async {
        let mut house = House::open(Vec::new()).await;
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        let other = zbus::connection::Builder::address(house.bus.address.as_str()).build().await.unwrap();
        drop(std::mem::replace(&mut house.systemd, other));
        let lost = house.until_state(State::Starting).await;
        assert!(lost.problem.unwrap().message.contains("the system's services can not be asked"));
        house.systemd = serve(&house.bus, &house.world).await;
        house.until_state(State::Published).await;
        assert_eq!(house.started().len(), 2, "nothing had to be done again");
    });
}

#[test]
fn who_does_not_wait_for_the_end_of_uninstalling_is_told_that_it_goes_on() {
    story(async {
        let mut house = House::open(vec![Plan::Done, Plan::Done, Plan::Done, Plan::Hangs]).await;
        let socket = house.directory.path().join("bus-of-ours");
        let listener = Listener::bind(&socket).await.unwrap();
        house.tasks.push(tokio::spawn(listener.serve(house.controller.clone())));
        house.controller.enable(mumble()).await.unwrap();
        house.until_state(State::Published).await;
        let mut asking = tokio::process::Command::new(env!("CARGO_BIN_EXE_tails-server"));
        asking.args(["uninstall", "mumble", "--yes", "--bus", &format!("unix:{}", socket.display())]);
        let asking = asking.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        while house.started().len() < 4 {
            // The systemd that is none tells nobody what it was asked for.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let pid = rustix::process::Pid::from_raw(asking.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let answer = tokio::time::timeout(PATIENCE, asking.wait_with_output()).await.unwrap().unwrap();
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(5), "{said}");
        let last = "uninstalling the server of \"mumble\"\n\
                    Error: The server of \"mumble\" is not uninstalled yet: interrupted\n\
                    Hint: It is remembered and goes on by itself. To see how it is: tails-server info mumble\n";
        assert!(said.ends_with(last), "{said}");
        house.stop.take().unwrap().stop();
    });
}
