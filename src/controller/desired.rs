// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wished: the services as the store remembers them.

use std::collections::BTreeMap;

use tails_server_state::{OnionAddress, ServiceName, StoredService, Wish};

/// All wishes, by name.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    services: BTreeMap<ServiceName, StoredService>,
    names: BTreeMap<OnionAddress, ServiceName>,
}

impl Desired {
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
        Self { services, names }
    }
}
