// SPDX-License-Identifier: GPL-3.0-or-later
//! What the loop does, would do next and waits for, in words: a pure function of wishes, facts and the times of retries.
//!
//! Nothing in it decides: the steps are those of [`plan()`], and what is waited for is what [`status()`] says. There is no
//! address in it.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use tails_server_state::{OnionAddress, ServiceName, StoredService};
use tokio::time::Instant;

use crate::controller::desired::Desired;
use crate::controller::observed::Observed;
use crate::controller::plan::{Step, plan};
use crate::controller::status::{Outlook, Problem, ServiceStatus, State, status};
pub(super) use steps::Subject;

/// How near something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is being done.
    UnderWay,
    /// It is done next.
    Next,
    /// It is done by itself, once something else is so.
    Waits,
    /// It is done once a person has changed something.
    Held,
    /// There is nothing to do.
    Settled,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::Next => "next",
            Self::Waits => "waits",
            Self::Held => "held",
            Self::Settled => "settled",
        }
    }
}

/// Something that is to be done for one service, or not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intention {
    /// The service, ours or joined; none of one that is forgotten.
    pub service: Option<ServiceName>,
    /// How near it is.
    pub stage: Stage,
    /// The step, in one word, such as `add-to-tor`; none where no step is near.
    pub act: Option<&'static str>,
    /// What is to be done: lower case, no full stop.
    pub what: String,
    /// Why, or why not yet.
    pub why: String,
    /// What a person can do.
    pub hint: Option<String>,
    /// When it is tried, or tried again.
    pub until: Option<Instant>,
}

/// What the loop knows beside wishes and facts.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    /// What was begun, with the reason that it was begun for.
    pub(super) begun: BTreeMap<Subject, Intention>,
    /// When an address is tried again.
    pub(super) retries: BTreeMap<OnionAddress, Instant>,
    /// When the host is asked again.
    pub(super) host_retries: BTreeMap<ServiceName, Instant>,
}

/// What is under way, what is next, and for all other services what they wait for.
#[must_use]
pub(super) fn explain(desired: &Desired, observed: &Observed, schedule: &Schedule) -> Vec<Intention> {
    let under_way =
        schedule.begun.iter().filter(|(subject, _)| subject.is_busy(observed)).map(|(_, told)| told.clone());
    let next = plan(desired, observed);
    let next = next.iter().map(|step| intention(step, desired, observed));
    let mut told: Vec<Intention> = under_way.chain(next).collect();
    let concerned: BTreeSet<ServiceName> = told.iter().filter_map(|intention| intention.service.clone()).collect();
    let picture = status(desired, observed, &[]);
    let others = picture.services.iter().filter(|(name, _)| !concerned.contains(*name));
    told.extend(others.filter_map(|(name, seen)| {
        let service = desired.service(name)?;
        Some(waiting(service, seen, observed, schedule))
    }));
    let joined = picture.joined.iter().filter(|(name, _)| !concerned.contains(*name));
    told.extend(joined.map(|(name, seen)| {
        let until = schedule.retries.get(&seen.joined.address).copied();
        let (what, ready) = ("reach a service that was joined", "Tor has its key, or it needs none");
        match &seen.problem {
            Some(problem) => Intention { until, ..of_problem(name, what, problem) },
            None if seen.ready => settled(name, ready.to_owned()),
            None => quiet(name, what, "Tor is not connected yet"),
        }
    }));
    told
}

/// A step that is next, or begins now.
pub(super) fn intention(step: &Step, desired: &Desired, observed: &Observed) -> Intention {
    let (service, act, what, why) = steps::words(step, desired, observed);
    Intention { service, stage: Stage::Next, act: Some(act), what, why, hint: None, until: None }
}

/// A service that no step is near for.
fn waiting(service: &StoredService, seen: &ServiceStatus, observed: &Observed, schedule: &Schedule) -> Intention {
    let (name, address) = (service.record.name(), &service.address);
    let retries = [schedule.retries.get(address), schedule.host_retries.get(name)];
    let restart = observed.host.known(name).filter(|known| known.has_ended()).map(|known| known.restart_at);
    let due = retries.into_iter().flatten().copied().chain(restart).filter(|moment| *moment > observed.now).min();
    let what = match seen.state {
        State::Disabled => return settled(name, "it is disabled, and nothing of it is up".to_owned()),
        State::Published => {
            let uploads = seen.current;
            let why =
                format!("it is published: {} of {} HSDirs have its descriptor", uploads.confirmed, uploads.attempted);
            return Intention { hint: seen.problem.as_ref().and_then(|told| told.hint.clone()), ..settled(name, why) };
        }
        State::Stopping => "take it down",
        State::Installing => "install its server",
        State::Starting | State::Failed | State::WaitingForTor => "publish it",
        State::Publishing => return publishing(service, seen, observed, due),
    };
    let told = match &seen.problem {
        Some(problem) => of_problem(name, what, problem),
        None => quiet(name, what, unsaid(seen.state)),
    };
    Intention { until: due, ..told }
}

/// A service that Tor has, or could have.
fn publishing(service: &StoredService, seen: &ServiceStatus, observed: &Observed, due: Option<Instant>) -> Intention {
    let (name, address) = (service.record.name(), &service.address);
    let uploads = seen.current;
    if observed.onions.contains_key(address) {
        let why = format!(
            "Tor has it; {} of the {} HSDirs that it was sent to have confirmed its descriptor, and more than half have to",
            uploads.confirmed, uploads.attempted
        );
        let next = quiet(name, "wait for its publication, or give it a new life in Tor", &why);
        return Intention { until: due.or_else(|| observed.renewal_at(address)), ..next };
    }
    if let Some(problem) = observed.held.get(address) {
        return Intention { until: due, ..of_problem(name, "add it to Tor", problem) };
    }
    let why = if observed.suspects.contains(address) {
        "the control connection ended when Tor was given it before: it is added when nothing else is under way"
            .to_owned()
    } else {
        let (on_their_way, most) = (observed.on_their_way(), observed.window.size());
        format!("{on_their_way} services are on their way, and Tor is given no more than {most} at a time")
    };
    quiet(name, "add it to Tor", &why)
}

const fn unsaid(state: State) -> &'static str {
    match state {
        State::Starting => "its server is being started, or nobody has looked yet who listens",
        State::Installing => "it waits for its turn",
        State::WaitingForTor => "Tor is on its way into the network",
        State::Stopping => "something of it is still up",
        State::Disabled | State::Failed | State::Publishing | State::Published => "nobody says why",
    }
}

fn of_problem(name: &ServiceName, what: &str, problem: &Problem) -> Intention {
    let stage = match problem.outlook {
        Outlook::Retrying => Stage::Waits,
        Outlook::Lasting => Stage::Held,
    };
    Intention { stage, hint: problem.hint.clone(), ..quiet(name, what, &problem.message) }
}

fn quiet(name: &ServiceName, what: &str, why: &str) -> Intention {
    let (service, what, why) = (Some(name.clone()), what.to_owned(), why.to_owned());
    Intention { service, stage: Stage::Waits, act: None, what, why, hint: None, until: None }
}

fn settled(name: &ServiceName, why: String) -> Intention {
    Intention { stage: Stage::Settled, why, ..quiet(name, "nothing", "") }
}

#[cfg(test)]
mod tests;
