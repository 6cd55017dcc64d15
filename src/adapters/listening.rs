// SPDX-License-Identifier: GPL-3.0-or-later
//! Who listens on this machine: read from the kernel's socket tables, never by connecting.
//!
//! Tails' firewall forbids our user to connect to a service, and a connection would be one the service did not ask for.
//! The kernel tells over netlink when a TCP listener goes; nothing tells when one comes, nor when a unix socket's owner
//! dies. So the tables are read again on a timer only while something is missing or a unix socket is watched.

mod closures;
mod tables;

use std::collections::BTreeSet;
use std::time::Duration;

use tails_server_state::Target;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::adapters::listening::closures::Closures;
use crate::controller::{Fact, Listeners, Listening};

/// How soon a listener that comes is seen. A person who just started a server waits for it.
const ARRIVAL: Duration = Duration::from_millis(500);
/// How long that person waits. A server that is absent for longer is not worth waking the machine for so often.
const EXPECTED: Duration = Duration::from_secs(60);
/// How soon a listener that comes later is seen.
const LATE_ARRIVAL: Duration = Duration::from_secs(2);
/// How soon a unix listener that goes is seen, and a TCP listener where the kernel does not tell.
const DEPARTURE: Duration = Duration::from_secs(2);

/// The kernel's socket tables, as the loop's port.
#[derive(Debug)]
pub struct SocketTables {
    targets: watch::Sender<BTreeSet<Target>>,
}

impl SocketTables {
    /// Watches on behalf of the loop that reads `facts`. The task ends with the returned port or with the loop.
    #[must_use]
    pub fn start(facts: mpsc::Sender<Fact>) -> (Self, JoinHandle<()>) {
        let (targets, wanted) = watch::channel(BTreeSet::new());
        let closures = Closures::subscribe().inspect_err(|cause| {
            debug!(%cause, "the kernel does not tell of closed sockets; they are looked for on a timer");
        });
        let task = tokio::spawn(watch_tables(wanted, closures.ok(), facts));
        (Self { targets }, task)
    }
}

impl Listening for SocketTables {
    fn watch(&mut self, targets: BTreeSet<Target>) {
        self.targets.send_replace(targets);
    }
}

async fn watch_tables(
    mut wanted: watch::Receiver<BTreeSet<Target>>,
    mut closures: Option<Closures>,
    facts: mpsc::Sender<Fact>,
) {
    let mut told = Listeners::default();
    let mut changed = Instant::now();
    loop {
        let targets = wanted.borrow_and_update().clone();
        let asked = targets.clone();
        // A busy host has tables of many thousand lines.
        let looked = tokio::task::spawn_blocking(move || tables::listening(&asked)).await;
        let listeners = looked.unwrap_or_else(|died| Err(died.into())).unwrap_or_else(|cause| {
            warn!(%cause, "cannot read the kernel's socket tables; taking every target as silent");
            Listeners { looked_for: targets.clone(), ..Listeners::default() }
        });
        if listeners != told {
            told.clone_from(&listeners);
            changed = Instant::now();
            if facts.send(Fact::Listening(listeners)).await.is_err() {
                return;
            }
        }
        let next_look = next_look(&told, changed.elapsed(), closures.is_some());
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            closed = next_closure(&mut closures, &targets) => if let Err(cause) = closed {
                warn!(%cause, "the kernel no longer tells of closed sockets; they are looked for on a timer");
                closures = None;
            },
            () = tokio::time::sleep(next_look.unwrap_or_default()), if next_look.is_some() => (),
        }
    }
}

/// When to look again without being told to; `None` while the kernel tells of all that can happen.
fn next_look(listeners: &Listeners, unchanged: Duration, kernel_tells: bool) -> Option<Duration> {
    let silent_departures = listeners.looked_for.iter().any(|target| match target {
        Target::Tcp(_) => !kernel_tells,
        Target::Unix(_) => true,
    });
    if listeners.found.len() < listeners.looked_for.len() {
        Some(if unchanged < EXPECTED { ARRIVAL } else { LATE_ARRIVAL })
    } else if silent_departures {
        Some(DEPARTURE)
    } else {
        None
    }
}

async fn next_closure(closures: &mut Option<Closures>, targets: &BTreeSet<Target>) -> std::io::Result<()> {
    match closures {
        Some(closures) => closures.next(targets).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next_fact(facts: &mut mpsc::Receiver<Fact>) -> BTreeSet<Target> {
        let fact = tokio::time::timeout(Duration::from_secs(10), facts.recv()).await;
        match fact.expect("a fact within ten seconds") {
            Some(Fact::Listening(listeners)) => listeners.found,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_listener_is_seen_when_it_comes_and_when_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp_target: Target = tcp.local_addr().unwrap().to_string().parse().unwrap();
        let unix_target: Target = format!("unix:{}", path.display()).parse().unwrap();
        let (send, mut facts) = mpsc::channel(8);
        let (mut tables, _task) = SocketTables::start(send);
        tables.watch(BTreeSet::from([tcp_target.clone(), unix_target.clone()]));
        assert_eq!(next_fact(&mut facts).await, BTreeSet::from([tcp_target.clone()]));
        let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(next_fact(&mut facts).await, BTreeSet::from([tcp_target, unix_target.clone()]));
        drop(tcp);
        assert_eq!(next_fact(&mut facts).await, BTreeSet::from([unix_target]));
        drop(unix);
        assert_eq!(next_fact(&mut facts).await, BTreeSet::new());
    }

    #[test]
    fn no_timer_runs_while_the_kernel_tells_of_all_that_can_happen() {
        let tcp = BTreeSet::from(["8080".parse::<Target>().unwrap()]);
        let unix = BTreeSet::from(["unix:/run/a".parse::<Target>().unwrap()]);
        let none = BTreeSet::new();
        let hour = Duration::from_secs(3600);
        for (looked_for, found, unchanged, kernel_tells, look) in [
            (&none, &none, hour, true, None),
            (&tcp, &tcp, hour, true, None),
            (&tcp, &tcp, hour, false, Some(DEPARTURE)),
            (&unix, &unix, hour, true, Some(DEPARTURE)),
            (&tcp, &none, Duration::ZERO, true, Some(ARRIVAL)),
            (&tcp, &none, hour, true, Some(LATE_ARRIVAL)),
        ] {
            let (looked_for, found) = (looked_for.clone(), found.clone());
            let listeners = Listeners { looked_for, found, ..Listeners::default() };
            assert_eq!(
                next_look(&listeners, unchanged, kernel_tells),
                look,
                "{listeners:?} {unchanged:?} {kernel_tells}"
            );
        }
    }
}
