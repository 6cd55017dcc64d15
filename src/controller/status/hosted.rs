// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see of what the host does for a service.

use std::collections::BTreeMap;

use tails_server_state::{ServiceName, StoredService, Wish};

use super::{Outlook, Problem, nobody_listens};
use crate::controller::desired::Desired;
use crate::controller::hosted::HostConnection;
use crate::controller::observed::Observed;
use crate::controller::ports::{ActKind, LastWords, Progress, Unit};
use crate::controller::repertoire::Intent;

/// What the host does for a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosting {
    /// Whether its server is installed; `None` while nobody knows.
    pub installed: Option<bool>,
    /// Whether its server runs with the options as they are remembered; `None` while none is to run, or nobody knows.
    pub options_applied: Option<bool>,
    /// Its options that are no secrets, with their values.
    pub options: BTreeMap<String, String>,
    /// How far the installation has come.
    pub progress: Option<Progress>,
    /// What was found out about its server, by the name of the option.
    pub probes: BTreeMap<String, String>,
    /// What its server wrote before it failed, if it has.
    pub last_words: LastWords,
}

/// What the host does for a described service.
pub(super) fn hosting(desired: &Desired, service: &StoredService, observed: &Observed) -> Option<Hosting> {
    let name = service.record.name();
    let (known, options_applied) = match desired.intent(name)? {
        Intent::Ports => {
            let options = desired.shown_options(name).clone();
            return Some(Hosting { installed: Some(true), options, ..Hosting::default() });
        }
        // What nobody describes can not be told to be installed.
        Intent::Unusable(_) => (observed.host.known(name).filter(|_| desired.repertoire().find(name).is_ok()), None),
        Intent::Hosted(wished) => {
            let is_wanted = service.wish == Wish::Enabled && observed.host.known(name).is_some();
            let is_done = observed.host.runs_as(name, wished) && !observed.host.busy.contains_key(name);
            (observed.host.known(name), is_wanted.then_some(is_done))
        }
    };
    Some(Hosting {
        installed: known.map(|known| known.told.installed),
        options_applied,
        options: desired.shown_options(name).clone(),
        progress: known.and_then(|known| known.progress.clone()),
        probes: known.map(|known| known.told.probes.clone()).unwrap_or_default(),
        // Of one that runs again they would say what is not so any more.
        last_words: known
            .filter(|known| known.told.unit != Unit::Active)
            .map(|known| known.told.last_words.clone())
            .unwrap_or_default(),
    })
}

/// Whether no retry can mend what keeps its server from running.
pub(super) fn has_failed(desired: &Desired, name: &ServiceName, observed: &Observed) -> bool {
    let is_unusable = matches!(desired.intent(name), Some(Intent::Unusable(_)));
    is_unusable || is_hosted(desired, name) && observed.host.failed.contains_key(name)
}

/// Whether its server is not installed yet.
pub(super) fn is_installing(desired: &Desired, name: &ServiceName, observed: &Observed) -> bool {
    let is_missing = observed.host.known(name).is_some_and(|known| !known.told.installed);
    let is_under_way = observed.host.busy.get(name) == Some(&ActKind::Install);
    is_hosted(desired, name) && (is_missing || is_under_way)
}

/// What keeps its server from running.
pub(super) fn problem(desired: &Desired, name: &ServiceName, observed: &Observed) -> Option<Problem> {
    match desired.intent(name)? {
        Intent::Ports => None,
        Intent::Unusable(problem) => Some(problem.clone()),
        Intent::Hosted(_) => match (&observed.host.connection, why_held(name, observed)) {
            (HostConnection::Lost(why), _) => Some(unreachable(why)),
            (HostConnection::Pending | HostConnection::Up, Some(problem)) => Some(problem.clone()),
            (HostConnection::Pending | HostConnection::Up, None) => ended(name, observed),
        },
    }
}

/// Why nothing is done for it, for now or for good.
fn why_held<'a>(name: &ServiceName, observed: &'a Observed) -> Option<&'a Problem> {
    observed.host.failed.get(name).or_else(|| observed.host.held.get(name))
}

/// Whether something of it may be up on the host. What nobody can say counts as up.
pub(super) fn may_be_up(desired: &Desired, name: &ServiceName, observed: &Observed) -> bool {
    let host = &observed.host;
    let is_unknown = match desired.intent(name) {
        None | Some(Intent::Ports) => false,
        Some(Intent::Hosted(_)) => host.known(name).is_none(),
        Some(Intent::Unusable(_)) => desired.repertoire().has_host() && !host.is_up(),
    };
    is_unknown || host.is_applied(name) || host.busy.contains_key(name)
}

/// What keeps it from being stopped.
pub(super) fn unstopped(desired: &Desired, name: &ServiceName, observed: &Observed) -> Option<Problem> {
    match &observed.host.connection {
        HostConnection::Lost(why) if may_be_up(desired, name, observed) => Some(unreachable(why)),
        HostConnection::Lost(_) | HostConnection::Pending | HostConnection::Up => observed.host.held.get(name).cloned(),
    }
}

fn unreachable(why: &str) -> Problem {
    Problem {
        message: format!("the system's services can not be asked: {why}"),
        hint: Some("It goes on by itself once they answer; see `systemctl status`".to_owned()),
        outlook: Outlook::Retrying,
    }
}

/// That nobody listens, where that is the server's fault.
pub(super) fn silence(desired: &Desired, service: &StoredService, observed: &Observed) -> Option<Problem> {
    let name = service.record.name();
    let Some(Intent::Hosted(wished)) = desired.intent(name) else { return nobody_listens(service, observed) };
    if let Some(taken) = taken(service, observed) {
        return Some(taken);
    }
    // A server that is being started does not listen yet.
    if !observed.host.runs(name, &wished.descriptor) || observed.host.busy.contains_key(name) {
        return None;
    }
    let problem = nobody_listens(service, observed)?;
    Some(Problem {
        hint: Some("Its server runs and does not listen yet; see its log in the journal".into()),
        ..problem
    })
}

/// That somebody else listens where its server should.
fn taken(service: &StoredService, observed: &Observed) -> Option<Problem> {
    let mut targets = service.record.ports().iter().map(|mapping| &mapping.target);
    let target = targets.find(|target| observed.listeners.of_people.contains(target))?;
    Some(Problem {
        message: format!("a program of somebody who uses this computer listens on {target}, where its server should"),
        hint: Some("End that program; `sudo ss --listening --tcp --processes` shows which it is".to_owned()),
        outlook: Outlook::Retrying,
    })
}

fn ended(name: &ServiceName, observed: &Observed) -> Option<Problem> {
    let known = observed.host.known(name).filter(|known| known.has_ended())?;
    let words = match &known.told.unit {
        Unit::Failed(words) if !words.is_empty() => format!(": {words}"),
        Unit::Failed(_) | Unit::Inactive | Unit::Activating | Unit::Active => String::new(),
    };
    Some(Problem {
        message: format!("its server ended{words}"),
        hint: Some("It is started again by itself, less and less often; see its log in the journal".to_owned()),
        outlook: Outlook::Retrying,
    })
}

fn is_hosted(desired: &Desired, name: &ServiceName) -> bool {
    matches!(desired.intent(name), Some(Intent::Hosted(_)))
}
