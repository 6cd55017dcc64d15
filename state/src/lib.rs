// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tails Server remembers.
//!
//! Values that are checked once, where text or bytes become a type ([`ServiceName`], [`VirtualPort`], [`Target`],
//! [`OnionAddress`], [`OnionKey`]), the wishes of one service ([`ServiceRecord`], [`Wish`]) and the durable [`Store`]
//! that holds them.

mod address;
mod client;
mod exposure;
mod key;
mod migrations;
mod name;
mod port;
mod record;
mod store;
mod target;

pub use address::{InvalidAddress, OnionAddress};
pub use client::{
    ClientCredential, ClientName, ClientPublicKey, ClientSecretKey, InvalidClientKey, InvalidClientName,
    InvalidCredential,
};
pub use exposure::{ClientAuthorization, Exposure, InvalidMaxStreams, InvalidProofOfWork, MaxStreams, ProofOfWork};
pub use key::{InvalidKey, OnionKey};
pub use name::{InvalidName, ServiceName};
pub use port::{InvalidPort, InvalidPortMap, PortMap, PortMapping, VirtualPort};
pub use record::{Autostart, InvalidRecord, Persistence, ServiceRecord, Wish};
pub use store::{Defect, Loss, Recovery, Rung, Store, StoreError, StoreLayout, StoredService};
pub use target::{InvalidTarget, Target};

/// What a mutation did: doing a thing twice is [`Change::Unchanged`], not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something is now different, and durable.
    Changed,
    /// It already was as asked.
    Unchanged,
}
