// SPDX-License-Identifier: GPL-3.0-or-later
//! The stored form, version 1. Frozen once released: a field more is a version more.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A row of the tree `services`, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) persistence: Place,
    pub(crate) autostart: Autostart,
    pub(crate) ports: Vec<Port>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Port {
    pub(crate) virtual_port: u16,
    /// `127.0.0.1:80`, `[::1]:80` or `unix:/path`.
    pub(crate) target: String,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    Kept,
    Amnesic,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Autostart {
    On,
    Off,
}

/// A row of the tree `wishes`, as JSON. Its key is `kept/NAME` or `amnesic/NAME`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) wish: Wanted,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wanted {
    Enabled,
    Disabled,
}

/// The one row of the tree `meta`, as JSON: what the other trees hold at its generation.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Census {
    pub(crate) place: Place,
    pub(crate) services: u64,
    pub(crate) keys: u64,
    pub(crate) wishes: u64,
    /// The wrapping sum of the marks of these rows.
    pub(crate) digest: u64,
}

/// A row of the tree `keys`: the public key, 32 bytes, then the expanded secret key, 64 bytes. No text: a secret that was
/// never text leaves no text behind.
pub(crate) const KEY_BYTES: usize = 32 + 64;

/// The public and the secret part of a row of the tree `keys`.
pub(crate) fn split_key(payload: &[u8]) -> Option<(&[u8; 32], &[u8; 64])> {
    let (public, rest) = payload.split_first_chunk::<32>()?;
    Some((public, rest.try_into().ok()?))
}

pub(crate) fn render<T: Serialize>(stored: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(stored).ok()
}

pub(crate) fn parse<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
