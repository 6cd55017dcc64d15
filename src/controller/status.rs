// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see: a pure function of wishes and facts.

use std::collections::BTreeMap;
use std::fmt;

use tails_server_state::{OnionAddress, ServiceName, ServiceRecord, StoredService, Target, Wish};

use crate::controller::desired::Desired;
use crate::controller::observed::{Connection, Observed, TorFacts};
use crate::controller::plan::is_backed;

/// The state of one service, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not wanted, and something of it is still up.
    Stopping,
    /// Not wanted, and nothing of it is up.
    Disabled,
    /// Wanted, and no retry can mend what is wrong.
    Failed,
    /// Nobody listens on one of its targets.
    Starting,
    /// There is no control connection, or Tor can not reach the network.
    WaitingForTor,
    /// Tor has it, or is about to, and no upload of a descriptor is confirmed yet.
    Publishing,
    /// An upload of its descriptor was confirmed on this control connection.
    Published,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Stopping,
        Self::Disabled,
        Self::Failed,
        Self::Starting,
        Self::WaitingForTor,
        Self::Publishing,
        Self::Published,
    ];

    /// The word for it, the same on the bus, on the command line and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Disabled => "disabled",
            Self::Failed => "failed",
            Self::Starting => "starting",
            Self::WaitingForTor => "waiting-for-tor",
            Self::Publishing => "publishing",
            Self::Published => "published",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Something that keeps a service from being published, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is the matter: lower case, no full stop.
    pub message: String,
    /// The next step for a person.
    pub hint: Option<String>,
    /// Whether time can mend it.
    pub outlook: Outlook,
}

/// Whether a problem passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is tried again, or waited for.
    Retrying,
    /// Only a person can mend it.
    Lasting,
}

/// What people see of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The state.
    pub state: State,
    /// What keeps it from being published.
    pub problem: Option<Problem>,
    /// The wishes.
    pub record: ServiceRecord,
    /// Whether it is enabled.
    pub wish: Wish,
    /// Its address.
    pub address: OnionAddress,
    /// Whether somebody listens on every target.
    pub running: bool,
    /// Uploads of its descriptors that were confirmed on this control connection.
    pub uploads_confirmed: u32,
    /// Uploads of its descriptors that were begun on this control connection.
    pub uploads_attempted: u32,
}

/// What people see of Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorStatus {
    /// Whether there is a control connection.
    pub connected: bool,
    /// Tor's version, while connected.
    pub version: Option<String>,
    /// 0 to 100 per cent.
    pub bootstrap_percent: u8,
    /// What Tor is at, in its own words.
    pub bootstrap_summary: String,
    /// Whether Tor can reach the network now.
    pub online: bool,
    /// What keeps Tor from being usable.
    pub problem: Option<Problem>,
}

/// The whole picture at one moment; it never changes once made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Tor.
    pub tor: TorStatus,
    /// The services, by name.
    pub services: BTreeMap<ServiceName, ServiceStatus>,
    /// What is wrong with the store.
    pub store_problems: Vec<Problem>,
}

/// The picture that wishes and facts make.
#[must_use]
pub fn status(desired: &Desired, observed: &Observed, store_problems: &[Problem]) -> Snapshot {
    Snapshot {
        tor: tor_status(&observed.tor),
        services: desired.services().map(|(name, service)| (name.clone(), service_status(service, observed))).collect(),
        store_problems: store_problems.to_vec(),
    }
}

fn service_status(service: &StoredService, observed: &Observed) -> ServiceStatus {
    let onion = observed.onions.get(&service.address);
    // What was published with other ports proves nothing of these.
    let current = onion.filter(|onion| onion.ports == *service.record.ports());
    let publication = current.and_then(|onion| onion.publication.as_ref());
    let running = is_backed(service, observed);
    let held = observed.held.get(&service.address);
    let busy = observed.busy.contains(&service.address);
    let up = onion.is_some() || busy;
    let confirmed = publication.map_or(0, super::Publication::confirmed);
    // First match wins: one test a row.
    let state = match service.wish {
        Wish::Disabled if up => State::Stopping,
        Wish::Disabled => State::Disabled,
        Wish::Enabled if held.is_some_and(|problem| problem.outlook == Outlook::Lasting) => State::Failed,
        Wish::Enabled if !running => State::Starting,
        Wish::Enabled if !observed.tor.is_online() => State::WaitingForTor,
        // A step under way may be its removal.
        Wish::Enabled if confirmed == 0 || busy => State::Publishing,
        Wish::Enabled => State::Published,
    };
    let problem = match state {
        State::Disabled | State::Published => None,
        State::Stopping | State::Failed | State::Publishing => held.cloned(),
        State::Starting => nobody_listens(service, observed),
        State::WaitingForTor => tor_problem(&observed.tor),
    };
    ServiceStatus {
        state,
        problem,
        record: service.record.clone(),
        wish: service.wish,
        address: service.address,
        running,
        uploads_confirmed: confirmed,
        uploads_attempted: publication.map_or(0, super::Publication::attempted),
    }
}

/// The targets that were looked for in vain; a look that is still to come is no problem.
fn nobody_listens(service: &StoredService, observed: &Observed) -> Option<Problem> {
    let listeners = &observed.listeners;
    let missing: Vec<&Target> = service
        .record
        .ports()
        .iter()
        .map(|mapping| &mapping.target)
        .filter(|target| listeners.looked_for.contains(target) && !listeners.found.contains(target))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Some(Problem {
        message: format!("nothing listens on {names}"),
        hint: Some("Start the server that should answer there; the service is published as soon as it listens".into()),
        outlook: Outlook::Retrying,
    })
}

fn tor_status(tor: &TorFacts) -> TorStatus {
    TorStatus {
        connected: tor.is_connected(),
        version: match &tor.connection {
            Connection::Up { version } => Some(version.clone()),
            Connection::Pending | Connection::Lost(_) => None,
        },
        bootstrap_percent: tor.bootstrap.percent,
        bootstrap_summary: tor.bootstrap.summary.clone(),
        online: tor.is_online(),
        problem: tor_problem(tor),
    }
}

fn tor_problem(tor: &TorFacts) -> Option<Problem> {
    let (message, hint) = match &tor.connection {
        Connection::Pending => return None,
        Connection::Lost(problem) => (problem.message.clone(), problem.hint.clone()),
        Connection::Up { .. } => match &tor.bootstrap.warning {
            Some(warning) => (format!("Tor does not get further: {warning}"), None),
            None if tor.is_bootstrapped() && !tor.is_online() => {
                let hint = "It publishes again by itself once it is online; see whether this computer is connected";
                ("Tor is not connected to the network".to_owned(), Some(hint.to_owned()))
            }
            None => return None,
        },
    };
    Some(Problem { message, hint, outlook: Outlook::Retrying })
}
