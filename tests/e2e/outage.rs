// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see while something is down: the status asked over and over, and the watched changes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tornet::{Tor, wait_until};

use crate::harness::{Controller, PATIENCE, cli_at, cli_command_at};
use crate::witness::Witness;

/// Time in which the controller notices that something is down. The kernel tells it at once.
const NOTICE: Duration = Duration::from_millis(250);
/// Time between two questions: each costs the start of a program.
const PAUSE: Duration = Duration::from_millis(100);

/// One outage, from the moment before it to the moment after it.
///
/// All the while a thread asks `tails-server status`. A "published" in the outage fails the test, and so does one after it
/// that no upload seen by an independent witness stands behind.
pub(crate) struct Outage {
    shared: Arc<Mutex<Shared>>,
    asking: Option<JoinHandle<()>>,
    began: Instant,
}

struct Shared {
    address: String,
    stage: Stage,
    /// Each state when it was first seen, in a row.
    states: Vec<(Instant, String)>,
    answers: usize,
    mistake: Option<String>,
    over: bool,
}

enum Stage {
    /// Nothing has happened, or it happened at this time and the controller need not know yet.
    Before(Option<Instant>),
    /// It is down. Uploads that the witness sees make it published again.
    Down(Evidence),
    /// It was published again.
    After,
}

enum Evidence {
    /// Nothing can be published: there is no Tor, or no controller.
    Impossible,
    /// A new upload is needed.
    Upload(Witness),
    /// Tor still has the services, and the descriptors may still be good.
    NotNeeded,
}

impl Outage {
    /// Begins to ask for the status of a service that is published.
    pub(crate) fn watch(controller: &Controller, name: &str) -> Self {
        let shared = Shared {
            address: controller.address(name),
            stage: Stage::Before(None),
            states: Vec::new(),
            answers: 0,
            mistake: None,
            over: false,
        };
        let shared = Arc::new(Mutex::new(shared));
        let (bus, name, told) = (controller.bus(), name.to_owned(), Arc::clone(&shared));
        let asking = thread::spawn(move || {
            while !lock(&told).over {
                let asked = Instant::now();
                let state = ask(&bus, &name);
                lock(&told).take_in(asked, state);
                thread::sleep(PAUSE);
            }
        });
        Self { shared, asking: Some(asking), began: Instant::now() }
    }

    /// It has happened. Returns once it is seen.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
        lock(&self.shared).stage = Stage::Before(Some(self.began));
        let seen = wait_until(PATIENCE, || matches!(lock(&self.shared).stage, Stage::Down(_)).then_some(()));
        assert!(seen.is_some(), "the outage is not seen: {}", lock(&self.shared).story(self.began));
    }

    /// Tor is there, or there again, and nothing of ours is in it.
    pub(crate) fn tor_is_back(&mut self, tor: &Tor) {
        self.witness_is(Witness::of(tor));
    }

    /// As [`tor_is_back`](Self::tor_is_back), with a witness who is there already.
    pub(crate) fn witness_is(&mut self, witness: Witness) {
        lock(&self.shared).stage = Stage::Down(Evidence::Upload(witness));
    }

    /// Tor, which has our services still, has the network again.
    pub(crate) fn network_is_back(&mut self) {
        lock(&self.shared).stage = Stage::Down(Evidence::NotNeeded);
    }

    /// How many questions were answered so far.
    pub(crate) fn answers(&self) -> usize {
        lock(&self.shared).answers
    }

    /// The visitor has the page again. Returns once the status says so, too; the time since the beginning.
    pub(crate) fn end(mut self, what: &str) -> Duration {
        let fetched = self.began.elapsed();
        let published = wait_until(PATIENCE, || {
            let shared = lock(&self.shared);
            (matches!(shared.stage, Stage::After) || shared.mistake.is_some()).then_some(())
        });
        let said = self.began.elapsed();
        lock(&self.shared).over = true;
        let died = self.asking.take().map(JoinHandle::join);
        assert!(matches!(died, Some(Ok(()))), "the questions broke off");
        let shared = lock(&self.shared);
        let story = shared.story(self.began);
        eprintln!("{what}: page after {fetched:.1?}; {story}");
        assert_eq!(shared.mistake, None, "{what}: {story}");
        assert!(published.is_some(), "{what}: not published after {said:?}: {story}");
        fetched
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        lock(&self.shared).over = true;
    }
}

impl Shared {
    /// Takes in an answer to a question that was asked at this time.
    fn take_in(&mut self, asked: Instant, state: String) {
        self.answers += 1;
        let is_published = state == "published";
        match &mut self.stage {
            Stage::Before(None) | Stage::After => (),
            Stage::Before(Some(since)) if is_published => {
                if asked > *since + NOTICE {
                    self.mistake = Some(format!("published {:?} into the outage", asked - *since));
                }
            }
            Stage::Before(Some(_)) => self.stage = Stage::Down(Evidence::Impossible),
            Stage::Down(_) if !is_published => {
                let may_be = ["starting", "waiting-for-tor", "publishing", "no answer"];
                if !may_be.contains(&state.as_str()) {
                    self.mistake = Some(format!("{state} in the outage"));
                }
            }
            Stage::Down(Evidence::Impossible) => self.mistake = Some("published, and nobody could have".to_owned()),
            Stage::Down(Evidence::Upload(witness)) => {
                if !witness.saw("UPLOADED", &self.address) {
                    self.mistake = Some("published without a new upload".to_owned());
                }
                self.stage = Stage::After;
            }
            Stage::Down(Evidence::NotNeeded) => self.stage = Stage::After,
        }
        if self.states.last().is_none_or(|(_, last)| *last != state) {
            self.states.push((Instant::now(), state));
        }
    }

    /// The states in a row, with the seconds since the outage began.
    fn story(&self, began: Instant) -> String {
        let after = |(at, state): &(Instant, String)| match at.checked_duration_since(began) {
            Some(after) => format!("{state} {after:.1?}"),
            None => state.clone(),
        };
        self.states.iter().map(after).collect::<Vec<_>>().join(", ")
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(bus: &Path, name: &str) -> String {
    let answer = cli_at(bus, ["status", name, "--json"]);
    match answer.code {
        Some(0) => {
            let status: Value = serde_json::from_str(&answer.stdout).expect("JSON");
            status["state"].as_str().expect("a state").to_owned()
        }
        // The controller does not answer: it is down, or on its way.
        Some(4) => "no answer".to_owned(),
        Some(_) | None => format!("{answer:?}"),
    }
}

/// `tails-server watch --json`, from its start to the end of its controller.
pub(crate) struct Watch {
    program: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Watch {
    pub(crate) fn start(bus: &Path) -> Self {
        let watch = cli_command_at(bus, ["watch", "--json"]).stdout(Stdio::piped()).spawn();
        let mut program = watch.expect("tails-server runs");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, told) = (program.stdout.take().expect("a pipe"), Arc::clone(&lines));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { program, lines }
    }

    /// All changes so far.
    pub(crate) fn changes(&self) -> Vec<Value> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All changes of one service so far: its state, and how many uploads were confirmed.
    pub(crate) fn changes_of(&self, name: &str) -> Vec<(String, u64)> {
        let of_it = |line: &Value| line["change"] == "service" && line["name"] == name;
        let both = |line: &Value| Some((line["state"].as_str()?.to_owned(), line["uploads-confirmed"].as_u64()?));
        self.changes().iter().filter(|line| of_it(line)).filter_map(both).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
