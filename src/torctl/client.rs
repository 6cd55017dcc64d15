// SPDX-License-Identifier: GPL-3.0-or-later
//! A handle to one authenticated connection.

mod access;
mod circuits;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::address::ControlAddress;
use super::auth::{Credentials, Method};
use super::command::{Command, InvalidArgument};
use super::connection::{Request, serve};
use super::error::{CommandError, ConnectError};
use super::event::{Event, EventKind};
use super::handshake::{Introduced, introduce};
use super::info::InfoKey;
use super::lost::ConnectionLost;
use super::refusal::Refusal;
use super::reply::Reply;
use super::version::TorVersion;

pub use access::ClientAuthAdded;

/// Time for the whole way from connecting to being authenticated.
// Three replies of a millisecond each. A machine that starts from a slow disk stalls for seconds, not for ten.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// The most commands that are under way at once; more wait for their turn.
// A thousand services at once is ten times what Tor can publish, and their lines are a third of a megabyte.
const COMMANDS_UNDER_WAY: usize = 1024;

/// The most events that wait to be taken.
// A service brings some 30 events when it is published: room for a window of eight.
const EVENTS_WAITING: usize = 256;

/// A handle to one authenticated connection to Tor.
///
/// Clones share it, and many commands may be under way at once; they are answered in order. Dropping the future of a
/// command is safe: its reply is still taken. Whether Tor acted on it is then unknown; look at
/// [`InfoKey::OnionsCurrent`]. When the last handle is dropped the connection closes, and with it the services that it
/// added.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tor_version: String,
    method: Method,
    requests: mpsc::UnboundedSender<Request>,
    under_way: Arc<Semaphore>,
    lost: watch::Receiver<Option<ConnectionLost>>,
    task: JoinHandle<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // It would end by itself, but not while it waits for a peer that does not read.
        self.task.abort();
    }
}

impl Client {
    /// Connects and authenticates. See [`Credentials`] for how. Dropping the future closes the connection.
    ///
    /// Whoever awaits commands must not be the one who takes the [`Events`]: while those wait, no reply is read.
    ///
    /// # Errors
    /// All that can go wrong on the way, typed for people; [`ConnectError::hint`] says what they can do.
    pub async fn connect(address: &ControlAddress, credentials: &Credentials) -> Result<(Self, Events), ConnectError> {
        let introduction = Box::pin(introduce(address, credentials));
        let Introduced { reader, writer, tor_version, method } = tokio::time::timeout(HANDSHAKE_PATIENCE, introduction)
            .await
            .map_err(|_elapsed| ConnectError::TimedOut { address: address.clone() })??;

        let (requests, queue) = mpsc::unbounded_channel();
        let (event_sender, events) = mpsc::channel(EVENTS_WAITING);
        let (lost_sender, lost) = watch::channel(None);
        let under_way = Arc::new(Semaphore::new(COMMANDS_UNDER_WAY));
        let permits = Arc::clone(&under_way);
        let task = tokio::spawn(async move {
            let lost = serve(reader, writer, queue, event_sender).await;
            lost_sender.send_replace(Some(lost));
            permits.close();
        });
        let shared = Shared { tor_version, method, requests, under_way, lost, task };
        Ok((Self { shared: Arc::new(shared) }, Events { events }))
    }

    /// Tor's version, as it said before it was authenticated.
    #[must_use]
    pub fn tor_version(&self) -> &str {
        &self.shared.tor_version
    }

    /// Whether an onion service can have the proof-of-work defence. Not where Tor's version is not understood.
    #[must_use]
    pub fn supports_proof_of_work(&self) -> bool {
        self.shared.tor_version.parse().is_ok_and(|version: TorVersion| version.supports_proof_of_work())
    }

    /// How this program authenticated.
    #[must_use]
    pub fn method(&self) -> Method {
        self.shared.method
    }

    /// Asks for these kinds of events instead of those asked for before.
    ///
    /// # Errors
    /// [`CommandError`]; when Tor does not know one of them, the earlier set stays.
    pub async fn set_events(&self, kinds: &[EventKind]) -> Result<(), CommandError> {
        self.ask(Command::set_events(kinds), "SETEVENTS").await.map(drop)
    }

    /// Asks Tor for values. One unknown key refuses all.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn get_info(&self, keys: &[InfoKey]) -> Result<BTreeMap<InfoKey, String>, CommandError> {
        const NAME: &str = "GETINFO";
        let reply = self.ask(Command::get_info(keys), NAME).await?;
        let values = keys.iter().map(|&key| Some((key, reply.value(&key.keyword())?.to_owned()))).collect();
        match values {
            Some(values) => Ok(values),
            None => Err(self.give_up(NAME).await),
        }
    }

    /// Asks Tor for values that it may not know, or that a filter before it may not let through: those are left out.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn get_info_if_known(&self, keys: &[InfoKey]) -> Result<BTreeMap<InfoKey, String>, CommandError> {
        // Each with a command of its own, for one unknown key refuses all.
        let answers = future::join_all(keys.iter().map(|key| self.get_info(std::slice::from_ref(key)))).await;
        let mut values = BTreeMap::new();
        for answer in answers {
            match answer {
                Ok(mut value) => values.append(&mut value),
                Err(error) if matches!(error.refusal(), Some(Refusal::UnknownKey(_) | Refusal::Filtered)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(values)
    }

    /// Whether Tor's setting `DisableNetwork` keeps it off the network; `None` if it does not say.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn is_network_disabled(&self) -> Result<Option<bool>, CommandError> {
        const NAME: &str = "GETCONF";
        let reply = self.ask(Command::get_disable_network(), NAME).await?;
        // control-spec, GETCONF: a setting that has its default may come without a value
        Ok(reply.value("DisableNetwork").map(|value| value == "1"))
    }

    /// Makes Tor exit when this connection closes. Only for a Tor that this program started.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn take_ownership(&self) -> Result<(), CommandError> {
        self.ask(Command::take_ownership(), "TAKEOWNERSHIP").await.map(drop)
    }

    /// Closes the connection for all handles, and with it removes the services that it added.
    pub fn close(&self) {
        // A connection that has ended already is closed.
        let _ = self.shared.requests.send(Request::GiveUp(ConnectionLost::GivenUp));
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> ConnectionLost {
        let mut lost = self.shared.lost.clone();
        // Without a reason only when the task was torn down with its runtime.
        lost.wait_for(Option::is_some).await.ok().and_then(|lost| lost.clone()).unwrap_or(ConnectionLost::GivenUp)
    }

    /// Asks, and waits for the reply, which has to be a 250.
    async fn ask(&self, command: Result<Command, InvalidArgument>, name: &'static str) -> Result<Reply, CommandError> {
        let reply = self.reply(command, name).await?;
        reply.accepted().map_err(|refusal| CommandError::Refused { command: name, refusal })
    }

    /// Asks, and waits for the reply, whatever it says.
    async fn reply(
        &self,
        command: Result<Command, InvalidArgument>,
        name: &'static str,
    ) -> Result<Reply, CommandError> {
        let command = command.map_err(|InvalidArgument| CommandError::Argument { command: name })?;
        let reply = match Arc::clone(&self.shared.under_way).acquire_owned().await {
            Ok(permit) => {
                let (sender, reply) = oneshot::channel();
                // When the task has ended, the sender is dropped with the request, and the reply with it.
                let _ = self.shared.requests.send(Request::Ask(command, sender, permit));
                reply.await.ok()
            }
            Err(_closed) => None,
        };
        match reply {
            Some(reply) => Ok(reply),
            None => Err(CommandError::Lost { command: name, cause: self.closed().await }),
        }
    }

    /// Closes the connection, for Tor's answer to this command lacks what it always has.
    async fn give_up(&self, command: &'static str) -> CommandError {
        let _ = self.shared.requests.send(Request::GiveUp(ConnectionLost::Garbled));
        CommandError::Lost { command, cause: self.closed().await }
    }
}

/// What Tor tells unasked, in order.
///
/// When they are not taken, Tor waits, and so do all replies. Drop it to have events thrown away.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` when the connection has ended. Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}
