// SPDX-License-Identifier: GPL-3.0-or-later
//! What one place holds, in memory and without the secrets: checked when read, and kept in step with the database.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::defect::Defect;
use super::envelope::{Row, Tree};
use crate::address::OnionAddress;
use crate::migrations::{self, Unreadable, v1};
use crate::name::ServiceName;
use crate::record::{Persistence, ServiceRecord, Wish};

/// The key of the one row of [`Tree::Meta`].
const CENSUS_KEY: &str = "census";

/// What one place holds.
pub(super) struct Contents {
    place: Persistence,
    generation: u64,
    /// In step with `marks`.
    count: v1::Census,
    marks: BTreeMap<(Tree, String), u64>,
    services: BTreeMap<ServiceName, (ServiceRecord, OnionAddress)>,
    wishes: BTreeMap<String, Wish>,
    removed: BTreeSet<String>,
}

impl Contents {
    /// Nothing at all, before the first commit.
    pub(super) const fn empty(place: Persistence) -> Self {
        let count = v1::Census { place: migrations::place_to_v1(place), services: 0, keys: 0, wishes: 0, digest: 0 };
        Self {
            place,
            generation: 0,
            count,
            marks: BTreeMap::new(),
            services: BTreeMap::new(),
            wishes: BTreeMap::new(),
            removed: BTreeSet::new(),
        }
    }

    /// Reads all rows of a database or an export and checks them against each other and against the census.
    pub(super) fn load(place: Persistence, rows: &[Row]) -> Result<Self, Defect> {
        let contents = Self::tally(place, rows)?;
        let mut censuses = rows.iter().filter(|row| row.tree == Tree::Meta);
        let (Some(census), None) = (censuses.next(), censuses.next()) else {
            return Err(Defect::Missing);
        };
        if !contents.matches(census) {
            return Err(Defect::Census);
        }
        Ok(Self { generation: census.generation, ..contents })
    }

    /// Reads rows and checks them against each other only.
    pub(super) fn tally(place: Persistence, rows: &[Row]) -> Result<Self, Defect> {
        let mut contents = Self::empty(place);
        let addresses = addresses(rows.iter())?;
        for row in rows {
            contents.generation = contents.generation.max(row.generation);
            contents.put(row, &addresses)?;
        }
        // Every record has found its key; is there a record for every key?
        if contents.services.len() == addresses.len() { Ok(contents) } else { Err(Defect::Strays) }
    }

    /// Whether these are the rows that a census counted.
    pub(super) fn matches(&self, census: &Row) -> bool {
        v1::parse::<v1::Census>(&census.payload).is_some_and(|counted| counted == self.count)
    }

    /// The number of the last commit.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The services, by name.
    pub(super) const fn services(&self) -> &BTreeMap<ServiceName, (ServiceRecord, OnionAddress)> {
        &self.services
    }

    /// What is wished of a service, if anything was said.
    pub(super) fn wish(&self, place: Persistence, name: &ServiceName) -> Option<Wish> {
        self.wishes.get(&wish_key(place, name)).copied()
    }

    /// The names that something is wished of, of one place.
    pub(super) fn wished(&self, place: Persistence) -> impl Iterator<Item = ServiceName> {
        let keys = self.wishes.keys();
        keys.filter_map(move |key| key.strip_prefix(place_name(place))?.strip_prefix('/')?.parse().ok())
    }

    /// Whether this is the row that was last written under its key.
    pub(super) fn expects(&self, row: &Row) -> bool {
        self.marks.get(&(row.tree, row.key.clone())) == Some(&row.mark())
    }

    /// Whether deleted keys are still in the file of the database.
    pub(super) fn needs_scrubbing(&self) -> bool {
        self.removed.iter().any(|removed| removed.starts_with(Tree::Keys.name()))
    }

    /// Whether the deleted key of this service is still in the file of the database.
    pub(super) fn needs_scrubbing_of(&self, name: &ServiceName) -> bool {
        self.removed.contains(&removed_key(Tree::Keys, name.as_str()))
    }

    /// The row that counts what will be there after changes.
    pub(super) fn census_after(&self, generation: u64, changes: &[Change]) -> Result<Row, Defect> {
        let mut count = self.count;
        for change in changes {
            let (tree, key) = change.of();
            // A key is changed once in a transaction, so what is there before is what is replaced.
            if let Some(old) = self.marks.get(&(tree, key.to_owned())) {
                count.subtract(tree, *old);
            }
            if let Change::Put(row) = change {
                count.add(tree, row.mark());
            }
        }
        let payload = Zeroizing::new(v1::render(&count).ok_or(Defect::Form)?);
        Ok(Row { tree: Tree::Meta, key: CENSUS_KEY.to_owned(), generation, payload })
    }

    /// Takes over changes that are durable.
    pub(super) fn apply(&mut self, generation: u64, changes: &[Change]) -> Result<(), Defect> {
        let addresses = addresses(changes.iter().filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Delete { .. } => None,
        }))?;
        for change in changes {
            match change {
                Change::Put(row) => self.put(row, &addresses)?,
                Change::Delete { tree, key } => self.delete(*tree, key),
            }
        }
        self.generation = generation;
        Ok(())
    }

    fn put(&mut self, row: &Row, addresses: &BTreeMap<&str, OnionAddress>) -> Result<(), Defect> {
        match row.tree {
            Tree::Services => {
                let record = migrations::service_from_payload(&row.payload)?;
                if record.name().as_str() != row.key || record.persistence() != self.place {
                    return Err(Defect::Strays);
                }
                let address = addresses.get(row.key.as_str()).ok_or(Defect::Strays)?;
                self.services.insert(record.name().clone(), (record, *address));
            }
            Tree::Wishes => {
                if self.place == Persistence::Kept {
                    return Err(Defect::Strays);
                }
                self.wishes.insert(row.key.clone(), migrations::wish_from_payload(&row.payload)?);
            }
            Tree::Removed => {
                self.removed.insert(row.key.clone());
                return Ok(());
            }
            Tree::Keys => {}
            Tree::Meta => return Ok(()),
        }
        if let Some(old) = self.marks.insert((row.tree, row.key.clone()), row.mark()) {
            self.count.subtract(row.tree, old);
        }
        self.count.add(row.tree, row.mark());
        Ok(())
    }

    fn delete(&mut self, tree: Tree, key: &str) {
        if let Some(old) = self.marks.remove(&(tree, key.to_owned())) {
            self.count.subtract(tree, old);
        }
        match tree {
            Tree::Services => self.services.retain(|name, _| name.as_str() != key),
            Tree::Wishes => {
                self.wishes.remove(key);
            }
            Tree::Removed => {
                self.removed.remove(key);
            }
            Tree::Keys | Tree::Meta => {}
        }
    }
}

/// The public parts of the rows that are keys.
fn addresses<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<BTreeMap<&'a str, OnionAddress>, Defect> {
    rows.filter(|row| row.tree == Tree::Keys)
        .map(|row| Ok((row.key.as_str(), migrations::address_from_payload(&row.payload)?)))
        .collect()
}

impl v1::Census {
    /// The census counts what people would miss; what was removed and the census itself are not in it.
    fn add(&mut self, tree: Tree, mark: u64) {
        if let Some(count) = self.of(tree) {
            *count = count.wrapping_add(1);
            self.digest = self.digest.wrapping_add(mark);
        }
    }

    fn subtract(&mut self, tree: Tree, mark: u64) {
        if let Some(count) = self.of(tree) {
            *count = count.wrapping_sub(1);
            self.digest = self.digest.wrapping_sub(mark);
        }
    }

    const fn of(&mut self, tree: Tree) -> Option<&mut u64> {
        match tree {
            Tree::Services => Some(&mut self.services),
            Tree::Keys => Some(&mut self.keys),
            Tree::Wishes => Some(&mut self.wishes),
            Tree::Removed | Tree::Meta => None,
        }
    }
}

/// One change of a transaction.
pub(super) enum Change {
    /// A new row, or one in the place of another.
    Put(Row),
    /// A row less. Unlike a row in [`Tree::Removed`] it leaves no trace.
    Delete { tree: Tree, key: String },
}

impl Change {
    /// The tree and the key that it is about.
    pub(super) fn of(&self) -> (Tree, &str) {
        match self {
            Self::Put(row) => (row.tree, &row.key),
            Self::Delete { tree, key } => (*tree, key),
        }
    }
}

/// The key of a wish. The place is in it: the kept service of a name and the amnesic one are not the same.
pub(super) fn wish_key(place: Persistence, name: &ServiceName) -> String {
    format!("{}/{name}", place_name(place))
}

/// The key that says that a row was removed.
pub(super) fn removed_key(tree: Tree, key: &str) -> String {
    format!("{}/{key}", tree.name())
}

const fn place_name(place: Persistence) -> &'static str {
    match place {
        Persistence::Kept => "kept",
        Persistence::Amnesic => "amnesic",
    }
}

impl From<Unreadable> for Defect {
    fn from(_: Unreadable) -> Self {
        Self::Form
    }
}
