// SPDX-License-Identifier: GPL-3.0-or-later
//! What the controller claims to be published, and whether somebody else confirms it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tornet::Observer;

use crate::Outcome;
use crate::daemon::Daemon;

/// How long a change may take to arrive that `status` knows of already. It takes a millisecond; the machines are shared.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(10);

/// How one race ended: when the last service was published, and how many were not in the time given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    pub(crate) at: Instant,
    pub(crate) left_behind: usize,
}

/// The claims of one controller, from here on.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    daemon: &'a Daemon<'a>,
    watch: Child,
    changes: Receiver<Value>,
    /// The addresses of all services, by their names.
    addresses: &'a BTreeMap<String, String>,
    published: BTreeSet<String>,
    /// How many claims the observer did not confirm.
    pub(crate) false_claims: usize,
}

impl<'a> Claims<'a> {
    /// Follows `tails-server watch`.
    pub(crate) fn follow(daemon: &'a Daemon<'a>, addresses: &'a BTreeMap<String, String>) -> Outcome<Self> {
        let mut watch = daemon.watch()?;
        let output = watch.stdout.take().ok_or("no output")?;
        let (told, changes) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // Who no longer follows needs no more.
            let _ = lines.map_while(|line| serde_json::from_str(&line).ok()).try_for_each(|line| told.send(line));
        });
        Ok(Self { daemon, watch, changes, addresses, published: BTreeSet::new(), false_claims: 0 })
    }

    /// Waits until all services are claimed to be published, and has each claim confirmed when it is made.
    pub(crate) fn until_all(&mut self, observer: &mut Observer, patience: Duration) -> Outcome<Finish> {
        let deadline = Instant::now() + patience;
        while self.published.len() < self.addresses.len() {
            let Some(change) = self.next(deadline)? else { break };
            if self.take_in(&change) {
                self.judge(&change, observer)?;
            }
        }
        let finish = Finish { at: Instant::now(), left_behind: self.addresses.len() - self.published.len() };
        self.agree(observer)?;
        Ok(finish)
    }

    /// Waits until no service is claimed to be published any more.
    pub(crate) fn until_none(&mut self, patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        while !self.published.is_empty() {
            let change = self.next(deadline)?.ok_or("services are claimed to be published without a Tor")?;
            self.take_in(&change);
        }
        self.false_claims += self.asked()?.len();
        Ok(())
    }

    /// `status` and `watch` say the same, once what changed between the two has arrived.
    fn agree(&mut self, observer: &mut Observer) -> Outcome {
        let deadline = Instant::now() + AGREEMENT_PATIENCE;
        while self.asked()? != self.published {
            let change = self.next(deadline)?.ok_or("status and watch say different things")?;
            if self.take_in(&change) {
                self.judge(&change, observer)?;
            }
        }
        Ok(())
    }

    fn next(&self, deadline: Instant) -> Outcome<Option<Value>> {
        match self.changes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(change) => Ok(Some(change)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("tails-server watch ended".into()),
        }
    }

    /// Whether the change is a new claim.
    fn take_in(&mut self, change: &Value) -> bool {
        let Some((name, state)) = change["name"].as_str().zip(change["state"].as_str()) else { return false };
        if state == "published" {
            return self.published.insert(name.to_owned());
        }
        self.published.remove(name);
        false
    }

    fn judge(&mut self, change: &Value, observer: &mut Observer) -> Outcome {
        let address = change["name"].as_str().and_then(|name| self.addresses.get(name)).ok_or("an unknown service")?;
        observer.catch_up()?;
        self.false_claims += usize::from(!observer.is_published(address));
        Ok(())
    }

    /// What `tails-server status` says is published.
    fn asked(&self) -> Outcome<BTreeSet<String>> {
        let (_, output) = self.daemon.ask(["status", "--json"])?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let services = status.get("services").and_then(Value::as_array).ok_or("no services")?.iter();
        let published = services.filter(|service| service["state"] == "published");
        Ok(published.filter_map(|service| Some(service["name"].as_str()?.to_owned())).collect())
    }
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}
