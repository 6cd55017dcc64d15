// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor, over one long-lived control connection.
//!
//! The connection is made again for ever, with growing pauses. Nothing here decides anything: events become facts, steps
//! become commands.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tails_server_state::OnionAddress;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::info;

use crate::adapters::control_source::ControlSource;
use crate::controller::{
    AddOnionError, Backoff, Bootstrap, Fact, Generation, HsDir, NewOnion, RemoveOnionError, Tor, TorFact, TorProblem,
};
use crate::errors::with_causes;
use crate::torctl::{
    self, AddOnion, Client, CommandError, Credentials, Event, EventKind, HsDescAction, HsDescEvent, InfoKey, Refusal,
    parse_bootstrap_phase,
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

/// The reason of Tor's that only uploads fail for.
const UPLOAD_FAILED: &str = "UPLOAD_REJECTED";
/// Facts that may come while the first questions are answered. Thousands of services of others would not bring as many.
const EARLY_FACTS: usize = 64 * 1024;

/// Tor, as the loop's port. The control connection ends with it and with the loop.
#[derive(Debug)]
pub struct ControlPort {
    current: watch::Receiver<Option<(Generation, Client)>>,
}

impl ControlPort {
    /// Connects, and connects again whenever the connection is lost, on behalf of the loop that reads `facts`.
    #[must_use]
    pub fn start(source: ControlSource, credentials: Credentials, facts: mpsc::Sender<Fact>) -> (Self, JoinHandle<()>) {
        let (publish, current) = watch::channel(None);
        let connector = Connector { source, credentials, facts, current: publish, generation: Generation::default() };
        let task = tokio::spawn(connector.run());
        (Self { current }, task)
    }

    fn client(&self, generation: Generation) -> Option<Client> {
        let current = self.current.borrow();
        current.as_ref().filter(|(newest, _)| *newest == generation).map(|(_, client)| client.clone())
    }
}

impl Tor for ControlPort {
    async fn add_onion(&self, generation: Generation, onion: NewOnion) -> Result<(), AddOnionError> {
        let client = self.client(generation).ok_or(AddOnionError::ConnectionLost)?;
        let command = AddOnion::new(&onion.key, onion.address, &onion.ports);
        client.add_onion(&command).await.map_err(|cause| why_not_added(&cause))
    }

    fn disconnect(&self, generation: Generation) {
        if let Some(client) = self.client(generation) {
            client.close();
        }
    }

    async fn remove_onion(&self, generation: Generation, address: OnionAddress) -> Result<(), RemoveOnionError> {
        let client = self.client(generation).ok_or(RemoveOnionError::ConnectionLost)?;
        match client.del_onion(&address).await {
            Ok(_) => Ok(()),
            Err(CommandError::Lost { .. }) => Err(RemoveOnionError::ConnectionLost),
            Err(cause) => Err(RemoveOnionError::Failed(with_causes(&cause))),
        }
    }
}

fn why_not_added(cause: &CommandError) -> AddOnionError {
    let refusal = match cause {
        CommandError::Lost { .. } => return AddOnionError::ConnectionLost,
        CommandError::Refused { refusal, .. } => refusal,
        CommandError::WrongServiceId
        | CommandError::WrongClients
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
    credentials: Credentials,
    facts: mpsc::Sender<Fact>,
    current: watch::Sender<Option<(Generation, Client)>>,
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
            Ok(answers) => self.introduce(&client, &answers).await?,
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
        while let Some(event) = events.next().await {
            if let Some(fact) = facts_of(event) {
                self.tell(fact).await?;
            }
        }
        Ok(lost(&client).await)
    }

    /// Subscribes first and asks then, so that no change falls between the two.
    async fn begin(&self, client: &Client) -> Result<BTreeMap<InfoKey, String>, CommandError> {
        if self.source.owns_tor() {
            client.take_ownership().await?;
        }
        client.set_events(EVENTS).await?;
        client.get_info(FIRST_QUESTIONS).await
    }

    /// Tells what Tor answered first.
    async fn introduce(&self, client: &Client, answers: &BTreeMap<InfoKey, String>) -> Result<(), LoopEnded> {
        // Steps may follow as soon as facts are told, so the connection is there for them before.
        self.current.send_replace(Some((self.generation, client.clone())));
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

async fn lost(client: &Client) -> TorProblem {
    let reason = client.closed().await;
    info!(%reason, "connection to Tor lost");
    TorProblem { message: format!("the connection to Tor was lost: {reason}"), hint: None }
}

fn bootstrap(phase: torctl::Bootstrap) -> Bootstrap {
    let warning = phase.problem.filter(|problem| problem.worth_telling).map(|problem| problem.warning);
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
        Event::NetworkLiveness(_)
        | Event::ClockSkew { .. }
        | Event::ClockJumped { .. }
        | Event::DangerousVersion { .. }
        | Event::Signal { .. }
        | Event::Other { .. } => None,
    }
}

fn upload(event: HsDescEvent) -> Option<TorFact> {
    let address = event.address?;
    let hsdir = HsDir::from(event.hsdir?);
    match event.action {
        HsDescAction::Upload => Some(TorFact::UploadBegun(address, hsdir)),
        HsDescAction::Uploaded => Some(TorFact::UploadConfirmed(address, hsdir)),
        // Fetches fail by the same event, for other reasons: a visit of the own service from this computer, say.
        HsDescAction::Failed if event.reason.as_deref() == Some(UPLOAD_FAILED) => {
            Some(TorFact::UploadFailed(address, hsdir))
        }
        HsDescAction::Failed
        | HsDescAction::Created
        | HsDescAction::Requested
        | HsDescAction::Received
        | HsDescAction::Other => None,
    }
}
