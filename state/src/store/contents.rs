// SPDX-License-Identifier: GPL-3.0-or-later
//! What one place holds, in memory and without the secrets: checked when read, and kept in step with the database.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::defect::Defect;
use super::envelope::{Row, Tree};
use crate::address::OnionAddress;
use crate::client::{AuthorizedClient, ClientName, ClientPublicKey};
use crate::described::OptionName;
use crate::farewell::Farewell;
use crate::joined::JoinedService;
use crate::migrations::{self, Doubt, Unreadable, v1};
use crate::name::ServiceName;
use crate::record::{Persistence, ServiceRecord, Wish};
use crate::uninstall::Uninstall;

/// The key of the one row of [`Tree::Meta`].
const CENSUS_KEY: &str = "census";

/// How the key of a row that says that another was replaced begins.
const REPLACED: &str = "replaced/";

/// A service in one place.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) record: ServiceRecord,
    pub(super) address: OnionAddress,
    pub(super) doubt: Doubt,
}

/// What was said last of a service in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) wish: Wish,
    /// The commit that it was said in.
    pub(super) generation: u64,
}

/// What one place holds.
pub(super) struct Contents {
    place: Persistence,
    generation: u64,
    /// In step with `marks`.
    count: v1::Census,
    marks: BTreeMap<(Tree, String), u64>,
    services: BTreeMap<ServiceName, Service>,
    wishes: BTreeMap<String, Said>,
    clients: BTreeMap<ServiceName, BTreeMap<ClientName, AuthorizedClient>>,
    joined: BTreeMap<ServiceName, JoinedService>,
    requests: BTreeMap<ClientName, ClientPublicKey>,
    /// Which options have a value; the values stay in the database.
    options: BTreeMap<ServiceName, BTreeSet<OptionName>>,
    farewells: BTreeMap<String, Farewell>,
    uninstalls: BTreeMap<ServiceName, Uninstall>,
    pending: BTreeSet<String>,
    removed: BTreeSet<String>,
}

impl Contents {
    /// Nothing at all, before the first commit.
    pub(super) const fn empty(place: Persistence) -> Self {
        let place_there = migrations::place_to_v1(place);
        let count = v1::Census {
            place: place_there,
            services: 0,
            keys: 0,
            wishes: 0,
            clients: 0,
            joined: 0,
            requests: 0,
            options: 0,
            digest: 0,
        };
        Self {
            place,
            generation: 0,
            count,
            marks: BTreeMap::new(),
            services: BTreeMap::new(),
            wishes: BTreeMap::new(),
            clients: BTreeMap::new(),
            joined: BTreeMap::new(),
            requests: BTreeMap::new(),
            options: BTreeMap::new(),
            farewells: BTreeMap::new(),
            uninstalls: BTreeMap::new(),
            pending: BTreeSet::new(),
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
        // Every record has found its key; is there a record for every key, for every client and every option?
        let mut owners = contents.clients.keys().chain(contents.options.keys());
        let is_of_one = owners.all(|service| contents.services.contains_key(service));
        if is_of_one && contents.services.len() == addresses.len() { Ok(contents) } else { Err(Defect::Strays) }
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
    pub(super) const fn services(&self) -> &BTreeMap<ServiceName, Service> {
        &self.services
    }

    /// The clients of a service, by name.
    pub(super) fn clients(&self, service: &ServiceName) -> impl Iterator<Item = &AuthorizedClient> + use<'_> {
        self.clients.get(service).into_iter().flat_map(BTreeMap::values)
    }

    /// The options of a service that have a value.
    pub(super) fn options(&self, service: &ServiceName) -> impl Iterator<Item = &OptionName> + use<'_> {
        self.options.get(service).into_iter().flatten()
    }

    /// The services of others, by name.
    pub(super) const fn joined(&self) -> &BTreeMap<ServiceName, JoinedService> {
        &self.joined
    }

    /// The requests of ours, by name.
    pub(super) const fn requests(&self) -> &BTreeMap<ClientName, ClientPublicKey> {
        &self.requests
    }

    /// What Tor may still have of something that is forgotten.
    pub(super) const fn farewells(&self) -> &BTreeMap<String, Farewell> {
        &self.farewells
    }

    /// What is to be uninstalled.
    pub(super) const fn uninstalls(&self) -> &BTreeMap<ServiceName, Uninstall> {
        &self.uninstalls
    }

    /// The rows of a restoration.
    pub(super) const fn pending(&self) -> &BTreeSet<String> {
        &self.pending
    }

    /// What was said last of a service, if anything was.
    pub(super) fn said(&self, place: Persistence, name: &ServiceName) -> Option<Said> {
        self.wishes.get(&wish_key(place, name)).copied()
    }

    /// What is wished of a service, if anything was said.
    pub(super) fn wish(&self, place: Persistence, name: &ServiceName) -> Option<Wish> {
        self.said(place, name).map(|said| said.wish)
    }

    /// Whether there is a row of that key.
    pub(super) fn holds(&self, tree: Tree, key: &str) -> bool {
        self.marks.contains_key(&(tree, key.to_owned()))
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

    /// Whether deleted secrets are still in the file of the database.
    pub(super) fn needs_scrubbing(&self) -> bool {
        let is_secret = |removed: &String| {
            let row = removed.strip_prefix(REPLACED).unwrap_or(removed);
            row.split_once('/').is_some_and(|(tree, _)| Tree::SECRET.iter().any(|secret| secret.name() == tree))
        };
        self.removed.iter().any(is_secret)
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
                let (record, doubt) = migrations::service_from_payload(&row.payload)?;
                if record.name().as_str() != row.key || record.persistence() != self.place {
                    return Err(Defect::Strays);
                }
                // A record that is replaced keeps its key.
                let known = self.services.get(record.name()).map(|service| service.address);
                let address = addresses.get(row.key.as_str()).copied().or(known).ok_or(Defect::Strays)?;
                self.services.insert(record.name().clone(), Service { record, address, doubt });
            }
            Tree::Wishes => {
                if self.place == Persistence::Kept {
                    return Err(Defect::Strays);
                }
                let said = Said { wish: migrations::wish_from_payload(&row.payload)?, generation: row.generation };
                self.wishes.insert(row.key.clone(), said);
            }
            Tree::Clients => {
                let (service, name) = client_of(&row.key).ok_or(Defect::Strays)?;
                let (public_key, secret) = migrations::client_from_payload(&row.payload)?;
                let client = AuthorizedClient { name: name.clone(), public_key, secret };
                self.clients.entry(service).or_default().insert(name, client);
            }
            Tree::Options => {
                let (service, option) = option_of(&row.key).ok_or(Defect::Strays)?;
                migrations::option_from_payload(&row.payload)?;
                self.options.entry(service).or_default().insert(option);
            }
            Tree::Joined => {
                let joined = migrations::joined_from_payload(&row.payload)?;
                if joined.name.as_str() != row.key || joined.persistence != self.place {
                    return Err(Defect::Strays);
                }
                self.joined.insert(joined.name.clone(), joined);
            }
            Tree::Requests => {
                let name = row.key.parse().map_err(|_| Defect::Strays)?;
                let (public_key, _) = migrations::client_from_payload(&row.payload)?;
                self.requests.insert(name, public_key);
            }
            Tree::Farewells => {
                let farewell = migrations::farewell_from_payload(&row.payload)?;
                if self.place == Persistence::Kept || farewell.key() != row.key {
                    return Err(Defect::Strays);
                }
                self.farewells.insert(row.key.clone(), farewell);
            }
            Tree::Uninstalls => {
                let name = row.key.parse().map_err(|_| Defect::Strays)?;
                self.uninstalls.insert(name, migrations::uninstall_from_payload(&row.payload)?);
            }
            Tree::Pending => {
                self.pending.insert(row.key.clone());
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
            Tree::Clients => {
                if let Some((service, name)) = client_of(key) {
                    let left = self.clients.get_mut(&service).map(|clients| {
                        clients.remove(&name);
                        clients.len()
                    });
                    if left == Some(0) {
                        self.clients.remove(&service);
                    }
                }
            }
            Tree::Options => {
                if let Some((service, option)) = option_of(key) {
                    let left = self.options.get_mut(&service).map(|options| {
                        options.remove(&option);
                        options.len()
                    });
                    if left == Some(0) {
                        self.options.remove(&service);
                    }
                }
            }
            Tree::Joined => self.joined.retain(|name, _| name.as_str() != key),
            Tree::Requests => self.requests.retain(|name, _| name.as_str() != key),
            Tree::Farewells => {
                self.farewells.remove(key);
            }
            Tree::Uninstalls => self.uninstalls.retain(|name, _| name.as_str() != key),
            Tree::Pending => {
                self.pending.remove(key);
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
    /// The census counts what people would miss; what is left to do, what was removed and the census itself are not in it.
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
            Tree::Clients => Some(&mut self.clients),
            Tree::Joined => Some(&mut self.joined),
            Tree::Requests => Some(&mut self.requests),
            Tree::Options => Some(&mut self.options),
            Tree::Farewells | Tree::Uninstalls | Tree::Pending | Tree::Removed | Tree::Meta => None,
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

/// The key of a client.
pub(super) fn client_key(service: &ServiceName, client: &ClientName) -> String {
    format!("{service}/{client}")
}

/// The service and the name in the key of a client.
pub(super) fn client_of(key: &str) -> Option<(ServiceName, ClientName)> {
    let (service, client) = key.split_once('/')?;
    Some((service.parse().ok()?, client.parse().ok()?))
}

/// The key of an option.
pub(super) fn option_key(service: &ServiceName, option: &OptionName) -> String {
    format!("{service}/{option}")
}

/// The service and the option in the key of an option.
pub(super) fn option_of(key: &str) -> Option<(ServiceName, OptionName)> {
    let (service, option) = key.split_once('/')?;
    Some((service.parse().ok()?, option.parse().ok()?))
}

/// The key that says that a row was replaced, whose old secret is still in the file of the database. Unlike the key of a
/// removal it means nothing to a salvage, where the later of two rows counts anyway.
pub(super) fn replaced_key(tree: Tree, key: &str) -> String {
    format!("{REPLACED}{}", removed_key(tree, key))
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
