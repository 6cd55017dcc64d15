// SPDX-License-Identifier: GPL-3.0-or-later
//! What is so: the facts, folded together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tails_server_state::{OnionAddress, TimePeriod};
use tokio::time::Instant;

use crate::controller::health::Health;
use crate::controller::hidden::HiddenUploads;
use crate::controller::hosted::HostFacts;
use crate::controller::pacing::Window;
use crate::controller::ports::{Fact, HiddenUpload, HsDir, Listeners, TorFact, TorProblem, Visitors};
use crate::controller::publication::{Evidence, Publication};
use crate::controller::shape::{Audience, OnionShape};
use crate::controller::status::Problem;
use crate::controller::suspects::Suspects;

/// The number of a control connection, or of one to the host, counted from 1 since the controller started. What Tor knew of us ended with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// How far Tor has come in connecting to the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bootstrap {
    /// 0 to 100 per cent.
    pub percent: u8,
    /// What Tor is at, in its own words.
    pub summary: String,
    /// Why it does not get further.
    pub warning: Option<BootstrapWarning>,
}

/// Why Tor does not get further in connecting to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapWarning {
    /// In Tor's own words.
    pub words: String,
    /// Tor's name for it, such as `NOROUTE`.
    pub reason: String,
}

/// Time without any progress before a bootstrap counts as stuck.
// With a slow bridge a phase takes a minute; Tor itself warns only of relays that it could not connect to.
pub(super) const STUCK_PATIENCE: Duration = Duration::from_secs(120);

/// Whether there is a control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// No attempt has ended yet.
    Pending,
    /// The connection is lost, or could not be made.
    Lost(TorProblem),
    /// The connection is up.
    Up {
        /// Tor's version.
        version: String,
    },
}

/// What is known of Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorFacts {
    /// The number of the newest control connection.
    pub generation: Generation,
    /// Whether it is up.
    pub connection: Connection,
    /// How far Tor has come.
    pub bootstrap: Bootstrap,
    /// When it last came further.
    pub progressed_at: Instant,
    /// Whether Tor has enough directory information.
    pub enough_directory: bool,
    /// Whether Tor has a working circuit.
    pub circuits: bool,
    /// Since when Tor can reach the network.
    pub online_since: Option<Instant>,
    /// The period that visitors look into, by Tor's consensus.
    pub period: Option<TimePeriod>,
    /// By how many seconds the clock is wrong, as Tor said last; positive when it is ahead.
    pub clock_skew: Option<i64>,
    /// The versions that the directory authorities recommend, if this one is not among them.
    pub recommended_versions: Option<String>,
}

impl TorFacts {
    /// Whether there is a control connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Up { .. })
    }

    /// Whether Tor takes services for publishing.
    // A Tor that lost the network stays at 100 %, keeps the services it has and publishes new ones once it can.
    #[must_use]
    pub const fn is_bootstrapped(&self) -> bool {
        self.is_connected() && self.bootstrap.percent == 100
    }

    /// When its bootstrap counts as stuck, unless it comes further before.
    #[must_use]
    pub fn stuck_at(&self) -> Option<Instant> {
        (self.is_connected() && !self.is_bootstrapped()).then(|| self.progressed_at + STUCK_PATIENCE)
    }

    /// Whether Tor can reach the network now.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.is_bootstrapped() && self.enough_directory && self.circuits
    }
}

/// A service of ours that Tor has, or is about to have, on this control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnionFacts {
    /// What it was added as.
    pub shape: OnionShape,
    /// What Tor has told of its descriptors since it has the service; nothing before that.
    pub publication: Option<Publication>,
    /// Whether it keeps the next one waiting.
    pub is_on_its_way: bool,
    /// Who has to leave with it, since its removal began and failed. Perhaps Tor has it no more, perhaps it has.
    pub leaving: Option<Visitors>,
}

/// All facts.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Tor.
    pub tor: TorFacts,
    /// The services that were added on this control connection and not removed since.
    pub onions: BTreeMap<OnionAddress, OnionFacts>,
    /// Who may at most be connected to a service, as far as that is known: Tor forgets services with a control
    /// connection, and keeps their visitors.
    pub visitors: BTreeMap<OnionAddress, Audience>,
    /// The services of others that Tor was given a key for on this control connection.
    pub credentials: BTreeSet<OnionAddress>,
    /// The services of others that Tor was ever given a key for: it may still have it.
    pub ever_joined: BTreeSet<OnionAddress>,
    /// How many services Tor is given at a time.
    pub window: Window,
    /// What is known of services that do not get published.
    pub health: Health,
    /// Uploads that a filter hid the service of.
    pub hidden: HiddenUploads,
    /// The host.
    pub host: HostFacts,
    /// Who listens; what was not looked for yet is unknown.
    pub listeners: Listeners,
    /// The addresses that a step is under way for.
    pub busy: BTreeSet<OnionAddress>,
    /// The addresses whose last step failed, until the time to try again.
    pub held: BTreeMap<OnionAddress, Problem>,
    /// The services that were being added when a control connection ended.
    pub suspects: Suspects,
    /// The time of the last look.
    pub now: Instant,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            tor: TorFacts {
                generation: Generation::default(),
                connection: Connection::Pending,
                bootstrap: Bootstrap::default(),
                progressed_at: Instant::now(),
                enough_directory: false,
                circuits: false,
                online_since: None,
                period: None,
                clock_skew: None,
                recommended_versions: None,
            },
            onions: BTreeMap::new(),
            visitors: BTreeMap::new(),
            credentials: BTreeSet::new(),
            ever_joined: BTreeSet::new(),
            window: Window::default(),
            health: Health::default(),
            hidden: HiddenUploads::default(),
            host: HostFacts::default(),
            listeners: Listeners::default(),
            busy: BTreeSet::new(),
            held: BTreeMap::new(),
            suspects: Suspects::default(),
            now: Instant::now(),
        }
    }
}

impl Observed {
    /// Takes a fact in. Facts of an earlier control connection are void.
    pub fn fold(&mut self, fact: Fact) {
        match fact {
            Fact::Listening(listeners) => self.listeners = listeners,
            Fact::Tor(generation, fact) if generation >= self.tor.generation => self.fold_tor(generation, fact),
            Fact::Tor(..) => (),
            Fact::Host(generation, fact) => self.host.fold(generation, fact, self.now),
        }
    }

    /// The time went on.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.look_at_connectivity();
        // Without a network nothing is late.
        let is_online = self.tor.online_since.is_some();
        for (address, onion) in &mut self.onions {
            if is_online && onion.is_on_its_way && self.health.is_late(address, now) {
                onion.is_on_its_way = false;
                self.window.shrink(now);
            }
        }
    }

    /// When a look is worthwhile though nothing was told: something has set out, becomes late, wedged or too old.
    #[must_use]
    pub fn next_look(&self) -> Option<Instant> {
        let later = |moment: &Instant| *moment > self.now;
        let of = |(address, onion): (&OnionAddress, &OnionFacts)| {
            let late = if onion.is_on_its_way && self.tor.online_since.is_some() {
                self.health.late_at(address)
            } else {
                None
            };
            let expires = onion.publication.as_ref().and_then(Publication::expires);
            let set_out = self.sets_out_until(address);
            [late, self.wedged_at(address), expires, set_out].into_iter().flatten().filter(later).min()
        };
        let of_host = self.host.next_look(self.now);
        self.onions.iter().filter_map(of).chain(self.tor.stuck_at().filter(later)).chain(of_host).min()
    }

    /// How many services keep others waiting.
    #[must_use]
    pub fn on_their_way(&self) -> usize {
        self.onions.values().filter(|onion| onion.is_on_its_way).count()
    }

    /// What is proven of the publication of a service.
    #[must_use]
    pub fn evidence(&self, address: &OnionAddress) -> Evidence {
        let publication = self.onions.get(address).and_then(|onion| onion.publication.as_ref());
        publication.map_or(Evidence::None, |publication| publication.evidence(self.now))
    }

    /// The HSDirs that have the descriptor of a service that visitors ask for now.
    #[must_use]
    pub fn hsdirs(&self, address: &OnionAddress) -> Vec<HsDir> {
        let publication = self.onions.get(address).and_then(|onion| onion.publication.as_ref());
        publication.map(|publication| publication.hsdirs(self.now)).unwrap_or_default()
    }

    /// Whether a service that Tor has will not get or stay published by itself: to be removed and added again.
    #[must_use]
    pub fn is_wedged(&self, address: &OnionAddress) -> bool {
        self.wedged_at(address).is_some_and(|moment| moment <= self.now)
    }

    /// When a service that Tor has is given a new life, unless Tor tells something of it before.
    #[must_use]
    pub(super) fn renewal_at(&self, address: &OnionAddress) -> Option<Instant> {
        self.wedged_at(address)
    }

    /// Whether Tor may be at the first circuits for this service, which it was given a moment ago.
    #[must_use]
    pub fn is_setting_out(&self, address: &OnionAddress) -> bool {
        self.sets_out_until(address).is_some_and(|moment| moment > self.now)
    }

    fn sets_out_until(&self, address: &OnionAddress) -> Option<Instant> {
        self.onions.get(address)?.publication.as_ref()?.sets_out_until()
    }

    fn wedged_at(&self, address: &OnionAddress) -> Option<Instant> {
        let publication = self.onions.get(address)?.publication.as_ref()?;
        self.health.wedged_at(address, publication, self.now, self.tor.online_since?)
    }

    /// Who may at most be connected to this service. Anybody, if Tor may know it from an earlier control connection.
    #[must_use]
    pub fn visitors_at_most(&self, address: &OnionAddress) -> &Audience {
        self.visitors.get(address).unwrap_or(&Audience::Everybody)
    }

    /// Tor is about to have this service.
    pub fn expect_onion(&mut self, address: OnionAddress, shape: OnionShape) {
        self.busy.insert(address);
        self.health.set_out(address, self.now);
        self.onions.insert(address, OnionFacts { shape, publication: None, is_on_its_way: true, leaving: None });
    }

    fn fold_tor(&mut self, generation: Generation, fact: TorFact) {
        if generation > self.tor.generation {
            self.forget_connection();
            self.tor.generation = generation;
        }
        let now = self.now;
        match fact {
            TorFact::Connected { version } => {
                self.tor.connection = Connection::Up { version };
                self.tor.progressed_at = now;
            }
            TorFact::Lost(problem) => {
                self.forget_connection();
                self.tor.connection = Connection::Lost(problem);
            }
            TorFact::Bootstrap(bootstrap) => {
                if bootstrap.percent != self.tor.bootstrap.percent {
                    self.tor.progressed_at = now;
                }
                self.tor.bootstrap = bootstrap;
            }
            TorFact::EnoughDirectory(enough) => self.tor.enough_directory = enough,
            TorFact::Circuits(circuits) => self.tor.circuits = circuits,
            TorFact::OnionAdded(address) => {
                let period = self.tor.period;
                if let Some(onion) = self.onions.get_mut(&address) {
                    onion.publication = Some(Publication::new(address, period, now));
                    self.hidden.expect(self.onions.values().filter_map(|onion| onion.publication.as_ref()), now);
                }
            }
            TorFact::UploadBegun(address, hsdir, id) => self.hear(&address, |heard| heard.begin(hsdir, id, now)),
            TorFact::UploadConfirmed(address, hsdir) => self.hear(&address, |heard| heard.confirm(&hsdir, now)),
            TorFact::UploadFailed(address, hsdir, id) => {
                if self.onions.contains_key(&address) {
                    self.window.shrink(now);
                }
                self.hear(&address, |heard| heard.fail(&hsdir, id, now));
            }
            TorFact::UploadHidden(upload) => self.hear_hidden(upload),
            TorFact::TimePeriod(period) => {
                self.tor.period = period;
                self.publications().for_each(|publication| publication.set_period(period, now));
            }
            TorFact::ClockSkew(seconds) => self.tor.clock_skew = Some(seconds),
            TorFact::ClockJumped => self.publications().for_each(|publication| publication.doubt(now)),
            TorFact::DangerousVersion(recommended) => self.tor.recommended_versions = Some(recommended),
        }
        self.look_at_connectivity();
    }

    fn publications(&mut self) -> impl Iterator<Item = &mut Publication> {
        self.onions.values_mut().filter_map(|onion| onion.publication.as_mut())
    }

    fn hear(&mut self, address: &OnionAddress, change: impl FnOnce(&mut Publication)) {
        let Some(onion) = self.onions.get_mut(address) else { return };
        let Some(publication) = onion.publication.as_mut() else { return };
        change(publication);
        if publication.evidence(self.now) != Evidence::None {
            if onion.is_on_its_way {
                self.window.succeed();
            }
            onion.is_on_its_way = false;
            self.health.recovered(address);
        }
    }

    fn hear_hidden(&mut self, upload: HiddenUpload) {
        let now = self.now;
        let waiting = self
            .onions
            .iter_mut()
            .filter(|(_, onion)| onion.publication.as_ref().is_some_and(|heard| heard.evidence(now) == Evidence::None))
            .collect::<Vec<_>>();
        if self.hidden.count(upload, waiting.len()) {
            for (address, onion) in waiting {
                if let Some(publication) = onion.publication.as_mut() {
                    publication.count(now);
                }
                if onion.is_on_its_way {
                    self.window.succeed();
                }
                onion.is_on_its_way = false;
                self.health.recovered(address);
            }
        }
    }

    /// Notes since when Tor is online. What was to be done meanwhile could not be: it is given its time anew.
    fn look_at_connectivity(&mut self) {
        let is_online = self.tor.is_online();
        if is_online && self.tor.online_since.is_none() {
            self.tor.online_since = Some(self.now);
            let waiting = self.onions.iter().filter(|(_, onion)| onion.is_on_its_way);
            waiting.for_each(|(address, _)| self.health.set_out(*address, self.now));
        } else if !is_online {
            self.tor.online_since = None;
        }
    }

    /// Forgets all that ended with the control connection. A failure was one with that Tor: the next may do better. It
    /// does not for what ended the connection.
    fn forget_connection(&mut self) {
        self.onions.clear();
        self.visitors.clear();
        self.credentials.clear();
        self.held.retain(|address, _| self.suspects.is_guilty(address));
        self.window = Window::default();
        self.health = Health::default();
        self.hidden = HiddenUploads::default();
        self.tor.bootstrap = Bootstrap::default();
        self.tor.enough_directory = false;
        self.tor.circuits = false;
        self.tor.online_since = None;
        self.tor.period = None;
        self.tor.clock_skew = None;
        self.tor.recommended_versions = None;
    }
}
