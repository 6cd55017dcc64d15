// SPDX-License-Identifier: GPL-3.0-or-later
//! Both places together: what is wished of the services in them, and in what order it is written down.

mod changes;
mod clients;
mod farewells;
#[cfg(test)]
mod interrupted;
mod joined;
mod moves;
mod options;
mod requests;
mod restoring;
mod secrets;
mod uninstalls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::contents::{Change as RowChange, Contents, Service, client_key, option_key, removed_key, wish_key};
use super::envelope::{Row, Tree};
use super::error::StoreError;
use super::export::Turn;
use super::exporter::Pending;
use super::place::{Place, View, is_too_long};
use super::{KeptMounts, StoreLayout, StoredService};
use crate::Change;
use crate::described::{OptionName, OptionText};
use crate::farewell::Farewell;
use crate::key::OnionKey;
use crate::migrations::{self, Doubt};
use crate::name::ServiceName;
use crate::record::{Autostart, Persistence, ServiceRecord, Wish};
use crate::uninstall::Uninstall;

/// Both places.
pub(super) struct Places {
    kept: Place,
    amnesic: Place,
    writer: Mutex<()>,
    /// Services whose opening was not acknowledged, or not yet: whatever the places say, they stay closed.
    unacknowledged: Mutex<BTreeSet<ServiceName>>,
}

impl Places {
    /// As [`Places::open_once_mounted`], wherever it is.
    #[cfg(test)]
    pub(super) fn open(layout: &StoreLayout) -> Self {
        Self::open_once_mounted(layout, &KeptMounts::default())
    }

    /// Opens both, at the same time: they are on different media.
    pub(super) fn open_once_mounted(layout: &StoreLayout, mounts: &KeptMounts) -> Self {
        let open_kept = || Place::open_once_mounted(layout.kept.clone(), Persistence::Kept, mounts.clone());
        let (kept, amnesic) = std::thread::scope(|scope| {
            let kept = std::thread::Builder::new().name("store-open".to_owned()).spawn_scoped(scope, open_kept);
            let amnesic = Place::open(layout.amnesic.clone(), Persistence::Amnesic);
            // Without a thread, one after the other.
            let kept = kept.ok().and_then(|kept| kept.join().ok()).unwrap_or_else(open_kept);
            (kept, amnesic)
        });
        let places = Self { kept, amnesic, writer: Mutex::new(()), unacknowledged: Mutex::new(BTreeSet::new()) };
        places.settle();
        places
    }

    /// Opens the kept place if its volume has come, and closes it if that has gone.
    pub(super) fn look_at_mounts(&self) -> Change {
        let change = self.kept.look_at_mounts();
        if change == Change::Changed {
            self.settle();
        }
        change
    }

    pub(super) fn of(&self, place: Persistence) -> &Place {
        match place {
            Persistence::Kept => &self.kept,
            Persistence::Amnesic => &self.amnesic,
        }
    }

    pub(super) const fn both(&self) -> [&Place; 2] {
        [&self.kept, &self.amnesic]
    }

    /// Whether the exporter has something to do.
    pub(super) fn is_behind(&self) -> bool {
        self.both().into_iter().any(Place::is_behind) || !self.moving().is_empty()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn services(&self) -> BTreeMap<ServiceName, StoredService> {
        let unacknowledged = self.unacknowledged();
        let (kept, amnesic) = (self.kept.view(), self.amnesic.view());
        let in_doubt = kept.in_doubt || amnesic.in_doubt;
        // Of two services with one name (one was added while the kept place was not there) the amnesic one is what runs.
        // The same one is in both only while it moves.
        let copied = |name: &ServiceName| moves::is_in_both(&kept.contents, &amnesic.contents, name);
        let running = amnesic.contents.services().iter().filter(|(name, _)| !copied(name));
        kept.contents
            .services()
            .iter()
            .chain(running)
            .map(|(name, found)| {
                let contents = if found.record.persistence() == Persistence::Kept { &kept } else { &amnesic };
                let stored = stored(found, &contents.contents, &amnesic);
                let stays_closed = in_doubt || unacknowledged.contains(name);
                let wish = if stays_closed { Wish::Disabled } else { stored.wish };
                (name.clone(), StoredService { wish, ..stored })
            })
            .collect()
    }

    fn unacknowledged(&self) -> MutexGuard<'_, BTreeSet<ServiceName>> {
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service of that name that counts.
    fn find(&self, name: &ServiceName) -> Option<StoredService> {
        let (kept, amnesic) = (self.kept.view(), self.amnesic.view());
        let contents = &self.counting(name, &kept, &amnesic)?.contents;
        contents.services().get(name).map(|found| stored(found, contents, &amnesic))
    }

    /// The place whose service of that name counts.
    fn counting<'a>(&self, name: &ServiceName, kept: &'a View, amnesic: &'a View) -> Option<&'a View> {
        let is_moving = moves::is_in_both(&kept.contents, &amnesic.contents, name);
        let places = if is_moving { [kept, amnesic] } else { [amnesic, kept] };
        places.into_iter().find(|place| place.contents.services().contains_key(name))
    }

    pub(super) fn add(
        &self,
        record: &ServiceRecord,
        key: &OnionKey,
        wish: Wish,
        options: &[(OptionName, OptionText)],
    ) -> Result<(), StoreError> {
        let (name, place) = (record.name(), record.persistence());
        self.ensure_open(Persistence::Amnesic)?;
        if place == Persistence::Kept {
            self.ensure_open(place)?;
        }
        if self.find(name).is_some() {
            return Err(StoreError::Exists { name: name.clone() });
        }
        let too_large = |_| StoreError::TooLarge { name: name.clone() };
        self.ensure_address_is_free(&key.address(), None)?;
        let payload = migrations::service_to_payload(record).map_err(too_large)?;
        let service = row(Tree::Services, name.as_str(), payload);
        if is_too_long(&service) {
            return Err(StoreError::TooLarge { name: name.clone() });
        }
        let key = migrations::key_to_payload(&key.address(), key);
        let key = Row { tree: Tree::Keys, key: name.as_str().to_owned(), generation: 0, payload: key };
        let wish = wish_row(place, name, wish)?;
        let options = options.iter().map(|(option, text)| options::option_row(name, option, text).map(RowChange::Put));
        let options = options.collect::<Result<Vec<_>, _>>()?;
        let mut rows = vec![RowChange::Put(service), RowChange::Put(key)];
        rows.extend(options);
        self.of(place).ensure_room()?;
        self.unacknowledged().insert(name.clone());
        let added = match place {
            Persistence::Amnesic => {
                rows.push(RowChange::Put(wish));
                self.amnesic.commit(rows)
            }
            // The wish first: alone it means nothing, and a service that is acknowledged has its wish.
            Persistence::Kept => self.amnesic.commit(vec![RowChange::Put(wish)]).and_then(|()| self.kept.commit(rows)),
        };
        match &added {
            Ok(()) => {
                self.unacknowledged().remove(name);
            }
            Err(_) => self.take_back(place, name),
        }
        added
    }

    /// Removes what an error left of a service that was to be added. If that fails as well, it stays closed.
    fn take_back(&self, place: Persistence, name: &ServiceName) {
        let is_there = self.of(place).view().contents.services().contains_key(name);
        if is_there && self.of(place).commit_closing(|| Ok(self.forget_service(place, name))).is_ok() {
            let _ = self.of(place).scrub();
        }
        if self.of(place).is_open() {
            self.drop_wish(place, name);
        } else {
            // Nobody knows whether it is in there: then it is closed, also after a restart of ours.
            let _ = self.disable(place, name);
        }
    }

    /// Deletes record, key, clients and options, and the wish where it is in the same place.
    fn forget_service(&self, place: Persistence, name: &ServiceName) -> Vec<RowChange> {
        let trees = [Tree::Services, Tree::Keys];
        let mut changes: Vec<_> = trees.into_iter().flat_map(|tree| forget(tree, name.as_str().to_owned())).collect();
        let view = self.of(place).view();
        let clients = view.contents.clients(name).map(|client| client_key(name, &client.name));
        changes.extend(clients.flat_map(|key| forget(Tree::Clients, key)));
        let options = view.contents.options(name).map(|option| option_key(name, option));
        changes.extend(options.flat_map(|key| forget(Tree::Options, key)));
        if place == Persistence::Amnesic {
            changes.extend(forget_wish(place, name));
        }
        changes
    }

    /// A wish without a service means nothing: if this fails, it is dropped at the next opening.
    fn drop_wish(&self, place: Persistence, name: &ServiceName) {
        let is_there = self.of(place).view().contents.services().contains_key(name);
        if !is_there && self.amnesic.view().contents.wish(place, name).is_some() {
            let _ = self.amnesic.commit_closing(|| Ok(forget_wish(place, name)));
        }
    }

    /// Closing has to work when nothing else does.
    fn disable(&self, place: Persistence, name: &ServiceName) -> Result<(), StoreError> {
        let row = |place| wish_row(place, name, Wish::Disabled).map(RowChange::Put);
        self.amnesic.commit_closing(|| {
            let mut changes = vec![row(place)?];
            if let Some(other) = self.may_move_to(place, name) {
                changes.push(row(other)?);
            }
            Ok(changes)
        })
    }

    pub(super) fn set_wish(&self, name: &ServiceName, wish: Wish) -> Result<Change, StoreError> {
        match wish {
            Wish::Enabled => self.ensure_open(Persistence::Amnesic)?,
            Wish::Disabled => {
                self.ensure_open_to_close(Persistence::Amnesic)?;
                self.ensure_known(name);
            }
        }
        let service = self.find(name).ok_or_else(|| self.unknown(name))?;
        if service.wish == wish && !self.unacknowledged().contains(name) {
            return Ok(Change::Unchanged);
        }
        let place = service.record.persistence();
        if wish == Wish::Enabled {
            self.unacknowledged().insert(name.clone());
        }
        let done = match wish {
            Wish::Enabled => wish_row(place, name, wish)
                .and_then(|row| {
                    let mut changes = self.take_uninstall_back(name);
                    changes.push(RowChange::Put(row));
                    self.amnesic.commit(changes)
                })
                .and_then(|()| self.dispel(place, name)),
            Wish::Disabled => self.disable(place, name),
        };
        match &done {
            Ok(()) => {
                self.unacknowledged().remove(name);
                if wish == Wish::Disabled {
                    let _ = self.amnesic.ensure_room();
                }
            }
            // It says that nothing was changed. If this fails as well, the service stays closed until the next start.
            Err(_) if wish == Wish::Enabled && self.amnesic.view().contents.wish(place, name) == Some(wish) => {
                let _ = self.disable(place, name);
            }
            Err(_) => {}
        }
        done.map(|()| Change::Changed)
    }

    pub(super) fn remove(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.remove_leaving(name, None)
    }

    /// Removes a service, and remembers in the same transaction what is left to do about its server.
    pub(super) fn remove_leaving(&self, name: &ServiceName, left: Option<Uninstall>) -> Result<Change, StoreError> {
        self.ensure_known(name);
        let Some(service) = self.find(name) else {
            return self.finish_removal(name);
        };
        let place = service.record.persistence();
        self.ensure_open_to_close(place)?;
        // First, or its copy would come to light.
        let copy = self.finish_move(name);
        let farewell = Farewell::Service(service.address);
        self.of(place).commit_closing(|| {
            let mut changes = self.farewell_before_removal(place, farewell);
            changes.extend(self.forget_service(place, name));
            changes.extend(left.map(|left| uninstalls::uninstall_row(name, left)));
            Ok(changes)
        })?;
        self.unacknowledged().remove(name);
        self.drop_wish(place, name);
        self.of(place).scrub()?;
        let _ = self.of(place).ensure_room();
        copy.map(|()| Change::Changed)
    }

    /// There is no such service, but it may have been removed only from sight.
    fn finish_removal(&self, name: &ServiceName) -> Result<Change, StoreError> {
        let mut change = Change::Unchanged;
        for place in self.both() {
            let is_pending = place.view().contents.needs_scrubbing_of(name);
            if is_pending {
                place.ensure_open()?;
                place.scrub()?;
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

    pub(super) fn key(&self, name: &ServiceName) -> Result<OnionKey, StoreError> {
        let place = self.find(name).ok_or_else(|| self.unknown(name))?.record.persistence();
        self.secret(self.of(place), Tree::Keys, name.as_str(), migrations::key_from_payload)
    }

    /// Nothing of this name is in what can be read. If something can not be read, that is the answer.
    fn unknown(&self, name: &ServiceName) -> StoreError {
        self.problem().unwrap_or_else(|| StoreError::Unknown { name: name.clone() })
    }

    /// What is wrong with the first place that can not be read.
    fn problem(&self) -> Option<StoreError> {
        self.both().into_iter().find_map(|place| place.view().problem.as_deref().cloned())
    }

    fn ensure_open(&self, place: Persistence) -> Result<(), StoreError> {
        let was_open = self.of(place).is_open();
        self.of(place).ensure_open()?;
        // A place that was reopened after an error may have been repaired.
        if !was_open || self.both().into_iter().any(|place| place.view().in_doubt) {
            self.settle();
        }
        Ok(())
    }

    /// As [`Places::ensure_open`], with the room that was kept for closing something.
    fn ensure_open_to_close(&self, place: Persistence) -> Result<(), StoreError> {
        let opened = self.ensure_open(place);
        if !opened.as_ref().is_err_and(StoreError::is_full) {
            return opened;
        }
        self.of(place).ensure_open_to_close()?;
        self.settle();
        Ok(())
    }

    fn ensure_known(&self, name: &ServiceName) {
        if self.find(name).is_none() {
            self.open_all_to_close();
        }
    }

    /// What is to be closed may be in a place that was never read, because there was no room to open it.
    fn open_all_to_close(&self) {
        for place in [Persistence::Amnesic, Persistence::Kept] {
            // Why it can not be read is this place's problem, and told of where nothing is found.
            let _ = self.ensure_open_to_close(place);
        }
    }

    /// Brings the wishes in line with the services, after a place was opened.
    fn settle(&self) {
        if !self.amnesic.is_open() {
            return;
        }
        self.finish_restoration();
        self.finish_moves();
        let moving = self.moving();
        let mut changes = Vec::new();
        for place in [Persistence::Kept, Persistence::Amnesic] {
            if !self.of(place).is_open() {
                continue;
            }
            let names: Vec<_> = self.of(place).view().contents.services().keys().cloned().collect();
            // What was wished last may be among what was lost: unknown means closed.
            let in_doubt = self.of(place).view().in_doubt || self.amnesic.view().in_doubt;
            let wishes = &self.amnesic.view().contents;
            for name in &names {
                let is_shadowed =
                    place == Persistence::Kept && wishes.services().contains_key(name) && !moving.contains(name);
                let is_unsaid = wishes.wish(place, name).is_none();
                if in_doubt || (is_shadowed && is_unsaid) {
                    changes.extend(wish_row(place, name, Wish::Disabled).map(RowChange::Put).ok());
                }
            }
            // Those of a restoration that could not be ended yet are waited for.
            let strays = wishes.wished(place).filter(|name| !names.contains(name) && !self.is_restoring());
            for name in strays {
                changes.extend(forget_wish(place, &name));
            }
        }
        // If it fails it is tried again at the next opening; the error is this place's problem, and logged there.
        if changes.is_empty() || self.amnesic.commit(changes).is_ok() {
            self.kept.resolve_doubt();
            self.amnesic.resolve_doubt();
        }
    }

    /// Exports whatever is behind, and overwrites what was removed and could not be. Called by the exporter's thread.
    pub(super) fn export(&self) -> Pending {
        let mut pending = Pending::Nothing;
        if !self.moving().is_empty() {
            let _writer = self.lock();
            self.finish_moves();
            if !self.moving().is_empty() {
                pending = Pending::Scrubbing;
            }
        }
        for place in self.both() {
            let writer = self.lock();
            let needs_scrubbing = place.view().contents.needs_scrubbing();
            if needs_scrubbing {
                match self.ensure_open(place.persistence()).and_then(|()| place.scrub()) {
                    Ok(()) => {
                        let _ = place.ensure_room();
                    }
                    Err(_) => pending = Pending::Scrubbing,
                }
            } else if place.is_unexported() {
                // Exports are the second line of defence: they may not take the room that closing a service needs, and
                // removing one writes them anyway. If it fails it is tried again after the next change; the error is
                // logged there.
                if place.ensure_room_to_close().is_ok() {
                    let _ = place.export(Turn::Older, move || drop(writer));
                }
                place.mark_as_changed();
            }
        }
        pending
    }
}

fn stored(found: &Service, contents: &Contents, amnesic: &View) -> StoredService {
    let record = &found.record;
    let said = amnesic.contents.said(record.persistence(), record.name());
    let wish = match said.map(|said| said.wish) {
        // Something about it may have been lost.
        _ if found.doubt == Doubt::Closed => Wish::Disabled,
        Some(wish) => wish,
        // Nothing is known of this session: closed. What was once read stays known when the place has a problem.
        None if !amnesic.was_read() => Wish::Disabled,
        None => wish_after_boot(record),
    };
    StoredService {
        record: record.clone(),
        address: found.address,
        wish,
        clients: contents.clients(record.name()).cloned().collect(),
        enabled_at: said.map_or(0, |said| said.generation),
    }
}

/// What counts when nothing was said in this session.
const fn wish_after_boot(record: &ServiceRecord) -> Wish {
    match record.autostart() {
        Autostart::On => Wish::Enabled,
        Autostart::Off => Wish::Disabled,
    }
}

fn row(tree: Tree, key: &str, payload: Vec<u8>) -> Row {
    Row { tree, key: key.to_owned(), generation: 0, payload: Zeroizing::new(payload) }
}

fn wish_row(place: Persistence, name: &ServiceName, wish: Wish) -> Result<Row, StoreError> {
    let payload = migrations::wish_to_payload(wish).map_err(|_| StoreError::TooLarge { name: name.clone() })?;
    Ok(row(Tree::Wishes, &wish_key(place, name), payload))
}

fn forget_wish(place: Persistence, name: &ServiceName) -> Vec<RowChange> {
    forget(Tree::Wishes, wish_key(place, name)).into()
}

/// Deletes a row and writes down that it was deleted.
fn forget(tree: Tree, key: String) -> [RowChange; 2] {
    let removed = row(Tree::Removed, &removed_key(tree, &key), Vec::new());
    [RowChange::Delete { tree, key }, RowChange::Put(removed)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::disk::faults;
    use super::*;

    fn open(root: &Path) -> Places {
        Places::open(&StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") })
    }

    fn record(name: &str, place: Persistence, autostart: Autostart) -> ServiceRecord {
        ServiceRecord::new(name.parse().unwrap(), place, autostart, vec!["80".parse().unwrap()].try_into().unwrap())
            .unwrap()
    }

    fn add(places: &Places, record: &ServiceRecord, wish: Wish) -> Result<(), StoreError> {
        places.add(record, &OnionKey::generate().unwrap(), wish, &[])
    }

    fn wish(places: &Places, name: &str) -> Option<Wish> {
        places.services().get(&name.parse::<ServiceName>().unwrap()).map(|service| service.wish)
    }

    #[test]
    fn an_error_of_the_amnesic_place_withdraws_nothing() {
        let root = tempfile::tempdir().unwrap();
        let places = open(root.path());
        add(&places, &record("auto", Persistence::Kept, Autostart::On), Wish::Enabled).unwrap();
        add(&places, &record("said", Persistence::Kept, Autostart::Off), Wish::Enabled).unwrap();
        drop(places);
        // A reboot.
        std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
        let places = open(root.path());
        assert_eq!(wish(&places, "auto"), Some(Wish::Enabled));
        places.set_wish(&"said".parse().unwrap(), Wish::Enabled).unwrap();
        places.amnesic.close(&StoreError::Full { path: root.path().to_owned() });
        assert!(places.amnesic.view().problem.is_some());
        assert_eq!((wish(&places, "auto"), wish(&places, "said")), (Some(Wish::Enabled), Some(Wish::Enabled)));
    }

    // Linux forgets what it could not write: the sync after the one that failed succeeds without it.
    #[test]
    fn an_addition_that_failed_is_taken_back_and_its_database_is_written_anew() {
        for (place, syncs) in [(Persistence::Kept, 1), (Persistence::Amnesic, 0)] {
            let root = tempfile::tempdir().unwrap();
            let places = open(root.path());
            add(&places, &record("old", place, Autostart::Off), Wish::Enabled).unwrap();
            let before = super::super::databases::numbers(&root.path().join(name_of(place))).unwrap();
            faults::fail_syncs(syncs, 1);
            let refused = add(&places, &record("web", place, Autostart::Off), Wish::Enabled);
            assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
            assert!(places.of(place).is_open(), "{place:?}");
            assert_eq!((wish(&places, "web"), wish(&places, "old")), (None, Some(Wish::Enabled)), "{place:?}");
            assert_eq!(places.amnesic.view().contents.wish(place, &"web".parse().unwrap()), None);
            let after = super::super::databases::numbers(&root.path().join(name_of(place))).unwrap();
            assert!(after.len() == 1 && after > before, "{after:?}");
            add(&places, &record("web", place, Autostart::Off), Wish::Enabled).unwrap();
            assert_eq!(wish(&places, "web"), Some(Wish::Enabled));
        }
    }

    fn holds(root: &Path, key: &OnionKey) -> bool {
        let secret = key.expose_expanded();
        super::super::files::entries(root).unwrap().iter().any(|path| {
            if path.is_dir() {
                holds(path, key)
            } else {
                std::fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret)
            }
        })
    }

    #[test]
    fn a_removal_that_was_interrupted_is_finished_without_being_asked_for() {
        for syncs in 1..3 {
            let root = tempfile::tempdir().unwrap();
            let places = open(root.path());
            let key = OnionKey::generate().unwrap();
            places.add(&record("gone", Persistence::Amnesic, Autostart::Off), &key, Wish::Enabled, &[]).unwrap();
            add(&places, &record("web", Persistence::Kept, Autostart::Off), Wish::Enabled).unwrap();
            assert_eq!(places.export(), Pending::Nothing);
            faults::fail_syncs(syncs, 1);
            places.remove(&"gone".parse().unwrap()).unwrap_err();
            assert!(holds(root.path(), &key) && wish(&places, "gone").is_none());
            // What was never there was not removed, whatever else is pending.
            assert_eq!(places.remove(&"other".parse().unwrap()).unwrap(), Change::Unchanged);
            assert!(places.amnesic.is_behind() && holds(root.path(), &key));
            faults::fail_syncs(0, 1);
            assert_eq!(places.export(), Pending::Scrubbing);
            assert_eq!(places.export(), Pending::Nothing);
            assert!(!places.amnesic.is_behind() && !holds(root.path(), &key));
            assert_eq!(places.remove(&"gone".parse().unwrap()).unwrap(), Change::Unchanged);
        }
    }

    #[test]
    fn a_database_after_a_failed_sync_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let places = open(root.path());
        add(&places, &record("web", Persistence::Kept, Autostart::Off), Wish::Disabled).unwrap();
        faults::fail_syncs(0, 1);
        places.set_wish(&"web".parse().unwrap(), Wish::Enabled).unwrap_err();
        assert_eq!(super::super::databases::numbers(&root.path().join("amnesic")).unwrap(), [2]);
        assert_eq!(wish(&places, "web"), Some(Wish::Disabled));
        assert_eq!(places.set_wish(&"web".parse().unwrap(), Wish::Enabled).unwrap(), Change::Changed);
        assert_eq!(wish(&places, "web"), Some(Wish::Enabled));
        drop(places);
        assert_eq!(wish(&open(root.path()), "web"), Some(Wish::Enabled));
    }

    #[test]
    fn what_can_not_be_taken_back_stays_closed_until_it_is_asked_for() {
        let name = || "web".parse::<ServiceName>().unwrap();
        for failures in 1..12 {
            for (place, syncs) in [(Persistence::Kept, 1), (Persistence::Amnesic, 0)] {
                let root = tempfile::tempdir().unwrap();
                let places = open(root.path());
                faults::fail_syncs(syncs, failures);
                add(&places, &record("web", place, Autostart::Off), Wish::Enabled).unwrap_err();
                assert_ne!(wish(&places, "web"), Some(Wish::Enabled), "{failures} {place:?}");
                faults::fail_syncs(0, 0);
                for place in places.both() {
                    place.mend();
                    assert!(place.is_open(), "{:?}", place.view().problem);
                }
                assert_ne!(wish(&places, "web"), Some(Wish::Enabled), "{failures} {place:?}");
                if wish(&places, "web").is_some() {
                    assert_eq!(places.set_wish(&name(), Wish::Enabled).unwrap(), Change::Changed);
                } else {
                    add(&places, &record("web", place, Autostart::Off), Wish::Enabled).unwrap();
                }
                assert_eq!(wish(&places, "web"), Some(Wish::Enabled), "{failures} {place:?}");
            }
        }
    }

    fn name_of(place: Persistence) -> &'static str {
        match place {
            Persistence::Kept => "kept",
            Persistence::Amnesic => "amnesic",
        }
    }
}
