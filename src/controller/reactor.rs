// SPDX-License-Identifier: GPL-3.0-or-later
//! The loop: takes facts and requests in, plans, starts steps, shows the picture.

mod asking;
mod hosting;
mod installing;
mod joining;
mod problems;
mod steps;
mod uninstalling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tails_server_state::{OnionAddress, Persistence, ServiceName, Store, StoredService, Target, Wish};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::controller::desired::Desired;
use crate::controller::error::RequestError;
use crate::controller::explain::{Intention, Subject};
use crate::controller::handle::{About, Act, Answer, Controller, Request, Visit};
use crate::controller::observed::Observed;
use crate::controller::plan::plan;
use crate::controller::ports::{CheckRequest, Fact, Host, HostError, Listening, Recall, Tor, VisitPolicy, Visitors};
use crate::controller::reactor::installing::Installed;
use crate::controller::reactor::steps::StepEnd;
use crate::controller::reactor::uninstalling::Uninstalled;
use crate::controller::remember;
use crate::controller::repertoire::Repertoire;
use crate::controller::retries::{self, Retries};
use crate::controller::shape::OnionShape;
use crate::controller::status::{Outlook, Problem, Snapshot, status};
use crate::errors::with_causes;

/// Requests that may wait for their turn; a face that asks faster waits itself.
const REQUESTS_WAITING: usize = 64;
/// Facts taken in before planning again. A burst of uploads of a hundred services is a few thousand facts.
const FACTS_AT_ONCE: usize = 1024;
/// Withdrawing at the end: systemd allows 5 s in Tails, and closing the connection withdraws everything anyway.
const WITHDRAW_PATIENCE: Duration = Duration::from_secs(1);
/// Finishing the last request at the end: a disk that hangs must not keep anything published.
const REMEMBER_PATIENCE: Duration = Duration::from_secs(1);

/// The loop. [`Reactor::run`] ends when its [`Stop`] is used or dropped.
#[derive(Debug)]
pub struct Reactor<T, L, H> {
    store: Arc<Store>,
    repertoire: Arc<Repertoire>,
    offers: watch::Sender<Arc<Repertoire>>,
    tor: Arc<T>,
    host: Arc<H>,
    listening: L,
    facts: mpsc::Receiver<Fact>,
    requests: mpsc::Receiver<Request>,
    heartbeats: mpsc::Receiver<oneshot::Sender<()>>,
    stop: oneshot::Receiver<()>,
    pictures: watch::Sender<Arc<Snapshot>>,
    desired: Desired,
    observed: Observed,
    watched: BTreeSet<Target>,
    steps: JoinSet<StepEnd>,
    /// What Tor is about to be told to add, as long as it can be taken back.
    adding: BTreeMap<OnionAddress, (OnionShape, Recall)>,
    remembering: JoinSet<Remembered>,
    checks: JoinSet<CheckRequest>,
    /// Questions of people that change nothing.
    surveys: JoinSet<()>,
    /// What was begun, and why.
    begun: BTreeMap<Subject, Intention>,
    retries: Retries<OnionAddress>,
    host_retries: Retries<ServiceName>,
    uninstalls: BTreeMap<ServiceName, Vec<Uninstalled>>,
    installs: BTreeMap<ServiceName, Vec<Installed>>,
    /// Why what was asked to be installed is not.
    failed_installs: BTreeMap<ServiceName, HostError>,
    /// Services of others for which Tor is being given a key that is no longer the right one.
    outdated: BTreeSet<OnionAddress>,
    store_problems: Vec<Problem>,
}

/// Ends the loop: services are withdrawn, then [`Reactor::run`] returns.
#[derive(Debug)]
pub struct Stop(oneshot::Sender<()>);

impl Stop {
    /// Ends the loop.
    pub fn stop(self) {
        // A loop that has ended already needs no stopping.
        let _ = self.0.send(());
    }
}

/// A request that was carried out, and the answer.
// The wishes are taken when it is heard of: a step that has ended before may have found others.
struct Remembered {
    about: About,
    /// The addresses of what it is about, as they were before.
    before: Vec<OnionAddress>,
    store_problems: Vec<Problem>,
    answer: Answer,
}

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    /// A loop over this store, these services and these ports, the handle to ask it and the means to end it.
    pub fn new(
        store: Arc<Store>,
        repertoire: Arc<Repertoire>,
        (tor, listening, host): (T, L, H),
        facts: mpsc::Receiver<Fact>,
    ) -> (Self, Controller, Stop) {
        // A descriptor may have got a secret more since its service was remembered.
        remember::make_secrets(&store, &repertoire);
        let desired = Desired::of(&store, &repertoire);
        let observed = Observed::default();
        let store_problems = store_problems(&store);
        let (pictures, seen) = watch::channel(Arc::new(status(&desired, &observed, &store_problems)));
        let (ask, requests) = mpsc::channel(REQUESTS_WAITING);
        let (offers, offered) = watch::channel(Arc::clone(&repertoire));
        // Whoever waits for a beat waits for the one before, too.
        let (beat, heartbeats) = mpsc::channel(1);
        let (end, stop) = oneshot::channel();
        let reactor = Self {
            store,
            repertoire,
            offers,
            tor: Arc::new(tor),
            host: Arc::new(host),
            listening,
            facts,
            requests,
            heartbeats,
            stop,
            pictures,
            desired,
            observed,
            watched: BTreeSet::new(),
            steps: JoinSet::new(),
            adding: BTreeMap::new(),
            remembering: JoinSet::new(),
            checks: JoinSet::new(),
            surveys: JoinSet::new(),
            begun: BTreeMap::new(),
            retries: Retries::new(retries::FIRST_RETRY, retries::LONGEST_RETRY),
            host_retries: Retries::new(hosting::FIRST_RETRY, hosting::LONGEST_RETRY),
            uninstalls: BTreeMap::new(),
            installs: BTreeMap::new(),
            failed_installs: BTreeMap::new(),
            outdated: BTreeSet::new(),
            store_problems,
        };
        (reactor, Controller::new(ask, seen, offered, beat), Stop(end))
    }

    /// Runs until stopped, then withdraws what is published. It ends unasked, too, when a task of its own died: then
    /// nothing is known any more of what that task did, and the end of the control connection closes it.
    pub async fn run(mut self) {
        let mut facts = Vec::with_capacity(FACTS_AT_ONCE);
        let mut going = true;
        while going {
            self.advance();
            let due = [self.retries.next_due(), self.host_retries.next_due(), self.observed.next_look()]
                .into_iter()
                .flatten()
                .min();
            going = tokio::select! {
                // Facts before the ends of steps: they were there before. They can not starve the rest as long as their
                // source runs on the same thread.
                biased;
                _ = &mut self.stop => false,
                count = self.facts.recv_many(&mut facts, FACTS_AT_ONCE) => self.observe(count, &mut facts),
                Some(end) = self.steps.join_next() => self.steps_ended(end),
                Some(remembered) = self.remembering.join_next() => self.remembered(remembered),
                Some(ended) = self.checks.join_next() => self.checked(ended),
                Some(ended) = self.surveys.join_next() => Self::surveyed(ended),
                Some(beat) = self.heartbeats.recv() => { let _ = beat.send(()); true }
                Some(request) = self.requests.recv(), if self.remembering.is_empty() => self.take(request),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.release_held(),
            };
        }
        self.withdraw().await;
    }

    fn observe(&mut self, count: usize, facts: &mut Vec<Fact>) -> bool {
        if count == 0 {
            error!("bug: the source of facts ended");
            return false;
        }
        let before = self.observed.tor.generation;
        let host_before = self.observed.host.generation;
        self.observed.tick(Instant::now());
        facts.drain(..).for_each(|fact| self.observed.fold(fact));
        if self.observed.tor.generation != before {
            self.retries.clear();
        }
        if self.observed.host.generation != host_before {
            self.host_retries.clear();
        }
        true
    }

    /// Compares wishes with facts, starts what is to be done and shows the picture.
    fn advance(&mut self) {
        self.observed.tick(Instant::now());
        let targets = self.wanted_targets();
        if targets != self.watched {
            self.listening.watch(targets.clone());
            self.watched = targets;
        }
        self.review_uninstalls();
        self.review_installs();
        self.release_unwanted();
        let steps = plan(&self.desired, &self.observed);
        self.note_begun(&steps);
        self.start(steps);
        let picture = status(&self.desired, &self.observed, &self.store_problems).after(&self.pictures.borrow());
        self.pictures.send_if_modified(|shown| {
            let changed = **shown != picture;
            if changed {
                log_changes(shown, &picture);
                *shown = Arc::new(picture);
            }
            changed
        });
    }

    /// The targets of the services that are wanted.
    fn wanted_targets(&self) -> BTreeSet<Target> {
        self.desired
            .services()
            .filter(|(_, service)| service.wish == Wish::Enabled)
            .flat_map(|(_, service)| service.record.ports())
            .map(|mapping| mapping.target.clone())
            .collect()
    }

    fn take(&mut self, request: Request) -> bool {
        match request {
            Request::Remember(about, Act(act)) => {
                let store = Arc::clone(&self.store);
                let before = self.desired.addresses_of(&about);
                self.remembering.spawn_blocking(move || {
                    let answer = act(&store);
                    Remembered { about, before, store_problems: store_problems(&store), answer }
                });
            }
            Request::Install(name) => self.install(name),
            Request::AwaitInstall(name, reply) => self.await_install(name, reply),
            Request::AwaitUninstall(name, reply) => self.await_uninstall(name, reply),
            Request::Offer(repertoire, reply) => {
                self.offer(repertoire);
                // Who asked may have gone.
                let _ = reply.send(());
            }
            Request::Explain(reply) => drop(reply.send(self.explain())),
            Request::Survey(reply) => self.survey(reply),
            Request::Examine(looked, reply) => drop(reply.send(self.examine(&looked))),
            Request::LookAtTor => self.tor.look(),
            Request::Check(name, visit, reply) => match self.desired.service(&name) {
                Some(service) => {
                    let (tor, request) = (Arc::clone(&self.tor), self.check_request(service, visit));
                    self.checks.spawn(async move {
                        let asked = request.clone();
                        drop(reply.send(Ok(tor.check(request).await)));
                        asked
                    });
                }
                None => drop(reply.send(Err(RequestError::Unknown(name)))),
            },
        }
        true
    }

    /// Other services can be had: wishes are seen anew, and whatever failed is worth another try.
    fn offer(&mut self, repertoire: Arc<Repertoire>) {
        self.host.offer(&repertoire);
        self.offers.send_replace(Arc::clone(&repertoire));
        self.repertoire = repertoire;
        self.desired = Desired::of(&self.store, &self.repertoire);
        self.recall_unwanted();
        let names: Vec<_> = self.desired.services().map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.pardon_act(name));
    }

    fn check_request(&self, service: &StoredService, visit: Visit) -> CheckRequest {
        let address = service.address;
        let port = service.record.ports().iter().next().map(|mapping| mapping.virtual_port);
        let is_joined = self.desired.joined().any(|(_, joined)| joined.address == address);
        let visit = match (visit, port) {
            (Visit::Try, Some(port)) if is_joined => VisitPolicy::WithTorsKey(port),
            (Visit::Try, Some(port)) => VisitPolicy::WithProbeKey(port),
            (Visit::Skip, _) | (Visit::Try, None) => VisitPolicy::Never,
        };
        CheckRequest { address, hsdirs: self.observed.hsdirs(&address), visit }
    }

    fn remembered(&mut self, remembered: Result<Remembered, JoinError>) -> bool {
        let Remembered { about, before, store_problems, answer } = match remembered {
            Ok(remembered) => remembered,
            Err(cause) => {
                error!(%cause, "bug: a request died");
                return false;
            }
        };
        self.desired = Desired::of(&self.store, &self.repertoire);
        self.store_problems = store_problems;
        self.recall_unwanted();
        match &about {
            About::Service(name) => self.pardon_act(name),
            About::Several { services, .. } => services.iter().for_each(|name| self.pardon_act(name)),
            About::Nothing | About::Joined(_) => {}
        }
        let concerned = before.into_iter().chain(self.desired.addresses_of(&about));
        let joined: BTreeSet<_> = self.desired.joined().map(|(_, joined)| joined.address).collect();
        for address in concerned.collect::<BTreeSet<_>>() {
            // A person asked: whatever failed before is worth another try at once.
            self.observed.held.remove(&address);
            self.observed.suspects.pardon(&address);
            self.retries.forget(&address);
            match &about {
                About::Joined(_) => self.renew_credential(address),
                About::Several { .. } if joined.contains(&address) => self.renew_credential(address),
                About::Nothing | About::Service(_) | About::Several { .. } => {}
            }
        }
        self.advance();
        answer();
        true
    }

    /// Removes everything from Tor, then finishes remembering. Requests that come now are dropped with the loop.
    async fn withdraw(mut self) {
        let generation = self.observed.tor.generation;
        let mut removals = JoinSet::new();
        for address in self.observed.onions.keys().copied() {
            let tor = Arc::clone(&self.tor);
            removals.spawn(async move { tor.remove_onion(generation, address, Visitors::Leave).await });
        }
        let count = removals.len();
        let all_removed = async {
            let mut all = true;
            while let Some(end) = removals.join_next().await {
                all &= matches!(end, Ok(Ok(())));
            }
            all
        };
        match tokio::time::timeout(WITHDRAW_PATIENCE, all_removed).await {
            Ok(true) => info!(count, "services withdrawn"),
            Ok(false) | Err(_) => info!(count, "services withdrawn by closing the control connection"),
        }
        let last_answer = async {
            while let Some(Ok(Remembered { answer, .. })) = self.remembering.join_next().await {
                answer();
            }
        };
        if tokio::time::timeout(REMEMBER_PATIENCE, last_answer).await.is_err() {
            warn!("the disk does not answer; the last request has no answer");
        }
    }
}

fn store_problems(store: &Store) -> Vec<Problem> {
    let places = [Persistence::Kept, Persistence::Amnesic];
    let problems = places.into_iter().filter_map(|place| store.problem(place)).map(|cause| Problem {
        message: with_causes(&*cause),
        hint: Some(cause.hint()),
        outlook: Outlook::Lasting,
    });
    let recoveries = places.into_iter().filter_map(|place| store.recovery(place)).map(|recovery| Problem {
        message: recovery.to_string(),
        hint: Some(recovery.hint()),
        outlook: Outlook::Lasting,
    });
    problems.chain(recoveries).collect()
}

/// Logs what a person reading the journal wants to know: which service is in which state now.
fn log_changes(before: &Snapshot, after: &Snapshot) {
    if before.tor.connected != after.tor.connected || before.tor.online != after.tor.online {
        info!(connected = after.tor.connected, online = after.tor.online, "Tor changed");
    }
    for (name, service) in &after.services {
        if before.services.get(name).map(|service| service.state) != Some(service.state) {
            info!(service = %name, state = %service.state, "state changed");
        }
    }
    for name in before.services.keys().filter(|name| !after.services.contains_key(*name)) {
        info!(service = %name, "service removed");
    }
}
