// SPDX-License-Identifier: GPL-3.0-or-later
//! A life: everything is made ready, the loop runs, and at the end all is withdrawn.

use std::fs;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tails_server_state::{Persistence, Store, StoreError, StoreLayout};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::adapters::{
    ControlPort, ControlSource, ManagedTor, ManagedTorSettings, NoHost, SocketTables, Units, UnitsPlaces,
};
use crate::bus::{self, ListenError, Listener, MessageBus};
use crate::controller::{Controller, Host, HostReach, Listening, Reactor, Stop, Surroundings, Tor};
use crate::daemon::directories::{self, DirectoryError};
use crate::daemon::logging::{self, LogFilterError};
use crate::daemon::repertoire;
use crate::daemon::settings::{ControlSetting, Settings, SettingsError};
use crate::daemon::supervision::{self, Reloading};
use crate::daemon::volume::Mounts;
use crate::sim::Machine;
use crate::torctl::{Credentials, Password};

/// Facts that may wait for the loop. A burst of uploads of a hundred services is a few thousand.
const FACTS_WAITING: usize = 4096;
/// How long the adapters have to end once the loop has. Tails gives five seconds for all.
const ADAPTERS_PATIENCE: Duration = Duration::from_millis(2200);
/// How long a message bus has to answer before others are told that we are ready. Most do within milliseconds.
const BUS_PATIENCE: Duration = Duration::from_secs(2);
/// How long clients have to take their last answer.
const CLIENTS_PATIENCE: Duration = Duration::from_millis(500);

/// Why the controller did not start, or ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the log filter \"{filter}\" is wrong")]
    Log {
        filter: String,
        #[source]
        cause: LogFilterError,
    },
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot read the password in {}", path.display())]
    Password {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Store(Arc<StoreError>),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("bug: {0} ended by itself")]
    Died(&'static str),
    #[error("the operating system does not let the controller run")]
    System(#[from] io::Error),
}

impl DaemonError {
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Log { .. } => {
                Some("Use error, warn, info, debug or trace, or a list such as info,tails_server::bus=debug".to_owned())
            }
            Self::Directory(error) => Some(error.hint()),
            Self::Password { .. } => Some("See whether the file exists and is yours to read".to_owned()),
            Self::Store(error) => Some(error.hint()),
            Self::Listen(ListenError::InUse(_)) => Some("Use that one, or end it first".to_owned()),
            Self::Listen(ListenError::NotASocket(_)) => Some("Choose another place with --bus unix:PATH".to_owned()),
            Self::Listen(ListenError::Io { .. }) => {
                Some("Choose another place, with a shorter path, by --bus unix:PATH".to_owned())
            }
            Self::Died(_) => Some("Start it again, and report what its log says".to_owned()),
            Self::System(_) => None,
        }
    }
}

/// Runs the controller until it is told to end.
pub(super) fn run(settings: &Settings) -> Result<(), DaemonError> {
    logging::begin(&settings.log).map_err(|cause| DaemonError::Log { filter: settings.log.clone(), cause })?;
    keep_memory_private(settings.user)?;
    if !settings.kept_needs_mount.is_needed() {
        directories::prepare(&settings.state_directory)?;
    }
    directories::prepare(&settings.runtime_directory)?;
    let credentials = credentials(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(live(settings, credentials));
    // A blocking call that hangs on a dead disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

/// Keys are in it: it is not written to disk when we crash, or systemd's watchdog ends us.
fn keep_memory_private(user: bool) -> io::Result<()> {
    if user {
        // What other programs of one person may see of us, they find in that person's files as well.
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        return Ok(setrlimit(Resource::Core, none)?);
    }
    // Nor does any other program see it, but root's.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

async fn live(settings: &Settings, credentials: Credentials) -> Result<(), DaemonError> {
    // Before anything else: a signal during the start must end the controller in order, too.
    let end = EndSignals::listen()?;
    let reloading = Reloading::listen()?;
    let reach = if settings.user && !settings.simulate { HostReach::None } else { HostReach::Full };
    let store = Arc::new(open_store(settings)?);
    // Closing it waits for the disk: that comes last, when everything is withdrawn and every client has its answer.
    let _closed_last = Arc::clone(&store);
    let faces = Faces { listener: Listener::bind(&settings.bus_socket).await?, message_bus: settings.message_bus };
    let (facts, incoming) = mpsc::channel(FACTS_WAITING);
    if settings.simulate {
        warn!("simulating: nothing is published");
        // Where all is simulated, so is the host.
        let repertoire = Arc::new(repertoire::load(&settings.services, reach));
        let machine = Machine::new(facts).with_services(&repertoire);
        let ports = (machine.tor(), machine.listening(), machine.host());
        let running = Reactor::new(store, repertoire, ports, incoming);
        tokio::spawn(async move { tokio::join!(machine.start_host(), machine.start_tor()) });
        return serve(settings, running, faces, (end, reloading, reach), std::future::pending()).await;
    }
    let (tor, mut tor_task) = ControlPort::start(control_source(settings), credentials, facts.clone());
    let (listening, mut listening_task) = SocketTables::start(facts.clone());
    let adapters = async {
        tokio::select! {
            _ = &mut tor_task => "the task that speaks with Tor",
            _ = &mut listening_task => "the task that watches the listeners",
        }
    };
    let served = if settings.user {
        drop(facts);
        let repertoire = Arc::new(repertoire::load(&settings.services, reach));
        let running = Reactor::new(store, repertoire, (tor, listening, NoHost), incoming);
        serve(settings, running, faces, (end, reloading, reach), adapters).await
    } else {
        let repertoire = Arc::new(repertoire::load(&settings.services, reach));
        let places = UnitsPlaces::of_system(&settings.runtime_directory);
        let (host, mut host_task) = Units::start(places, &repertoire, facts);
        let running = Reactor::new(store, repertoire, (tor, listening, host), incoming);
        let adapters = async {
            tokio::select! {
                task = adapters => task,
                _ = &mut host_task => "the task that speaks with systemd",
            }
        };
        let served = serve(settings, running, faces, (end, reloading, reach), adapters).await;
        host_task.abort();
        served
    };
    // The loop took both ports with it; their tasks end by that.
    if !tor_task.is_finished() && tokio::time::timeout(ADAPTERS_PATIENCE, &mut tor_task).await.is_err() {
        warn!("the connection to Tor does not end in time");
    }
    listening_task.abort();
    info!("ended");
    served
}

/// Where clients are served.
struct Faces {
    listener: Listener,
    message_bus: Option<MessageBus>,
}

impl Faces {
    /// Serves clients until the controller ends; returns once they can come.
    async fn begin(self, controller: Controller) -> JoinSet<()> {
        let mut serving = JoinSet::new();
        serving.spawn(self.listener.serve(controller.clone()));
        if let Some(message_bus) = self.message_bus {
            let (settled, settles) = oneshot::channel();
            serving.spawn(bus::serve(message_bus, controller, settled));
            // Whoever started us over the bus waits for our name there; without a bus everything else works all the same.
            let _ = tokio::time::timeout(BUS_PATIENCE, settles).await;
        }
        serving
    }
}

/// Runs the loop and its faces until the end is asked for, or something that should not end does.
async fn serve<T: Tor, L: Listening, H: Host>(
    settings: &Settings,
    (reactor, controller, stop): (Reactor<T, L, H>, Controller, Stop),
    faces: Faces,
    (mut end, reloading, reach): (EndSignals, Reloading, HostReach),
    adapters: impl Future<Output = &'static str>,
) -> Result<(), DaemonError> {
    let mut reactor = tokio::spawn(reactor.run());
    let controller = controller.in_surroundings(surroundings(settings));
    let alive = supervision::keep_alive(controller.clone());
    let reloading = reloading.keep(controller.clone(), settings.services.clone(), reach);
    let mut watching = JoinSet::new();
    if settings.kept_needs_mount.is_needed() {
        watching.spawn(Mounts::watch()?.tell(controller.clone()));
    }
    let serving = tokio::select! {
        serving = faces.begin(controller) => serving,
        // A bus that does not answer holds up nobody who ends us.
        signal = end.next() => {
            info!(signal, "ending");
            stop.stop();
            let _ = (&mut reactor).await;
            return Ok(());
        }
    };
    supervision::ready();
    info!("ready");
    let ended = tokio::select! {
        signal = end.next() => {
            info!(signal, "ending");
            Ok(())
        }
        // Without the loop nothing would be mended, without an adapter its last facts would be taken for true.
        _ = &mut reactor => return Err(DaemonError::Died("the loop")),
        task = adapters => Err(DaemonError::Died(task)),
        never = alive => match never {},
        never = reloading => match never {},
    };
    supervision::stopping();
    stop.stop();
    tokio::select! {
        died = &mut reactor => if died.is_err() { return Err(DaemonError::Died("the loop")) },
        signal = end.next() => {
            warn!(signal, "ending at once");
            reactor.abort();
            return ended;
        }
    }
    // Clients see the answer to their last request before the socket goes.
    let _ = tokio::time::timeout(CLIENTS_PATIENCE, serving.join_all()).await;
    ended
}

/// Where this controller runs, for people who look for what is wrong.
fn surroundings(settings: &Settings) -> Surroundings {
    Surroundings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        is_personal: settings.user,
        is_simulated: settings.simulate,
        logs_to_journal: logging::is_to_journal(),
        runtime_in_memory: directories::is_in_memory(&settings.runtime_directory),
        state_in_memory: is_state_in_memory(settings),
    }
}

/// The signals that ask for the end.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// A volume that has yet to come is taken at its word.
fn is_state_in_memory(settings: &Settings) -> bool {
    !settings.kept_needs_mount.is_needed() && directories::is_in_memory(&settings.state_directory)
}

fn open_store(settings: &Settings) -> Result<Store, DaemonError> {
    // What is simulated is not to be found among what is real.
    let (kept, amnesic) = if settings.simulate { ("simulated-kept", "simulated-amnesic") } else { ("kept", "amnesic") };
    let layout =
        StoreLayout { kept: settings.state_directory.join(kept), amnesic: settings.runtime_directory.join(amnesic) };
    if !directories::is_in_memory(&settings.runtime_directory) {
        warn!("the runtime directory is on a disk: services that are not persistent survive a reboot there");
    }
    if is_state_in_memory(settings) {
        warn!("the state directory is in memory: no service survives a reboot there");
    }
    let store = Store::open_once_mounted(&layout, &settings.kept_needs_mount);
    for place in [Persistence::Kept, Persistence::Amnesic] {
        // Who has no volume, or not a good one, has the services that are not persistent all the same.
        if place == Persistence::Kept && settings.kept_needs_mount.is_needed() {
            continue;
        }
        // Other problems, and what was mended, are in the store's own log lines and in the status.
        if let Some(problem) = store.problem(place).filter(|problem| keeps_from_starting(problem)) {
            return Err(DaemonError::Store(problem));
        }
    }
    Ok(store)
}

/// Whether whoever starts the controller has to mend this first: it would show nothing, or not all, of what is there.
fn keeps_from_starting(problem: &StoreError) -> bool {
    matches!(problem, StoreError::Locked { .. } | StoreError::Permission { .. } | StoreError::ReadOnly { .. })
}

fn control_source(settings: &Settings) -> ControlSource {
    let managed = || {
        ManagedTor::new(ManagedTorSettings {
            program: "tor".into(),
            data_directory: settings.state_directory.join("tor"),
            runtime_directory: settings.runtime_directory.join("tor"),
            torrc: settings.tor_config.clone(),
        })
    };
    match &settings.control {
        ControlSetting::Auto => ControlSource::Auto(managed()),
        ControlSetting::Managed => ControlSource::Managed(managed()),
        ControlSetting::Address(address) => ControlSource::Fixed(address.clone()),
    }
}

fn credentials(settings: &Settings) -> Result<Credentials, DaemonError> {
    let password = match &settings.control_password_file {
        None => None,
        Some(path) => {
            let cannot = |cause| DaemonError::Password { path: path.clone(), cause };
            let text = Zeroizing::new(fs::read_to_string(path).map_err(cannot)?);
            Some(Password::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    };
    Ok(Credentials { cookie_file: settings.control_cookie_file.clone(), password })
}
