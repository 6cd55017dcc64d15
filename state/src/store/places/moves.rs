// SPDX-License-Identifier: GPL-3.0-or-later
//! A service moves from one place to the other: with its key, its clients and its options, and as nobody notices who visits
//! it.
//!
//! It is written to the new place first, and only then deleted from the old one, so at every moment at least one of them has
//! it as a whole. If it is interrupted in between, both have it, and the kept one counts: who lost the power while a service
//! was to be kept has it, and who was to have it forgotten was not told that it is.

use super::{Places, wish_row};
use crate::Change;
use crate::migrations;
use crate::name::ServiceName;
use crate::record::{Persistence, Wish};
use crate::store::StoredService;
use crate::store::contents::{Change as RowChange, Contents, client_key, option_key};
use crate::store::envelope::Tree;
use crate::store::error::StoreError;

/// Whether the service of this name is the same one in both places.
pub(super) fn is_in_both(kept: &Contents, amnesic: &Contents, name: &ServiceName) -> bool {
    let address = |contents: &Contents| contents.services().get(name).map(|service| service.address);
    address(kept).is_some() && address(kept) == address(amnesic)
}

impl Places {
    pub(in crate::store) fn set_persistence(
        &self,
        name: &ServiceName,
        place: Persistence,
    ) -> Result<Change, StoreError> {
        self.ensure_open(Persistence::Amnesic)?;
        let is_there = self.find(name).is_some_and(|found| found.record.persistence() == place);
        if is_there && !self.is_in_both(name) {
            return Ok(Change::Unchanged);
        }
        match place {
            Persistence::Kept => self.ensure_open(Persistence::Kept)?,
            Persistence::Amnesic => self.ensure_open_to_close(Persistence::Kept)?,
        }
        self.finish_move(name)?;
        // The other place may have been repaired.
        let found = self.find(name).ok_or_else(|| self.unknown(name))?;
        if found.record.persistence() == place {
            return Ok(Change::Unchanged);
        }
        if self.of(place).view().contents.services().contains_key(name) {
            return Err(StoreError::Shadowed { name: name.clone() });
        }
        match place {
            Persistence::Kept => self.keep(&found)?,
            Persistence::Amnesic => self.let_go(&found)?,
        }
        Ok(Change::Changed)
    }

    fn keep(&self, found: &StoredService) -> Result<(), StoreError> {
        let name = found.record.name();
        let rows = self.rows_for(found, Persistence::Kept)?;
        let wish = wish_row(Persistence::Kept, name, self.wish_to_carry(found))?;
        self.kept.ensure_room()?;
        // The wish first: alone it means nothing.
        let written = self.amnesic.commit(vec![RowChange::Put(wish)]).and_then(|()| self.kept.commit(rows));
        if let Err(error) = written
            && !(self.kept.is_open() && self.is_in_both(name))
        {
            // While it is closed nobody can tell what is in it, and what is in it keeps its wish.
            if self.kept.is_open() {
                self.drop_wish(Persistence::Kept, name);
            }
            return Err(error);
        }
        // It is kept. What can not be deleted now does not count, and is deleted as soon as it can be.
        let _ = self.finish_move(name);
        Ok(())
    }

    fn let_go(&self, found: &StoredService) -> Result<(), StoreError> {
        let name = found.record.name();
        let mut rows = self.rows_for(found, Persistence::Amnesic)?;
        rows.push(RowChange::Put(wish_row(Persistence::Amnesic, name, self.wish_to_carry(found))?));
        self.amnesic.ensure_room()?;
        let copied = self.amnesic.commit(rows);
        let deleted =
            copied.and_then(|()| self.kept.commit_closing(|| Ok(self.forget_service(Persistence::Kept, name))));
        // While it is closed it counts as it was when it was last read: so a copy stays that may be all that is left.
        if let Err(error) = deleted
            && self.kept.view().contents.services().contains_key(name)
        {
            let _ = self.finish_move(name);
            return Err(error);
        }
        self.drop_wish(Persistence::Kept, name);
        self.scrub_or_leave(Persistence::Kept);
        Ok(())
    }

    /// The rows of a service as they are to be in the other place.
    fn rows_for(&self, found: &StoredService, place: Persistence) -> Result<Vec<RowChange>, StoreError> {
        let (name, from) = (found.record.name(), found.record.persistence());
        let record = found.record.clone().with_persistence(place);
        let mut rows = vec![RowChange::Put(self.record_row(&record, self.doubt_of(from, name))?)];
        let mut keys = vec![(Tree::Keys, name.as_str().to_owned())];
        {
            let view = self.of(from).view();
            keys.extend(view.contents.clients(name).map(|client| (Tree::Clients, client_key(name, &client.name))));
            keys.extend(view.contents.options(name).map(|option| (Tree::Options, option_key(name, option))));
        }
        for (tree, key) in keys {
            rows.push(RowChange::Put(self.of(from).row(tree, &key)?));
        }
        Ok(rows)
    }

    /// Moving opens nothing.
    fn wish_to_carry(&self, found: &StoredService) -> Wish {
        if self.unacknowledged().contains(found.record.name()) { Wish::Disabled } else { found.wish }
    }

    fn is_in_both(&self, name: &ServiceName) -> bool {
        is_in_both(&self.kept.view().contents, &self.amnesic.view().contents, name)
    }

    /// The place where this service may turn out to be instead, with a wish that it brought there.
    pub(super) fn may_move_to(&self, place: Persistence, name: &ServiceName) -> Option<Persistence> {
        let other = match place {
            Persistence::Kept => Persistence::Amnesic,
            Persistence::Amnesic => Persistence::Kept,
        };
        let is_open_to_doubt = self.is_in_both(name) || !self.kept.is_open();
        (is_open_to_doubt && self.amnesic.view().contents.wish(other, name).is_some()).then_some(other)
    }

    /// Ends what was interrupted: the kept one stays, and its copy goes.
    pub(super) fn finish_move(&self, name: &ServiceName) -> Result<(), StoreError> {
        if !self.is_in_both(name) {
            return Ok(());
        }
        for place in self.both() {
            if !place.is_open() {
                return Err(self.unknown(name));
            }
        }
        // The copy goes only when the key can be read where it stays.
        let row = self.kept.row(Tree::Keys, name.as_str())?;
        migrations::key_from_payload(&row.payload).map_err(|unreadable| self.kept.defective(unreadable.into()))?;
        self.amnesic.commit_closing(|| Ok(self.forget_service(Persistence::Amnesic, name)))?;
        self.scrub_or_leave(Persistence::Amnesic);
        Ok(())
    }

    /// Ends all that was interrupted. What can not be ended now is tried again.
    pub(super) fn finish_moves(&self) {
        for name in self.moving() {
            // The error is this place's problem, and logged there.
            let _ = self.finish_move(&name);
        }
    }

    /// The services that are in both places.
    pub(super) fn moving(&self) -> Vec<ServiceName> {
        let (kept, amnesic) = (self.kept.view(), self.amnesic.view());
        let names = amnesic.contents.services().keys();
        names.filter(|name| is_in_both(&kept.contents, &amnesic.contents, name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
