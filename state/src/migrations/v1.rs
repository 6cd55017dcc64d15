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
    pub(crate) exposure: Exposure,
    /// Missing from a port that is published as it is.
    pub(crate) described: Option<LocalAccess>,
    /// Something about it may have been lost: it stays closed until it is asked for.
    pub(crate) in_doubt: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Port {
    pub(crate) virtual_port: u16,
    /// `127.0.0.1:80`, `[::1]:80` or `unix:/path`.
    pub(crate) target: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exposure {
    pub(crate) client_authorization: ClientAuthorization,
    pub(crate) max_streams: Option<u16>,
    pub(crate) proof_of_work: Option<ProofOfWork>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientAuthorization {
    On,
    Off,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofOfWork {
    pub(crate) rate: u32,
    pub(crate) burst: u32,
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalAccess {
    pub(crate) localhost: bool,
    pub(crate) lan: bool,
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
    pub(crate) clients: u64,
    pub(crate) joined: u64,
    pub(crate) requests: u64,
    pub(crate) options: u64,
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

/// What a row of the tree `joined` ends with, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Joined {
    pub(crate) name: String,
    pub(crate) persistence: Place,
    /// 56 characters, without `.onion`.
    pub(crate) address: String,
    pub(crate) title: Option<String>,
    pub(crate) ports: Vec<u16>,
    pub(crate) expires: Option<u64>,
}

/// What is before the secret key of a client that may be here or not.
pub(crate) const SECRET_ELSEWHERE: u8 = 0;
/// See [`SECRET_ELSEWHERE`].
pub(crate) const SECRET_HERE: u8 = 1;

/// A secret key of a client that may be here or not, and what follows: a byte that says so, then 32 bytes if it is here.
pub(crate) fn split_secret(payload: &[u8]) -> Option<(Option<&[u8; 32]>, &[u8])> {
    let (&held, rest) = payload.split_first()?;
    match held {
        SECRET_ELSEWHERE => Some((None, rest)),
        SECRET_HERE => rest.split_first_chunk::<32>().map(|(secret, rest)| (Some(secret), rest)),
        _ => None,
    }
}

/// The public and the secret part of a row of the tree `clients`, whose key is `SERVICE/CLIENT`, or `requests`: the public
/// key, 32 bytes, then the secret key as in [`split_secret`].
pub(crate) fn split_client(payload: &[u8]) -> Option<(&[u8; 32], Option<&[u8; 32]>)> {
    let (public, rest) = payload.split_first_chunk::<32>()?;
    let (secret, rest) = split_secret(rest)?;
    rest.is_empty().then_some((public, secret))
}

/// The parts of a row of the tree `joined`: the secret key as in [`split_secret`], the length of the note u32, the note as
/// UTF-8, and [`Joined`]. The note may be a secret, and the text of a secret leaves text behind where JSON is made of it.
pub(crate) fn split_joined(payload: &[u8]) -> Option<(Option<&[u8; 32]>, &str, Joined)> {
    let (secret, rest) = split_secret(payload)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (note, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((secret, std::str::from_utf8(note).ok()?, parse(rest)?))
}

/// How a row of the tree `farewells` begins that is about a service of ours.
pub(crate) const FAREWELL_TO_SERVICE: u8 = 1;
/// How one begins that is about a service of somebody else.
pub(crate) const FAREWELL_TO_JOINED: u8 = 2;

/// The parts of a row of the tree `farewells`: the kind, and the public key of an address.
pub(crate) fn split_farewell(payload: &[u8]) -> Option<(u8, &[u8; 32])> {
    let (&kind, public_key) = payload.split_first()?;
    Some((kind, public_key.try_into().ok()?))
}

/// A row of the tree `uninstalls` of which somebody asked for it, and no more.
pub(crate) const UNINSTALL_ASKED: u8 = 1;
/// A row of the tree `uninstalls` whose service was removed.
pub(crate) const UNINSTALL_REMOVED: u8 = 2;

/// How a row of the tree `pending` begins in the amnesic place whose key is `TREE/KEY`: the payload of that row of the kept
/// place follows. The row `number` is the number of the restoration, and so is the row `done` in the kept place.
pub(crate) const PENDING_WRITE: u8 = 1;
/// A row of the tree `pending` that says that the row of the kept place is to be deleted.
pub(crate) const PENDING_DELETE: u8 = 2;

pub(crate) fn render<T: Serialize>(stored: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(stored).ok()
}

pub(crate) fn parse<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
