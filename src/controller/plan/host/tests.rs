// SPDX-License-Identifier: GPL-3.0-or-later
//! Described services: every situation has one next step at most, and what is closed is closed in Tor first.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tails_server_state::{Allow, Autostart, LocalAccess, Persistence, ServiceKind, ServiceRecord, StoredService};

use crate::controller::hosted::HostConnection;
use crate::controller::ports::{ActKind, Applied, Digest, Digests, HostedService, LastWords, Unit, Visitors};
use crate::controller::repertoire::Intent;
use crate::controller::shape::{Audience, OnionShape};
use crate::controller::status::{Outlook, Problem};
use crate::controller::{Bootstrap, Connection, HsDir, OnionFacts, Publication, Snapshot, State, Step, plan, status};

use super::*;

const DESCRIPTOR: Digest = Digest::from_bytes([0; 32]);
const WISHED: Digests = Digests { wishes: Digest::from_bytes([1; 32]), descriptor: DESCRIPTOR };
/// Other options.
const OTHER: Digests = Digests { wishes: Digest::from_bytes([2; 32]), descriptor: DESCRIPTOR };
/// Another service, perhaps.
const FOREIGN: Digests = Digests { wishes: Digest::from_bytes([3; 32]), descriptor: Digest::from_bytes([4; 32]) };

/// Everything that can be so or not so about one described service, independently of what makes sense.
#[derive(Debug, Clone)]
struct Situation {
    tor: bool,
    host: bool,
    told: bool,
    wish: Option<Wish>,
    usable: bool,
    installed: bool,
    applied: Applied,
    unit: Unit,
    paused: bool,
    listening: bool,
    added: bool,
    busy: bool,
    act: Option<ActKind>,
    before: Option<Digests>,
    held: Option<Outlook>,
    uninstall: Option<Uninstall>,
}

/// The wished-for, published, undisturbed service.
const PUBLISHED: Situation = Situation {
    tor: true,
    host: true,
    told: true,
    wish: Some(Wish::Enabled),
    usable: true,
    installed: true,
    applied: Applied::Wishes(WISHED),
    unit: Unit::Active,
    paused: false,
    listening: true,
    added: true,
    busy: false,
    act: None,
    before: None,
    held: None,
    uninstall: None,
};

fn name() -> ServiceName {
    "mumble".parse().unwrap()
}

fn address() -> OnionAddress {
    OnionAddress::parse("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid").unwrap()
}

fn problem(outlook: Outlook) -> Problem {
    Problem { message: "x".to_owned(), hint: None, outlook }
}

impl Situation {
    fn build(&self) -> (Desired, Observed) {
        let ports = vec!["64738".parse().unwrap()].try_into().unwrap();
        let access = LocalAccess { localhost: Allow::Yes, lan: Allow::No };
        let record = ServiceRecord::new(name(), Persistence::Kept, Autostart::Off, ports).unwrap();
        let record = record.of_kind(ServiceKind::Described(access));
        let mut observed = Observed::default();
        let now = observed.now;
        if self.listening {
            observed.listeners.found = BTreeSet::from(["64738".parse().unwrap()]);
        }
        if self.tor {
            observed.tor.connection = Connection::Up { version: String::new() };
            observed.tor.bootstrap = Bootstrap { percent: 100, ..Bootstrap::default() };
            (observed.tor.enough_directory, observed.tor.circuits) = (true, true);
        }
        if self.added {
            let mut publication = Publication::new(address(), None, now);
            let hsdir = HsDir::from("A".to_owned());
            publication.begin(hsdir.clone(), tails_server_state::DescriptorId::from_bytes([1; 32]), now);
            publication.confirm(&hsdir, now);
            let shape = OnionShape {
                ports: record.ports().clone(),
                audience: Audience::Everybody,
                max_streams: None,
                proof_of_work: None,
            };
            let publication = Some(publication);
            observed.onions.insert(address(), OnionFacts { shape, publication, is_on_its_way: false, leaving: None });
        }
        observed.visitors.insert(address(), Audience::NOBODY);
        if self.busy {
            observed.busy.insert(address());
        }
        if self.host {
            observed.host.connection = HostConnection::Up;
        }
        if self.told {
            let told = HostedService {
                installed: self.installed,
                unit: self.unit.clone(),
                applied: self.applied,
                probes: BTreeMap::new(),
                last_words: LastWords::default(),
            };
            let mut known = HostedFacts::new(told, now);
            known.before = self.before.map_or(known.before, Applied::Wishes);
            if self.paused {
                known.restart_at = now + Duration::from_secs(1);
            }
            observed.host.services.insert(name(), known);
        }
        observed.host.busy.extend(self.act.map(|act| (name(), act)));
        match self.held {
            Some(Outlook::Retrying) => drop(observed.host.held.insert(name(), problem(Outlook::Retrying))),
            Some(Outlook::Lasting) => drop(observed.host.failed.insert(name(), problem(Outlook::Lasting))),
            None => {}
        }
        let stored = |wish| StoredService { record, address: address(), wish, clients: Vec::new(), enabled_at: 0 };
        let desired: Desired = self.wish.map(stored).into_iter().collect();
        let intent = if self.usable { Intent::Hosted(WISHED) } else { Intent::Unusable(problem(Outlook::Lasting)) };
        let desired = if self.wish.is_some() { desired.with_intent(name(), intent) } else { desired };
        let desired = match self.uninstall {
            Some(uninstall) => desired.with_uninstall(name(), uninstall),
            None => desired,
        };
        (desired, observed)
    }

    fn planned(&self) -> Vec<Step> {
        let (desired, observed) = self.build();
        plan(&desired, &observed)
    }

    fn seen(&self) -> Option<State> {
        let (desired, observed) = self.build();
        let picture: Snapshot = status(&desired, &observed, &[]);
        picture.services.get(&name()).map(|service| service.state)
    }
}

fn act(kind: ActKind) -> Vec<Step> {
    vec![Step::Host(name(), kind)]
}

#[test]
fn each_situation_has_its_state_and_its_next_step() {
    let nothing = Vec::new();
    let add = vec![Step::AddOnion(name(), Visitors::Stay)];
    let remove = |visitors| vec![Step::RemoveOnion(address(), visitors)];
    let fresh = Situation {
        installed: false,
        applied: Applied::Nothing,
        unit: Unit::Inactive,
        listening: false,
        added: false,
        ..PUBLISHED
    };
    let installed = Situation { installed: true, ..fresh.clone() };
    let running = Situation { added: false, ..PUBLISHED };
    let disabled = Situation { wish: Some(Wish::Disabled), ..PUBLISHED };
    let down = Situation { added: false, ..disabled.clone() };
    let gone = Situation { applied: Applied::Nothing, unit: Unit::Inactive, ..down.clone() };
    let (asked, owed) = (Some(Uninstall::Asked), Some(Uninstall::Removed));
    let failed = || Unit::Failed("exit code 1".to_owned());
    for (situation, state, steps) in [
        // The way up.
        (fresh.clone(), State::Installing, act(ActKind::Install)),
        (Situation { act: Some(ActKind::Install), ..fresh.clone() }, State::Installing, nothing.clone()),
        (Situation { held: Some(Outlook::Retrying), ..fresh.clone() }, State::Installing, nothing.clone()),
        (Situation { held: Some(Outlook::Lasting), ..fresh.clone() }, State::Failed, nothing.clone()),
        (Situation { tor: false, ..fresh.clone() }, State::Installing, act(ActKind::Install)),
        (Situation { host: false, ..fresh.clone() }, State::Starting, nothing.clone()),
        (Situation { told: false, ..fresh.clone() }, State::Starting, nothing.clone()),
        (Situation { usable: false, ..fresh.clone() }, State::Failed, nothing.clone()),
        (installed.clone(), State::Starting, act(ActKind::Apply)),
        (Situation { act: Some(ActKind::Apply), ..installed.clone() }, State::Starting, nothing.clone()),
        (Situation { held: Some(Outlook::Lasting), ..installed.clone() }, State::Failed, nothing.clone()),
        (Situation { applied: Applied::Unknown, ..installed }, State::Starting, act(ActKind::Apply)),
        (Situation { unit: Unit::Activating, ..running.clone() }, State::Starting, nothing.clone()),
        (Situation { listening: false, ..running.clone() }, State::Starting, nothing.clone()),
        (Situation { tor: false, ..running.clone() }, State::WaitingForTor, nothing.clone()),
        (running.clone(), State::Publishing, add.clone()),
        (PUBLISHED, State::Published, nothing.clone()),
        // Its server ends.
        (Situation { unit: failed(), ..PUBLISHED }, State::Starting, remove(Visitors::Stay)),
        (Situation { unit: failed(), ..running.clone() }, State::Starting, act(ActKind::Apply)),
        (Situation { unit: failed(), paused: true, ..running.clone() }, State::Starting, nothing.clone()),
        (Situation { unit: Unit::Inactive, ..running.clone() }, State::Starting, act(ActKind::Apply)),
        // Nobody knows any more what it runs as.
        (Situation { applied: Applied::Unknown, ..PUBLISHED }, State::Starting, remove(Visitors::Stay)),
        (Situation { host: false, ..PUBLISHED }, State::Starting, remove(Visitors::Stay)),
        (Situation { host: false, ..running.clone() }, State::Starting, nothing.clone()),
        // Other options: it stays in Tor until its server starts again.
        (Situation { applied: Applied::Wishes(OTHER), ..PUBLISHED }, State::Starting, act(ActKind::Apply)),
        (Situation { applied: Applied::Wishes(OTHER), ..running.clone() }, State::Starting, act(ActKind::Apply)),
        // The act that applies them has begun, and has not ended.
        (
            Situation { applied: Applied::Unknown, act: Some(ActKind::Apply), before: Some(OTHER), ..PUBLISHED },
            State::Starting,
            Vec::new(),
        ),
        // Another descriptor: what runs may be another program, and is not published, not for a moment.
        (Situation { applied: Applied::Wishes(FOREIGN), ..PUBLISHED }, State::Starting, remove(Visitors::Stay)),
        (
            Situation { applied: Applied::Wishes(FOREIGN), added: false, ..PUBLISHED },
            State::Starting,
            act(ActKind::Apply),
        ),
        (
            Situation { applied: Applied::Unknown, act: Some(ActKind::Apply), before: Some(FOREIGN), ..PUBLISHED },
            State::Starting,
            remove(Visitors::Stay),
        ),
        // Other options that could not be applied, ever: what it ran as before is closed.
        (
            Situation { held: Some(Outlook::Lasting), applied: Applied::Wishes(OTHER), ..PUBLISHED },
            State::Failed,
            remove(Visitors::Stay),
        ),
        (
            Situation { held: Some(Outlook::Lasting), applied: Applied::Unknown, added: false, ..PUBLISHED },
            State::Failed,
            act(ActKind::Withdraw),
        ),
        // The way down: in Tor first.
        (disabled.clone(), State::Stopping, remove(Visitors::Leave)),
        (Situation { busy: true, ..disabled.clone() }, State::Stopping, nothing.clone()),
        (Situation { tor: false, ..down.clone() }, State::Stopping, act(ActKind::Withdraw)),
        (down.clone(), State::Stopping, act(ActKind::Withdraw)),
        (Situation { act: Some(ActKind::Withdraw), ..down.clone() }, State::Stopping, nothing.clone()),
        (Situation { applied: Applied::Unknown, ..down.clone() }, State::Stopping, act(ActKind::Withdraw)),
        (
            Situation { applied: Applied::Nothing, unit: Unit::Inactive, ..down.clone() },
            State::Disabled,
            nothing.clone(),
        ),
        (
            Situation { act: Some(ActKind::Install), applied: Applied::Nothing, ..down.clone() },
            State::Stopping,
            nothing,
        ),
        (Situation { uninstall: asked, ..down.clone() }, State::Stopping, act(ActKind::Withdraw)),
        (Situation { uninstall: asked, ..gone.clone() }, State::Disabled, act(ActKind::Uninstall)),
        // Its data may be there all the same.
        (Situation { uninstall: asked, installed: false, ..gone.clone() }, State::Disabled, act(ActKind::Uninstall)),
        (Situation { uninstall: asked, held: Some(Outlook::Retrying), ..gone.clone() }, State::Disabled, Vec::new()),
        // Enabled meanwhile: it has all that it had.
        (Situation { uninstall: asked, ..PUBLISHED }, State::Published, Vec::new()),
        (Situation { uninstall: asked, usable: false, ..fresh.clone() }, State::Failed, Vec::new()),
        // Another one of its name waits until what that one had is gone.
        (Situation { uninstall: owed, ..fresh.clone() }, State::Installing, act(ActKind::Uninstall)),
        (Situation { uninstall: owed, ..running.clone() }, State::Starting, act(ActKind::Withdraw)),
        (Situation { uninstall: owed, ..PUBLISHED }, State::Starting, remove(Visitors::Stay)),
        // Nobody can say whether its server runs.
        (Situation { host: false, ..gone.clone() }, State::Stopping, Vec::new()),
        (Situation { told: false, ..gone }, State::Stopping, Vec::new()),
        // Its descriptor breaks while it is published.
        (Situation { usable: false, ..PUBLISHED }, State::Failed, remove(Visitors::Stay)),
        (Situation { usable: false, added: false, ..PUBLISHED }, State::Failed, act(ActKind::Withdraw)),
    ] {
        assert_eq!((situation.seen(), situation.planned()), (Some(state), steps), "{situation:?}");
    }
}

/// A server whose port was taken before it started may run all the same.
#[test]
fn where_a_program_of_a_person_listens_instead_of_the_server_nothing_is_published() {
    let (desired, mut observed) = PUBLISHED.build();
    observed.listeners.of_people.clone_from(&observed.listeners.found);
    let removal = Step::RemoveOnion(address(), Visitors::Stay);
    assert_eq!(plan(&desired, &observed), [removal]);
    let seen = status(&desired, &observed, &[]).services[&name()].clone();
    let said = seen.problem.unwrap().message;
    assert!(!seen.running && said.contains("listens on 127.0.0.1:64738"), "{said}");
}

#[test]
fn what_no_record_wants_is_withdrawn_from_tor_and_then_from_the_host() {
    let forgotten = Situation { wish: None, ..PUBLISHED };
    assert_eq!(forgotten.planned(), [Step::RemoveOnion(address(), Visitors::Leave)]);
    assert_eq!(Situation { busy: true, ..forgotten.clone() }.planned(), []);
    let removed = Situation { added: false, uninstall: Some(Uninstall::Removed), ..forgotten };
    assert_eq!(removed.planned(), act(ActKind::Withdraw));
    let withdrawn = Situation { applied: Applied::Nothing, ..removed };
    assert_eq!(withdrawn.planned(), act(ActKind::Uninstall));
    assert_eq!(Situation { told: false, ..withdrawn.clone() }.planned(), act(ActKind::Uninstall), "no descriptor");
    assert_eq!(Situation { host: false, ..withdrawn }.planned(), []);
}

fn situations() -> impl Strategy<Value = Situation> {
    let wish = prop_oneof![Just(None), Just(Some(Wish::Enabled)), Just(Some(Wish::Disabled))];
    let applied = prop_oneof![
        Just(Applied::Nothing),
        Just(Applied::Unknown),
        Just(Applied::Wishes(WISHED)),
        Just(Applied::Wishes(OTHER)),
        Just(Applied::Wishes(FOREIGN))
    ];
    let unit = prop_oneof![
        Just(Unit::Inactive),
        Just(Unit::Activating),
        Just(Unit::Active),
        Just(Unit::Failed(String::new()))
    ];
    let act = prop_oneof![4 => Just(None), 1 => proptest::sample::select(&ActKind::ALL[..]).prop_map(Some)];
    let held = prop_oneof![4 => Just(None), 1 => Just(Some(Outlook::Retrying)), 1 => Just(Some(Outlook::Lasting))];
    let left = proptest::sample::select(vec![None, Some(Uninstall::Asked), Some(Uninstall::Removed)]);
    (wish, applied, unit, act, held, left, any::<[bool; 9]>()).prop_map(
        |(wish, applied, unit, act, held, uninstall, bits)| {
            let [tor, host, told, usable, installed, paused, listening, added, busy] = bits;
            // Without a control connection Tor has nothing of ours.
            let added = added && tor;
            Situation {
                tor,
                host,
                told,
                wish,
                usable,
                installed,
                applied,
                unit,
                paused,
                listening,
                added,
                busy,
                act,
                before: None,
                held,
                uninstall,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn whatever_the_facts_there_is_one_step_at_most_and_nothing_opens_that_is_not_as_it_is_wished(
        situation in situations()
    ) {
        let steps = situation.planned();
        prop_assert!(steps.len() <= 1, "one service, one step: {steps:?}");
        let is_owed = situation.uninstall == Some(Uninstall::Removed);
        let has_failed = situation.held == Some(Outlook::Lasting);
        let wanted = situation.wish == Some(Wish::Enabled) && situation.usable && !is_owed && !has_failed;
        let runs = situation.host && situation.told && situation.unit == Unit::Active;
        match steps.first() {
            Some(Step::AddOnion(..)) => {
                prop_assert!(wanted && runs && situation.listening && !situation.added);
                prop_assert_eq!(situation.applied, Applied::Wishes(WISHED));
            }
            Some(Step::Host(_, kind)) => {
                // What has no descriptor any more is uninstalled, and nothing else, though nobody tells of it.
                prop_assert!(situation.told || *kind == ActKind::Uninstall);
                prop_assert!(situation.host && !situation.busy);
                prop_assert!(situation.act.is_none() && situation.held != Some(Outlook::Retrying));
                match kind {
                    ActKind::Install => prop_assert!(wanted && !situation.installed),
                    ActKind::Apply => prop_assert!(wanted && situation.installed),
                    // Closed first.
                    ActKind::Withdraw => prop_assert!(!wanted && !situation.added),
                    ActKind::Uninstall => {
                        prop_assert!(!wanted && !situation.added);
                        prop_assert!(!situation.told || situation.applied == Applied::Nothing);
                        let is_asked = situation.uninstall == Some(Uninstall::Asked);
                        prop_assert!(is_owed || is_asked && situation.wish != Some(Wish::Enabled));
                    }
                }
            }
            Some(_) | None => {}
        }
        if situation.seen() == Some(State::Published) {
            prop_assert!(wanted && runs && situation.listening && situation.added && situation.tor);
            prop_assert_eq!(situation.applied, Applied::Wishes(WISHED));
        }
        if situation.seen() == Some(State::Disabled) && situation.usable {
            prop_assert!(situation.host && situation.told && !situation.added);
            prop_assert_eq!(situation.applied, Applied::Nothing);
        }
    }
}
