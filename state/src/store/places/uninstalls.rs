// SPDX-License-Identifier: GPL-3.0-or-later
//! What is to be uninstalled. What was asked for is in the amnesic place, as it belongs to the session. What was removed is
//! in the place of the service, in the transaction of its removal: the data of a kept service outlive a reboot, so what is
//! still to be done about them does, too.

use std::collections::BTreeMap;

use super::{Places, forget, row};
use crate::Change;
use crate::migrations;
use crate::name::ServiceName;
use crate::record::Persistence;
use crate::store::contents::Change as RowChange;
use crate::store::envelope::Tree;
use crate::store::error::StoreError;
use crate::uninstall::Uninstall;

impl Places {
    pub(in crate::store) fn uninstalls(&self) -> BTreeMap<ServiceName, Uninstall> {
        let mut all = BTreeMap::new();
        for place in self.both() {
            for (name, uninstall) in place.view().contents.uninstalls() {
                let known = all.entry(name.clone()).or_insert(*uninstall);
                *known = (*known).max(*uninstall);
            }
        }
        all
    }

    pub(in crate::store) fn uninstall(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.ensure_open(Persistence::Amnesic)?;
        if self.uninstalls().contains_key(name) {
            return Ok(Change::Unchanged);
        }
        self.amnesic.ensure_room()?;
        self.amnesic.commit(vec![uninstall_row(name, Uninstall::Asked)])?;
        Ok(Change::Changed)
    }

    pub(in crate::store) fn forget_uninstall(&self, name: &ServiceName) -> Result<(), StoreError> {
        for place in [Persistence::Kept, Persistence::Amnesic] {
            let is_there = self.of(place).view().contents.uninstalls().contains_key(name);
            if is_there {
                self.ensure_open_to_close(place)?;
                self.of(place).commit_closing(|| Ok(forget(Tree::Uninstalls, name.as_str().to_owned()).into()))?;
                self.scrub_or_leave(place);
            }
        }
        Ok(())
    }

    /// What is written with the wish that a service is enabled.
    pub(super) fn take_uninstall_back(&self, name: &ServiceName) -> Vec<RowChange> {
        match self.amnesic.view().contents.uninstalls().get(name) {
            Some(Uninstall::Asked) => forget(Tree::Uninstalls, name.as_str().to_owned()).into(),
            Some(Uninstall::Removed) | None => Vec::new(),
        }
    }
}

pub(super) fn uninstall_row(name: &ServiceName, uninstall: Uninstall) -> RowChange {
    RowChange::Put(row(Tree::Uninstalls, name.as_str(), migrations::uninstall_to_payload(uninstall)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::key::OnionKey;
    use crate::record::{Autostart, ServiceRecord, Wish};
    use crate::store::StoreLayout;
    use crate::store::disk::faults;

    fn open(root: &Path) -> Places {
        Places::open(&StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") })
    }

    fn name() -> ServiceName {
        "mumble".parse().unwrap()
    }

    fn add(places: &Places, place: Persistence, wish: Wish) {
        let ports = vec!["80".parse().unwrap()].try_into().unwrap();
        let record = ServiceRecord::new(name(), place, Autostart::Off, ports).unwrap();
        places.add(&record, &OnionKey::generate().unwrap(), wish, &[]).unwrap();
    }

    fn known(places: &Places) -> Option<Uninstall> {
        places.uninstalls().get(&name()).copied()
    }

    #[test]
    fn what_was_asked_for_is_remembered_until_it_is_done_or_taken_back() {
        for place in [Persistence::Kept, Persistence::Amnesic] {
            let root = tempfile::tempdir().unwrap();
            let places = open(root.path());
            add(&places, place, Wish::Disabled);
            assert_eq!(places.uninstall(&name()).unwrap(), Change::Changed);
            assert_eq!(places.uninstall(&name()).unwrap(), Change::Unchanged);
            drop(places);
            let places = open(root.path());
            assert_eq!(known(&places), Some(Uninstall::Asked));
            places.set_wish(&name(), Wish::Enabled).unwrap();
            assert_eq!(known(&places), None);
            places.set_wish(&name(), Wish::Disabled).unwrap();
            places.uninstall(&name()).unwrap();
            places.forget_uninstall(&name()).unwrap();
            places.forget_uninstall(&name()).unwrap();
            assert_eq!(known(&places), None);
            drop(places);
            assert_eq!(known(&open(root.path())), None);
        }
    }

    #[test]
    fn a_removal_remembers_in_one_transaction_what_is_still_to_go() {
        for place in [Persistence::Kept, Persistence::Amnesic] {
            for syncs in 0..8 {
                let root = tempfile::tempdir().unwrap();
                let places = open(root.path());
                add(&places, place, Wish::Disabled);
                faults::fail_syncs(syncs, 1);
                let done = places.remove_leaving(&name(), Some(Uninstall::Removed));
                faults::fail_syncs(0, 0);
                drop(places);
                let places = open(root.path());
                let is_removed = places.services().is_empty();
                assert!(is_removed || done.is_err(), "{place:?} {syncs}");
                assert_eq!(known(&places), is_removed.then_some(Uninstall::Removed), "{place:?} {syncs}");
            }
            let root = tempfile::tempdir().unwrap();
            let places = open(root.path());
            add(&places, place, Wish::Disabled);
            places.remove_leaving(&name(), Some(Uninstall::Removed)).unwrap();
            drop(places);
            // What a reboot forgets.
            std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
            let left = (place == Persistence::Kept).then_some(Uninstall::Removed);
            assert_eq!(known(&open(root.path())), left);
        }
    }

    #[test]
    fn another_service_of_the_name_does_not_take_back_what_a_removal_owes() {
        let root = tempfile::tempdir().unwrap();
        let places = open(root.path());
        add(&places, Persistence::Amnesic, Wish::Enabled);
        places.remove_leaving(&name(), Some(Uninstall::Removed)).unwrap();
        add(&places, Persistence::Amnesic, Wish::Disabled);
        places.set_wish(&name(), Wish::Enabled).unwrap();
        assert_eq!(known(&places), Some(Uninstall::Removed));
        places.forget_uninstall(&name()).unwrap();
        assert_eq!((known(&places), places.services().len()), (None, 1));
    }
}
