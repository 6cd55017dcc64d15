// SPDX-License-Identifier: GPL-3.0-or-later
//! Restoring what a backup has, in both places as one act.
//!
//! The amnesic place is written first, in one transaction: what belongs there, all wishes, and what is still to be done in
//! the kept place. That is then done there in one transaction, too, with the number of the restoration, and forgotten here.
//! If it is interrupted in between, whoever opens the places next ends it: what is pending under a number that the kept place
//! does not know yet is done, and one that it knows is not done twice. The keys of kept services pass through memory like
//! this, and nothing that is amnesic through the persistent volume.
//!
//! After a power cut the amnesic place is gone, with all that was pending: then the kept place is as it was before.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::changes::replaced;
use super::{Places, forget, option_key, options, row, wish_row};
use crate::client::MOST_CLIENTS;
use crate::farewell::Farewell;
use crate::holdings::{HeldJoined, HeldRequest, HeldService, Holdings};
use crate::migrations::{self, Doubt};
use crate::name::ServiceName;
use crate::record::{Persistence, Wish};
use crate::store::contents::{Change as RowChange, client_key, wish_key};
use crate::store::disk::ROW_MAX_BYTES;
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;
use crate::store::place::is_too_long;

/// The row with the number of the restoration that is pending.
const NUMBER: &str = "number";
/// What is between the key of a row and the number of its part, and in no key.
const PART: char = '#';
/// How much of a row is in a part: with what is said about it, a row of the longest kind would be too long.
const PART_BYTES: usize = ROW_MAX_BYTES / 2;
/// The row, in the kept place, with the number of the last one that was done there.
const DONE: &str = "done";

/// What is to be done to the rows of one place. A row is changed once in a transaction.
#[derive(Default)]
struct Changes {
    put: BTreeMap<(Tree, String), Zeroizing<Vec<u8>>>,
    gone: BTreeSet<(Tree, String)>,
}

impl Changes {
    fn put(&mut self, row: Row) {
        self.put.insert((row.tree, row.key), row.payload);
    }

    /// Is not there any more, unless it is put anew.
    fn drop(&mut self, tree: Tree, key: String) {
        self.gone.insert((tree, key));
    }

    /// For a place that has these rows.
    fn rows(self, holds: impl Fn(Tree, &str) -> bool) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for (tree, key) in self.gone {
            if !self.put.contains_key(&(tree, key.clone())) && holds(tree, &key) {
                changes.extend(forget(tree, key));
            }
        }
        for ((tree, key), payload) in self.put {
            if Tree::SECRET.contains(&tree) && holds(tree, &key) {
                changes.push(replaced(tree, &key));
            }
            changes.push(RowChange::Put(Row { tree, key, generation: 0, payload }));
        }
        changes
    }
}

/// What is to be done in both places.
#[derive(Default)]
struct Both {
    kept: Changes,
    amnesic: Changes,
}

impl Both {
    const fn of(&mut self, place: Persistence) -> &mut Changes {
        match place {
            Persistence::Kept => &mut self.kept,
            Persistence::Amnesic => &mut self.amnesic,
        }
    }
}

impl Places {
    /// Both places can be read.
    pub(in crate::store) fn ensure_readable(&self) -> Result<(), StoreError> {
        self.problem().map_or(Ok(()), Err)
    }

    /// Both places can be read, or the one that all of this belongs into, while the volume of the other has never been there.
    pub(in crate::store) fn ensure_ready_for(&self, holdings: &Holdings) -> Result<(), StoreError> {
        if !self.may_do_without_kept(holdings) {
            return self.ensure_readable();
        }
        self.amnesic.view().problem.as_deref().cloned().map_or(Ok(()), Err)
    }

    fn may_do_without_kept(&self, holdings: &Holdings) -> bool {
        let kept = self.kept.view();
        // Of a volume that was torn off it is known what was on it: it still counts.
        let is_away = matches!(kept.problem.as_deref(), Some(StoreError::NotMounted { .. }));
        is_away && kept.contents.services().is_empty() && holdings.is_amnesic() && !self.is_restoring()
    }

    pub(in crate::store) fn restore(&self, holdings: &Holdings) -> Result<(), StoreError> {
        // What can not be read may have the name or the key.
        self.ensure_open(Persistence::Amnesic)?;
        // The volume may have come meanwhile.
        if let Err(error) = self.ensure_open(Persistence::Kept)
            && !self.may_do_without_kept(holdings)
        {
            return Err(error);
        }
        self.end_restoration()?;
        for service in &holdings.services {
            self.finish_move(service.record.name())?;
        }
        self.ensure_fitting(holdings)?;
        let mut both = Both::default();
        for service in &holdings.services {
            self.lay_out_service(service, &mut both)?;
        }
        for joined in &holdings.joined {
            self.lay_out_joined(joined, &mut both)?;
        }
        for request in &holdings.requests {
            self.lay_out_request(request, &mut both);
        }
        for place in self.both().into_iter().filter(|place| place.is_open()) {
            place.ensure_room()?;
        }
        let mut names: Vec<_> = holdings.services.iter().map(|service| service.record.name().clone()).collect();
        let before = self.unacknowledged().clone();
        self.unacknowledged().extend(names.iter().cloned());
        let done = self.carry_out(both);
        if done.is_err() {
            names.retain(|name| !before.contains(name));
        }
        // While nobody can tell what is in a place, they stay closed.
        if done.is_ok() || self.ensure_readable().is_ok() && !self.is_restoring() {
            self.unacknowledged().retain(|name| !names.contains(name));
        }
        done
    }

    /// No two of one name or key, neither here nor there.
    fn ensure_fitting(&self, holdings: &Holdings) -> Result<(), StoreError> {
        let mut addresses = BTreeSet::new();
        for service in &holdings.services {
            let (name, address) = (service.record.name(), service.key.address());
            let is_there = |place: &&super::Place| place.view().contents.services().contains_key(name);
            if self.both().iter().filter(|place| is_there(place)).count() > 1 {
                return Err(StoreError::Shadowed { name: name.clone() });
            }
            self.ensure_address_is_free(&address, Some(name))?;
            if !addresses.insert(address) {
                return Err(StoreError::AddressTaken { name: name.clone() });
            }
            if service.clients.len() > MOST_CLIENTS {
                return Err(StoreError::TooManyClients { service: name.clone() });
            }
            let mut keys = BTreeSet::new();
            if let Some(twice) = service.clients.iter().find(|client| !keys.insert(client.key.public_key())) {
                return Err(StoreError::ClientKeyTaken { service: name.clone(), client: twice.name.clone() });
            }
        }
        let mut addresses = BTreeSet::new();
        for HeldJoined { service, .. } in &holdings.joined {
            let known = self.joined();
            let other = known.values().find(|known| known.address == service.address && known.name != service.name);
            if let Some(other) = other {
                return Err(StoreError::AddressTaken { name: other.name.clone() });
            }
            if !addresses.insert(service.address) {
                return Err(StoreError::AddressTaken { name: service.name.clone() });
            }
        }
        Ok(())
    }

    fn lay_out_service(&self, service: &HeldService, both: &mut Both) -> Result<(), StoreError> {
        let (name, place) = (service.record.name(), service.record.persistence());
        let address = service.key.address();
        if let Some(old) = self.find(name) {
            let there = old.record.persistence();
            for (tree, key) in self.rows_of(there, name) {
                both.of(there).drop(tree, key);
            }
            both.amnesic.drop(Tree::Wishes, wish_key(there, name));
            if old.address != address {
                let farewell = Farewell::Service(old.address);
                both.amnesic.put(row(Tree::Farewells, &farewell.key(), migrations::farewell_to_payload(&farewell)));
            }
        }
        both.amnesic.put(wish_row(place, name, service.wish)?);
        if service.wish == Wish::Enabled {
            for change in self.take_uninstall_back(name) {
                if let RowChange::Delete { tree, key } = change {
                    both.amnesic.drop(tree, key);
                }
            }
        }
        let rows = both.of(place);
        rows.put(self.record_row(&service.record, Doubt::None)?);
        let payload = migrations::key_to_payload(&address, &service.key);
        rows.put(Row { tree: Tree::Keys, key: name.as_str().to_owned(), generation: 0, payload });
        for client in &service.clients {
            let payload = migrations::client_to_payload(&client.key.public_key(), client.key.secret());
            rows.put(Row { tree: Tree::Clients, key: client_key(name, &client.name), generation: 0, payload });
        }
        for (option, text) in &service.options {
            rows.put(options::option_row(name, option, text)?);
        }
        Ok(())
    }

    fn lay_out_joined(&self, joined: &HeldJoined, both: &mut Both) -> Result<(), StoreError> {
        let (name, too_large) = (&joined.service.name, || StoreError::TooLarge { name: joined.service.name.clone() });
        for place in self.both() {
            let old = place.view().contents.joined().get(name).map(|old| old.address);
            if let Some(old) = old {
                both.of(place.persistence()).drop(Tree::Joined, name.as_str().to_owned());
                if old != joined.service.address {
                    let farewell = Farewell::Joined(old);
                    both.amnesic.put(row(Tree::Farewells, &farewell.key(), migrations::farewell_to_payload(&farewell)));
                }
            }
        }
        let payload = migrations::joined_to_payload(&joined.service, joined.key.as_ref()).map_err(|_| too_large())?;
        let row = Row { tree: Tree::Joined, key: name.as_str().to_owned(), generation: 0, payload };
        if is_too_long(&row) {
            return Err(too_large());
        }
        both.of(joined.service.persistence).put(row);
        Ok(())
    }

    fn lay_out_request(&self, request: &HeldRequest, both: &mut Both) {
        for place in self.both() {
            both.of(place.persistence()).drop(Tree::Requests, request.name.as_str().to_owned());
        }
        let payload = migrations::client_to_payload(&request.key.public_key(), Some(&request.key));
        let row = Row { tree: Tree::Requests, key: request.name.as_str().to_owned(), generation: 0, payload };
        both.of(request.persistence).put(row);
    }

    /// The rows of a service but for its wish.
    fn rows_of(&self, place: Persistence, name: &ServiceName) -> Vec<(Tree, String)> {
        let view = self.of(place).view();
        let mut rows = vec![(Tree::Services, name.as_str().to_owned()), (Tree::Keys, name.as_str().to_owned())];
        rows.extend(view.contents.clients(name).map(|client| (Tree::Clients, client_key(name, &client.name))));
        rows.extend(view.contents.options(name).map(|option| (Tree::Options, option_key(name, option))));
        rows
    }

    fn carry_out(&self, both: Both) -> Result<(), StoreError> {
        let Both { kept, amnesic } = both;
        let kept = kept.rows(|tree, key| self.kept.view().contents.holds(tree, key));
        let mut amnesic = amnesic.rows(|tree, key| self.amnesic.view().contents.holds(tree, key));
        let number = if kept.is_empty() { None } else { Some(self.number()?) };
        if let Some(number) = &number {
            amnesic.extend(pending(&kept));
            amnesic.push(RowChange::Put(row(Tree::Pending, NUMBER, number.clone())));
        }
        let undo = self.undo(&amnesic)?;
        let is_amnesic = number.is_none();
        let done = self.amnesic.commit(amnesic).and_then(|()| match number {
            Some(number) => self.do_kept(kept, number),
            None => Ok(()),
        });
        if let Err(error) = done {
            // If it can not be opened, nobody can tell what is in it: then the next opening ends it.
            if (self.kept.is_open() || is_amnesic) && self.amnesic.is_open() {
                let undone = self.amnesic.commit_closing(|| Ok(undo.iter().map(copy).collect()));
                if undone.is_ok() {
                    self.scrub_or_leave(Persistence::Amnesic);
                }
            }
            return Err(error);
        }
        // If that fails, it is tried again at the next opening; nothing is done twice.
        let _ = self.forget_pending();
        for place in self.both() {
            if place.view().contents.needs_scrubbing() {
                self.scrub_or_leave(place.persistence());
            }
        }
        Ok(())
    }

    /// Does what is pending in the kept place. If it is there after an error, it is done.
    fn do_kept(&self, mut changes: Vec<RowChange>, number: Vec<u8>) -> Result<(), StoreError> {
        changes.push(RowChange::Put(row(Tree::Pending, DONE, number.clone())));
        let done = self.kept.commit(changes);
        if done.is_err() && self.is_done(&number) {
            return Ok(());
        }
        done
    }

    fn is_done(&self, number: &[u8]) -> bool {
        let is_known = self.kept.view().contents.pending().contains(DONE);
        self.kept.is_open() && is_known && self.kept.row(Tree::Pending, DONE).is_ok_and(|row| *row.payload == number)
    }

    fn number(&self) -> Result<Vec<u8>, StoreError> {
        let mut number = vec![0; migrations::NUMBER_BYTES];
        let failed = |_| StoreError::from_io(self.amnesic.root(), std::io::Error::other("there are no random numbers"));
        getrandom::fill(&mut number).map_err(failed)?;
        Ok(number)
    }

    /// What makes the amnesic place as it is now again, after these changes or before them.
    fn undo(&self, changes: &[RowChange]) -> Result<Vec<RowChange>, StoreError> {
        let mut undo = Vec::new();
        for (tree, key) in changes.iter().map(RowChange::of).filter(|(tree, _)| *tree != Tree::Removed) {
            if self.amnesic.view().contents.holds(tree, key) {
                undo.push(RowChange::Put(self.amnesic.row(tree, key)?));
            } else {
                undo.extend(forget(tree, key.to_owned()));
            }
        }
        Ok(undo)
    }

    /// Whether a restoration has begun that is not ended.
    pub(super) fn is_restoring(&self) -> bool {
        self.amnesic.view().contents.pending().contains(NUMBER)
    }

    /// Ends a restoration that was interrupted. What can not be ended now is ended at the next opening.
    pub(super) fn finish_restoration(&self) {
        if !self.is_restoring() || !self.kept.is_open() || !self.amnesic.is_open() {
            return;
        }
        // The error is the place's problem, and logged there.
        let _ = self.end_restoration();
    }

    fn end_restoration(&self) -> Result<(), StoreError> {
        if !self.is_restoring() {
            return Ok(());
        }
        self.redo()?;
        self.forget_pending()
    }

    fn redo(&self) -> Result<(), StoreError> {
        let number = self.amnesic.row(Tree::Pending, NUMBER)?.payload.to_vec();
        if self.is_done(&number) {
            return Ok(());
        }
        let keys: Vec<_> =
            self.amnesic.view().contents.pending().iter().filter(|key| *key != NUMBER).cloned().collect();
        let damaged = || self.amnesic.defective(migrations::Unreadable.into());
        // In the order of the keys, in which the parts of a row are one after the other.
        let mut rows: BTreeMap<(Tree, String), Zeroizing<Vec<u8>>> = BTreeMap::new();
        for key in keys {
            let pending = self.amnesic.row(Tree::Pending, &key)?;
            let (tree, of) = key.rsplit_once(PART).and_then(|(of, _)| of.split_once('/')).ok_or_else(damaged)?;
            let tree = Tree::ALL.into_iter().find(|known| known.name() == tree).ok_or_else(damaged)?;
            let payload = rows.entry((tree, of.to_owned())).or_insert_with(|| Vec::with_capacity(ROW_MAX_BYTES).into());
            payload.extend_from_slice(&pending.payload);
        }
        let mut changes = Vec::new();
        for ((tree, key), payload) in rows {
            changes.push(match migrations::pending_from_payload(&payload).map_err(|_| damaged())? {
                Some(bytes) => RowChange::Put(row(tree, &key, bytes.to_vec())),
                None => RowChange::Delete { tree, key },
            });
        }
        self.do_kept(changes, number)
    }

    /// It is done.
    fn forget_pending(&self) -> Result<(), StoreError> {
        let pending: Vec<_> = self.amnesic.view().contents.pending().iter().cloned().collect();
        if pending.is_empty() {
            return Ok(());
        }
        let changes = || Ok(pending.iter().flat_map(|key| forget(Tree::Pending, key.clone())).collect());
        self.amnesic.commit_closing(changes)?;
        self.scrub_or_leave(Persistence::Amnesic);
        Ok(())
    }
}

/// The rows that say what is still to be done in the kept place.
fn pending(kept: &[RowChange]) -> Vec<RowChange> {
    let mut rows = Vec::new();
    for change in kept {
        let (tree, key) = change.of();
        let written = match change {
            RowChange::Put(row) => Some(row.payload.as_slice()),
            RowChange::Delete { .. } => None,
        };
        let payload = migrations::pending_to_payload(written);
        rows.extend(payload.chunks(PART_BYTES).enumerate().map(|(part, bytes)| {
            let key = format!("{}/{key}{PART}{part}", tree.name());
            RowChange::Put(row(Tree::Pending, &key, bytes.to_vec()))
        }));
    }
    rows
}

fn copy(change: &RowChange) -> RowChange {
    match change {
        RowChange::Put(Row { tree, key, payload, .. }) => {
            RowChange::Put(Row { tree: *tree, key: key.clone(), generation: 0, payload: payload.clone() })
        }
        RowChange::Delete { tree, key } => RowChange::Delete { tree: *tree, key: key.clone() },
    }
}

#[cfg(test)]
mod tests;
