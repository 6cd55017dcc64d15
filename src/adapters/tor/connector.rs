// SPDX-License-Identifier: GPL-3.0-or-later
//! The one control connection: made again for ever, watched, and given up when it is no longer with the same Tor.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tails_server_state::TimePeriod;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

use super::Current;
use super::looking::Looking;
use crate::adapters::control_source::ControlSource;
use crate::adapters::tor::facts::{bootstrap, facts_of};
use crate::controller::{Backoff, Fact, Generation, TorFact, TorProblem};
use crate::errors::with_causes;
use crate::torctl::{
    Client, CommandError, ControlAddress, Credentials, Event, EventKind, InfoKey, Method, VersionStatus,
    parse_bootstrap_phase, parse_time,
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

/// Facts that may come while the first questions are answered. Thousands of services of others would not bring as many.
const EARLY_FACTS: usize = 64 * 1024;

/// The loop has ended, so nobody needs a connection.
struct LoopEnded;

pub(super) struct Connector {
    pub(super) source: ControlSource,
    pub(super) credentials: Arc<Credentials>,
    /// Somebody says that Tor is another than before.
    pub(super) look: Arc<Notify>,
    pub(super) facts: mpsc::Sender<Fact>,
    pub(super) current: watch::Sender<Option<Current>>,
    pub(super) generation: Generation,
}

impl Connector {
    pub(super) async fn run(mut self) {
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
                () = self.told_to_look() => pauses.reset(),
                () = self.facts.closed() => return,
            }
        }
    }

    /// Waits until it is to be looked at once. Whoever says so without end is given a look after each of the shortest pauses.
    async fn told_to_look(&self) {
        self.look.notified().await;
        tokio::time::sleep(FIRST_PAUSE).await;
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
        let (mut watching, same) = (JoinSet::new(), Arc::new(Notify::new()));
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
                    watching.spawn(replaced(client.clone(), process, Arc::clone(&same)));
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
        let (mut asking, mut looking) = (JoinSet::new(), Looking::default());
        loop {
            let event = tokio::select! {
                () = self.look.notified(), if looking.is_over() => {
                    looking.begin(&client, FIRST_QUESTIONS);
                    same.notify_one();
                    continue;
                }
                Some(answers) = looking.end() => {
                    for fact in answers.map(|answers| seen(&answers)).unwrap_or_default() {
                        self.tell(fact).await?;
                    }
                    continue;
                }
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
                same.notify_one();
            }
            if matches!(&event, Event::Other { keyword } if keyword == CONSENSUS_ARRIVED) && asking.is_empty() {
                let client = client.clone();
                asking.spawn(async move { time_period(&client).await });
            }
            if let Some(fact) = facts_of(event) {
                looking.heard(&fact);
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
        for fact in seen(answers) {
            self.tell(fact).await?;
        }
        Ok(())
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
            Ok(Ok(_other)) => return given_up(STARTED_AGAIN),
            Ok(Err(cause)) => return given_up(&with_causes(&cause)),
            Err(_elapsed) => return given_up("Tor, or a filter before it, does not answer"),
        }
    }
}

/// The next step for a person, who may know what became of Tor.
const ANEW: &str = "It is tried again by itself; see whether Tor runs";

const STARTED_AGAIN: &str = "Tor was started again, and what it had of ours is gone";

fn given_up(reason: &str) -> TorProblem {
    info!(reason, "connection to Tor given up");
    TorProblem { message: format!("the connection to Tor was given up: {reason}"), hint: Some(ANEW.to_owned()) }
}

/// What Tor answered to the [`FIRST_QUESTIONS`], as facts.
fn seen(answers: &BTreeMap<InfoKey, String>) -> Vec<TorFact> {
    let phase = answers.get(&InfoKey::BootstrapPhase).and_then(|line| parse_bootstrap_phase(line));
    let is_one = |key: InfoKey| answers.get(&key).is_some_and(|value| value == "1");
    let others = [
        TorFact::EnoughDirectory(is_one(InfoKey::EnoughDirInfo)),
        TorFact::Circuits(is_one(InfoKey::CircuitEstablished)),
    ];
    phase.map(|phase| TorFact::Bootstrap(bootstrap(phase))).into_iter().chain(others).collect()
}

async fn lost(client: &Client) -> TorProblem {
    let reason = client.closed().await;
    info!(%reason, "connection to Tor lost");
    TorProblem { message: format!("the connection to Tor was lost: {reason}"), hint: Some(ANEW.to_owned()) }
}

/// The period that visitors look into, by Tor's consensus; `None` without one, or where a filter keeps it back.
async fn time_period(client: &Client) -> Option<TimePeriod> {
    let answers = client.get_info_if_known(CONSENSUS_QUESTIONS).await.ok()?;
    let time = |key| answers.get(&key).and_then(|text| parse_time(text));
    TimePeriod::of_consensus(time(InfoKey::ConsensusValidAfter)?, time(InfoKey::ConsensusFreshUntil)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tor_that_was_lost_has_a_next_step() {
        let problem = given_up("it is gone");
        assert!(problem.message.ends_with(": it is gone"));
        assert!(problem.hint.is_some_and(|hint| hint.contains("see whether Tor runs")));
    }
}
