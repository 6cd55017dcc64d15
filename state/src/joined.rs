// SPDX-License-Identifier: GPL-3.0-or-later
//! The other side: services of others that we were let into, and requests to be.

use std::fmt;

use crate::address::OnionAddress;
use crate::client::{ClientName, ClientPublicKey};
use crate::name::ServiceName;
use crate::port::VirtualPort;
use crate::record::Persistence;

/// A service of somebody else, as an invitation told of it. The key, if there is one, stays in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinedService {
    /// What it is called here.
    pub name: ServiceName,
    /// Where it is.
    pub address: OnionAddress,
    /// Where it is remembered.
    pub persistence: Persistence,
    /// What its owner calls it.
    pub title: Option<String>,
    /// Where to connect to.
    pub ports: Vec<VirtualPort>,
    /// How to connect. There may be a password in it: it is a secret, and `Debug` hides it.
    pub note: String,
    /// When the invitation ends, in seconds since 1970.
    pub expires: Option<u64>,
}

impl fmt::Debug for JoinedService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, persistence, title, ports, note: _, expires } = self;
        formatter
            .debug_struct("JoinedService")
            .field("name", name)
            .field("address", address)
            .field("persistence", persistence)
            .field("title", title)
            .field("ports", ports)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

/// A key that was made here for a service that somebody else is to let us into. The secret half stays in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRequest {
    /// What it is called here.
    pub name: ClientName,
    /// What the owner of the service was sent.
    pub public_key: ClientPublicKey,
    /// Where it is remembered.
    pub persistence: Persistence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_has_neither_the_note_nor_the_address() {
        let address = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";
        let joined = JoinedService {
            name: "mumble".parse().unwrap(),
            address: OnionAddress::parse(address).unwrap(),
            persistence: Persistence::Kept,
            title: None,
            ports: Vec::new(),
            note: "password hunter2".to_owned(),
            expires: None,
        };
        let shown = format!("{joined:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(&address[..6]), "{shown}");
    }
}
