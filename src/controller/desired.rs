// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wished: the services as the store remembers them.

use std::collections::{BTreeMap, BTreeSet};

use tails_server_state::{Farewell, JoinedService, OnionAddress, ServiceName, Store, StoredService, Wish};

use crate::controller::handle::About;

/// All wishes, by name.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    services: BTreeMap<ServiceName, StoredService>,
    names: BTreeMap<OnionAddress, ServiceName>,
    joined: BTreeMap<ServiceName, JoinedService>,
    farewells: BTreeSet<Farewell>,
}

impl Desired {
    /// All that the store remembers. Taken from memory.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let joined = store.joined().into_iter().map(|joined| (joined.name.clone(), joined)).collect();
        let farewells = store.farewells().into_iter().collect();
        Self { joined, farewells, ..store.services().into_iter().collect() }
    }

    /// The services of others that we were let into, by name.
    pub fn joined(&self) -> impl Iterator<Item = (&ServiceName, &JoinedService)> {
        self.joined.iter()
    }

    /// The address of what a request is about.
    pub(super) fn address_of(&self, about: &About) -> Option<OnionAddress> {
        match about {
            About::Nothing => None,
            About::Service(name) => self.service(name).map(|service| service.address),
            About::Joined(name) => self.joined_as(name).map(|joined| joined.address),
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
        Self { services, names, joined: BTreeMap::new(), farewells: BTreeSet::new() }
    }
}
