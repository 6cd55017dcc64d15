// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wished: the services as the store remembers them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tails_server_state::{Farewell, JoinedService, OnionAddress, ServiceName, Store, StoredService, Uninstall, Wish};

use crate::controller::handle::About;
use crate::controller::repertoire::{Intent, Repertoire};

/// All wishes, by name.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    services: BTreeMap<ServiceName, StoredService>,
    names: BTreeMap<OnionAddress, ServiceName>,
    joined: BTreeMap<ServiceName, JoinedService>,
    farewells: BTreeSet<Farewell>,
    uninstalls: BTreeMap<ServiceName, Uninstall>,
    /// What is to become of each described service, beside being published.
    intents: BTreeMap<ServiceName, Intent>,
    /// The options of each described service that are no secrets.
    options: BTreeMap<ServiceName, BTreeMap<String, String>>,
    repertoire: Arc<Repertoire>,
}

impl Desired {
    /// All that the store remembers. The options of described services are read from the disk; all else is in memory.
    #[must_use]
    pub fn of(store: &Store, repertoire: &Arc<Repertoire>) -> Self {
        let mut services = store.services();
        let (mut intents, mut options) = (BTreeMap::new(), BTreeMap::new());
        for service in services.iter_mut().filter(|service| service.record.kind().is_described()) {
            let (intent, shown) = repertoire.intend(store, service);
            intents.insert(service.record.name().clone(), intent);
            options.insert(service.record.name().clone(), shown);
        }
        let joined = store.joined().into_iter().map(|joined| (joined.name.clone(), joined)).collect();
        let farewells = store.farewells().into_iter().collect();
        let (uninstalls, repertoire) = (store.uninstalls(), Arc::clone(repertoire));
        Self { joined, farewells, uninstalls, intents, options, repertoire, ..services.into_iter().collect() }
    }

    /// What is to become of a described service, beside being published. `None` for a port that is published as it is.
    #[must_use]
    pub fn intent(&self, name: &ServiceName) -> Option<&Intent> {
        self.intents.get(name)
    }

    /// The options of a described service that are no secrets, with their values.
    pub(super) fn shown_options(&self, name: &ServiceName) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.options.get(name).unwrap_or(&NONE)
    }

    /// The services that can be had.
    #[must_use]
    pub fn repertoire(&self) -> &Repertoire {
        &self.repertoire
    }

    /// The same wishes, with this for one described service.
    #[cfg(test)]
    #[must_use]
    pub(super) fn with_intent(mut self, name: ServiceName, intent: Intent) -> Self {
        self.intents.insert(name, intent);
        self
    }

    /// The services of others that we were let into, by name.
    pub fn joined(&self) -> impl Iterator<Item = (&ServiceName, &JoinedService)> {
        self.joined.iter()
    }

    /// The addresses of what a request is about.
    pub(super) fn addresses_of(&self, about: &About) -> Vec<OnionAddress> {
        let service = |name| self.service(name).map(|service| service.address);
        let joined_as = |name| self.joined_as(name).map(|joined| joined.address);
        match about {
            About::Nothing => Vec::new(),
            About::Service(name) => service(name).into_iter().collect(),
            About::Joined(name) => joined_as(name).into_iter().collect(),
            About::Several { services, joined } => {
                services.iter().filter_map(service).chain(joined.iter().filter_map(joined_as)).collect()
            }
        }
    }

    /// What we joined by this name.
    #[must_use]
    pub fn joined_as(&self, name: &ServiceName) -> Option<&JoinedService> {
        self.joined.get(name)
    }

    /// What is to be taken from Tor, as it is forgotten here. What is wanted again is not among it.
    pub fn farewells(&self) -> impl Iterator<Item = &Farewell> {
        self.farewells.iter().filter(|farewell| match farewell {
            Farewell::Service(address) => !self.names.contains_key(address),
            Farewell::Joined(address) => !self.joined.values().any(|joined| joined.address == *address),
        })
    }

    /// Whether it is remembered that this is to be taken from Tor, or was.
    #[must_use]
    pub fn owes(&self, farewell: &Farewell) -> bool {
        self.farewells.contains(farewell)
    }

    /// What is to be uninstalled, by name.
    pub fn uninstalls(&self) -> impl Iterator<Item = (&ServiceName, Uninstall)> {
        self.uninstalls.iter().map(|(name, uninstall)| (name, *uninstall))
    }

    /// Why this is to be uninstalled, if it is.
    #[must_use]
    pub fn uninstall(&self, name: &ServiceName) -> Option<Uninstall> {
        self.uninstalls.get(name).copied()
    }

    /// The same wishes, with this to be uninstalled.
    #[cfg(test)]
    #[must_use]
    pub(super) fn with_uninstall(mut self, name: ServiceName, uninstall: Uninstall) -> Self {
        self.uninstalls.insert(name, uninstall);
        self
    }

    /// Nothing but this farewell.
    #[cfg(test)]
    pub(super) fn owing(farewell: Farewell) -> Self {
        Self { farewells: BTreeSet::from([farewell]), ..Self::default() }
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &StoredService)> {
        self.services.iter()
    }

    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&StoredService> {
        self.services.get(name)
    }

    /// The name of the service with this address.
    #[must_use]
    pub fn name_of(&self, address: &OnionAddress) -> Option<&ServiceName> {
        self.names.get(address)
    }

    /// The service with this address, if it is wanted now.
    #[must_use]
    pub fn wanted_at(&self, address: &OnionAddress) -> Option<&StoredService> {
        let service = self.services.get(self.names.get(address)?)?;
        (service.wish == Wish::Enabled).then_some(service)
    }
}

impl FromIterator<StoredService> for Desired {
    fn from_iter<I: IntoIterator<Item = StoredService>>(services: I) -> Self {
        let services: BTreeMap<_, _> =
            services.into_iter().map(|service| (service.record.name().clone(), service)).collect();
        let names = services.iter().map(|(name, service)| (service.address, name.clone())).collect();
        Self { services, names, ..Self::default() }
    }
}
