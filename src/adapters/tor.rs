// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor, over one long-lived control connection.
//!
//! The connection is made again for ever, with growing pauses. Nothing here decides anything: events become facts, steps
//! become commands.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tails_server_state::{ClientPublicKey, ClientSecretKey, DescriptorId, OnionAddress, TimePeriod};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::info;

use crate::adapters::check::Check;
use crate::adapters::control_source::ControlSource;
use crate::controller::{
    AddOnionError, Audience, Backoff, Bootstrap, BootstrapWarning, CheckError, CheckRequest, Checked, CredentialError,
    Fact, Generation, HiddenUpload, HsDir, NewOnion, RemoveOnionError, Tor, TorFact, TorProblem, Visitors,
};
use crate::errors::with_causes;
use crate::torctl::{
    self, AddOnion, Client, CommandError, ConnectionLost, ControlAddress, Credentials, Event, EventKind, HsDescAction,
    HsDescEvent, InfoKey, Method, Refusal, VersionStatus, parse_bootstrap_phase, parse_time,
};

/// The first pause after a lost connection. A restarted Tor answers 0.01 to 0.1 s after its start.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: nobody should wait longer for a Tor that is there again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A connection that lasted this long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

const EVENTS: &[EventKind] =
    &[EventKind::StatusClient, EventKind::StatusGeneral, EventKind::HsDesc, EventKind::ConfChanged];
const FIRST_QUESTIONS: &[InfoKey] = &[InfoKey::BootstrapPhase, InfoKey::EnoughDirInfo, InfoKey::CircuitEstablished];
/// What a filter may keep back, or Tor not know yet.
const CONSENSUS_QUESTIONS: &[InfoKey] = &[InfoKey::ConsensusValidAfter, InfoKey::ConsensusFreshUntil];
/// The event after which these have other answers.
const CONSENSUS_ARRIVED: &str = "STATUS_CLIENT CONSENSUS_ARRIVED";

/// How often a Tor that does not prove who it is is asked whether it is still the same. A filter connects to the next Tor
/// by itself and tells nobody; what that Tor does not have must not be called published for long.
const LOOK_AT_PROCESS: Duration = Duration::from_secs(5);
/// Time for that answer. Without a Tor, a filter waits for the next one and says nothing.
const PROCESS_PATIENCE: Duration = Duration::from_secs(15);

/// The reason of Tor's that only uploads fail for.
const UPLOAD_FAILED: &str = "UPLOAD_REJECTED";
/// Facts that may come while the first questions are answered. Thousands of services of others would not bring as many.
const EARLY_FACTS: usize = 64 * 1024;

/// Tor, as the loop's port. The control connection ends with it and with the loop.
#[derive(Debug)]
pub struct ControlPort {
    current: watch::Receiver<Option<Current>>,
    credentials: Arc<Credentials>,
    /// For each private service that was added, the secret key of one more client: this program, for a check. It is in
    /// memory alone, and another one in each life of the service.
    probe_keys: Mutex<BTreeMap<OnionAddress, Arc<ClientSecretKey>>>,
    checking: tokio::sync::Mutex<()>,
}

/// The connection that is up.
#[derive(Debug, Clone)]
struct Current {
    generation: Generation,
    client: Client,
    address: ControlAddress,
}

impl ControlPort {
    /// Connects, and connects again whenever the connection is lost, on behalf of the loop that reads `facts`.
    #[must_use]
    pub fn start(source: ControlSource, credentials: Credentials, facts: mpsc::Sender<Fact>) -> (Self, JoinHandle<()>) {
        let (publish, current) = watch::channel(None);
        let credentials = Arc::new(credentials);
        let connector = Connector {
            source,
            credentials: Arc::clone(&credentials),
            facts,
            current: publish,
            generation: Generation::default(),
        };
        let task = tokio::spawn(connector.run());
        let (probe_keys, checking) = (Mutex::default(), tokio::sync::Mutex::default());
        (Self { current, credentials, probe_keys, checking }, task)
    }

    fn client(&self, generation: Generation) -> Option<Client> {
        let current = self.current.borrow();
        current.as_ref().filter(|current| current.generation == generation).map(|current| current.client.clone())
    }

    fn probe_keys(&self) -> MutexGuard<'_, BTreeMap<OnionAddress, Arc<ClientSecretKey>>> {
        self.probe_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tor for ControlPort {
    async fn add_onion(&self, generation: Generation, onion: NewOnion) -> Result<(), AddOnionError> {
        let client = self.client(generation).ok_or(AddOnionError::ConnectionLost)?;
        if onion.visitors == Visitors::Leave {
            // Before it is there again, so that nobody slips in between.
            client.close_visitors(&onion.address).await.map_err(|cause| {
                if let CommandError::Lost { cause, .. } = cause {
                    return ended(&cause);
                }
                AddOnionError::Failed(format!("earlier visitors can not be sent away: {}", with_causes(&cause)))
            })?;
        }
        // Sending them away may take a while, in which a client may be removed.
        if onion.recall.is_recalled() {
            return Err(AddOnionError::Recalled);
        }
        let (clients, probe_key) = match &onion.shape.audience {
            Audience::Everybody => (None, None),
            Audience::Clients(clients) => {
                let probe = ClientSecretKey::generate().map_err(|cause| AddOnionError::Failed(with_causes(&cause)))?;
                let clients: Vec<ClientPublicKey> = clients.iter().copied().chain([probe.public_key()]).collect();
                (Some(clients), Some(probe))
            }
        };
        let mut command = AddOnion::new(&onion.key, onion.address, &onion.shape.ports);
        if let Some(clients) = &clients {
            command = command.with_clients(clients);
        }
        if let Some(most) = onion.shape.max_streams {
            command = command.with_max_streams(most);
        }
        if let Some(defence) = onion.shape.proof_of_work {
            command = command.with_proof_of_work(defence);
        }
        let Err(cause) = client.add_onion(&command).await else {
            match probe_key {
                Some(key) => self.probe_keys().insert(onion.address, Arc::new(key)),
                None => self.probe_keys().remove(&onion.address),
            };
            return Ok(());
        };
        let why = why_not_added(&cause);
        let cleared = match why {
            // However briefly they could come in: they leave with the service.
            AddOnionError::OtherClients => client.close_visitors(&onion.address).await.map(drop),
            // Tor says that it failed, not that it has nothing.
            AddOnionError::Failed(_) => client.del_onion(&onion.address).await.map(drop),
            AddOnionError::ConnectionLost
            | AddOnionError::EndedConnection(_)
            | AddOnionError::Collision
            | AddOnionError::Refused(_)
            | AddOnionError::Recalled => Ok(()),
        };
        if cleared.is_err() {
            client.close();
            return Err(AddOnionError::ConnectionLost);
        }
        Err(why)
    }

    fn disconnect(&self, generation: Generation) {
        if let Some(client) = self.client(generation) {
            client.close();
        }
    }

    async fn remove_onion(
        &self,
        generation: Generation,
        address: OnionAddress,
        visitors: Visitors,
    ) -> Result<(), RemoveOnionError> {
        let client = self.client(generation).ok_or(RemoveOnionError::ConnectionLost)?;
        match client.del_onion(&address).await {
            Ok(_) => (),
            Err(CommandError::Lost { .. }) => return Err(RemoveOnionError::ConnectionLost),
            Err(cause) => return Err(RemoveOnionError::Failed(with_causes(&cause))),
        }
        match visitors {
            Visitors::Stay => Ok(()),
            Visitors::Leave => close_visitors(&client, &address).await,
        }
    }

    async fn send_away(&self, generation: Generation, address: OnionAddress) -> Result<(), RemoveOnionError> {
        let client = self.client(generation).ok_or(RemoveOnionError::ConnectionLost)?;
        close_visitors(&client, &address).await
    }

    async fn add_credential(
        &self,
        generation: Generation,
        address: OnionAddress,
        key: ClientSecretKey,
    ) -> Result<(), CredentialError> {
        let client = self.client(generation).ok_or(CredentialError::ConnectionLost)?;
        client.add_client_auth(&address, &key).await.map(drop).map_err(|cause| why_no_credential(&cause))
    }

    async fn remove_credential(&self, generation: Generation, address: OnionAddress) -> Result<(), CredentialError> {
        let client = self.client(generation).ok_or(CredentialError::ConnectionLost)?;
        client.remove_client_auth(&address).await.map(drop).map_err(|cause| why_no_credential(&cause))
    }

    async fn check(&self, request: CheckRequest) -> Result<Checked, CheckError> {
        let current = self.current.borrow().clone();
        let current = current.ok_or_else(|| CheckError::NoTor("there is no control connection".to_owned()))?;
        // One at a time: Tor has one key for an address, and each check takes its own away in the end.
        let _turn = self.checking.lock().await;
        let probe_key = self.probe_keys().get(&request.address).cloned();
        Check { address: &current.address, credentials: &self.credentials, probe_key }.run(&request).await
    }
}

async fn close_visitors(client: &Client, address: &OnionAddress) -> Result<(), RemoveOnionError> {
    match client.close_visitors(address).await {
        Ok(_) => Ok(()),
        Err(CommandError::Lost { .. }) => Err(RemoveOnionError::ConnectionLost),
        Err(cause) => Err(RemoveOnionError::VisitorsStay(with_causes(&cause))),
    }
}

fn why_no_credential(cause: &CommandError) -> CredentialError {
    if let CommandError::Lost { .. } = cause {
        return CredentialError::ConnectionLost;
    }
    CredentialError::Refused(with_causes(cause))
}

/// The period that visitors look into, by Tor's consensus; `None` without one, or where a filter keeps it back.
async fn time_period(client: &Client) -> Option<TimePeriod> {
    let answers = client.get_info_if_known(CONSENSUS_QUESTIONS).await.ok()?;
    let time = |key| answers.get(&key).and_then(|text| parse_time(text));
    TimePeriod::of_consensus(time(InfoKey::ConsensusValidAfter)?, time(InfoKey::ConsensusFreshUntil)?)
}

/// The service may be why the connection ended, unless we closed it ourselves.
fn ended(cause: &ConnectionLost) -> AddOnionError {
    match cause {
        ConnectionLost::GivenUp => AddOnionError::ConnectionLost,
        ConnectionLost::Closed
        | ConnectionLost::Broken(_)
        | ConnectionLost::TimedOut { .. }
        | ConnectionLost::EventsNotRead { .. }
        | ConnectionLost::Garbled
        | ConnectionLost::NotAscii
        | ConnectionLost::TooLong
        | ConnectionLost::Unasked { .. } => AddOnionError::EndedConnection(cause.to_string()),
    }
}

fn why_not_added(cause: &CommandError) -> AddOnionError {
    let refusal = match cause {
        CommandError::Lost { cause, .. } => return ended(cause),
        CommandError::Refused { refusal, .. } => refusal,
        CommandError::WrongClients => return AddOnionError::OtherClients,
        CommandError::WrongServiceId
        | CommandError::Clients(_)
        | CommandError::Circuits(_)
        | CommandError::VisitorsKeepComing { .. }
        | CommandError::Argument { .. } => {
            return AddOnionError::Refused(cause.to_string());
        }
    };
    match refusal {
        Refusal::Collision => AddOnionError::Collision,
        Refusal::Filtered
        | Refusal::UnknownCommand(_)
        | Refusal::Key
        | Refusal::Ports
        | Refusal::Flags(_)
        | Refusal::Limits(_)
        | Refusal::NoProofOfWork
        | Refusal::ClientKey
        | Refusal::NoClients
        | Refusal::NotRestricted
        | Refusal::Address
        | Refusal::Argument(_)
        | Refusal::UnknownArgument(_)
        | Refusal::Value(_) => AddOnionError::Refused(refusal.to_string()),
        Refusal::AuthenticationRequired
        | Refusal::Authentication(_)
        | Refusal::Failed(_)
        | Refusal::Internal(_)
        | Refusal::UnknownService
        | Refusal::UnknownCircuit
        | Refusal::UnknownKey(_)
        | Refusal::Unknown(_)
        | Refusal::Unexpected { .. } => AddOnionError::Failed(refusal.to_string()),
    }
}

/// The loop has ended, so nobody needs a connection.
struct LoopEnded;

struct Connector {
    source: ControlSource,
    credentials: Arc<Credentials>,
    facts: mpsc::Sender<Fact>,
    current: watch::Sender<Option<Current>>,
    generation: Generation,
}

impl Connector {
    async fn run(mut self) {
        self.connect_for_ever().await;
        self.current.send_replace(None);
        self.source.end().await;
    }

    /// Returns once the loop has ended.
    async fn connect_for_ever(&mut self) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            self.generation.0 += 1;
            let began = Instant::now();
            let facts = self.facts.clone();
            let ended = tokio::select! {
                ended = self.one_connection() => ended,
                // The loop may end while this waits for an answer, or for an event.
                () = facts.closed() => Err(LoopEnded),
            };
            self.current.send_replace(None);
            let Ok(problem) = ended else { return };
            if self.tell(TorFact::Lost(problem)).await.is_err() {
                return;
            }
            if began.elapsed() >= GOOD_CONNECTION {
                pauses.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(pauses.next()) => (),
                () = self.facts.closed() => return,
            }
        }
    }

    /// One connection from its beginning to its end; why it ended, or could not begin.
    async fn one_connection(&mut self) -> Result<TorProblem, LoopEnded> {
        let address = match self.source.address(&self.credentials).await {
            Ok(address) => address,
            Err(problem) => return Ok(problem),
        };
        let (client, mut events) = match Client::connect(&address, &self.credentials).await {
            Ok(connected) => connected,
            Err(cause) => return Ok(self.source.explain(&cause)),
        };
        info!(version = client.tor_version(), generation = self.generation.0, "connected to Tor");
        let mut early = Vec::new();
        let (mut watching, look) = (JoinSet::new(), Arc::new(Notify::new()));
        let answers = {
            let mut begun = pin!(self.begin(&client));
            loop {
                // Events are taken while the replies are awaited: Tor is not read from while they wait.
                tokio::select! {
                    biased;
                    answers = &mut begun => break answers,
                    Some(event) = events.next() => early.extend(facts_of(event)),
                }
                if early.len() > EARLY_FACTS {
                    client.close();
                }
            }
        };
        match answers {
            Ok(Begun { answers, period, advice, process }) => {
                self.introduce(&client, address, &answers).await?;
                self.tell(TorFact::TimePeriod(period)).await?;
                if let Some(recommended) = advice {
                    self.tell(TorFact::DangerousVersion(recommended)).await?;
                }
                if let Some(process) = process {
                    watching.spawn(replaced(client.clone(), process, Arc::clone(&look)));
                }
            }
            Err(CommandError::Lost { .. }) => return Ok(lost(&client).await),
            Err(cause) => {
                return Ok(TorProblem {
                    message: format!("Tor can not be watched: {}", with_causes(&cause)),
                    hint: Some("If onion-grater filters the control port, it needs the profile of Tails Server".into()),
                });
            }
        }
        for fact in early {
            self.tell(fact).await?;
        }
        // Asked in a task of its own: no reply is read while the events are not taken.
        let mut asking = JoinSet::new();
        loop {
            let event = tokio::select! {
                Some(period) = asking.join_next() => {
                    self.tell(TorFact::TimePeriod(period.ok().flatten())).await?;
                    continue;
                }
                Some(problem) = watching.join_next() => {
                    client.close();
                    return Ok(problem.unwrap_or_else(|_died| given_up("bug: nobody watches Tor's process")));
                }
                event = events.next() => event,
            };
            let Some(event) = event else { break };
            if let Event::Bootstrap(_) = &event {
                // The next Tor says so, too.
                look.notify_one();
            }
            if matches!(&event, Event::Other { keyword } if keyword == CONSENSUS_ARRIVED) && asking.is_empty() {
                let client = client.clone();
                asking.spawn(async move { time_period(&client).await });
            }
            if let Some(fact) = facts_of(event) {
                self.tell(fact).await?;
            }
        }
        Ok(lost(&client).await)
    }

    /// Subscribes first and asks then, so that no change falls between the two.
    async fn begin(&self, client: &Client) -> Result<Begun, CommandError> {
        if self.source.owns_tor() {
            client.take_ownership().await?;
        }
        client.set_events(EVENTS).await?;
        let answers = client.get_info(FIRST_QUESTIONS).await?;
        let advice = client.get_info_if_known(&[InfoKey::VersionStatus]).await?;
        let advice = advice.get(&InfoKey::VersionStatus).map(|text| VersionStatus::parse(text));
        let warned = advice == Some(VersionStatus::Obsolete) || advice == Some(VersionStatus::Unrecommended);
        let process = if client.method() == Method::Null { Some(process(client).await?) } else { None };
        Ok(Begun { answers, period: time_period(client).await, advice: warned.then(String::new), process })
    }

    /// Tells what Tor answered first.
    async fn introduce(
        &self,
        client: &Client,
        address: ControlAddress,
        answers: &BTreeMap<InfoKey, String>,
    ) -> Result<(), LoopEnded> {
        // Steps may follow as soon as facts are told, so the connection is there for them before.
        self.current.send_replace(Some(Current { generation: self.generation, client: client.clone(), address }));
        self.tell(TorFact::Connected { version: client.tor_version().to_owned() }).await?;
        if let Some(phase) = answers.get(&InfoKey::BootstrapPhase).and_then(|line| parse_bootstrap_phase(line)) {
            self.tell(TorFact::Bootstrap(bootstrap(phase))).await?;
        }
        let is_one = |key: InfoKey| answers.get(&key).is_some_and(|value| value == "1");
        self.tell(TorFact::EnoughDirectory(is_one(InfoKey::EnoughDirInfo))).await?;
        self.tell(TorFact::Circuits(is_one(InfoKey::CircuitEstablished))).await
    }

    async fn tell(&self, fact: TorFact) -> Result<(), LoopEnded> {
        self.facts.send(Fact::Tor(self.generation, fact)).await.map_err(|_| LoopEnded)
    }
}

/// What Tor answered first.
struct Begun {
    /// The questions that every Tor answers.
    answers: BTreeMap<InfoKey, String>,
    period: Option<TimePeriod>,
    /// That its version is advised against.
    advice: Option<String>,
    /// Its process, where there may be a filter that connects to the next Tor by itself.
    process: Option<String>,
}

/// The number of Tor's process.
async fn process(client: &Client) -> Result<String, CommandError> {
    let mut answers = client.get_info(&[InfoKey::ProcessId]).await?;
    Ok(answers.remove(&InfoKey::ProcessId).unwrap_or_default())
}

/// Ends when it is not this process that answers any more, and says why the connection is of no use then.
async fn replaced(client: Client, before: String, look: Arc<Notify>) -> TorProblem {
    loop {
        // Whether it was told to look, or nothing happened for a while.
        let _ = tokio::time::timeout(LOOK_AT_PROCESS, look.notified()).await;
        match tokio::time::timeout(PROCESS_PATIENCE, process(&client)).await {
            Ok(Ok(after)) if after == before => {}
            Ok(Ok(_other)) => return given_up("Tor was started again, and what it had of ours is gone"),
            Ok(Err(cause)) => return given_up(&with_causes(&cause)),
            Err(_elapsed) => return given_up("Tor, or a filter before it, does not answer"),
        }
    }
}

fn given_up(reason: &str) -> TorProblem {
    info!(reason, "connection to Tor given up");
    TorProblem { message: format!("the connection to Tor was given up: {reason}"), hint: None }
}

async fn lost(client: &Client) -> TorProblem {
    let reason = client.closed().await;
    info!(%reason, "connection to Tor lost");
    TorProblem { message: format!("the connection to Tor was lost: {reason}"), hint: None }
}

fn bootstrap(phase: torctl::Bootstrap) -> Bootstrap {
    let warning = phase.problem.filter(|problem| problem.worth_telling);
    let warning = warning.map(|problem| BootstrapWarning { words: problem.warning, reason: problem.reason });
    Bootstrap { percent: phase.progress, summary: phase.summary, warning }
}

/// What an event says of the world; most events say nothing that matters.
fn facts_of(event: Event) -> Option<TorFact> {
    match event {
        Event::Bootstrap(phase) => Some(TorFact::Bootstrap(bootstrap(phase))),
        Event::EnoughDirInfo => Some(TorFact::EnoughDirectory(true)),
        Event::NotEnoughDirInfo => Some(TorFact::EnoughDirectory(false)),
        Event::CircuitEstablished => Some(TorFact::Circuits(true)),
        Event::CircuitNotEstablished => Some(TorFact::Circuits(false)),
        Event::OnionAdded(address) => Some(TorFact::OnionAdded(address)),
        Event::HsDesc(event) => upload(event),
        Event::ConfChanged(changes) => changes
            .iter()
            .any(|(key, value)| key.eq_ignore_ascii_case("DisableNetwork") && value.as_deref() == Some("1"))
            .then_some(TorFact::Circuits(false)),
        Event::ClockSkew { seconds, .. } => Some(TorFact::ClockSkew(seconds)),
        Event::ClockJumped { .. } => Some(TorFact::ClockJumped),
        // A version that is newer than the recommended ones is somebody's choice, and no danger.
        Event::DangerousVersion { reason, .. } if reason.starts_with("NEW") => None,
        Event::DangerousVersion { recommended, .. } => Some(TorFact::DangerousVersion(recommended)),
        Event::NetworkLiveness(_) | Event::Signal { .. } | Event::Other { .. } => None,
    }
}

fn upload(event: HsDescEvent) -> Option<TorFact> {
    // Fetches fail by the same event, for other reasons: a visit of the own service from this computer, say.
    let rejected = event.reason.as_deref() == Some(UPLOAD_FAILED);
    let id = event.descriptor_id.as_deref().and_then(descriptor_id);
    match (event.action, event.address, event.hsdir.map(HsDir::from)) {
        (HsDescAction::Upload, Some(address), Some(hsdir)) => Some(TorFact::UploadBegun(address, hsdir, id?)),
        (HsDescAction::Uploaded, Some(address), Some(hsdir)) => Some(TorFact::UploadConfirmed(address, hsdir)),
        (HsDescAction::Failed, Some(address), Some(hsdir)) if rejected => {
            Some(TorFact::UploadFailed(address, hsdir, id))
        }
        (HsDescAction::Upload, ..) => Some(TorFact::UploadHidden(HiddenUpload::Begun)),
        (HsDescAction::Uploaded, ..) => Some(TorFact::UploadHidden(HiddenUpload::Confirmed)),
        (
            HsDescAction::Failed
            | HsDescAction::Created
            | HsDescAction::Requested
            | HsDescAction::Received
            | HsDescAction::Other,
            ..,
        ) => None,
    }
}

/// The blinded public key that Tor's name of a descriptor is the base64 of.
fn descriptor_id(text: &str) -> Option<DescriptorId> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    Some(DescriptorId::from_bytes(bytes.try_into().ok()?))
}
