// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor may still have of something that is forgotten. In the amnesic place: Tor's memory survives a reboot no more.

use super::{Places, forget, row};
use crate::farewell::Farewell;
use crate::migrations;
use crate::record::Persistence;
use crate::store::contents::Change as RowChange;
use crate::store::envelope::Tree;
use crate::store::error::StoreError;

impl Places {
    pub(in crate::store) fn farewells(&self) -> Vec<Farewell> {
        self.amnesic.view().contents.farewells().values().copied().collect()
    }

    /// What is to be written with the removal of something in this place. For the kept one it is written at once, before
    /// the removal: alone it does nothing. Removing has to work when nothing else does, so an error is no matter: then
    /// only this process knows what is left to do.
    pub(super) fn farewell_before_removal(&self, place: Persistence, farewell: Farewell) -> Vec<RowChange> {
        let put = || RowChange::Put(row(Tree::Farewells, &farewell.key(), migrations::farewell_to_payload(&farewell)));
        match place {
            Persistence::Amnesic => vec![put()],
            Persistence::Kept => {
                let _ = self.amnesic.commit_closing(|| Ok(vec![put()]));
                Vec::new()
            }
        }
    }

    pub(in crate::store) fn forget_farewell(&self, farewell: &Farewell) -> Result<(), StoreError> {
        let key = farewell.key();
        self.ensure_open_to_close(Persistence::Amnesic)?;
        if self.amnesic.view().contents.holds(Tree::Farewells, &key) {
            self.amnesic.commit_closing(|| Ok(forget(Tree::Farewells, key.clone()).into()))?;
            self.scrub_or_leave(Persistence::Amnesic);
        }
        Ok(())
    }
}
