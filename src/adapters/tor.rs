// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor, over one long-lived control connection.
//!
//! The connection is made again for ever, with growing pauses. Nothing here decides anything: events become facts, steps
//! become commands.

mod connector;
mod facts;
mod looking;
mod refusals;
mod survey;
mod visitors;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tails_server_state::{ClientPublicKey, ClientSecretKey, OnionAddress};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::adapters::check::Check;
use crate::adapters::control_source::ControlSource;
use crate::adapters::tor::connector::Connector;
use crate::adapters::tor::refusals::{ended, why_no_credential, why_not_added};
use crate::adapters::tor::visitors::Visited;
use crate::controller::{
    AddOnionError, Audience, CheckError, CheckRequest, Checked, CredentialError, Fact, Generation, NewOnion,
    RemoveOnionError, Survey, Tor, Visitors,
};
use crate::errors::with_causes;
use crate::torctl::{AddOnion, Client, CommandError, ControlAddress, Credentials};

/// Tor, as the loop's port. The control connection ends with it and with the loop.
#[derive(Debug)]
pub struct ControlPort {
    current: watch::Receiver<Option<Current>>,
    credentials: Arc<Credentials>,
    /// Wakes up whoever looks after the connection. Several calls at a time are one.
    look: Arc<Notify>,
    /// For each private service that was added, the secret key of one more client: this program, for a check. It is in
    /// memory alone, and another one in each life of the service.
    probe_keys: Mutex<BTreeMap<OnionAddress, Arc<ClientSecretKey>>>,
    checking: tokio::sync::Mutex<()>,
    visited: Visited,
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
        let (credentials, look) = (Arc::new(credentials), Arc::default());
        let connector = Connector {
            source,
            credentials: Arc::clone(&credentials),
            look: Arc::clone(&look),
            facts,
            current: publish,
            generation: Generation::default(),
        };
        let task = tokio::spawn(connector.run());
        let (probe_keys, checking) = (Mutex::default(), tokio::sync::Mutex::default());
        (Self { current, credentials, look, probe_keys, checking, visited: Visited::default() }, task)
    }

    fn client(&self, generation: Generation) -> Option<Client> {
        let current = self.current.borrow();
        current.as_ref().filter(|current| current.generation == generation).map(|current| current.client.clone())
    }

    async fn close_visitors(
        &self,
        client: &Client,
        generation: Generation,
        address: &OnionAddress,
    ) -> Result<(), RemoveOnionError> {
        match self.visited.send_away(client, generation, address).await {
            Ok(()) => Ok(()),
            Err(CommandError::Lost { .. }) => Err(RemoveOnionError::ConnectionLost),
            Err(cause) => Err(RemoveOnionError::VisitorsStay(with_causes(&cause))),
        }
    }

    fn probe_keys(&self) -> MutexGuard<'_, BTreeMap<OnionAddress, Arc<ClientSecretKey>>> {
        self.probe_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tor for ControlPort {
    fn look(&self) {
        self.look.notify_one();
    }

    async fn add_onion(&self, generation: Generation, onion: NewOnion) -> Result<(), AddOnionError> {
        let client = self.client(generation).ok_or(AddOnionError::ConnectionLost)?;
        // The key of an earlier life opens nothing any more.
        self.probe_keys().remove(&onion.address);
        if onion.visitors == Visitors::Leave {
            // Before it is there again, so that nobody slips in between.
            self.visited.send_away(&client, generation, &onion.address).await.map_err(|cause| {
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
            if let Some(key) = probe_key {
                self.probe_keys().insert(onion.address, Arc::new(key));
            }
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
            | AddOnionError::Filtered
            | AddOnionError::NoProofOfWork
            | AddOnionError::Recalled => Ok(()),
        };
        if cleared.is_err() {
            client.close();
            return Err(AddOnionError::ConnectionLost);
        }
        Err(why)
    }

    async fn survey(&self, generation: Generation) -> Survey {
        match self.client(generation) {
            Some(client) => survey::survey(&client).await,
            None => Survey::nothing("there is no control connection"),
        }
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
        self.probe_keys().remove(&address);
        let client = self.client(generation).ok_or(RemoveOnionError::ConnectionLost)?;
        match client.del_onion(&address).await {
            Ok(_) => (),
            Err(CommandError::Lost { .. }) => return Err(RemoveOnionError::ConnectionLost),
            Err(cause) => return Err(RemoveOnionError::Failed(with_causes(&cause))),
        }
        match visitors {
            Visitors::Stay => Ok(()),
            Visitors::Leave => self.close_visitors(&client, generation, &address).await,
        }
    }

    async fn send_away(&self, generation: Generation, address: OnionAddress) -> Result<(), RemoveOnionError> {
        let client = self.client(generation).ok_or(RemoveOnionError::ConnectionLost)?;
        self.close_visitors(&client, generation, &address).await
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
