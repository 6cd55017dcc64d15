// SPDX-License-Identifier: GPL-3.0-or-later
//! What a place does without room: what closes or removes something works also on a full disk.

use std::sync::atomic::Ordering;

use super::super::ballast::{self, Purpose};
use super::super::contents::Change;
use super::super::databases;
use super::super::error::StoreError;
use super::super::notes::Matter;
use super::{Place, held};

impl Place {
    /// All of the ballast is there, or can be made again: there is room to grow.
    pub(in super::super) fn ensure_room(&self) -> Result<(), StoreError> {
        // What closes comes first: a place that can not be opened is closed already.
        self.ensure_ballast(Purpose::Closing)?;
        self.ensure_ballast(Purpose::Opening)
    }

    /// There is room to close and to remove services.
    pub(in super::super) fn ensure_room_to_close(&self) -> Result<(), StoreError> {
        self.ensure_ballast(Purpose::Closing)
    }

    fn ensure_ballast(&self, purpose: Purpose) -> Result<(), StoreError> {
        let export = self.row_bytes.load(Ordering::Relaxed);
        let ensured =
            databases::bytes(&self.root).and_then(|database| ballast::ensure(&self.root, purpose, database, export));
        ensured.map_err(|cause| StoreError::from_io(&self.root, cause))
    }

    /// Does what opening needs, with the room that was kept for opening.
    pub(super) fn with_room_to_open<T>(&self, act: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        act().or_else(|error| {
            let released = error.is_full() && ballast::release(&self.root, Purpose::Opening);
            if released { act() } else { Err(error) }
        })
    }

    /// As [`Place::ensure_open`], so that something can be closed or removed, which may take all the room that was kept.
    pub(in super::super) fn ensure_open_to_close(&self) -> Result<(), StoreError> {
        self.ensure_open().or_else(|error| if error.is_full() { self.with_all_room(|| Ok(())) } else { Err(error) })
    }

    /// As [`Place::commit`], for changes that close or remove something: those may use the room that was kept for them.
    pub(in super::super) fn commit_closing(
        &self,
        changes: impl Fn() -> Result<Vec<Change>, StoreError>,
    ) -> Result<(), StoreError> {
        self.closing(|| self.commit(changes()?))
    }

    /// Rewrites the exports and the database without what was removed, and overwrites what they were.
    pub(in super::super) fn scrub(&self) -> Result<(), StoreError> {
        let scrubbed = self.closing(|| self.scrub_once());
        self.note(Matter::Scrubbing, scrubbed)
    }

    /// Does something that closes or removes, if need be with all the room that was kept.
    fn closing<T>(&self, act: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        act().or_else(|error| if error.is_full() { self.with_all_room(act) } else { Err(error) })
    }

    fn with_all_room<T>(&self, act: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        // An export under way would take what is given back. Another can not begin: who removes is the writer.
        drop(held(&self.exports));
        self.is_closing.store(true, Ordering::Relaxed);
        for purpose in [Purpose::Closing, Purpose::Opening] {
            ballast::release(&self.root, purpose);
        }
        // What failed before has closed it, and there may not have been room to open it again.
        if !self.is_open() {
            self.reopen();
        }
        let done = self.database().and_then(|_| act());
        self.is_closing.store(false, Ordering::Relaxed);
        // What is left of the room is taken at once, whatever came of it.
        let _ = self.ensure_room();
        done
    }
}
