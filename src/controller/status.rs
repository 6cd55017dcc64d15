// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see: a pure function of wishes and facts.

mod available;
mod hosted;
mod tor;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tails_server_state::{
    AuthorizedClient, JoinedService, OnionAddress, ServiceName, ServiceRecord, StoredService, Target, Wish,
};
use tokio::time::Instant;

use crate::controller::desired::Desired;
use crate::controller::observed::Observed;
use crate::controller::plan::{is_backed, is_ready, welcome};
use crate::controller::publication::{Evidence, Uploads};
use crate::controller::shape::OnionShape;
pub use crate::controller::status::available::Available;
pub use crate::controller::status::hosted::Hosting;
pub(super) use crate::controller::status::tor::tor_problem;
use crate::controller::status::tor::tor_status;

/// The state of one service, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not wanted, and something of it is still up.
    Stopping,
    /// Not wanted, and nothing of it is up.
    Disabled,
    /// Wanted, and no retry can mend what is wrong.
    Failed,
    /// Wanted, and its server is not installed yet.
    Installing,
    /// Its server does not run as it is wished, or nobody listens on one of its targets.
    Starting,
    /// There is no control connection, or Tor can not reach the network.
    WaitingForTor,
    /// Tor has it, or is about to, and not enough HSDirs have confirmed its descriptor yet.
    Publishing,
    /// More than half of its HSDirs have confirmed the descriptor that visitors ask for now, on this control connection.
    Published,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Stopping,
        Self::Disabled,
        Self::Failed,
        Self::Installing,
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
            Self::Installing => "installing",
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
    /// The clients that it lets in, if it lets in only clients.
    pub clients: Vec<AuthorizedClient>,
    /// Whether nobody can be connected any more who should not be.
    pub access_settled: bool,
    /// The HSDirs of the descriptor that visitors ask for now.
    pub current: Uploads,
    /// The HSDirs of the descriptor of the next period, or of the last one.
    pub other: Uploads,
    /// What of its publication is proven.
    pub evidence: Evidence,
    /// How often it was given a new life in Tor since it was last published.
    pub healed: u32,
    /// Since when it is in its state.
    pub since: Instant,
    /// What the host does for it, if a descriptor says what it is.
    pub hosting: Option<Hosting>,
}

/// What people see of a service of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedStatus {
    /// What is remembered of it.
    pub joined: JoinedService,
    /// Whether Tor can reach it: it has the key.
    pub ready: bool,
    /// Why not.
    pub problem: Option<Problem>,
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
    /// What else Tor said that a person should know of.
    pub warnings: Vec<Problem>,
}

/// The whole picture at one moment; it never changes once made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Tor.
    pub tor: TorStatus,
    /// The services, by name.
    pub services: BTreeMap<ServiceName, ServiceStatus>,
    /// The services that can be had here, by name.
    pub available: BTreeMap<ServiceName, Available>,
    /// The services of others, by name.
    pub joined: BTreeMap<ServiceName, JoinedStatus>,
    /// What is to be uninstalled, or was removed, and is not wholly gone yet.
    pub uninstalling: BTreeSet<ServiceName>,
    /// What is wrong with the store.
    pub store_problems: Vec<Problem>,
    /// What is wrong with the catalogue as a whole.
    pub catalog_problems: Vec<Problem>,
}

/// The picture that wishes and facts make.
#[must_use]
pub fn status(desired: &Desired, observed: &Observed, store_problems: &[Problem]) -> Snapshot {
    Snapshot {
        tor: tor_status(observed),
        services: desired
            .services()
            .map(|(name, service)| (name.clone(), service_status(desired, service, observed)))
            .collect(),
        available: available::available(desired, observed),
        uninstalling: desired.uninstalls().map(|(name, _)| name.clone()).collect(),
        joined: desired.joined().map(|(name, joined)| (name.clone(), joined_status(joined, observed))).collect(),
        store_problems: store_problems.to_vec(),
        catalog_problems: available::problems(desired),
    }
}

impl Snapshot {
    /// The same picture, with services that are in the same state as before being in it since then.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for (name, service) in &mut self.services {
            if let Some(before) = before.services.get(name).filter(|before| before.state == service.state) {
                service.since = before.since;
            }
        }
        self
    }
}

fn joined_status(joined: &JoinedService, observed: &Observed) -> JoinedStatus {
    let ready = observed.tor.is_connected() && observed.credentials.contains(&joined.address);
    let problem = match observed.held.get(&joined.address) {
        Some(problem) => Some(problem.clone()),
        None if !observed.tor.is_connected() => tor_problem(observed),
        None => None,
    };
    JoinedStatus { joined: joined.clone(), ready, problem }
}

fn service_status(desired: &Desired, service: &StoredService, observed: &Observed) -> ServiceStatus {
    let name = service.record.name();
    let hosting = hosted::hosting(desired, service, observed);
    let address = &service.address;
    let wish = OnionShape::of(service);
    let onion = observed.onions.get(address);
    // What was published in another shape, or of what may be gone, proves nothing.
    let proven = onion.filter(|onion| onion.shape == wish && onion.leaving.is_none());
    let publication = proven.and_then(|onion| onion.publication.as_ref());
    let running = is_backed(desired, service, observed);
    let held = observed.held.get(address);
    let busy = observed.busy.contains(address);
    let up = onion.is_some() || busy || hosted::may_be_up(desired, name, observed);
    let evidence = publication.map_or(Evidence::None, |publication| publication.evidence(observed.now));
    // First match wins: one test a row.
    let state = match service.wish {
        Wish::Disabled if up => State::Stopping,
        Wish::Disabled => State::Disabled,
        Wish::Enabled if held.is_some_and(|problem| problem.outlook == Outlook::Lasting) => State::Failed,
        Wish::Enabled if !wish.audience.is_anybody() => State::Failed,
        Wish::Enabled if hosted::has_failed(desired, name, observed) => State::Failed,
        Wish::Enabled if hosted::is_installing(desired, name, observed) => State::Installing,
        // While its server is given other options it stays in Tor, and is not what is wished.
        Wish::Enabled if !running || !is_ready(desired, service, observed) => State::Starting,
        Wish::Enabled if !observed.tor.is_online() => State::WaitingForTor,
        // A step under way may be its removal.
        Wish::Enabled if evidence == Evidence::None || busy => State::Publishing,
        Wish::Enabled => State::Published,
    };
    let problem = match state {
        State::Disabled => None,
        State::Failed if held.is_some() => held.cloned(),
        State::Failed if !wish.audience.is_anybody() => Some(nobody_may_connect()),
        State::Failed | State::Installing => hosted::problem(desired, name, observed),
        State::Published if evidence == Evidence::Counted => Some(only_counted()),
        State::Published => None,
        State::Publishing => held.cloned().or_else(|| slow(service, observed)),
        State::Stopping => held.cloned().or_else(|| hosted::unstopped(desired, name, observed)),
        State::Starting => {
            hosted::problem(desired, name, observed).or_else(|| hosted::silence(desired, service, observed))
        }
        State::WaitingForTor => tor_problem(observed),
    };
    // Where the service is open to everybody, nobody is connected who should not be.
    let welcome = welcome(service);
    let access_settled = match onion {
        Some(onion) => !busy && onion.leaving.is_none() && welcome.includes(&onion.shape.audience),
        None => !busy && observed.tor.is_connected() && welcome.includes(observed.visitors_at_most(address)),
    };
    ServiceStatus {
        state,
        problem,
        record: service.record.clone(),
        wish: service.wish,
        address: service.address,
        running,
        clients: service.clients.clone(),
        access_settled,
        current: publication.map(|publication| publication.current(observed.now)).unwrap_or_default(),
        other: publication.map(|publication| publication.other(observed.now)).unwrap_or_default(),
        evidence,
        healed: observed.health.healed(address),
        since: observed.now,
        hosting,
    }
}

fn nobody_may_connect() -> Problem {
    Problem {
        message: "it lets in only authorised clients, and there are none: it is withdrawn".to_owned(),
        hint: Some(
            "Let somebody in with `tails-server client add`; it is never opened to everybody by itself".to_owned(),
        ),
        outlook: Outlook::Lasting,
    }
}

fn only_counted() -> Problem {
    Problem {
        message: "a filter before Tor's control port hides which service was uploaded: the uploads were only counted"
            .to_owned(),
        hint: Some("To be certain, ask an HSDir with `tails-server check`".to_owned()),
        outlook: Outlook::Lasting,
    }
}

/// What a person may want to know of a service that was given a new life and is still not published.
fn slow(service: &StoredService, observed: &Observed) -> Option<Problem> {
    let healed = observed.health.healed(&service.address);
    (healed > 0).then(|| Problem {
        message: format!("Tor did not get it published; it was added again, for the {healed}. time"),
        hint: Some("It is tried again by itself, less and less often; see Tor's own log for why".to_owned()),
        outlook: Outlook::Retrying,
    })
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
