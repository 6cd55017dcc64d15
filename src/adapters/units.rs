// SPDX-License-Identifier: GPL-3.0-or-later
//! The host of a system: the privileged helper, started through systemd over D-Bus, one template unit for each act.
//!
//! One task keeps the connection to the bus and tells how each service is; acts are carried out beside it. What a service
//! is follows from three things that others write: its unit (systemd), what the helper did last (a file), and which packages
//! are installed (dpkg's own list).

mod keeper;
mod places;
mod progress;
mod systemd;
mod told;

use std::sync::Arc;

use futures_util::StreamExt;
use tails_server_state::ServiceName;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::places::UnitsPlaces;

use self::keeper::{Command, Current, Described, Keeper};
use self::progress::Watching;
use self::systemd::{JobRemovedStream, ManagerProxy, understand};
use crate::controller::{ActKind, Fact, Generation, Host, HostAct, HostError, HostFact, Repertoire};

/// Requests to look at a service that may wait.
const COMMANDS_WAITING: usize = 16;

/// The host, as the loop's port.
#[derive(Debug)]
pub struct Units {
    places: Arc<UnitsPlaces>,
    current: watch::Receiver<Option<Current>>,
    commands: mpsc::Sender<Command>,
    described: watch::Sender<Described>,
    facts: mpsc::Sender<Fact>,
}

impl Units {
    /// Connects to the bus, and again whenever the connection is lost. The task ends with the port.
    #[must_use]
    pub fn start(places: UnitsPlaces, repertoire: &Repertoire, facts: mpsc::Sender<Fact>) -> (Self, JoinHandle<()>) {
        let places = Arc::new(places);
        let (tell_current, current) = watch::channel(None);
        let (commands, asked) = mpsc::channel(COMMANDS_WAITING);
        let (described, descriptions) = watch::channel(keeper::described(repertoire));
        let keeper = Keeper::new(Arc::clone(&places), descriptions, facts.clone(), tell_current, asked);
        (Self { places, current, commands, described, facts }, tokio::spawn(keeper.run()))
    }

    async fn run_act(&self, current: &Current, service: &ServiceName, act: &HostAct) -> Result<(), HostError> {
        let kind = act.kind();
        let manager = ManagerProxy::new(&current.connection).await.map_err(|cause| understand(kind, &cause))?;
        if let HostAct::Apply(wishes) = act {
            let written = self.places.write_wishes(service, wishes.expose()).await;
            written.map_err(|cause| HostError::Failed {
                message: format!("cannot write its wishes: {cause}"),
                hint: Some("See whether /run is full".to_owned()),
            })?;
        }
        // Listened for before it is started: an act may end before the answer is read.
        let mut removed = manager.receive_job_removed().await.map_err(|cause| understand(kind, &cause))?;
        let unit = format_unit(kind, service);
        let before = self.places.outcome_mark(service).await;
        let job = manager.start_unit(&unit, "replace").await.map_err(|cause| understand(kind, &cause))?;
        let ended = wait_for_job(&mut removed, job.as_str());
        let watching = Watching::begin(self.places.told_of(service));
        let result = watching.tell(ended, |progress| {
            let fact = HostFact::Progress(service.clone(), progress);
            let (facts, generation) = (self.facts.clone(), current.generation);
            async move { drop(facts.send(Fact::Host(generation, fact)).await) }
        });
        let result = result.await?;
        // What an earlier act said of itself is no word of this one.
        let is_new = self.places.outcome_mark(service).await != before;
        let told =
            self.places.outcome(service).await.filter(|told| is_new && told.act == kind.as_str() && !told.is_begun());
        match (result.as_str(), told) {
            ("done", told) if told.as_ref().is_none_or(|told| told.is_done()) => Ok(()),
            (_, Some(told)) if !told.is_done() => Err(HostError::Failed { message: told.message, hint: told.hint }),
            (result, _) => Err(HostError::Failed {
                message: format!("the system's helper did not get it done: {result}"),
                hint: Some(format!("See why: journalctl --unit {unit}")),
            }),
        }
    }
}

impl Units {
    /// Waits until the connection of this generation is no more.
    async fn lost(&self, generation: Generation) {
        let mut current = self.current.clone();
        let is_another = |current: &Option<Current>| current.as_ref().is_none_or(|it| it.generation != generation);
        // If nobody keeps one any more, it is lost, too.
        let _ = current.wait_for(is_another).await;
    }
}

impl Host for Units {
    async fn carry_out(&self, generation: Generation, service: ServiceName, act: HostAct) -> Result<(), HostError> {
        let current = self.current.borrow().clone();
        let current = current.filter(|current| current.generation == generation).ok_or(HostError::ConnectionLost)?;
        let kind = act.kind();
        let result = tokio::select! {
            result = self.run_act(&current, &service, &act) => result,
            // Nobody would tell when the act ends.
            () = self.lost(generation) => Err(HostError::ConnectionLost),
        };
        // Where nothing is in force any more, nobody needs the secrets there.
        if result.is_ok() && matches!(kind, ActKind::Withdraw | ActKind::Uninstall) {
            self.places.remove_wishes(&service).await;
        }
        // What it changed is told before it ends, whether it succeeded or not.
        let (looked, told) = oneshot::channel();
        if self.commands.send(Command { service, looked }).await.is_err() || told.await.is_err() {
            return Err(HostError::ConnectionLost);
        }
        result
    }

    fn offer(&self, repertoire: &Repertoire) {
        self.described.send_replace(keeper::described(repertoire));
    }
}

/// The instance of the template unit for an act.
fn format_unit(kind: ActKind, service: &ServiceName) -> String {
    // A service's name has nothing in it that systemd would escape but the hyphen, which %i leaves as it is.
    format!("tails-server-{}@{service}.service", kind.as_str())
}

/// Waits until systemd is done with a job; with which result.
async fn wait_for_job(removed: &mut JobRemovedStream, job: &str) -> Result<String, HostError> {
    while let Some(signal) = removed.next().await {
        if let Ok(removed) = signal.args()
            && removed.job.as_str() == job
        {
            return Ok(removed.result.clone());
        }
    }
    Err(HostError::ConnectionLost)
}
