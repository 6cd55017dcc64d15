// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be had from the ruins: rows from anywhere in, the best state that they prove out.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::{Contents, client_of, option_of, removed_key};
use super::envelope::{Row, Tree};
use super::export::Export;
use super::recovery::Loss;
use crate::client::ClientPublicKey;
use crate::migrations;
use crate::name::ServiceName;
use crate::record::Persistence;

/// A state to go on from.
pub(super) struct Salvage {
    /// Without census and removals: they belong to the file that was lost.
    pub(super) rows: Vec<Row>,
    pub(super) loss: Loss,
}

type Best = BTreeMap<(Tree, String), Row>;

/// Puts together the rows found in the ruins of the database and those of the exports.
///
/// With a census of the last commit that fits, all that is known of is there, whatever the rows came from. Whether there
/// was a later commit only the ruins and an export together can tell. Without such a census the newest export is the ground,
/// and what the ruins have beyond it is added; without an export there is nothing to stand on.
/// `floor` is the last commit that this process knows of.
pub(super) fn salvage(place: Persistence, ruins: Vec<Row>, exports: Vec<Export>, floor: u64) -> Option<Salvage> {
    let both_exports = exports.len() == 2;
    let newest = exports
        .into_iter()
        .filter(|export| {
            Contents::load(place, &export.rows).is_ok_and(|contents| contents.generation() == export.generation)
        })
        .max_by_key(|export| export.generation);
    let base = newest.as_ref().map_or(0, |export| export.generation);
    let exported = newest.map(|export| export.rows);
    let has_export = exported.is_some();

    let mut top = floor.max(base);
    let mut best = Best::new();
    let mut only_exported = Best::new();
    let mut removals: BTreeMap<String, u64> = BTreeMap::new();
    let mut census: Option<Row> = None;
    let mut ruined = 0;
    let exported = exported.into_iter().flatten().map(|row| (row, true));
    for (row, is_exported) in ruins.into_iter().map(|row| (row, false)).chain(exported) {
        top = top.max(row.generation);
        match row.tree {
            Tree::Meta => {
                if !is_exported {
                    ruined = row.generation.max(ruined);
                }
                if census.as_ref().is_none_or(|known| known.generation < row.generation) {
                    census = Some(row);
                }
            }
            Tree::Removed => {
                let latest = removals.entry(row.key).or_default();
                *latest = row.generation.max(*latest);
            }
            Tree::Services
            | Tree::Keys
            | Tree::Wishes
            | Tree::Clients
            | Tree::Joined
            | Tree::Requests
            | Tree::Farewells
            | Tree::Options
            | Tree::Pending
            | Tree::Uninstalls => {
                // Of a restoration that was interrupted only all of it would be of use, and the census does not count it.
                if row.tree == Tree::Pending && place == Persistence::Amnesic {
                    continue;
                }
                let id = (row.tree, row.key.clone());
                if is_exported {
                    only_exported.insert(id.clone(), copy(&row));
                }
                if best.get(&id).is_none_or(|known| known.generation < row.generation) {
                    best.insert(id, row);
                }
            }
        }
    }
    let standing = |id: &(Tree, String), row: &mut Row| {
        removals.get(&removed_key(id.0, &id.1)).is_none_or(|removed| row.generation > *removed)
    };
    best.retain(standing);
    only_exported.retain(standing);

    if let Some(census) = census.filter(|census| census.generation == top) {
        let rows = best.values().map(copy).collect::<Vec<_>>();
        if Contents::tally(place, &rows).is_ok_and(|contents| contents.matches(&census)) {
            // An export that is missing or damaged may have been the one that knew of more.
            let agree = ruined == base && both_exports;
            let loss = if agree { Loss::Nothing } else { Loss::NotExcluded };
            return Some(Salvage { rows, loss });
        }
    }
    if !has_export {
        return None;
    }
    let rows = above(only_exported, best, base);
    Contents::tally(place, &rows).ok()?;
    Some(Salvage { rows, loss: Loss::Proven { known: top, certain: base } })
}

/// An export, and what the ruins have that is later. A record or a key alone is of no use, nor is a client without a
/// record.
fn above(mut ground: Best, best: Best, base: u64) -> Vec<Row> {
    let later: Best = best.into_iter().filter(|(_, row)| row.generation > base).collect();
    let is_there = |tree: Tree, key: &str| {
        let id = (tree, key.to_owned());
        later.contains_key(&id) || ground.contains_key(&id)
    };
    let usable: Vec<_> = later
        .keys()
        .filter(|(tree, key)| match tree {
            Tree::Services => is_there(Tree::Keys, key),
            Tree::Keys => is_there(Tree::Services, key),
            Tree::Wishes
            | Tree::Clients
            | Tree::Joined
            | Tree::Requests
            | Tree::Farewells
            | Tree::Options
            | Tree::Pending
            | Tree::Uninstalls => true,
            Tree::Removed | Tree::Meta => false,
        })
        .cloned()
        .collect();
    for id in usable {
        if let Some(row) = later.get(&id) {
            ground.insert(id, copy(row));
        }
    }
    drop_strays(&mut ground);
    ground.into_values().collect()
}

/// Leaves out options and clients without a service, and of two clients of a service with the same key the older one: if one of them
/// were removed, it would still have access.
fn drop_strays(rows: &mut Best) {
    let mut latest: BTreeMap<(ServiceName, ClientPublicKey), (u64, String)> = BTreeMap::new();
    for ((_, key), row) in rows.iter().filter(|((tree, _), _)| *tree == Tree::Clients) {
        let Some((service, _)) = client_of(key) else { continue };
        let Ok((public_key, _)) = migrations::client_from_payload(&row.payload) else { continue };
        let candidate = (row.generation, key.clone());
        if rows.contains_key(&(Tree::Services, service.as_str().to_owned())) {
            let known = latest.entry((service, public_key)).or_default();
            *known = candidate.max(known.clone());
        }
    }
    let kept: BTreeSet<String> = latest.into_values().map(|(_, key)| key).collect();
    rows.retain(|(tree, key), _| *tree != Tree::Clients || kept.contains(key));
    let services: BTreeSet<String> =
        rows.keys().filter(|(tree, _)| *tree == Tree::Services).map(|(_, name)| name.clone()).collect();
    let has_service = |key: &str| option_of(key).is_some_and(|(service, _)| services.contains(service.as_str()));
    rows.retain(|(tree, key), _| *tree != Tree::Options || has_service(key));
}

fn copy(row: &Row) -> Row {
    Row { tree: row.tree, key: row.key.clone(), generation: row.generation, payload: row.payload.clone() }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::contents::Change;
    use super::*;
    use crate::client::ClientSecretKey;
    use crate::exposure::{ClientAuthorization, Exposure};
    use crate::key::OnionKey;
    use crate::record::{Autostart, ServiceRecord};

    const PLACE: Persistence = Persistence::Kept;

    /// What a database would hold, and would have held: every row ever written.
    struct History {
        contents: Contents,
        written: Vec<Row>,
    }

    impl History {
        fn new() -> Self {
            let mut history = Self { contents: Contents::empty(PLACE), written: Vec::new() };
            history.commit(Vec::new());
            history
        }

        fn commit(&mut self, changes: Vec<Change>) {
            let generation = self.contents.generation() + 1;
            let census = self.contents.census_after(generation, &changes).unwrap();
            self.contents.apply(generation, &changes).unwrap();
            self.written.extend(changes.into_iter().filter_map(|change| match change {
                Change::Put(row) => Some(row),
                Change::Delete { .. } => None,
            }));
            self.written.push(census);
        }

        fn add(&mut self, name: &str) {
            let generation = self.contents.generation() + 1;
            let ports = vec!["80".parse().unwrap()].try_into().unwrap();
            let record = ServiceRecord::new(name.parse().unwrap(), PLACE, Autostart::Off, ports).unwrap();
            let key = OnionKey::generate().unwrap();
            let service = Zeroizing::new(migrations::service_to_payload(&record).unwrap());
            let key = migrations::key_to_payload(&key.address(), &key);
            let row = |tree, payload| Change::Put(Row { tree, key: name.to_owned(), generation, payload });
            self.commit(vec![row(Tree::Services, service), row(Tree::Keys, key)]);
        }

        fn remove(&mut self, name: &str) {
            let clients = self.contents.clients(&name.parse().unwrap());
            let clients = clients.map(|client| (Tree::Clients, format!("{name}/{}", client.name)));
            let rows = [(Tree::Services, name.to_owned()), (Tree::Keys, name.to_owned())];
            self.forget(rows.into_iter().chain(clients.collect::<Vec<_>>()).collect());
        }

        fn forget(&mut self, rows: Vec<(Tree, String)>) {
            let generation = self.contents.generation() + 1;
            let changes = rows.into_iter().flat_map(|(tree, key)| {
                let removed = removed_key(tree, &key);
                let removed = Row { tree: Tree::Removed, key: removed, generation, payload: Zeroizing::default() };
                [Change::Delete { tree, key }, Change::Put(removed)]
            });
            self.commit(changes.collect());
        }

        fn add_client(&mut self, service: &str, name: &str, key: &ClientSecretKey) {
            let generation = self.contents.generation() + 1;
            let payload = migrations::client_to_payload(&key.public_key(), Some(key));
            let key = format!("{service}/{name}");
            self.commit(vec![Change::Put(Row { tree: Tree::Clients, key, generation, payload })]);
        }

        fn set_exposure(&mut self, name: &str, authorization: ClientAuthorization) {
            let generation = self.contents.generation() + 1;
            let record = self.contents.services()[&name.parse().unwrap()].record.clone();
            let exposure = Exposure { client_authorization: authorization, ..Exposure::default() };
            let payload = migrations::service_to_payload(&record.with_exposure(exposure)).unwrap();
            let row = Row { tree: Tree::Services, key: name.to_owned(), generation, payload: Zeroizing::new(payload) };
            self.commit(vec![Change::Put(row)]);
        }

        /// As the database would read.
        fn rows(&self) -> Vec<Row> {
            let last = self.contents.generation();
            let counted = |row: &&Row| self.contents.expects(row) || row.tree == Tree::Meta && row.generation == last;
            self.written.iter().filter(counted).map(copy).collect()
        }

        fn export(&self) -> Export {
            Export { generation: self.contents.generation(), rows: self.rows() }
        }

        fn ruins(&self) -> Vec<Row> {
            self.written.iter().map(copy).collect()
        }
    }

    fn names(salvage: &Salvage) -> Vec<&str> {
        let services = salvage.rows.iter().filter(|row| row.tree == Tree::Services);
        services.map(|row| row.key.as_str()).collect()
    }

    #[test]
    fn the_ruins_alone_are_enough_if_they_are_all_there() {
        let mut history = History::new();
        for name in ["a", "b", "c"] {
            history.add(name);
        }
        history.remove("b");
        let found = salvage(PLACE, history.ruins(), Vec::new(), 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a", "c"], Loss::NotExcluded));
        let found = salvage(PLACE, history.ruins(), vec![history.export()], 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a", "c"], Loss::NotExcluded));
        let found = salvage(PLACE, history.ruins(), vec![history.export(), history.export()], 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a", "c"], Loss::Nothing));
    }

    #[test]
    fn without_an_export_nothing_less_than_all_will_do() {
        let mut history = History::new();
        history.add("a");
        history.add("b");
        for missing in [Tree::Services, Tree::Keys] {
            let mut ruins = history.ruins();
            ruins.retain(|row| !(row.tree == missing && row.key == "a"));
            assert!(salvage(PLACE, ruins, Vec::new(), 0).is_none(), "{missing:?}");
        }
    }

    #[test]
    fn what_is_later_than_the_export_is_added_to_it() {
        let mut history = History::new();
        history.add("a");
        let export = history.export();
        history.add("b");
        history.add("c");
        let mut ruins = history.ruins();
        ruins.retain(|row| row.key != "a" && !(row.tree == Tree::Keys && row.key == "c"));
        let found = salvage(PLACE, ruins, vec![export], 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a", "b"], Loss::Proven { known: 4, certain: 2 }));
    }

    fn clients(salvage: &Salvage) -> Vec<&str> {
        let clients = salvage.rows.iter().filter(|row| row.tree == Tree::Clients);
        clients.map(|row| row.key.as_str()).collect()
    }

    fn key() -> ClientSecretKey {
        ClientSecretKey::generate().unwrap()
    }

    #[test]
    fn clients_are_salvaged_and_those_that_were_removed_are_not() {
        let mut history = History::new();
        history.add("a");
        for client in ["alice", "bob", "carol"] {
            history.add_client("a", client, &key());
        }
        let export = history.export();
        history.forget(vec![(Tree::Clients, "a/bob".to_owned())]);
        let found = salvage(PLACE, history.ruins(), vec![export], 0).unwrap();
        assert_eq!((clients(&found), found.loss), (vec!["a/alice", "a/carol"], Loss::NotExcluded));
        // Not all is there: then the export, without what is known to be removed, and the loss is proven.
        let export = history.export();
        history.add_client("a", "dan", &key());
        history.forget(vec![(Tree::Clients, "a/carol".to_owned())]);
        history.add_client("a", "eve", &key());
        let mut ruins = history.ruins();
        ruins.retain(|row| row.key != "a/dan");
        let found = salvage(PLACE, ruins, vec![export], 0).unwrap();
        assert_eq!(clients(&found), ["a/alice", "a/eve"]);
        assert!(matches!(found.loss, Loss::Proven { .. }), "{:?}", found.loss);
    }

    #[test]
    fn a_client_that_is_missing_is_never_passed_over_in_silence() {
        let mut history = History::new();
        history.add("a");
        history.add_client("a", "alice", &key());
        let mut ruins = history.ruins();
        ruins.retain(|row| row.tree != Tree::Clients);
        assert!(salvage(PLACE, ruins, Vec::new(), 0).is_none());
    }

    #[test]
    fn a_client_without_a_service_is_left_out_and_of_two_with_one_key_the_later_stays() {
        let mut history = History::new();
        history.add("a");
        let renamed = key();
        history.add_client("a", "old", &renamed);
        let export = history.export();
        history.add("b");
        history.add_client("b", "alice", &key());
        history.add_client("a", "new", &renamed);
        let mut ruins = history.ruins();
        ruins.retain(|row| !(row.tree == Tree::Keys && row.key == "b"));
        let found = salvage(PLACE, ruins, vec![export], 0).unwrap();
        assert_eq!((names(&found), clients(&found)), (vec!["a"], vec!["a/new"]));
    }

    #[test]
    fn a_record_that_was_changed_after_the_export_counts() {
        let mut history = History::new();
        history.add("a");
        history.add("b");
        let export = history.export();
        history.set_exposure("a", ClientAuthorization::On);
        history.add("c");
        let mut ruins = history.ruins();
        ruins.retain(|row| row.generation > export.generation && row.key != "c");
        let found = salvage(PLACE, ruins, vec![export], 0).unwrap();
        let contents = Contents::tally(PLACE, &found.rows).unwrap();
        let record = &contents.services()[&"a".parse().unwrap()].record;
        assert_eq!(record.exposure().client_authorization, ClientAuthorization::On);
        assert!(matches!(found.loss, Loss::Proven { .. }), "{:?}", found.loss);
    }

    #[test]
    fn an_interrupted_removal_is_not_undone() {
        let mut history = History::new();
        history.add("a");
        history.add("b");
        let export = history.export();
        history.remove("a");
        let found = salvage(PLACE, history.ruins(), vec![export], 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["b"], Loss::NotExcluded));
    }

    #[test]
    fn a_name_that_was_taken_again_is_there() {
        let mut history = History::new();
        history.add("a");
        history.remove("a");
        history.add("a");
        let found = salvage(PLACE, history.ruins(), Vec::new(), 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a"], Loss::NotExcluded));
    }

    #[test]
    fn an_export_that_is_known_to_be_behind_says_so() {
        let mut history = History::new();
        history.add("a");
        let found = salvage(PLACE, Vec::new(), vec![history.export()], 0).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a"], Loss::NotExcluded));
        let found = salvage(PLACE, Vec::new(), vec![history.export()], 7).unwrap();
        assert_eq!((names(&found), found.loss), (vec!["a"], Loss::Proven { known: 7, certain: 2 }));
    }

    #[test]
    fn the_newer_of_two_exports_counts_and_a_forged_one_does_not() {
        let mut history = History::new();
        history.add("a");
        let old = history.export();
        history.add("b");
        let new = history.export();
        let mut forged = history.export();
        forged.generation = 99;
        forged.rows.retain(|row| row.key != "b");
        let found = salvage(PLACE, Vec::new(), vec![new, forged, old], 0).unwrap();
        assert_eq!(names(&found), ["a", "b"]);
    }
}
