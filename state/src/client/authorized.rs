// SPDX-License-Identifier: GPL-3.0-or-later
//! The clients of one service.

use super::key::{ClientPublicKey, ClientSecretKey};
use super::name::ClientName;

/// The most clients of one service.
// Tor takes 400 and then never publishes the descriptor, which has grown too long; 330 work.
pub const MOST_CLIENTS: usize = 256;

/// A client that a service lets in, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedClient {
    /// What it is called here.
    pub name: ClientName,
    /// What is told to Tor.
    pub public_key: ClientPublicKey,
    /// Who has the other half.
    pub secret: SecretHeld,
}

/// Who has the secret key of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretHeld {
    /// The store, too: the key was made here, and can be shown.
    Here,
    /// Only the client, who brought the public key.
    Elsewhere,
}

/// A client that is to be let in.
#[derive(Debug)]
pub struct NewClient {
    /// What it is to be called.
    pub name: ClientName,
    /// Its key.
    pub key: NewClientKey,
}

/// The key of a client that is to be let in.
#[derive(Debug)]
pub enum NewClientKey {
    /// Made here: both halves are remembered.
    Made(ClientSecretKey),
    /// Made by the client, who sent the public half.
    Brought(ClientPublicKey),
}

impl NewClientKey {
    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> ClientPublicKey {
        match self {
            Self::Made(secret) => secret.public_key(),
            Self::Brought(public) => *public,
        }
    }

    /// The secret half, if it is here.
    #[must_use]
    pub const fn secret(&self) -> Option<&ClientSecretKey> {
        match self {
            Self::Made(secret) => Some(secret),
            Self::Brought(_) => None,
        }
    }
}
