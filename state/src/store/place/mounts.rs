// SPDX-License-Identifier: GPL-3.0-or-later
//! A place whose volume comes and goes.

use std::sync::atomic::Ordering;

use super::{Place, held};
use crate::Change;
use crate::store::error::StoreError;
use crate::store::volume::Device;

impl Place {
    /// Opens the place if its volume has come, and closes it if that has gone.
    ///
    /// What was read stays known when the volume goes: what is published of it stays published, and can not be published
    /// anew without its keys. When a volume comes, what is on it counts, and nothing of what was known before.
    pub(in crate::store) fn look_at_mounts(&self) -> Change {
        if !self.mounts.is_needed() {
            return Change::Unchanged;
        }
        match (self.mounts.ensure(&self.root), self.is_mounted_elsewhere()) {
            (Ok(_), false) if self.is_open() => Change::Unchanged,
            (Ok(_), _) => {
                self.let_go_of_volume();
                self.reopen();
                Change::Changed
            }
            (Err(error), _) => {
                let is_known = self.view().problem.as_deref().is_some_and(|known| known.kind() == error.kind());
                if !self.is_open() && is_known {
                    // It may have come and gone unseen.
                    self.let_go_of_volume();
                    return Change::Unchanged;
                }
                self.close(&error);
                self.let_go_of_volume();
                Change::Changed
            }
        }
    }

    /// The device of the volume, if there has to be one. Whatever is held of one that is gone is let go.
    pub(super) fn ensure_mounted(&self) -> Result<Option<Device>, StoreError> {
        self.mounts.ensure(&self.root).inspect_err(|_| self.let_go_of_volume())
    }

    /// The volume may have gone between the look at it and the first file: then that file is beneath it, and nothing else.
    pub(super) fn ensure_locked_on(&self, device: Option<Device>) -> Result<(), StoreError> {
        if device.is_none() || self.locked_on() == device {
            return Ok(());
        }
        self.let_go_of_volume();
        Err(StoreError::NotMounted { path: self.root.clone() })
    }

    /// The generation that must be there at least, if it is the one that was read.
    pub(super) fn floor(&self) -> u64 {
        if self.is_other.load(Ordering::Relaxed) { 0 } else { self.view().contents.generation() }
    }

    fn locked_on(&self) -> Option<Device> {
        held(&self.lock).as_ref().and_then(|lock| lock.device().ok())
    }

    /// Another file system is mounted than the one that is in use.
    fn is_mounted_elsewhere(&self) -> bool {
        let locked = self.locked_on();
        locked.is_some() && self.mounts.ensure(&self.root).is_ok_and(|device| device != locked)
    }

    fn let_go_of_volume(&self) {
        self.put_database(None, |_| ());
        // Nothing holds it from here on.
        *held(&self.lock) = None;
        self.is_other.store(true, Ordering::Relaxed);
    }
}
