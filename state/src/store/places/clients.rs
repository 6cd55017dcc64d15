// SPDX-License-Identifier: GPL-3.0-or-later
//! The clients of a service. They are in its place.

use super::{Places, forget};
use crate::Change;
use crate::client::{AuthorizedClient, ClientName, ClientSecretKey, MOST_CLIENTS, NewClient, SecretHeld};
use crate::migrations;
use crate::name::ServiceName;
use crate::record::Persistence;
use crate::store::StoredService;
use crate::store::contents::{Change as RowChange, client_key};
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;

impl Places {
    pub(in crate::store) fn add_client(&self, service: &ServiceName, new: &NewClient) -> Result<(), StoreError> {
        let (place, clients) = self.clients_to_change(service)?;
        let public_key = new.key.public_key();
        ensure_name_is_free(service, &clients, &new.name)?;
        if let Some(other) = clients.iter().find(|client| client.public_key == public_key) {
            return Err(StoreError::ClientKeyTaken { service: service.clone(), client: other.name.clone() });
        }
        if clients.len() >= MOST_CLIENTS {
            return Err(StoreError::TooManyClients { service: service.clone() });
        }
        self.of(place).ensure_room()?;
        let key = client_key(service, &new.name);
        let payload = migrations::client_to_payload(&public_key, new.key.secret());
        let row = Row { tree: Tree::Clients, key: key.clone(), generation: 0, payload };
        let added = self.of(place).commit(vec![RowChange::Put(row)]);
        // It says that nothing was changed: nobody may have access who was not told so.
        if added.is_err() && self.of(place).view().contents.holds(Tree::Clients, &key) {
            let taken_back = self.of(place).commit_closing(|| Ok(forget(Tree::Clients, key.clone()).into()));
            if taken_back.is_ok() {
                self.scrub_or_leave(place);
            }
        }
        added
    }

    pub(in crate::store) fn remove_client(
        &self,
        service: &ServiceName,
        client: &ClientName,
    ) -> Result<Change, StoreError> {
        if self.find(service).is_none() {
            self.open_all_to_close();
        }
        // A copy of before would let the client in again, if it ever counts.
        self.finish_move(service)?;
        let place = self.find(service).ok_or_else(|| self.unknown(service))?.record.persistence();
        self.ensure_open_to_close(place)?;
        if !self.of(place).view().contents.holds(Tree::Clients, &client_key(service, client)) {
            return Ok(Change::Unchanged);
        }
        self.of(place).commit_closing(|| Ok(forget(Tree::Clients, client_key(service, client)).into()))?;
        self.scrub_or_leave(place);
        Ok(Change::Changed)
    }

    pub(in crate::store) fn rename_client(
        &self,
        service: &ServiceName,
        from: &ClientName,
        to: &ClientName,
    ) -> Result<Change, StoreError> {
        let (place, clients) = self.clients_to_change(service)?;
        find(service, &clients, from)?;
        if from == to {
            return Ok(Change::Unchanged);
        }
        ensure_name_is_free(service, &clients, to)?;
        let old = client_key(service, from);
        let row = self.of(place).row(Tree::Clients, &old)?;
        let row = Row { key: client_key(service, to), ..row };
        let mut changes: Vec<_> = forget(Tree::Clients, old).into();
        changes.push(RowChange::Put(row));
        self.of(place).commit(changes)?;
        self.scrub_or_leave(place);
        Ok(Change::Changed)
    }

    pub(in crate::store) fn client_key(
        &self,
        service: &ServiceName,
        client: &ClientName,
    ) -> Result<ClientSecretKey, StoreError> {
        let StoredService { record, clients, .. } = self.find(service).ok_or_else(|| self.unknown(service))?;
        let elsewhere = || StoreError::SecretElsewhere { service: service.clone(), client: client.clone() };
        match find(service, &clients, client)?.secret {
            SecretHeld::Elsewhere => Err(elsewhere()),
            SecretHeld::Here => {
                let place = self.of(record.persistence());
                let key = client_key(service, client);
                self.secret(place, Tree::Clients, &key, migrations::client_key_from_payload)?.ok_or_else(elsewhere)
            }
        }
    }

    /// The place of a service, which can be written, and the clients of the service.
    fn clients_to_change(&self, service: &ServiceName) -> Result<(Persistence, Vec<AuthorizedClient>), StoreError> {
        let found = self.find(service).ok_or_else(|| self.unknown(service))?;
        let place = found.record.persistence();
        if self.of(place).is_open() {
            return Ok((place, found.clients));
        }
        self.ensure_open(place)?;
        // It may have been repaired.
        let found = self.find(service).ok_or_else(|| self.unknown(service))?;
        Ok((found.record.persistence(), found.clients))
    }
}

fn find<'a>(
    service: &ServiceName,
    clients: &'a [AuthorizedClient],
    client: &ClientName,
) -> Result<&'a AuthorizedClient, StoreError> {
    let unknown = || StoreError::UnknownClient { service: service.clone(), client: client.clone() };
    clients.iter().find(|known| known.name == *client).ok_or_else(unknown)
}

fn ensure_name_is_free(
    service: &ServiceName,
    clients: &[AuthorizedClient],
    client: &ClientName,
) -> Result<(), StoreError> {
    if clients.iter().any(|known| known.name == *client) {
        return Err(StoreError::ClientExists { service: service.clone(), client: client.clone() });
    }
    Ok(())
}
