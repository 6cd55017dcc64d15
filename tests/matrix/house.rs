// SPDX-License-Identifier: GPL-3.0-or-later
//! A controller without its process: the loop, the real adapter of Tor, a real store.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tails_server::adapters::{ControlPort, ControlSource, NoHost};
use tails_server::controller::{Controller, Fact, Listeners, Listening, Reactor, Stop};
use tails_server::torctl::{ControlAddress, Credentials};
use tails_server_state::{Persistence, Store, StoreError, StoreLayout, Target};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often it is looked whether the last task has let go of the store, on the simulated clock.
const LOOK: Duration = Duration::from_millis(1);

/// Everybody listens, always.
#[derive(Debug)]
struct AllListen(mpsc::Sender<Fact>);

impl Listening for AllListen {
    fn watch(&mut self, targets: BTreeSet<Target>) {
        let facts = self.0.clone();
        let listeners = Listeners { looked_for: targets.clone(), found: targets, ..Listeners::default() };
        // It may end with the loop.
        tokio::spawn(async move { facts.send(Fact::Listening(listeners)).await });
    }
}

pub(crate) struct House {
    pub(crate) controller: Controller,
    store: Weak<Store>,
    /// Dropping it would end the loop.
    _stop: Stop,
    tasks: [JoinHandle<()>; 2],
}

impl House {
    pub(crate) async fn open(directory: &Path, socket: &Path) -> Self {
        let layout = StoreLayout { kept: directory.join("kept"), amnesic: directory.join("amnesic") };
        let is_locked = |store: &Store| {
            let places = [Persistence::Kept, Persistence::Amnesic];
            places.into_iter().any(|place| matches!(store.problem(place).as_deref(), Some(StoreError::Locked { .. })))
        };
        let mut store = Store::open(&layout);
        // The last thread of the one before may still be closing it.
        while is_locked(&store) {
            tokio::time::sleep(LOOK).await;
            store = Store::open(&layout);
        }
        let store = Arc::new(store);
        let weak = Arc::downgrade(&store);
        let (facts, incoming) = mpsc::channel(64);
        let source = ControlSource::Fixed(ControlAddress::Unix(socket.to_owned()));
        let (tor, connector) = ControlPort::start(source, Credentials::default(), facts.clone());
        let (reactor, controller, stop) =
            Reactor::new(store, Arc::default(), (tor, AllListen(facts), NoHost), incoming);
        Self { controller, store: weak, _stop: stop, tasks: [tokio::spawn(reactor.run()), connector] }
    }

    /// As SIGKILL: nothing is said to anybody. Only the store is waited for, which locks its directory.
    pub(crate) async fn kill(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        while self.store.strong_count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
