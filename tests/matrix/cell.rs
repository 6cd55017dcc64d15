// SPDX-License-Identifier: GPL-3.0-or-later
//! One story with one fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU16;
use std::sync::OnceLock;
use std::time::Duration;

use tails_server::controller::{PublishRequest, RecordChange, RequestError, ServiceStatus, Snapshot, State};
use tails_server_state::{
    Autostart, ClientAuthorization, ClientPublicKey, ClientSecretKey, Exposure, NewClient, NewClientKey, Persistence,
    PortMapping, ServiceName, Target, VirtualPort, Wish,
};
use tempfile::TempDir;

use crate::house::House;
use crate::model::{Model, Open};
use crate::story::{Ending, Request, Story};
use crate::tor::{Fault, ScriptedTor};

/// Longer than all back-offs and time-outs together; the clock is simulated.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is counted what Tor heard.
const LOOK: Duration = Duration::from_millis(1);
/// Longer than a Tor is away.
const LONG: Duration = Duration::from_secs(5);
/// For what may still come after the end.
const QUIET: Duration = Duration::from_secs(300);

pub(crate) struct Cell {
    pub(crate) story: &'static Story,
    /// The number of a command, from 1, and what happens at it.
    pub(crate) fault: Option<(usize, Fault)>,
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            None => write!(formatter, "{}, undisturbed", self.story),
            Some((number, fault)) => write!(formatter, "{}, {fault:?} at command {number}", self.story),
        }
    }
}

impl Cell {
    /// Runs it; why it is not as it should be.
    pub(crate) fn run(&self) -> Result<(), String> {
        self.commands().map(drop)
    }

    /// Runs it; the commands that were heard in its disturbed part.
    pub(crate) fn commands(&self) -> Result<Vec<String>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { Life::begin().await.live(self).await })
    }
}

/// The key of a client of this name: always the same.
fn key(name: &str) -> ClientPublicKey {
    static KEYS: OnceLock<BTreeMap<&str, ClientPublicKey>> = OnceLock::new();
    let new = || ClientSecretKey::generate().unwrap().public_key();
    let keys = KEYS.get_or_init(|| BTreeMap::from(["alice", "bob"].map(|name| (name, new()))));
    *keys.get(name).unwrap()
}

fn open_to(names: &[&str]) -> Open {
    Open::To(names.iter().map(|name| key(name).base32()).collect())
}

fn web() -> ServiceName {
    "web".parse().unwrap()
}

/// A directory for the stores of one cell. What survives a power cut is no matter here, and waiting for a disk ten thousand
/// times takes minutes.
pub(crate) fn in_memory() -> TempDir {
    let mut directory = tempfile::Builder::new();
    let directory = directory.prefix("ts-");
    directory.tempdir_in("/dev/shm").or_else(|_| directory.tempdir()).unwrap()
}

/// What was acknowledged, as far as it matters to whom the service is open.
#[derive(Debug, Clone, Default)]
struct Acknowledged {
    address: Option<String>,
    is_private: bool,
    is_off: bool,
    clients: BTreeSet<&'static str>,
}

impl Acknowledged {
    fn open(&self) -> Open {
        let clients: Vec<&str> = self.clients.iter().copied().collect();
        match (self.is_off, self.is_private) {
            (true, _) => open_to(&[]),
            (false, true) => open_to(&clients),
            (false, false) => Open::ToEverybody,
        }
    }

    /// What it is after this request.
    fn after(&self, request: Request) -> Self {
        let mut after = self.clone();
        match request {
            Request::Publish(authorization) | Request::Authorization(authorization) => {
                after.is_private = authorization == ClientAuthorization::On;
            }
            Request::Add(name) => drop(after.clients.insert(name)),
            Request::Remove(name) => drop(after.clients.remove(name)),
            Request::Disable | Request::RemoveService => after.is_off = true,
            Request::RenewKey | Request::Settle | Request::Commands(_) | Request::Cut | Request::Return => (),
        }
        after
    }
}

/// A controller over the years, and its Tor.
struct Life {
    directory: TempDir,
    tor: ScriptedTor,
    house: Option<House>,
    acknowledged: Acknowledged,
    complaints: Vec<String>,
}

impl Life {
    async fn begin() -> Self {
        let directory = in_memory();
        let crowd = vec![Some(key("alice").base32()), Some(key("bob").base32()), Some("E".repeat(52)), None];
        let model = Model::with_crowd(crowd);
        let tor = ScriptedTor::new(&directory.path().join("control"), model);
        tor.start();
        let mut life =
            Self { directory, tor, house: None, acknowledged: Acknowledged::default(), complaints: Vec::new() };
        life.open().await;
        life
    }

    async fn live(mut self, cell: &Cell) -> Result<Vec<String>, String> {
        for &request in cell.story.before {
            self.carry_out(request).await?;
        }
        self.tor.fail_at(cell.fault);
        let mut requests = cell.story.disturbed.iter().peekable();
        let mut is_killed = !cell.fault.is_some_and(|(_, fault)| fault.kills_the_controller());
        while let Some(&&request) = requests.peek() {
            let tor = self.tor.clone();
            tokio::select! {
                // A request that was answered was answered, even if it is the last thing that was done.
                biased;
                done = self.carry_out(request) => {
                    done?;
                    requests.next();
                }
                () = tor.struck(), if !is_killed => {
                    is_killed = true;
                    self.kill_and_open().await;
                }
            }
        }
        self.tor.be_away(false);
        if !is_killed {
            tokio::time::timeout(PATIENCE, self.tor.struck()).await.map_err(|_| "it never came to the fault")?;
            self.kill_and_open().await;
        }
        self.end(cell).await?;
        // Not to wait for anything: whatever may still come has its time to come, on the simulated clock.
        tokio::time::sleep(QUIET).await;
        let heard = self.tor.heard();
        self.is_at(cell)?;
        if cell.fault.is_some() && !self.tor.has_struck() {
            return Err("it never came to the fault".to_owned());
        }
        if let Some(house) = self.house.take() {
            house.kill().await;
        }
        self.complaints.extend(std::mem::take(&mut self.tor.model().violations));
        match self.complaints.first() {
            Some(first) => Err(format!("{first} ({} complaints); heard {:?}", self.complaints.len(), verbs(&heard))),
            None => Ok(heard),
        }
    }

    async fn open(&mut self) {
        self.house = Some(House::open(self.directory.path(), &self.directory.path().join("control")).await);
    }

    async fn kill_and_open(&mut self) {
        if let Some(house) = self.house.take() {
            house.kill().await;
        }
        self.open().await;
    }

    /// Waits until the end that a cell should have.
    async fn end(&mut self, cell: &Cell) -> Result<(), String> {
        let reached = |picture: &Snapshot| match picture.services.get(&web()) {
            None => cell.story.ending == Ending::Removed && picture.tor.online,
            Some(service) => service.access_settled && (service.state == state(cell.story.ending)),
        };
        let gives_up = |service: &ServiceStatus| match cell.fault {
            Some((_, Fault::Wrong(_))) => service.state == State::Failed && service.access_settled,
            Some((_, Fault::Stubborn)) => service.problem.is_some(),
            Some(_) | None => false,
        };
        let ended = |picture: &Snapshot| reached(picture) || picture.services.get(&web()).is_some_and(gives_up);
        self.until(ended).await?;
        if reached(&self.controller().snapshot()) {
            return Ok(());
        }
        if let Some((_, Fault::Wrong(_))) = cell.fault {
            // A Tor that lets in others than it is told is not asked again by itself, and what it added is gone.
            if !self.tor.model().services().is_empty() {
                return Err("what let in others is still there".to_owned());
            }
            for wish in [Wish::Disabled, Wish::Enabled] {
                self.controller().set_wish(web(), wish).await.map_err(|cause| cause.to_string())?;
            }
        } else {
            // A Tor that keeps what is to be replaced is asked for ever, and what it keeps lets in nobody who is unwelcome.
            tokio::time::sleep(QUIET).await;
            if let Some(why) = self.acknowledged.address.as_ref().and_then(|address| self.tor.model().too_open(address))
            {
                return Err(why);
            }
            self.tor.restart();
        }
        self.until(reached).await
    }

    /// Compares the Tor with the ending.
    fn is_at(&self, cell: &Cell) -> Result<(), String> {
        let address = || self.acknowledged.address.clone().unwrap_or_default();
        let expected: BTreeMap<String, Open> = match cell.story.ending {
            Ending::PublishedFor(names) => BTreeMap::from([(address(), open_to(names))]),
            Ending::ForNobody | Ending::Disabled | Ending::Removed => BTreeMap::new(),
        };
        let model = self.tor.model();
        if model.services() != expected {
            return Err(format!("Tor has {:?} instead of {expected:?}", model.services()));
        }
        if let Some(address) = model.visited().iter().find(|address| !expected.contains_key(*address)) {
            return Err(format!("somebody still visits {address}"));
        }
        model.too_open(&address()).map_or(Ok(()), Err)
    }

    fn controller(&self) -> tails_server::controller::Controller {
        self.house.as_ref().map(|house| house.controller.clone()).unwrap()
    }

    /// Carries out a request that may have been carried out before, by a controller that was killed.
    async fn carry_out(&mut self, request: Request) -> Result<(), String> {
        let (after, before) = (self.acknowledged.after(request), self.acknowledged.address.clone());
        if let Some(address) = &self.acknowledged.address {
            self.tor.model().allow(address, &after.open());
        }
        let controller = self.controller();
        let add = |name: &str| NewClient { name: name.parse().unwrap(), key: NewClientKey::Brought(key(name)) };
        let answer = match request {
            Request::Publish(authorization) => controller.publish(publish(authorization)).await.map(drop),
            Request::Add(name) => match controller.add_client(web(), add(name)).await {
                Err(RequestError::Store(_)) if self.has_client(name) => Ok(()),
                answer => answer,
            },
            Request::Remove(name) => controller.remove_client(web(), name.parse().unwrap()).await.map(drop),
            Request::Authorization(authorization) => {
                controller.change(web(), RecordChange::ClientAuthorization(authorization)).await.map(drop)
            }
            Request::RenewKey => controller.replace_key(web(), None).await,
            Request::Disable => controller.set_wish(web(), Wish::Disabled).await.map(drop),
            Request::RemoveService => match controller.remove(web()).await {
                Err(RequestError::Unknown(_)) => Ok(()),
                answer => answer.map(drop),
            },
            Request::Settle => {
                let settled = |picture: &Snapshot| {
                    let service = picture.services.get(&web());
                    service.is_some_and(|service| {
                        service.access_settled && matches!(service.state, State::Published | State::Failed)
                    })
                };
                let reached = self.until(settled).await;
                // A fault may keep it from that; what follows is asked for all the same.
                return if self.tor.has_struck() { Ok(()) } else { reached };
            }
            Request::Commands(number) => {
                let heard = async {
                    while self.tor.count() < number {
                        // Not to wait for anything real: the clock is simulated.
                        tokio::time::sleep(LOOK).await;
                    }
                };
                // After a fault there may be fewer.
                let _ = tokio::time::timeout(LONG, heard).await;
                return Ok(());
            }
            Request::Return => {
                self.tor.be_away(false);
                return Ok(());
            }
            Request::Cut => {
                self.tor.be_away(true);
                return self.until(|picture| !picture.tor.connected).await;
            }
        };
        answer.map_err(|cause| format!("{request:?}: {cause}"))?;
        self.acknowledged = after;
        if let Some(service) = controller.snapshot().services.get(&web()) {
            self.acknowledged.address = Some(service.address.display_unredacted());
        }
        if let Some(address) = &before {
            self.tor.model().promise(address, open_to(&[]));
        }
        if let Some(address) = &self.acknowledged.address {
            self.tor.model().promise(address, self.acknowledged.open());
        }
        self.look(&controller.snapshot());
        Ok(())
    }

    fn has_client(&self, name: &str) -> bool {
        let picture = self.controller().snapshot();
        picture
            .services
            .get(&web())
            .is_some_and(|service| service.clients.iter().any(|client| client.name.as_str() == name))
    }

    /// Waits until the picture is so, and looks at every one on the way.
    async fn until(&mut self, is_so: impl Fn(&Snapshot) -> bool) -> Result<(), String> {
        let controller = self.controller();
        let mut pictures = controller.pictures();
        pictures.mark_changed();
        let waiting = async {
            loop {
                let picture = pictures.borrow_and_update().clone();
                self.look(&picture);
                if is_so(&picture) || pictures.changed().await.is_err() {
                    return;
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, waiting).await;
        let picture = controller.snapshot();
        if ended.is_err() || !is_so(&picture) {
            let heard = self.tor.heard();
            return Err(format!("never reached: {:?}, heard {:?}", picture.services.values(), verbs(&heard)));
        }
        Ok(())
    }

    /// What people are told must be so at this moment.
    fn look(&mut self, picture: &Snapshot) {
        let Some(service) = picture.services.get(&web()) else { return };
        if !service.access_settled && service.state != State::Published {
            return;
        }
        let said = if service.access_settled { "the access has ended" } else { "published" };
        let address = service.address.display_unredacted();
        let model = self.tor.model();
        if let Some(why) = model.too_open(&address) {
            self.complaints.push(format!("it says \"{said}\", and {why}; wished {:?}", self.acknowledged));
        }
    }
}

fn verbs(commands: &[String]) -> Vec<&str> {
    commands.iter().map(|command| crate::model::verb(command)).collect()
}

fn state(ending: Ending) -> State {
    match ending {
        Ending::PublishedFor(_) => State::Published,
        Ending::ForNobody => State::Failed,
        Ending::Disabled | Ending::Removed => State::Disabled,
    }
}

fn publish(client_authorization: ClientAuthorization) -> PublishRequest {
    let target: Target = "127.0.0.1:8080".parse().unwrap();
    let virtual_port = VirtualPort::new(NonZeroU16::new(80).unwrap());
    PublishRequest {
        name: Some(web()),
        ports: vec![PortMapping { virtual_port, target }].try_into().unwrap(),
        persistence: Persistence::Kept,
        autostart: Autostart::Off,
        exposure: Exposure { client_authorization, ..Exposure::default() },
        wish: Wish::Enabled,
    }
}
