// SPDX-License-Identifier: GPL-3.0-or-later
//! The connection to the bus: made again for ever, and by it and the helper's files how each service is.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tails_server_state::ServiceName;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, info};
use zbus::fdo::DBusProxy;
use zbus::proxy::CacheProperties;
use zbus::{MatchRule, MessageStream, OwnedObjectPath};

use super::places::{Needs, UnitsPlaces};
use super::systemd::{ManagerProxy, SYSTEMD, SystemdServiceProxy, SystemdUnitProxy, unit_of};
use crate::controller::{Applied, Backoff, Fact, Generation, HostFact, HostedService, Repertoire, Unit};
use crate::descriptor::ServiceDescriptor;

/// The first pause after a lost connection; a bus that starts answers soon.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that lasted this long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// Signals that may wait while we ask systemd something over the same connection.
const SIGNALS_WAITING: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not 0");

/// The connection as it is now.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) generation: Generation,
    pub(super) connection: zbus::Connection,
}

/// Asks to look at a service, and to tell how it is.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) service: ServiceName,
    pub(super) looked: oneshot::Sender<()>,
}

/// The services that a descriptor says something about.
pub(super) type Described = BTreeMap<ServiceName, Hosted>;

/// A service that the host runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hosted {
    /// What it takes to be installed; `None` if no descriptor says so any more.
    needs: Option<Needs>,
    /// The names that its unit may have; none if it has no unit.
    units: Vec<String>,
}

pub(super) struct Keeper {
    places: Arc<UnitsPlaces>,
    /// Those that a descriptor says something about, as it is offered.
    described: watch::Receiver<Described>,
    /// Those and, since this connection began, what else the helper has left something of.
    services: BTreeMap<ServiceName, Hosted>,
    facts: mpsc::Sender<Fact>,
    current: watch::Sender<Option<Current>>,
    commands: mpsc::Receiver<Command>,
    generation: Generation,
}

/// The loop has ended, so nobody needs a connection.
struct LoopEnded;

/// Why there is no connection.
enum End {
    Loop(LoopEnded),
    Bus(zbus::Error),
    /// systemd left the bus, or the bus closed the connection.
    Gone,
}

impl From<LoopEnded> for End {
    fn from(ended: LoopEnded) -> Self {
        Self::Loop(ended)
    }
}

impl From<zbus::Error> for End {
    fn from(cause: zbus::Error) -> Self {
        Self::Bus(cause)
    }
}

/// A service whose unit has changed.
type Changes = Pin<Box<dyn Stream<Item = ServiceName> + Send>>;

impl Keeper {
    pub(super) fn new(
        places: Arc<UnitsPlaces>,
        described: watch::Receiver<Described>,
        facts: mpsc::Sender<Fact>,
        current: watch::Sender<Option<Current>>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let services = BTreeMap::new();
        Self { places, described, services, facts, current, commands, generation: Generation::default() }
    }

    /// Keeps the connection until nobody wants it any more.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            self.generation.0 += 1;
            let begin = Instant::now();
            let end = self.keep().await;
            self.current.send_replace(None);
            let why = match end {
                End::Loop(LoopEnded) => return,
                End::Bus(cause) => cause.to_string(),
                End::Gone => "systemd left the bus".to_owned(),
            };
            debug!(why, "no connection to systemd");
            if self.tell(HostFact::Lost(why)).await.is_err() {
                return;
            }
            if begin.elapsed() >= GOOD_CONNECTION {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = self.ended() => return,
            }
        }
    }

    /// Connects, and tells how the services are until the connection ends.
    async fn keep(&mut self) -> End {
        match self.try_keep().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_keep(&mut self) -> Result<std::convert::Infallible, End> {
        let connection = match &self.places.bus {
            Some(address) => zbus::connection::Builder::address(address.as_str()).build().await?,
            None => zbus::Connection::system().await?,
        };
        let manager = ManagerProxy::new(&connection).await?;
        let bus = DBusProxy::new(&connection).await?;
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, SYSTEMD)]).await?;
        manager.subscribe().await?;
        self.services = self.described.borrow_and_update().clone();
        // What nobody describes any more may run all the same, and can be withdrawn.
        for name in self.places.left_behind().await {
            self.services.entry(name).or_insert(Hosted { needs: None, units: Vec::new() });
        }
        let mut units = watch_units(&connection, &manager, &self.services).await?;
        let mut jobs = manager.receive_job_removed().await?;
        info!("connected to systemd");
        // Before anything is told: what is told is acted on at once.
        let current = Current { generation: self.generation, connection: connection.clone() };
        self.current.send_replace(Some(current));
        let names: Vec<_> = self.services.keys().cloned().collect();
        self.look(&connection, names).await?;
        // At last: of what was not told until now, there is nothing.
        self.tell(HostFact::Connected).await?;
        loop {
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(Command { service, looked }) = command else { return Err(LoopEnded.into()) };
                    self.look(&connection, vec![service]).await?;
                    // Who asked may have gone.
                    let _ = looked.send(());
                }
                changed = units.next(), if !units.is_empty() => {
                    let Some(name) = changed else { return Err(End::Gone) };
                    self.look(&connection, vec![name]).await?;
                }
                removed = jobs.next() => {
                    let Some(removed) = removed else { return Err(End::Gone) };
                    // An act that an earlier controller began.
                    let name = removed.args().ok().and_then(|removed| service_of(&removed.unit));
                    if let Some(name) = name.filter(|name| self.services.contains_key(name)) {
                        self.look(&connection, vec![name]).await?;
                    }
                }
                Ok(()) = self.described.changed() => {
                    let changed = self.describe();
                    units.extend(watch_units(&connection, &manager, &changed).await?);
                    self.look(&connection, changed.into_keys().collect()).await?;
                }
                // It starts anew, and has forgotten that we listen.
                _ = owners.next() => return Err(End::Gone),
            }
        }
    }

    /// Waits until the port is gone. Nobody can ask for anything while there is no connection.
    async fn ended(&mut self) {
        // Those who asked see that they get no answer.
        while self.commands.recv().await.is_some() {}
    }

    async fn tell(&self, fact: HostFact) -> Result<(), LoopEnded> {
        self.facts.send(Fact::Host(self.generation, fact)).await.map_err(|_| LoopEnded)
    }

    /// Takes over what is described from now on; what has changed by that.
    fn describe(&mut self) -> Described {
        let described = self.described.borrow_and_update().clone();
        let is_known = |(name, hosted): &(&ServiceName, &Hosted)| self.services.get(*name) == Some(*hosted);
        let mut changed: Described =
            described.iter().filter(|it| !is_known(it)).map(|(name, hosted)| (name.clone(), hosted.clone())).collect();
        // What nobody describes any more may run all the same, and can be withdrawn.
        for (name, hosted) in &self.services {
            if hosted.needs.is_some() && !described.contains_key(name) {
                changed.insert(name.clone(), Hosted { needs: None, units: hosted.units.clone() });
            }
        }
        self.services.extend(changed.clone());
        changed
    }

    /// Looks at services, and tells how they are.
    async fn look(&self, connection: &zbus::Connection, names: Vec<ServiceName>) -> Result<(), End> {
        let known = names.iter().filter_map(|name| self.services.get(name));
        let installed = self.places.installed(known.filter_map(|hosted| hosted.needs.clone()).collect()).await;
        for name in names {
            let Some(hosted) = self.services.get(&name) else { continue };
            let told = self.look_at(connection, &name, hosted, installed.contains(&name)).await?;
            self.tell(HostFact::Service(name, told)).await?;
        }
        Ok(())
    }

    async fn look_at(
        &self,
        connection: &zbus::Connection,
        name: &ServiceName,
        hosted: &Hosted,
        installed: bool,
    ) -> Result<HostedService, End> {
        let outcome = self.places.outcome(name).await;
        // dpkg calls a package installed whose files were lost with the power; the helper knows.
        let installed = installed && outcome.as_ref().is_none_or(|outcome| outcome.installed);
        let named = outcome.as_ref().and_then(|outcome| outcome.unit.as_ref());
        let named = named.filter(|unit| hosted.needs.is_none() || hosted.units.contains(unit)).cloned();
        let unit = match named {
            Some(unit) => Some(unit),
            None => first_there(connection, &hosted.units).await?,
        };
        let mut applied = match &outcome {
            Some(outcome) => outcome.applied(),
            // It was begun, and nobody understands how it ended.
            None if self.places.has_traces(name).await => Applied::Unknown,
            None => Applied::Nothing,
        };
        let mut state = if matches!(applied, Applied::Wishes(_)) { Unit::Active } else { Unit::Inactive };
        if let Some(unit) = unit {
            // Whatever was told: what is laid over it may be there.
            if applied == Applied::Nothing && self.places.has_drop_in(&unit).await {
                applied = Applied::Unknown;
            }
            state = unit_state(connection, &unit).await?;
        }
        let (probes, last_words) = outcome.map(|outcome| (outcome.probes, outcome.log)).unwrap_or_default();
        Ok(HostedService { installed, unit: state, applied, probes, last_words })
    }
}

/// What the descriptors say of the services that the host runs.
pub(super) fn described(repertoire: &Repertoire) -> Described {
    let services = repertoire.hosted().map(|(name, descriptor, _)| {
        let hosted = Hosted { needs: Some(Needs::of(&name, &descriptor)), units: units(&descriptor) };
        (name, hosted)
    });
    services.collect()
}

/// All changes of the units of these services.
async fn watch_units(
    connection: &zbus::Connection,
    manager: &ManagerProxy<'_>,
    services: &Described,
) -> zbus::Result<stream::SelectAll<Changes>> {
    let mut changes: Vec<Changes> = Vec::new();
    for (name, hosted) in services {
        for unit in &hosted.units {
            let path = manager.load_unit(unit).await?;
            let rule = MatchRule::builder()
                .msg_type(zbus::message::Type::Signal)
                .sender(SYSTEMD)
                .interface("org.freedesktop.DBus.Properties")
                .member("PropertiesChanged")
                .path(path)
                .build()?;
            let signals = MessageStream::for_match_rule(rule, connection, Some(SIGNALS_WAITING)).await?;
            let name = name.clone();
            changes.push(Box::pin(signals.map(move |_| name.clone())));
        }
    }
    Ok(stream::select_all(changes))
}

/// The names that the unit of a service may have.
fn units(descriptor: &ServiceDescriptor) -> Vec<String> {
    let names = descriptor.unit.iter().flat_map(|unit| unit.name.value.iter());
    names.map(ToString::to_string).collect()
}

/// The service that an instance of one of our templates is about.
fn service_of(unit: &str) -> Option<ServiceName> {
    let (_, instance) = unit.strip_prefix("tails-server-")?.split_once('@')?;
    instance.strip_suffix(".service")?.parse().ok()
}

/// The first of these units that exists, or else the first.
async fn first_there(connection: &zbus::Connection, units: &[String]) -> zbus::Result<Option<String>> {
    for unit in units {
        let proxy = proxy(connection, unit).await?;
        if proxy.load_state().await? != "not-found" {
            return Ok(Some(unit.clone()));
        }
    }
    Ok(units.first().cloned())
}

async fn unit_state(connection: &zbus::Connection, unit: &str) -> zbus::Result<Unit> {
    let proxy = proxy(connection, unit).await?;
    let state = proxy.active_state().await?;
    if state != "failed" {
        return Ok(unit_of(&state, "", 0));
    }
    let path: OwnedObjectPath = proxy.inner().path().to_owned().into();
    let service =
        SystemdServiceProxy::builder(connection).path(path).cache_properties(CacheProperties::No).build().await?;
    // Not every unit is a service; then nobody says why it failed.
    let result = service.result().await.unwrap_or_default();
    let status = service.exec_main_status().await.unwrap_or_default();
    Ok(unit_of(&state, &result, status))
}

async fn proxy(connection: &zbus::Connection, unit: &str) -> zbus::Result<SystemdUnitProxy<'static>> {
    // It may have been forgotten since, and have another object then.
    let path = ManagerProxy::new(connection).await?.load_unit(unit).await?;
    SystemdUnitProxy::builder(connection).path(path).cache_properties(CacheProperties::No).build().await
}
