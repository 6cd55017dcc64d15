// SPDX-License-Identifier: GPL-3.0-or-later
//! Keys that were made here for services of others, which have not let us in yet. They have a name in one of the two places.

use super::{Places, forget};
use crate::Change;
use crate::client::{ClientName, ClientPublicKey, ClientSecretKey};
use crate::joined::PendingRequest;
use crate::migrations;
use crate::record::Persistence;
use crate::store::contents::Change as RowChange;
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;

impl Places {
    pub(in crate::store) fn requests(&self) -> Vec<PendingRequest> {
        let mut requests = Vec::new();
        for place in self.both() {
            let persistence = place.persistence();
            let view = place.view();
            let pending = view.contents.requests().iter();
            requests.extend(pending.map(|(name, public_key)| PendingRequest {
                name: name.clone(),
                public_key: *public_key,
                persistence,
            }));
        }
        requests.sort_by(|one, other| one.name.cmp(&other.name));
        requests
    }

    fn find_request(&self, name: &ClientName) -> Option<PendingRequest> {
        self.requests().into_iter().find(|request| request.name == *name)
    }

    pub(in crate::store) fn add_request(
        &self,
        name: &ClientName,
        key: &ClientSecretKey,
        place: Persistence,
    ) -> Result<Change, StoreError> {
        self.ensure_open(place)?;
        let public_key = key.public_key();
        if let Some(known) = self.find_request(name) {
            let is_same = known.public_key == public_key && known.persistence == place;
            return if is_same { Ok(Change::Unchanged) } else { Err(StoreError::RequestExists { name: name.clone() }) };
        }
        self.of(place).ensure_room()?;
        let payload = migrations::client_to_payload(&public_key, Some(key));
        let row = Row { tree: Tree::Requests, key: name.as_str().to_owned(), generation: 0, payload };
        self.of(place).commit(vec![RowChange::Put(row)])?;
        Ok(Change::Changed)
    }

    pub(in crate::store) fn request_key(&self, name: &ClientName) -> Result<ClientSecretKey, StoreError> {
        let request = self.find_request(name).ok_or_else(|| self.unknown_request(name))?;
        self.key_of_request(&request)
    }

    pub(in crate::store) fn request_key_for(
        &self,
        public_key: &ClientPublicKey,
    ) -> Result<Option<(ClientName, ClientSecretKey)>, StoreError> {
        match self.requests().into_iter().find(|request| request.public_key == *public_key) {
            Some(request) => self.key_of_request(&request).map(|key| Some((request.name, key))),
            // If a place can not be read, nobody knows whether the key is in it.
            None => self.problem().map_or(Ok(None), Err),
        }
    }

    fn key_of_request(&self, request: &PendingRequest) -> Result<ClientSecretKey, StoreError> {
        let name = request.name.as_str();
        let place = self.of(request.persistence);
        let key = self.secret(place, Tree::Requests, name, migrations::client_key_from_payload)?;
        key.ok_or_else(|| self.unknown_request(&request.name))
    }

    pub(in crate::store) fn remove_request(&self, name: &ClientName) -> Result<Change, StoreError> {
        if self.find_request(name).is_none() {
            self.open_all_to_close();
        }
        let Some(request) = self.find_request(name) else {
            return self.problem().map_or(Ok(Change::Unchanged), Err);
        };
        let place = request.persistence;
        self.ensure_open_to_close(place)?;
        self.of(place).commit_closing(|| Ok(forget(Tree::Requests, name.as_str().to_owned()).into()))?;
        self.scrub_or_leave(place);
        Ok(Change::Changed)
    }

    fn unknown_request(&self, name: &ClientName) -> StoreError {
        self.problem().unwrap_or_else(|| StoreError::UnknownRequest { name: name.clone() })
    }
}
