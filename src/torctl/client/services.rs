// SPDX-License-Identifier: GPL-3.0-or-later
//! Adding and deleting onion services.

use tails_server_state::{Change, OnionAddress};

use super::Client;
use crate::torctl::add_onion::AddOnion;
use crate::torctl::command::Command;
use crate::torctl::error::CommandError;
use crate::torctl::refusal::Refusal;
use crate::torctl::reply::Reply;

const ADD: &str = "ADD_ONION";

impl Client {
    /// Adds an onion service, which lives until [`Client::del_onion`] or the end of this connection. When it returns,
    /// Tor has confirmed the address and exactly the clients that were asked for.
    ///
    /// Dropping the future of a service with clients closes the connection, unless it is complete: a service that
    /// nobody has compared with the wish does not stay.
    ///
    /// # Errors
    /// [`CommandError::Clients`] before Tor sees anything;
    /// [`Refusal::Collision`] when there is a service with this address, here or on a connection that we can not see;
    /// [`CommandError::WrongServiceId`] when Tor gave it another address, and [`CommandError::WrongClients`] when it lets
    /// in others, after deleting it again. If that fails, the connection is closed, and the service goes with it.
    pub async fn add_onion(&self, onion: &AddOnion<'_>) -> Result<(), CommandError> {
        onion.check()?;
        let unproven = onion.clients.is_some().then(|| Unproven(self));
        let added = match self.ask(Command::add_onion(onion), ADD).await {
            Ok(reply) => self.compare(onion, &reply).await,
            Err(refused) => Err(refused),
        };
        if let Some(unproven) = unproven {
            unproven.settle();
        }
        added
    }

    /// Compares what Tor added with what it was told to, and deletes it again if that differs.
    async fn compare(&self, onion: &AddOnion<'_>, reply: &Reply) -> Result<(), CommandError> {
        let mut ids = reply.values("ServiceID");
        // With a service that can not be named or deleted, the connection has to go: it takes along whatever it added.
        let (Some(Ok(address)), None) = (ids.next().map(OnionAddress::parse), ids.next()) else {
            return Err(self.give_up(ADD).await);
        };
        let wrong = if address != onion.address {
            CommandError::WrongServiceId
        } else if !onion.has_clients(reply.values("ClientAuthV3")) {
            CommandError::WrongClients
        } else {
            return Ok(());
        };
        match self.del_onion(&address).await {
            Ok(Change::Changed | Change::Unchanged) => Err(wrong),
            Err(_) => Err(self.give_up(ADD).await),
        }
    }

    /// Deletes an onion service of this connection, or a detached one. Visitors stay: see [`Client::close_visitors`].
    ///
    /// # Errors
    /// [`CommandError`]; that there is none is [`Change::Unchanged`].
    pub async fn del_onion(&self, address: &OnionAddress) -> Result<Change, CommandError> {
        match self.ask(Command::del_onion(address), "DEL_ONION").await {
            Ok(_) => Ok(Change::Changed),
            Err(error) if error.refusal() == Some(&Refusal::UnknownService) => Ok(Change::Unchanged),
            Err(error) => Err(error),
        }
    }
}

/// Closes the connection on drop: Tor may have been told to add a service, and nobody looks whether it is the right one.
struct Unproven<'a>(&'a Client);

impl Unproven<'_> {
    fn settle(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
