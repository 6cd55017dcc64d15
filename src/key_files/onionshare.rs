// SPDX-License-Identifier: GPL-3.0-or-later
//! The settings of a saved tab of OnionShare.

use serde::Deserialize;
use tails_server_state::{ClientPublicKey, OnionKey};

use super::error::Unsuitable;
use super::format;

/// The client of a service that is not public: OnionShare has one key for all visitors.
pub(super) const CLIENT: &str = "onionshare";

// cli/onionshare_cli/mode_settings.py of OnionShare 2.6: `private_key` is what stem gives, base64 without the type.
// Borrowed, so that no copy of the key is left behind.
#[derive(Deserialize)]
struct Settings<'a> {
    #[serde(borrow)]
    onion: Onion<'a>,
    #[serde(default)]
    general: General,
}

#[derive(Deserialize)]
struct Onion<'a> {
    #[serde(default)]
    private_key: Option<&'a str>,
    #[serde(default)]
    client_auth_pub_key: Option<&'a str>,
}

#[derive(Default, Deserialize)]
struct General {
    #[serde(default)]
    public: bool,
}

/// Reads the key, and the client of a service that is not public.
pub(super) fn read(bytes: &[u8]) -> Result<(OnionKey, Option<ClientPublicKey>), Unsuitable> {
    let settings: Settings<'_> = serde_json::from_slice(bytes).map_err(|_| Unsuitable::Unknown)?;
    let key = settings.onion.private_key.filter(|key| !key.is_empty()).ok_or(Unsuitable::NoKeyYet)?;
    let key = format::key_from_base64(key)?;
    let client = match settings.onion.client_auth_pub_key {
        Some(client) if !settings.general.public && !client.is_empty() => {
            Some(ClientPublicKey::parse(client).map_err(Unsuitable::ClientKey)?)
        }
        Some(_) | None => None,
    };
    Ok((key, client))
}
