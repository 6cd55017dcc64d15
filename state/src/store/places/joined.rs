// SPDX-License-Identifier: GPL-3.0-or-later
//! Services of others. They have a name in one of the two places.

use std::collections::BTreeMap;

use super::changes::replaced;
use super::{Places, forget};
use crate::Change;
use crate::client::ClientSecretKey;
use crate::farewell::Farewell;
use crate::joined::JoinedService;
use crate::migrations;
use crate::name::ServiceName;
use crate::record::Persistence;
use crate::store::contents::Change as RowChange;
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;
use crate::store::place::is_too_long;

impl Places {
    /// If a name is in both places, since moving it from one to the other was interrupted, the amnesic one counts.
    pub(in crate::store) fn joined(&self) -> BTreeMap<ServiceName, JoinedService> {
        let (kept, amnesic) = (self.kept.view(), self.amnesic.view());
        let all = kept.contents.joined().iter().chain(amnesic.contents.joined());
        all.map(|(name, joined)| (name.clone(), joined.clone())).collect()
    }

    fn find_joined(&self, name: &ServiceName) -> Option<JoinedService> {
        self.both().into_iter().rev().find_map(|place| place.view().contents.joined().get(name).cloned())
    }

    pub(in crate::store) fn join(
        &self,
        joined: &JoinedService,
        key: Option<&ClientSecretKey>,
    ) -> Result<Change, StoreError> {
        let (name, place) = (&joined.name, joined.persistence);
        self.ensure_open(place)?;
        if let Some((other, _)) =
            self.joined().iter().find(|(other, it)| *other != name && it.address == joined.address)
        {
            // Tor has one key for an address.
            return Err(StoreError::AddressTaken { name: other.clone() });
        }
        let known = self.find_joined(name);
        if known.as_ref().is_some_and(|known| known.address != joined.address) {
            return Err(StoreError::Exists { name: name.clone() });
        }
        if let Some(known) = &known {
            self.ensure_open(known.persistence)?;
            let known_key = self.joined_row(known.persistence, name)?;
            let bytes = |key: Option<&ClientSecretKey>| key.map(|key| *key.expose_bytes()).map(zeroize::Zeroizing::new);
            if known == joined && bytes(known_key.as_ref()) == bytes(key) {
                return Ok(Change::Unchanged);
            }
        }
        let too_large = || StoreError::TooLarge { name: name.clone() };
        let payload = migrations::joined_to_payload(joined, key).map_err(|_| too_large())?;
        let row = Row { tree: Tree::Joined, key: name.as_str().to_owned(), generation: 0, payload };
        if is_too_long(&row) {
            return Err(too_large());
        }
        self.of(place).ensure_room()?;
        let is_replaced = self.of(place).view().contents.joined().contains_key(name);
        let mut changes = vec![RowChange::Put(row)];
        if is_replaced {
            changes.push(replaced(Tree::Joined, name.as_str()));
        }
        self.of(place).commit(changes)?;
        if let Some(old) = known.map(|known| known.persistence).filter(|old| *old != place) {
            self.of(old).commit_closing(|| Ok(forget(Tree::Joined, name.as_str().to_owned()).into()))?;
            self.scrub_or_leave(old);
        }
        if is_replaced {
            self.scrub_or_leave(place);
        }
        Ok(Change::Changed)
    }

    fn joined_row(&self, place: Persistence, name: &ServiceName) -> Result<Option<ClientSecretKey>, StoreError> {
        let row = self.of(place).row(Tree::Joined, name.as_str())?;
        let key = migrations::joined_key_from_payload(&row.payload);
        key.map_err(|unreadable| self.of(place).defective(unreadable.into()))
    }

    pub(in crate::store) fn joined_key(&self, name: &ServiceName) -> Result<Option<ClientSecretKey>, StoreError> {
        let joined = self.find_joined(name).ok_or_else(|| self.not_joined(name))?;
        let place = self.of(joined.persistence);
        self.secret(place, Tree::Joined, name.as_str(), migrations::joined_key_from_payload)
    }

    pub(in crate::store) fn leave(&self, name: &ServiceName) -> Result<Change, StoreError> {
        if self.find_joined(name).is_none() {
            self.open_all_to_close();
        }
        let mut change = Change::Unchanged;
        for place in [Persistence::Kept, Persistence::Amnesic] {
            let joined = self.of(place).view().contents.joined().get(name).cloned();
            if let Some(joined) = joined {
                self.ensure_open_to_close(place)?;
                self.of(place).commit_closing(|| {
                    let mut changes = self.farewell_before_removal(place, Farewell::Joined(joined.address));
                    changes.extend(forget(Tree::Joined, name.as_str().to_owned()));
                    Ok(changes)
                })?;
                self.scrub_or_leave(place);
                change = Change::Changed;
            }
        }
        // If a place can not be read, nobody knows whether the service is in it.
        if change == Change::Unchanged {
            self.ensure_open(Persistence::Kept)?;
            self.ensure_open(Persistence::Amnesic)?;
        }
        Ok(change)
    }

    fn not_joined(&self, name: &ServiceName) -> StoreError {
        self.problem().unwrap_or_else(|| StoreError::NotJoined { name: name.clone() })
    }
}
