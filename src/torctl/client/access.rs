// SPDX-License-Identifier: GPL-3.0-or-later
//! Access of this Tor, as a visitor, to the onion services of others.

use tails_server_state::{Change, ClientSecretKey, OnionAddress};

use super::Client;
use crate::torctl::command::Command;
use crate::torctl::error::CommandError;

/// What became of a credential that Tor was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuthAdded {
    /// Tor had none for this service.
    New,
    /// Tor had one for this service, and has this one now.
    Replaced,
    /// Tor had a descriptor of this service that it could not read, and reads it with this one: the key is right.
    Usable,
}

impl Client {
    /// Lets Tor visit an onion service that only authorised clients reach. Tor forgets it when it ends, not when the
    /// connection does; it is never written to Tor's disk.
    ///
    /// # Errors
    /// [`CommandError`]
    // control-spec, ONION_CLIENT_AUTH_ADD: 250, 251 replaced, 252 a cached descriptor was decrypted
    pub async fn add_client_auth(
        &self,
        address: &OnionAddress,
        key: &ClientSecretKey,
    ) -> Result<ClientAuthAdded, CommandError> {
        const NAME: &str = "ONION_CLIENT_AUTH_ADD";
        let reply = self.reply(Command::add_client_auth(address, key), NAME).await?;
        match reply.code() {
            250 => Ok(ClientAuthAdded::New),
            251 => Ok(ClientAuthAdded::Replaced),
            252 => Ok(ClientAuthAdded::Usable),
            _ => Err(CommandError::Refused { command: NAME, refusal: reply.refusal() }),
        }
    }

    /// Makes Tor forget the credential for a service. Circuits to it that are there stay.
    ///
    /// # Errors
    /// [`CommandError`]; that there is none is [`Change::Unchanged`].
    // control-spec, ONION_CLIENT_AUTH_REMOVE: 251 when there is none
    pub async fn remove_client_auth(&self, address: &OnionAddress) -> Result<Change, CommandError> {
        const NAME: &str = "ONION_CLIENT_AUTH_REMOVE";
        let reply = self.reply(Command::remove_client_auth(address), NAME).await?;
        match reply.code() {
            250 => Ok(Change::Changed),
            251 => Ok(Change::Unchanged),
            _ => Err(CommandError::Refused { command: NAME, refusal: reply.refusal() }),
        }
    }
}
