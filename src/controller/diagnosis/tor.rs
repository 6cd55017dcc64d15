// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor, its control port and the way into the network.

use super::look::Looked;
use super::{Finding, Severity};
use crate::controller::observed::{Connection, Observed};
use crate::controller::ports::Told;
use crate::controller::status::tor_problem;

/// A clock that is wrong by more is no matter of jitter: a consensus is valid for three hours.
const MUCH: u64 = 30 * 60;

const FILTER_HINT: &str = "Give onion-grater the profile of this version; it is in contrib/onion-grater of the sources";

pub(super) fn findings(observed: &Observed, looked: &Looked) -> Vec<Finding> {
    let control = "the control connection to Tor";
    let version = match &observed.tor.connection {
        Connection::Up { version } => version,
        Connection::Pending => {
            return vec![
                Finding::new("control-port", Severity::Note, control, "no attempt to connect has ended yet")
                    .so("Ask again in a moment"),
            ];
        }
        Connection::Lost(problem) => {
            let finding = Finding::new("control-port", Severity::Error, control, problem.message.clone());
            let hint = problem.hint.clone();
            return vec![Finding {
                next_step: Some(hint.unwrap_or_else(|| "It is tried again by itself; see whether Tor runs".to_owned())),
                ..finding
            }];
        }
    };
    let mut findings =
        vec![Finding::new("control-port", Severity::Ok, control, "Tor let the controller in, and answers")];
    findings.push(filter(observed, looked));
    findings.push(match &observed.tor.recommended_versions {
        None => {
            Finding::new("tor-version", Severity::Ok, "Tor's version", format!("{version}; nobody advises against it"))
        }
        Some(recommended) => {
            let upgrade = if recommended.is_empty() {
                "Upgrade Tor".to_owned()
            } else {
                format!("Upgrade Tor; recommended are {recommended}")
            };
            Finding::new("tor-version", Severity::Warning, "Tor's version", version.clone())
                .because("the Tor network advises against this version")
                .so(upgrade)
        }
    });
    findings.push(clock(observed));
    findings.extend(network_setting(looked));
    findings.push(bootstrap(observed));
    findings
}

/// What a filter before the control port keeps back.
fn filter(observed: &Observed, looked: &Looked) -> Finding {
    let survey = &looked.asked.survey;
    let refused: Vec<&str> = [
        (survey.network_disabled == Told::Filtered).then_some("DisableNetwork"),
        (survey.onions == Told::Filtered).then_some("the services that Tor has"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let looked_at = "what comes through between the controller and Tor";
    if observed.hidden.is_hiding() {
        let found = "uploads come through without the service that they belong to";
        return Finding::new("control-filter", Severity::Warning, looked_at, found)
            .because("a filter before Tor's control port, such as onion-grater with the profile of another program")
            .so(format!("{FILTER_HINT}. Until then publication is counted, not proven: see `tails-server check`"));
    }
    if refused.is_empty() {
        return Finding::new("control-filter", Severity::Ok, looked_at, "nothing that was asked was kept back");
    }
    Finding::new("control-filter", Severity::Note, looked_at, format!("kept back: {}", refused.join(", ")))
        .because("a filter before Tor's control port, with a profile that does not know these questions")
        .so(FILTER_HINT)
}

fn clock(observed: &Observed) -> Finding {
    let looked_at = "the clock, as Tor sees it";
    let Some(skew) = observed.tor.clock_skew else {
        return Finding::new("clock-skew", Severity::Ok, looked_at, "Tor has not complained");
    };
    let seconds = skew.unsigned_abs();
    let minutes = seconds / 60;
    let severity = if seconds >= MUCH || !observed.tor.is_online() { Severity::Error } else { Severity::Warning };
    let found =
        if skew > 0 { format!("it is {minutes} minutes ahead") } else { format!("it is {minutes} minutes behind") };
    Finding::new("clock-skew", severity, looked_at, found)
        .because("with a wrong clock Tor may not connect, and nobody may find the services")
        .so("Set the clock; in Tails, connect to Tor again")
}

fn network_setting(looked: &Looked) -> Option<Finding> {
    let finding =
        |severity, found: &str| Finding::new("disable-network", severity, "Tor's setting DisableNetwork", found);
    match &looked.asked.survey.network_disabled {
        Told::Answer(false) => Some(finding(Severity::Ok, "0: Tor may use the network")),
        Told::Answer(true) => Some(
            finding(Severity::Error, "1: Tor is kept off the network")
                .because("nobody has let Tor connect yet, or somebody switched it off")
                .so("In Tails: Tor Connection. Elsewhere, look for DisableNetwork in /etc/tor/torrc"),
        ),
        Told::Filtered => Some(finding(Severity::Note, "could not be looked at: a filter keeps it back")),
        Told::Nothing(why) => Some(finding(Severity::Note, &format!("could not be looked at: {why}"))),
    }
}

fn bootstrap(observed: &Observed) -> Finding {
    let (tor, looked_at) = (&observed.tor, "Tor's way into the network");
    let summary = if tor.bootstrap.summary.is_empty() { "no word of it" } else { &tor.bootstrap.summary };
    let found = format!("{} % ({summary})", tor.bootstrap.percent);
    let is_off = tor.is_bootstrapped();
    match tor_problem(observed) {
        Some(problem) => {
            let finding = Finding::new("tor-bootstrap", Severity::Error, looked_at, found).because(problem.message);
            Finding { next_step: problem.hint, ..finding }
        }
        None if tor.is_online() => {
            Finding::new("tor-bootstrap", Severity::Ok, looked_at, format!("{found}, and it has circuits"))
        }
        None if is_off => Finding::new("tor-bootstrap", Severity::Warning, looked_at, found),
        None => Finding::new("tor-bootstrap", Severity::Note, looked_at, found)
            .because("Tor is on its way")
            .so("Wait; services are published once it is at 100 %"),
    }
}
