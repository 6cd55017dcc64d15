// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tails Server remembers.
//!
//! Values that are checked once, where text or bytes become a type ([`ServiceName`], [`VirtualPort`], [`Target`],
//! [`OnionAddress`], [`OnionKey`], [`ClientPublicKey`], [`ClientSecretKey`]), the wishes of one service
//! ([`ServiceRecord`], [`ServiceKind`], [`Exposure`], [`Wish`]), the services of others ([`JoinedService`]), what Tor may still have of both
//! when they are forgotten ([`Farewell`]), what is to be uninstalled ([`Uninstall`]), and the durable [`Store`] that holds them.

mod address;
mod client;
mod described;
mod descriptor_id;
mod exposure;
mod farewell;
mod holdings;
mod joined;
mod key;
mod migrations;
mod name;
mod port;
mod record;
mod store;
mod target;
mod uninstall;

pub use address::{InvalidAddress, OnionAddress};
pub use client::{
    AuthorizedClient, ClientCredential, ClientName, ClientPublicKey, ClientSecretKey, InvalidClientKey,
    InvalidClientName, InvalidCredential, MOST_CLIENTS, NewClient, NewClientKey, SecretHeld,
};
pub use described::{Allow, InvalidOptionName, LocalAccess, OptionName, OptionText, ServiceKind};
pub use descriptor_id::{DescriptorId, TimePeriod};
pub use exposure::{ClientAuthorization, Exposure, InvalidMaxStreams, InvalidProofOfWork, MaxStreams, ProofOfWork};
pub use farewell::Farewell;
pub use holdings::{HeldJoined, HeldRequest, HeldService, Holdings};
pub use joined::{JoinedService, PendingRequest};
pub use key::{InvalidKey, OnionKey};
pub use name::{InvalidName, ServiceName};
pub use port::{InvalidPort, InvalidPortMap, PortMap, PortMapping, VirtualPort};
pub use record::{Autostart, InvalidRecord, Persistence, ServiceRecord, Wish};
pub use store::{Defect, KeptMounts, Loss, Recovery, Rung, Store, StoreError, StoreLayout, StoredService};
pub use target::{InvalidTarget, Target};
pub use uninstall::Uninstall;

/// What a mutation did: doing a thing twice is [`Change::Unchanged`], not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something is now different, and durable.
    Changed,
    /// It already was as asked.
    Unchanged,
}
