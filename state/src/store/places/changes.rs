// SPDX-License-Identifier: GPL-3.0-or-later
//! What can become of a service that is there: another record, another key.

use zeroize::Zeroizing;

use super::{Places, row};
use crate::Change;
use crate::address::OnionAddress;
use crate::exposure::ClientAuthorization;
use crate::farewell::Farewell;
use crate::key::OnionKey;
use crate::migrations::{self, Doubt};
use crate::name::ServiceName;
use crate::record::{Persistence, ServiceRecord};
use crate::store::contents::{Change as RowChange, replaced_key};
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;
use crate::store::place::is_too_long;

impl Places {
    pub(in crate::store) fn set_record(&self, record: &ServiceRecord) -> Result<Change, StoreError> {
        let (name, place) = (record.name(), record.persistence());
        match record.exposure().client_authorization {
            ClientAuthorization::Off => self.ensure_open(place)?,
            ClientAuthorization::On => self.ensure_open_to_close(place)?,
        }
        let service = self.find(name).ok_or_else(|| self.unknown(name))?;
        let old = service.record;
        if old.persistence() != place {
            return Err(StoreError::OtherPlace { name: name.clone() });
        }
        if old == *record {
            return Ok(Change::Unchanged);
        }
        // A copy of before would be open where this one is closed, if it ever counts.
        self.finish_move(name)?;
        let put = || Ok(vec![RowChange::Put(self.record_row(record, self.doubt_of(place, name))?)]);
        let authorization = |record: &ServiceRecord| record.exposure().client_authorization;
        match (authorization(&old), authorization(record)) {
            // Closing has to work when nothing else does.
            (ClientAuthorization::Off, ClientAuthorization::On) => self.of(place).commit_closing(put)?,
            (ClientAuthorization::On, ClientAuthorization::Off) => self.open_to_all(&old, put()?)?,
            (ClientAuthorization::On, ClientAuthorization::On)
            | (ClientAuthorization::Off, ClientAuthorization::Off) => {
                self.of(place).commit(put()?)?;
            }
        }
        Ok(Change::Changed)
    }

    /// Until it is acknowledged that a service is open to everybody it is closed, and after an error it is as it was.
    fn open_to_all(&self, old: &ServiceRecord, changes: Vec<RowChange>) -> Result<(), StoreError> {
        let (name, place) = (old.name(), old.persistence());
        let is_first = self.unacknowledged().insert(name.clone());
        let opened = self.of(place).commit(changes);
        // While the place is closed, nobody can tell what is in it.
        let is_as_it_was = || {
            let view = self.of(place).view();
            view.problem.is_none() && view.contents.services().get(name).is_some_and(|service| service.record == *old)
        };
        if opened.is_err() && !is_as_it_was() {
            // If nobody can tell, it stays closed, also after a restart of ours.
            let taken_back = self
                .record_row(old, self.doubt_of(place, name))
                .and_then(|row| self.of(place).commit(vec![RowChange::Put(row)]));
            if taken_back.is_err() {
                let _ = self.disable(place, name);
            }
        }
        if is_first && (opened.is_ok() || is_as_it_was()) {
            self.unacknowledged().remove(name);
        }
        opened
    }

    pub(in crate::store) fn replace_key(&self, name: &ServiceName, key: &OnionKey) -> Result<(), StoreError> {
        let service = self.find(name).ok_or_else(|| self.unknown(name))?;
        let place = service.record.persistence();
        self.ensure_open(place)?;
        // A copy with another key would be another service.
        self.finish_move(name)?;
        let address = key.address();
        if service.address == address {
            // It may have come from a file of other hands: the PRF secret is part of the key, and not of the address.
            let known = self.secret_of(place, name)?;
            if known.expose_expanded() == key.expose_expanded() {
                return Ok(());
            }
        }
        self.ensure_address_is_free(&address, Some(name))?;
        let record = self.record_row(&service.record, self.doubt_of(place, name))?;
        let payload = migrations::key_to_payload(&address, key);
        let key = Row { tree: Tree::Keys, key: name.as_str().to_owned(), generation: 0, payload };
        // The record as well: record and key of one commit are what a salvage believes.
        let mut changes = vec![RowChange::Put(record), RowChange::Put(key), replaced(Tree::Keys, name.as_str())];
        if service.address != address {
            changes.extend(self.farewell_before_removal(place, Farewell::Service(service.address)));
        }
        self.of(place).commit(changes)?;
        self.scrub_or_leave(place);
        Ok(())
    }

    fn secret_of(&self, place: Persistence, name: &ServiceName) -> Result<OnionKey, StoreError> {
        let row = self.of(place).row(Tree::Keys, name.as_str())?;
        let key = migrations::key_from_payload(&row.payload);
        key.map_err(|unreadable| self.of(place).defective(unreadable.into()))
    }

    /// No other service has this address.
    pub(super) fn ensure_address_is_free(
        &self,
        address: &OnionAddress,
        but: Option<&ServiceName>,
    ) -> Result<(), StoreError> {
        for place in self.both() {
            let view = place.view();
            let taken = view.contents.services().iter().find(|(name, it)| it.address == *address && Some(*name) != but);
            if let Some((name, _)) = taken {
                return Err(StoreError::AddressTaken { name: name.clone() });
            }
        }
        Ok(())
    }

    /// It was asked for: whatever may have been lost of it no longer keeps it closed.
    pub(super) fn dispel(&self, place: Persistence, name: &ServiceName) -> Result<(), StoreError> {
        if self.doubt_of(place, name) == Doubt::None {
            return Ok(());
        }
        self.ensure_open(place)?;
        let record = self.of(place).view().contents.services().get(name).map(|service| service.record.clone());
        let record = record.ok_or_else(|| self.unknown(name))?;
        self.of(place).commit(vec![RowChange::Put(self.record_row(&record, Doubt::None)?)])
    }

    pub(super) fn doubt_of(&self, place: Persistence, name: &ServiceName) -> Doubt {
        self.of(place).view().contents.services().get(name).map_or(Doubt::None, |service| service.doubt)
    }

    pub(super) fn record_row(&self, record: &ServiceRecord, doubt: Doubt) -> Result<Row, StoreError> {
        let too_large = || StoreError::TooLarge { name: record.name().clone() };
        let payload = migrations::doubtful_service_to_payload(record, doubt).map_err(|_| too_large())?;
        let row = row(Tree::Services, record.name().as_str(), payload);
        if is_too_long(&row) { Err(too_large()) } else { Ok(row) }
    }

    /// Overwrites what was removed. If that is not possible now, the exporter's thread does it as soon as it is: what was
    /// to be removed no longer counts in any case.
    pub(super) fn scrub_or_leave(&self, place: Persistence) {
        if self.of(place).scrub().is_ok() {
            let _ = self.of(place).ensure_room();
        }
    }
}

/// Writes down that the row that is replaced by another is still in the file of the database.
pub(super) fn replaced(tree: Tree, key: &str) -> RowChange {
    let key = replaced_key(tree, key);
    RowChange::Put(Row { tree: Tree::Removed, key, generation: 0, payload: Zeroizing::default() })
}
