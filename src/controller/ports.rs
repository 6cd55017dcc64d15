// SPDX-License-Identifier: GPL-3.0-or-later
//! The ports: what the loop asks of the world, and the facts that come back.
//!
//! Each port has one real adapter in `adapters` and one simulated one in `sim`. Facts come through one channel, in order;
//! facts about Tor carry the [`Generation`] of the control connection they were seen on.

use std::collections::BTreeSet;
use std::future::Future;

use tails_server_state::{OnionAddress, OnionKey, PortMap, Target};

use crate::controller::observed::{Bootstrap, Generation};

/// Tor, as far as the loop acts on it.
pub trait Tor: Send + Sync + 'static {
    /// Adds an onion service to Tor, bound to the control connection of this generation.
    fn add_onion(
        &self,
        generation: Generation,
        onion: NewOnion,
    ) -> impl Future<Output = Result<(), AddOnionError>> + Send;

    /// Removes an onion service that was added on the control connection of this generation. One that Tor does not know
    /// is removed already.
    fn remove_onion(
        &self,
        generation: Generation,
        address: OnionAddress,
    ) -> impl Future<Output = Result<(), RemoveOnionError>> + Send;

    /// Closes the control connection of this generation, and with it every service that was added on it. A new one
    /// follows by itself.
    fn disconnect(&self, generation: Generation);
}

/// Who listens on this machine.
pub trait Listening: Send + 'static {
    /// Says which targets matter from now on. A [`Fact::Listening`] follows at once, and for each change.
    fn watch(&mut self, targets: BTreeSet<Target>);
}

/// An onion service to add.
#[derive(Debug)]
pub struct NewOnion {
    /// Its secret key.
    pub key: OnionKey,
    /// The address that belongs to the key; a Tor that names another one is not believed.
    pub address: OnionAddress,
    /// Its ports.
    pub ports: PortMap,
}

/// Something observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Something about Tor, on this control connection.
    Tor(Generation, TorFact),
    /// Who listens now.
    Listening(Listeners),
}

/// What one look at the listeners found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners {
    /// The targets that were looked for.
    pub looked_for: BTreeSet<Target>,
    /// Those of them that somebody listens on.
    pub found: BTreeSet<Target>,
}

/// Something observed about Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TorFact {
    /// The control connection is up, authenticated and delivers events.
    Connected {
        /// Tor's version, as it names it.
        version: String,
    },
    /// There is no control connection: it ended, or one more attempt failed.
    Lost(TorProblem),
    /// How far Tor has come.
    Bootstrap(Bootstrap),
    /// Whether Tor has enough directory information to build circuits.
    EnoughDirectory(bool),
    /// Whether Tor has built a circuit since it last lost the network.
    Circuits(bool),
    /// Tor has this service now; what it told of its uploads before belongs to an earlier life of the service.
    OnionAdded(OnionAddress),
    /// An upload of a descriptor began.
    UploadBegun(OnionAddress, HsDir),
    /// An HSDir has a descriptor.
    UploadConfirmed(OnionAddress, HsDir),
    /// An upload of a descriptor failed.
    UploadFailed(OnionAddress, HsDir),
}

/// A directory that holds descriptors of onion services, by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HsDir(String);

impl From<String> for HsDir {
    fn from(fingerprint: String) -> Self {
        Self(fingerprint)
    }
}

/// Why there is no usable Tor, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorProblem {
    /// What is the matter.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
}

/// Why Tor has not got a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddOnionError {
    /// The control connection ended; what Tor did with the request is void with it.
    #[error("the control connection to Tor ended")]
    ConnectionLost,
    /// The address is in use by this Tor, from another control connection.
    #[error("this Tor has a service with this address already, from another program or an earlier control connection")]
    Collision,
    /// Tor, or a filter in front of it, will not; asking again brings the same answer.
    #[error("Tor refused the service: {0}")]
    Refused(String),
    /// It failed in a way that may pass.
    #[error("Tor could not add the service: {0}")]
    Failed(String),
}

impl AddOnionError {
    /// The sort of error, for logs: no word of Tor's is in it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ConnectionLost => "the control connection ended",
            Self::Collision => "Tor has the address already",
            Self::Refused(_) => "Tor refused it",
            Self::Failed(_) => "Tor could not add it",
        }
    }
}

/// Why Tor may still have a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveOnionError {
    /// The control connection ended, and the service with it.
    #[error("the control connection to Tor ended")]
    ConnectionLost,
    /// Tor, or a filter in front of it, did not do it.
    #[error("Tor did not remove the service: {0}")]
    Failed(String),
}
