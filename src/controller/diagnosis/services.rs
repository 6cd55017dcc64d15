// SPDX-License-Identifier: GPL-3.0-or-later
//! Our services, their servers and those of others.

use tails_server_state::{ServiceName, Wish};

use super::look::{Asked, KeyLook, Looked};
use super::{Finding, Severity, weight};
use crate::controller::desired::Desired;
use crate::controller::hosted::HostConnection;
use crate::controller::observed::Observed;
use crate::controller::ports::{Applied, Told, Unit};
use crate::controller::publication::Evidence;
use crate::controller::repertoire::Intent;
use crate::controller::status::{ServiceStatus, Snapshot, State};

/// Whether each service has the key of its address, and Tor has the services that it was given.
pub(super) fn keys(desired: &Desired, observed: &Observed, looked: &Looked) -> Vec<Finding> {
    let looked_at = "whether the key in the store makes the address that is remembered";
    let mut findings = Vec::new();
    for (name, look) in &looked.store.keys {
        let (severity, found) = match look {
            KeyLook::Matches => continue,
            KeyLook::Differs => (Severity::Error, "it makes another address".to_owned()),
            KeyLook::Unreadable(why) => (Severity::Error, format!("the key can not be read: {why}")),
        };
        let next = "Import the key from a copy: tails-server key import; or give the service a new one: tails-server key renew";
        findings.push(Finding::new("key-matches-address", severity, looked_at, found).about(name).so(next));
    }
    if findings.is_empty() && !looked.store.keys.is_empty() {
        let found = match looked.store.keys.len() {
            1 => "it does, for one service".to_owned(),
            count => format!("it does, for each of {count} services"),
        };
        findings.push(Finding::new("key-matches-address", Severity::Ok, looked_at, found));
    }
    findings.extend(in_tor(desired, observed, looked));
    findings
}

fn in_tor(desired: &Desired, observed: &Observed, looked: &Looked) -> Vec<Finding> {
    let looked_at = "the services that Tor says it has from the controller";
    let before = &looked.asked;
    let now = Asked::about(observed, before.survey.clone());
    if !observed.tor.is_connected() || now.generation != before.generation {
        return Vec::new();
    }
    let theirs = match &before.survey.onions {
        Told::Answer(onions) => onions,
        Told::Filtered => {
            let found = "could not be looked at: a filter keeps it back";
            return vec![Finding::new("tor-has-services", Severity::Note, looked_at, found)];
        }
        Told::Nothing(why) => {
            let found = format!("could not be looked at: {why}");
            return vec![Finding::new("tor-has-services", Severity::Note, looked_at, found)];
        }
    };
    // What was under way when Tor was asked, or is now, may have been there or not.
    let missing = before.settled.intersection(&now.settled).filter(|address| !theirs.contains(*address));
    let mut findings: Vec<Finding> = missing
        .map(|address| {
            let finding = Finding::new("tor-has-services", Severity::Error, looked_at, "it is not among them")
                .because("Tor forgot it, or what answers for Tor is not the Tor that took it")
                .so("Disable the service and enable it again; if it comes back, restart Tor");
            desired.name_of(address).map_or(finding.clone(), |name| finding.about(name))
        })
        .collect();
    let surplus =
        theirs.iter().filter(|address| !before.known.contains(address) && !now.known.contains(address)).count();
    if surplus > 0 {
        let found = format!("{surplus} of them are none that the controller knows of");
        findings.push(
            Finding::new("tor-has-services", Severity::Error, looked_at, found)
                .so("End the controller, which withdraws all of them, and start it again"),
        );
    }
    if findings.is_empty() {
        let found = format!("{}, and each is one that it was given", theirs.len());
        findings.push(Finding::new("tor-has-services", Severity::Ok, looked_at, found));
    }
    findings
}

/// How each service is that is wanted, or not gone yet.
pub(super) fn findings(desired: &Desired, observed: &Observed, picture: &Snapshot) -> Vec<Finding> {
    let services = picture.services.iter().filter(|(_, seen)| seen.state != State::Disabled);
    services
        .flat_map(|(name, seen)| {
            [
                listener(name, seen, observed),
                server(name, desired, observed),
                publication(name, seen),
                access(name, seen, observed),
            ]
        })
        .flatten()
        .collect()
}

fn listener(name: &ServiceName, seen: &ServiceStatus, observed: &Observed) -> Option<Finding> {
    if seen.wish == Wish::Disabled {
        return None;
    }
    let listeners = &observed.listeners;
    let targets: Vec<_> = seen.record.ports().iter().map(|mapping| &mapping.target).collect();
    let list = |some: Vec<String>| some.join(", ");
    let looked_at = format!("who listens on {}", list(targets.iter().map(ToString::to_string).collect()));
    let (id, ok) = ("listener", Severity::Ok);
    let of_people = targets.iter().filter(|target| listeners.of_people.contains(**target));
    let of_people: Vec<String> = of_people.map(ToString::to_string).collect();
    let silent = targets.iter().filter(|target| !listeners.found.contains(**target));
    let silent: Vec<String> = silent.map(ToString::to_string).collect();
    let finding = if !targets.iter().all(|target| listeners.looked_for.contains(*target)) {
        Finding::new(id, Severity::Note, &looked_at, "nobody has looked yet").so("Ask again in a moment")
    } else if !silent.is_empty() {
        Finding::new(id, Severity::Warning, &looked_at, format!("nothing listens on {}", list(silent)))
            .because("the server does not run, or listens elsewhere")
            .so("Start the server that should answer there; the service is published as soon as it listens")
    } else if !of_people.is_empty() && seen.record.kind().is_described() {
        let found = format!("a program of somebody who uses this computer listens on {}", list(of_people));
        Finding::new(id, Severity::Error, &looked_at, found)
            .because("it is not the server of the service, and its visitors would speak with it")
            .so("End that program; `sudo ss --listening --tcp --processes` shows which it is")
    } else {
        Finding::new(id, ok, &looked_at, "somebody does")
    };
    Some(finding.about(name))
}

/// Whether what is in force on the host is what is wished.
fn server(name: &ServiceName, desired: &Desired, observed: &Observed) -> Option<Finding> {
    let looked_at = "its server, as the system's helper set it up";
    let finding = |severity, found: &str| Finding::new("server-as-wished", severity, looked_at, found).about(name);
    let wished = match desired.intent(name)? {
        Intent::Ports => return None,
        Intent::Unusable(problem) => {
            return Some(Finding::of("server-as-wished", Severity::Error, looked_at, problem).about(name));
        }
        Intent::Hosted(wished) => wished,
    };
    if desired.service(name).is_none_or(|service| service.wish == Wish::Disabled) {
        return None;
    }
    let Some(known) = observed.host.known(name) else {
        return Some(finding(Severity::Note, "could not be looked at: the system's services do not answer"));
    };
    if let Some(problem) = observed.host.failed.get(name).or_else(|| observed.host.held.get(name)) {
        return Some(Finding::of("server-as-wished", weight(problem), looked_at, problem).about(name));
    }
    Some(match (&known.told.applied, &known.told.unit) {
        _ if observed.host.busy.contains_key(name) => finding(Severity::Note, "something is being done for it"),
        _ if !known.told.installed => finding(Severity::Warning, "it is not installed"),
        (Applied::Nothing, _) => finding(Severity::Warning, "it is not set up"),
        (Applied::Unknown, _) => finding(Severity::Warning, "nobody knows what it was set up for"),
        (Applied::Wishes(applied), _) if applied != wished => {
            finding(Severity::Warning, "it was set up for other options, or another descriptor")
        }
        (Applied::Wishes(_), Unit::Active) => finding(Severity::Ok, "it runs, with the options as they are"),
        (Applied::Wishes(_), Unit::Activating) => finding(Severity::Note, "it is starting"),
        (Applied::Wishes(_), Unit::Inactive) => ended(finding(Severity::Error, "it ended"), name),
        (Applied::Wishes(_), Unit::Failed(words)) => {
            ended(finding(Severity::Error, "it ended").because(words.clone()), name)
        }
    })
}

fn ended(finding: Finding, name: &ServiceName) -> Finding {
    finding.so(format!("It is started again by itself; see `tails-server log {name}` for why it ended"))
}

fn publication(name: &ServiceName, seen: &ServiceStatus) -> Option<Finding> {
    let looked_at = "its publication";
    let uploads = seen.current;
    let found =
        format!("{}; {} of {} HSDirs have confirmed its descriptor", seen.state, uploads.confirmed, uploads.attempted);
    let severity = match (seen.state, seen.evidence) {
        (State::Published, Evidence::Counted) => Severity::Note,
        (State::Published, Evidence::Proven | Evidence::None) => Severity::Ok,
        (State::Failed, _) => Severity::Error,
        (State::Publishing, _) if seen.problem.is_some() => Severity::Warning,
        (State::Stopping, _) if seen.problem.is_some() => Severity::Warning,
        // Why it waits is told of the listener, the server and Tor.
        (
            State::Publishing
            | State::Stopping
            | State::Disabled
            | State::Installing
            | State::Starting
            | State::WaitingForTor,
            _,
        ) => Severity::Note,
    };
    let finding = Finding::new("publication", severity, looked_at, found).about(name);
    Some(match &seen.problem {
        Some(problem) => Finding { cause: Some(problem.message.clone()), next_step: problem.hint.clone(), ..finding },
        None => finding,
    })
}

/// Whether nobody can be connected any more who should not be.
fn access(name: &ServiceName, seen: &ServiceStatus, observed: &Observed) -> Option<Finding> {
    if seen.access_settled || !observed.tor.is_connected() || observed.busy.contains(&seen.address) {
        return None;
    }
    let found = "it is not certain yet that nobody is connected who should not be";
    Some(
        Finding::new("access", Severity::Warning, "who may be connected", found)
            .about(name)
            .so("It is tried again by itself; to be certain at once, restart Tor"),
    )
}

/// The host, and what is in force there for nobody.
pub(super) fn host(desired: &Desired, observed: &Observed) -> Vec<Finding> {
    if !desired.repertoire().has_host() {
        return Vec::new();
    }
    let looked_at = "the system's services, which install and run servers";
    let finding = match &observed.host.connection {
        HostConnection::Up => Finding::new("host", Severity::Ok, looked_at, "they answer"),
        HostConnection::Pending => {
            Finding::new("host", Severity::Note, looked_at, "no attempt to ask them has ended yet")
        }
        HostConnection::Lost(why) => {
            Finding::new("host", Severity::Error, looked_at, format!("they can not be asked: {why}"))
                .so("It goes on by itself once they answer; see `systemctl status`")
        }
    };
    let is_idle = |name: &ServiceName| !observed.host.busy.contains_key(name);
    let wanted = |name: &ServiceName| desired.service(name).is_some_and(|service| service.wish == Wish::Enabled);
    let left = observed.host.services.iter().filter(|(name, _)| !wanted(name) && is_idle(name));
    let left = left.filter(|(name, _)| observed.host.is_applied(name)).map(|(name, _)| {
        let found = "something of it is in force, and nobody wants it";
        let finding =
            Finding::new("left-behind", Severity::Warning, "what is in force of services that are not enabled", found);
        let next = match observed.host.held.get(name) {
            Some(problem) => problem.message.clone(),
            None => "it is taken back once Tor is done with it".to_owned(),
        };
        finding
            .about(name)
            .because(next)
            .so(format!("Enable it and disable it again, and see `tails-server log {name}`"))
    });
    std::iter::once(finding).chain(left).collect()
}

/// The services of others, and the keys for them.
pub(super) fn joined(picture: &Snapshot) -> Vec<Finding> {
    let looked_at = "the keys of the services that were joined";
    let missing = picture.joined.iter().filter(|(_, seen)| !seen.ready);
    let mut findings: Vec<Finding> = missing
        .map(|(name, seen)| {
            let finding = Finding::new("joined-key", Severity::Warning, looked_at, "Tor does not have it").about(name);
            match &seen.problem {
                Some(problem) => {
                    Finding { cause: Some(problem.message.clone()), next_step: problem.hint.clone(), ..finding }
                }
                None => finding.so("It is given to Tor as soon as Tor is connected"),
            }
        })
        .collect();
    if findings.is_empty() && !picture.joined.is_empty() {
        let found = format!("Tor has what it needs for each of {}", picture.joined.len());
        findings.push(Finding::new("joined-key", Severity::Ok, looked_at, found));
    }
    findings
}
