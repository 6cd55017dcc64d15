// SPDX-License-Identifier: GPL-3.0-or-later
//! What becomes of a service that moves while the disk fails or the process ends on the way.

use std::path::Path;

use super::super::super::{StoreLayout, files};
use super::*;
use crate::client::{ClientName, ClientSecretKey, NewClient, NewClientKey, SecretHeld};
use crate::described::{OptionName, OptionText};
use crate::exposure::{ClientAuthorization, Exposure};
use crate::key::OnionKey;
use crate::record::{Autostart, ServiceRecord};
use crate::store::disk::faults;
use crate::store::exporter::Pending;

const PLACES: [Persistence; 2] = [Persistence::Kept, Persistence::Amnesic];
const PASSWORD: &str = "the-password-of-all";

fn other(place: Persistence) -> Persistence {
    if place == Persistence::Kept { Persistence::Amnesic } else { Persistence::Kept }
}

fn open(root: &Path) -> Places {
    Places::open(&StoreLayout { kept: root.join("kept"), amnesic: root.join("amnesic") })
}

fn web() -> ServiceName {
    "web".parse().unwrap()
}

fn alice() -> ClientName {
    "alice".parse().unwrap()
}

fn password() -> OptionName {
    "server-password".parse().unwrap()
}

fn record(place: Persistence) -> ServiceRecord {
    let autostart = if place == Persistence::Kept { Autostart::On } else { Autostart::Off };
    let ports = vec!["80".parse().unwrap()].try_into().unwrap();
    let exposure = Exposure { client_authorization: ClientAuthorization::On, ..Exposure::default() };
    ServiceRecord::new(web(), place, autostart, ports).unwrap().with_exposure(exposure)
}

/// A service with a client and an option, and the secrets of all three.
struct Given {
    key: OnionKey,
    client: ClientSecretKey,
}

impl Given {
    fn add(places: &Places, place: Persistence, wish: Wish) -> Self {
        let (key, client) = (OnionKey::generate().unwrap(), ClientSecretKey::generate().unwrap());
        let options = [(password(), OptionText::new(PASSWORD))];
        places.add(&record(place), &key, wish, &options).unwrap();
        let copy = ClientSecretKey::from_bytes(client.expose_bytes()).unwrap();
        places.add_client(&web(), &NewClient { name: alice(), key: NewClientKey::Made(copy) }).unwrap();
        Self { key, client }
    }

    /// It is there once, as a whole.
    fn assert_whole(&self, places: &Places, wish: Wish) -> Persistence {
        let services = places.services();
        let found = &services[&web()];
        let place = found.record.persistence();
        assert_eq!((services.len(), found.wish, found.address), (1, wish, self.key.address()));
        let autostart = found.record.autostart();
        assert!(place == Persistence::Kept || autostart == Autostart::Off);
        assert_eq!(found.record, record(Persistence::Kept).with_persistence(place).with_autostart(autostart).unwrap());
        assert_eq!(places.key(&web()).unwrap().expose_expanded(), self.key.expose_expanded());
        assert_eq!((found.clients.len(), found.clients[0].secret), (1, SecretHeld::Here));
        assert_eq!(places.client_key(&web(), &alice()).unwrap().expose_bytes(), self.client.expose_bytes());
        assert_eq!(places.options(&web()).unwrap()[&password()].expose(), PASSWORD);
        place
    }

    /// The files below a directory that have any secret of it.
    fn is_in(&self, directory: &Path) -> bool {
        let secrets = [&self.key.expose_expanded()[..], &self.client.expose_bytes()[..], PASSWORD.as_bytes()];
        files::entries(directory).unwrap().iter().any(|path| {
            if path.is_dir() {
                // What was put aside as damaged is left alone.
                return !files::file_name(path).starts_with("damaged-") && self.is_in(path);
            }
            // Nearly all of a database is zeros.
            let bytes = std::fs::read(path).unwrap();
            let bytes: Vec<u8> = bytes.chunks(64).filter(|part| *part != [0; 64]).flatten().copied().collect();
            secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == *secret))
        })
    }
}

fn directory(root: &Path, place: Persistence) -> std::path::PathBuf {
    root.join(if place == Persistence::Kept { "kept" } else { "amnesic" })
}

/// Only the place that counts has it, and the other one nothing of it in any file.
fn assert_settled(places: &Places, root: &Path, given: &Given, wish: Wish) -> Persistence {
    let place = given.assert_whole(places, wish);
    assert_eq!(places.export(), Pending::Nothing);
    assert!(!places.is_behind());
    let names = |place| places.of(place).view().contents.services().contains_key(&web());
    assert!(names(place) && !names(other(place)), "{place:?}");
    let wishes: Vec<_> =
        PLACES.into_iter().filter(|of| places.amnesic.view().contents.wish(*of, &web()).is_some()).collect();
    assert_eq!(wishes, [place]);
    assert!(given.is_in(&directory(root, place)) && !given.is_in(&directory(root, other(place))), "{place:?}");
    place
}

#[test]
fn a_service_moves_there_and_back_with_all_that_is_its() {
    for wish in [Wish::Enabled, Wish::Disabled] {
        for from in PLACES {
            let root = tempfile::tempdir().unwrap();
            let mut places = open(root.path());
            let given = Given::add(&places, from, wish);
            for to in [other(from), from, other(from)] {
                assert_eq!(places.export(), Pending::Nothing);
                assert_eq!(places.set_persistence(&web(), to).unwrap(), Change::Changed);
                assert_eq!(places.set_persistence(&web(), to).unwrap(), Change::Unchanged);
                assert!(places.farewells().is_empty(), "Tor keeps it");
                assert!(!given.is_in(&directory(root.path(), other(to))), "at once: {to:?}");
                assert_eq!(assert_settled(&places, root.path(), &given, wish), to);
                drop(places);
                places = open(root.path());
                assert_eq!(assert_settled(&places, root.path(), &given, wish), to);
            }
        }
    }
}

#[test]
fn what_is_unsaid_is_carried_as_it_counts() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    let given = Given::add(&places, Persistence::Kept, Wish::Disabled);
    drop(places);
    // A reboot: autostart counts.
    std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
    let places = open(root.path());
    places.set_persistence(&web(), Persistence::Amnesic).unwrap();
    assert_eq!(assert_settled(&places, root.path(), &given, Wish::Enabled), Persistence::Amnesic);
    drop(places);
    std::fs::remove_dir_all(root.path().join("amnesic")).unwrap();
    assert!(open(root.path()).services().is_empty(), "a reboot does not bring it back");
}

fn is_repaired(places: &Places) -> bool {
    places.both().into_iter().any(|place| place.view().recovery.is_some())
}

/// Moves while so many syncs succeed and as many after them fail; whether it was acknowledged.
fn move_failing(from: Persistence, wish: Wish, (skipped, failures): (u32, u32), is_killed: bool) -> bool {
    let root = tempfile::tempdir().unwrap();
    let mut places = open(root.path());
    let given = Given::add(&places, from, wish);
    assert_eq!(places.export(), Pending::Nothing);
    faults::fail_syncs(skipped, failures);
    let moved = places.set_persistence(&web(), other(from));
    let what = format!("{from:?} {wish:?} {skipped} {failures} {is_killed}: {moved:?}");
    assert_eq!(places.services().len(), 1, "{what}");
    let mut is_doubted = is_repaired(&places);
    faults::fail_syncs(0, 0);
    if is_killed {
        drop(places);
        places = open(root.path());
    }
    for place in places.both() {
        place.mend();
        assert!(place.is_open(), "{what}");
    }
    places.settle();
    is_doubted |= is_repaired(&places);
    // What may have been lost is closed.
    let wish = if is_doubted { places.services()[&web()].wish } else { wish };
    let place = assert_settled(&places, root.path(), &given, wish);
    match &moved {
        Ok(change) => assert_eq!((*change, place), (Change::Changed, other(from)), "{what}"),
        Err(_) if failures == 1 => assert_eq!(place, from, "nothing was changed: {what}"),
        // Nobody could tell.
        Err(_) => {}
    }
    moved.is_ok()
}

/// Whatever sync fails, and whether the disk recovers in this process or in the next.
#[test]
fn whatever_fails_on_the_way_it_is_in_one_place_and_whole() {
    let (mut done, mut refused) = (0, 0);
    for from in PLACES {
        for (skipped, failures) in (0..8).flat_map(|skipped| [1, 2, 4].map(|failures| (skipped, failures))) {
            let wish = if (skipped + failures) % 2 == 0 { Wish::Enabled } else { Wish::Disabled };
            for is_killed in [false, true] {
                let moved = move_failing(from, wish, (skipped, failures), is_killed);
                if moved { done += 1 } else { refused += 1 }
            }
        }
    }
    assert!(done > 20 && refused > 10, "{done} {refused}");
}

/// The copy that an interrupted move has left, whichever way it went.
fn interrupted(root: &Path, wish: Wish) -> (Places, Given) {
    let places = open(root);
    let given = Given::add(&places, Persistence::Kept, wish);
    let found = places.find(&web()).unwrap();
    let mut rows = places.rows_for(&found, Persistence::Amnesic).unwrap();
    rows.push(RowChange::Put(wish_row(Persistence::Amnesic, &web(), wish).unwrap()));
    places.amnesic.commit(rows).unwrap();
    assert!(places.is_in_both(&web()) && places.is_behind());
    (places, given)
}

#[test]
fn of_two_copies_the_kept_one_counts_and_the_other_goes_by_itself() {
    for is_killed in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let (mut places, given) = interrupted(root.path(), Wish::Enabled);
        assert_eq!(given.assert_whole(&places, Wish::Enabled), Persistence::Kept);
        if is_killed {
            drop(places);
            places = open(root.path());
            assert!(places.moving().is_empty(), "it ends with the opening");
        }
        assert_eq!(assert_settled(&places, root.path(), &given, Wish::Enabled), Persistence::Kept);
    }
}

#[test]
fn a_copy_does_not_come_to_light_when_the_service_goes() {
    let root = tempfile::tempdir().unwrap();
    let (places, given) = interrupted(root.path(), Wish::Enabled);
    assert_eq!(places.remove(&web()).unwrap(), Change::Changed);
    assert!(places.services().is_empty() && !given.is_in(root.path()));

    let root = tempfile::tempdir().unwrap();
    let (places, given) = interrupted(root.path(), Wish::Enabled);
    let key = OnionKey::generate().unwrap();
    places.replace_key(&web(), &key).unwrap();
    assert_eq!((places.services()[&web()].address, places.services().len()), (key.address(), 1));
    assert!(places.key(&web()).unwrap().expose_expanded() != given.key.expose_expanded());
}

#[test]
fn what_is_disabled_while_nobody_can_tell_where_it_is_stays_so() {
    let root = tempfile::tempdir().unwrap();
    let (places, given) = interrupted(root.path(), Wish::Enabled);
    places.kept.close(&StoreError::Full { path: root.path().to_owned() });
    places.set_wish(&web(), Wish::Disabled).unwrap();
    // The kept one turns out not to be there.
    drop(places);
    std::fs::remove_dir_all(root.path().join("kept")).unwrap();
    let places = open(root.path());
    assert_eq!(given.assert_whole(&places, Wish::Disabled), Persistence::Amnesic);
}

#[test]
fn a_copy_stays_as_long_as_the_key_can_not_be_read_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let (places, given) = interrupted(root.path(), Wish::Enabled);
    places.kept.close(&StoreError::Full { path: root.path().to_owned() });
    places.finish_move(&web()).unwrap_err();
    assert_eq!(places.amnesic.view().contents.services().len(), 1);
    places.kept.mend();
    places.finish_move(&web()).unwrap();
    given.assert_whole(&places, Wish::Enabled);
}

#[test]
fn another_service_of_the_same_name_is_no_copy() {
    let root = tempfile::tempdir().unwrap();
    let places = open(root.path());
    Given::add(&places, Persistence::Kept, Wish::Enabled);
    drop(places);
    std::fs::rename(root.path().join("kept"), root.path().join("away")).unwrap();
    std::fs::write(root.path().join("kept"), "").unwrap();
    let places = open(root.path());
    let given = Given::add(&places, Persistence::Amnesic, Wish::Enabled);
    let refused = places.set_persistence(&web(), Persistence::Kept);
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    given.assert_whole(&places, Wish::Enabled);
    drop(places);
    std::fs::remove_file(root.path().join("kept")).unwrap();
    std::fs::rename(root.path().join("away"), root.path().join("kept")).unwrap();
    let places = open(root.path());
    let refused = places.set_persistence(&web(), Persistence::Kept);
    assert!(matches!(refused, Err(StoreError::Shadowed { .. })), "{refused:?}");
    assert_eq!(given.assert_whole(&places, Wish::Enabled), Persistence::Amnesic);
    assert_eq!(places.kept.view().contents.services().len(), 1, "and the other one is left alone");
}
