// SPDX-License-Identifier: GPL-3.0-or-later
//! Which services can be had here: the catalogue, and whether there is a host for those that need one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tails_server_state::{OptionName, OptionText, ServiceName, Store, StoredService, Target};

use crate::controller::ports::Digests;
use crate::controller::status::{Outlook, Problem};
use crate::controller::wishes;
use crate::descriptor::{Broken, Catalog, Debian, Entry, OptionSpec, Service, ServiceDescriptor};
use crate::errors::with_causes;

/// Whether something here can install and run servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostReach {
    /// The privileged helper, through systemd.
    Full,
    /// A controller of one person: it publishes, and nothing else.
    #[default]
    None,
}

/// The services that can be had.
#[derive(Debug)]
pub struct Repertoire {
    catalog: Catalog,
    reach: HostReach,
    debian: Debian,
}

impl Default for Repertoire {
    fn default() -> Self {
        let [.., newest] = Debian::KNOWN;
        Self { catalog: Catalog::default(), reach: HostReach::None, debian: newest }
    }
}

/// What is to become of a described service, beside being published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Nothing: a person starts its server.
    Ports,
    /// The host is to run it as these wishes say, for this descriptor.
    Hosted(Digests),
    /// Nobody can run it.
    Unusable(Problem),
}

/// Why a service can not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No descriptor has its name.
    #[error("there is no descriptor of a service \"{0}\" any more")]
    Unknown(ServiceName),
    /// Its descriptor can not be used.
    #[error("its descriptor can not be used: {0}")]
    Broken(String),
    /// Only root can run it.
    #[error("it {0}, and this controller, which runs for one person, can not do that")]
    NeedsHost(&'static str),
}

impl Unavailable {
    /// The next step for a person.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(name) => {
                format!("Put the descriptor back, or remove the service: tails-server remove {name}")
            }
            Self::Broken(_) => "See all that is wrong with it: tails-server lint FILE".to_owned(),
            Self::NeedsHost(_) => {
                "Use the system's controller: tails-server --bus unix:/run/tails-server/bus".to_owned()
            }
        }
    }

    /// As the problem of a service.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem { message: self.to_string(), hint: Some(self.hint()), outlook: Outlook::Lasting }
    }
}

impl Repertoire {
    /// The services of a catalogue.
    #[must_use]
    pub const fn new(catalog: Catalog, reach: HostReach, debian: Debian) -> Self {
        Self { catalog, reach, debian }
    }

    /// Whether there is a host, which may run servers of ours.
    #[must_use]
    pub fn has_host(&self) -> bool {
        self.reach == HostReach::Full
    }

    /// The release that this computer runs.
    #[must_use]
    pub const fn debian(&self) -> Debian {
        self.debian
    }

    /// All entries whose name is one, by name; the broken ones too.
    pub fn entries(&self) -> impl Iterator<Item = (ServiceName, &Entry)> {
        self.catalog.iter().filter_map(|(name, entry)| Some((name.parse().ok()?, entry)))
    }

    /// Whole directories that can not be used, and why; and services whose name is none.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let nameless = self.catalog.iter().filter(|(name, _)| name.parse::<ServiceName>().is_err());
        let nameless = nameless.map(|(name, _)| format!("\"{}\" is no name of a service", name.escape_debug()));
        self.catalog.problems().iter().map(|broken| with_causes(broken)).chain(nameless)
    }

    /// The descriptor of a service, if the service can be had here.
    ///
    /// # Errors
    /// Why it can not, in [`Unavailable`].
    pub fn find(&self, name: &ServiceName) -> Result<Arc<ServiceDescriptor>, Unavailable> {
        let entry = self.catalog.get(name.as_str()).ok_or_else(|| Unavailable::Unknown(name.clone()))?;
        let descriptor =
            entry.descriptor.as_ref().map_err(|broken: &Broken| Unavailable::Broken(with_causes(broken)))?;
        match (descriptor.needs_root(), self.reach) {
            (Some(what), HostReach::None) => Err(Unavailable::NeedsHost(what)),
            (Some(_), HostReach::Full) | (None, HostReach::Full | HostReach::None) => Ok(Arc::clone(descriptor)),
        }
    }

    /// Whether the host runs this service, or may have while it had another descriptor.
    pub(super) fn may_be_hosted(&self, name: &ServiceName) -> bool {
        match (self.reach, self.find(name)) {
            (HostReach::None, _) => false,
            (HostReach::Full, Ok(descriptor)) => descriptor.needs_root().is_some(),
            (HostReach::Full, Err(_)) => true,
        }
    }

    /// The services that the host runs, each with where its server listens.
    pub fn hosted(&self) -> impl Iterator<Item = (ServiceName, Arc<ServiceDescriptor>, BTreeSet<Target>)> {
        self.entries().filter_map(|(name, _)| {
            let descriptor = self.find(&name).ok().filter(|descriptor| descriptor.needs_root().is_some())?;
            let targets = targets(&descriptor);
            Some((name, descriptor, targets))
        })
    }

    /// What is to become of a service beside being published, and its options that are no secrets. Its ports become those of
    /// the descriptor.
    pub(super) fn intend(&self, store: &Store, service: &mut StoredService) -> (Intent, BTreeMap<String, String>) {
        let descriptor = match self.find(service.record.name()) {
            Ok(descriptor) => descriptor,
            Err(unavailable) => return (Intent::Unusable(unavailable.problem()), BTreeMap::new()),
        };
        if let Ok(ports) = wishes::mappings(&descriptor, &service.record).try_into() {
            service.record = service.record.clone().with_ports(ports);
        }
        let options = match store.options(service.record.name()) {
            Ok(options) => options,
            Err(cause) => return (lasting(with_causes(&cause), cause.hint()), BTreeMap::new()),
        };
        let shown = shown_options(&descriptor, &options);
        if descriptor.needs_root().is_none() {
            return (Intent::Ports, shown);
        }
        let intent = match wishes::render(service, &descriptor, &options) {
            Ok(wishes) => Intent::Hosted(wishes.digests()),
            Err(cause) => {
                let name = service.record.name();
                let hint = match &cause {
                    wishes::CannotWish::Value { option, .. } => format!("tails-server reset-option {name} {option}"),
                    wishes::CannotWish::Secret(_) => format!("Make one: tails-server enable {name}"),
                    wishes::CannotWish::TooLong => "Make them shorter".to_owned(),
                };
                lasting(cause.to_string(), hint)
            }
        };
        (intent, shown)
    }
}

/// Nobody can run it, before a person has done something.
fn lasting(message: String, hint: String) -> Intent {
    Intent::Unusable(Problem { message, hint: Some(hint), outlook: Outlook::Lasting })
}

/// The options that are no secrets, as they are: as they were set, or by default.
fn shown_options(
    descriptor: &ServiceDescriptor,
    options: &BTreeMap<OptionName, OptionText>,
) -> BTreeMap<String, String> {
    let shown = descriptor.options().into_iter().filter(|spec| !spec.is_secret() && !spec.is_probe());
    let value = |spec: &OptionSpec| {
        let set = options.iter().find(|(name, _)| name.as_str() == spec.name().as_str());
        let set = set.map(|(_, text)| text.expose().to_owned());
        set.or_else(|| spec.default().map(|default| default.expose().into_owned()))
    };
    shown.filter_map(|spec| Some((spec.name().to_string(), value(&spec)?))).collect()
}

/// Where the server of a service listens.
fn targets(descriptor: &Service) -> BTreeSet<Target> {
    descriptor.port.iter().map(|port| port.target.value.clone()).collect()
}
