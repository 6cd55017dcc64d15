// SPDX-License-Identifier: GPL-3.0-or-later
//! What is looked at for a diagnosis, beside wishes and facts.

use std::collections::{BTreeMap, BTreeSet};

use tails_server_state::{OnionAddress, Persistence, ServiceName, Store, StoreError};

use crate::controller::observed::{Generation, Observed};
use crate::controller::ports::Survey;
use crate::errors::with_causes;

/// Where the controller runs, as far as people who look for what is wrong want to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The version of the controller.
    pub version: String,
    /// The number of its process; 0 where nobody said.
    pub process: u32,
    /// Whether it runs for one person, without a host.
    pub is_personal: bool,
    /// Whether Tor and the computer are simulated.
    pub is_simulated: bool,
    /// Whether what it logs goes to the journal.
    pub logs_to_journal: bool,
    /// Whether what does not survive a reboot is in memory alone.
    pub runtime_in_memory: bool,
    /// Whether what should survive a reboot is in memory alone.
    pub state_in_memory: bool,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: 0,
            is_personal: false,
            is_simulated: false,
            logs_to_journal: false,
            runtime_in_memory: true,
            state_in_memory: false,
        }
    }
}

/// What a look at one place of the store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceLook {
    /// Why it can not be used, and what to do.
    pub problem: Option<(String, String)>,
    /// Whether the problem is that its volume is not mounted, which may be as people want it.
    pub is_awaited: bool,
    /// What had to be done to open it, and what to do.
    pub recovery: Option<(String, String)>,
    /// How many services it remembers.
    pub services: usize,
}

/// What a look at the key of one service found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLook {
    /// It makes the address that is remembered.
    Matches,
    /// It makes another address.
    Differs,
    /// It can not be read, for this reason.
    Unreadable(String),
}

/// What a look at the store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreLook {
    /// The place that survives a reboot.
    pub kept: PlaceLook,
    /// The place that does not.
    pub amnesic: PlaceLook,
    /// The key of each service.
    pub keys: BTreeMap<ServiceName, KeyLook>,
}

impl StoreLook {
    /// Reads every key once, and drops it.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let services = store.services();
        let keys = services.iter().map(|service| {
            let name = service.record.name();
            let look = match store.key(name) {
                Ok(key) if key.address() == service.address => KeyLook::Matches,
                Ok(_) => KeyLook::Differs,
                Err(cause) => KeyLook::Unreadable(with_causes(&cause)),
            };
            (name.clone(), look)
        });
        let keys = keys.collect();
        // Reading the keys may have mended a place.
        let place = |place: Persistence| PlaceLook {
            problem: store.problem(place).map(|cause| (with_causes(&*cause), cause.hint())),
            is_awaited: store.problem(place).is_some_and(|problem| matches!(*problem, StoreError::NotMounted { .. })),
            recovery: store.recovery(place).map(|recovery| (recovery.to_string(), recovery.hint())),
            services: services.iter().filter(|service| service.record.persistence() == place).count(),
        };
        Self { kept: place(Persistence::Kept), amnesic: place(Persistence::Amnesic), keys }
    }
}

/// What Tor answered, and what was so when it was asked: meanwhile things went on.
#[derive(Debug, Clone)]
pub(in crate::controller) struct Asked {
    pub(in crate::controller) survey: Survey,
    /// The control connection that it was asked on.
    pub(in crate::controller) generation: Generation,
    /// The services that Tor had for certain.
    pub(in crate::controller) settled: BTreeSet<OnionAddress>,
    /// Those that it may have had.
    pub(in crate::controller) known: BTreeSet<OnionAddress>,
}

impl Asked {
    /// As things are now, before there is an answer.
    pub(in crate::controller) fn about(observed: &Observed, survey: Survey) -> Self {
        let settled = observed.onions.iter().filter(|(address, onion)| {
            onion.publication.is_some() && onion.leaving.is_none() && !observed.busy.contains(*address)
        });
        Self {
            survey,
            generation: observed.tor.generation,
            settled: settled.map(|(address, _)| *address).collect(),
            known: observed.onions.keys().chain(&observed.busy).copied().collect(),
        }
    }
}

/// All that was looked at.
#[derive(Debug, Clone)]
pub(in crate::controller) struct Looked {
    pub(in crate::controller) store: StoreLook,
    pub(in crate::controller) asked: Asked,
    pub(in crate::controller) surroundings: Surroundings,
}
