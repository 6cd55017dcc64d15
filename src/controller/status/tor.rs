// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see of Tor.

use super::{Outlook, Problem, TorStatus};
use crate::controller::observed::{Bootstrap, Connection, Observed, STUCK_PATIENCE};

pub(super) fn tor_status(observed: &Observed) -> TorStatus {
    let tor = &observed.tor;
    TorStatus {
        connected: tor.is_connected(),
        version: match &tor.connection {
            Connection::Up { version } => Some(version.clone()),
            Connection::Pending | Connection::Lost(_) => None,
        },
        bootstrap_percent: tor.bootstrap.percent,
        bootstrap_summary: tor.bootstrap.summary.clone(),
        online: tor.is_online(),
        problem: tor_problem(observed),
        warnings: warnings(observed),
    }
}

/// What Tor said that keeps nothing from working at the moment.
fn warnings(observed: &Observed) -> Vec<Problem> {
    let skew = observed.tor.clock_skew.map(|seconds| {
        let minutes = seconds.unsigned_abs() / 60;
        Problem {
            message: if seconds > 0 {
                format!("the clock of this computer is {minutes} minutes ahead, Tor says")
            } else {
                format!("the clock of this computer is {minutes} minutes behind, Tor says")
            },
            hint: Some(
                "Set the clock; with a wrong one Tor may not connect, and nobody may find the services".to_owned(),
            ),
            outlook: Outlook::Lasting,
        }
    });
    let version = observed.tor.recommended_versions.as_ref().map(|recommended| Problem {
        message: "the Tor network advises against this version of Tor".to_owned(),
        hint: Some(format!("Upgrade Tor; recommended are {recommended}")),
        outlook: Outlook::Lasting,
    });
    let hiding = observed.hidden.is_hiding().then(|| Problem {
        message: "a filter before Tor's control port hides which service an upload belongs to".to_owned(),
        hint: Some(
            "Publication can only be counted, not proven; the profile of Tails Server passes the whole event"
                .to_owned(),
        ),
        outlook: Outlook::Lasting,
    });
    skew.into_iter().chain(version).chain(hiding).collect()
}

/// What keeps Tor from being usable.
pub(in crate::controller) fn tor_problem(observed: &Observed) -> Option<Problem> {
    let tor = &observed.tor;
    let (message, hint) = match &tor.connection {
        Connection::Pending => return None,
        Connection::Lost(problem) => (problem.message.clone(), problem.hint.clone()),
        Connection::Up { .. } => {
            let (message, hint) = match &tor.bootstrap.warning {
                Some(warning) => (format!("Tor does not get further: {}", warning.words), next_step(&warning.reason)),
                None if tor.is_online() => return None,
                None if tor.is_bootstrapped() => ("Tor is not connected to the network".to_owned(), OFFLINE),
                None => {
                    let since = tor.stuck_at().filter(|stuck| *stuck <= observed.now).map(|_| STUCK_PATIENCE)?;
                    let Bootstrap { percent, summary, .. } = &tor.bootstrap;
                    let minutes = since.as_secs() / 60;
                    (format!("Tor has not got further than {percent} % ({summary}) for {minutes} minutes"), STUCK)
                }
            };
            (message, Some(hint.to_owned()))
        }
    };
    Some(Problem { message, hint, outlook: Outlook::Retrying })
}

const OFFLINE: &str = "It publishes again by itself once it is online; see whether this computer is connected";
const STUCK: &str = "See whether this computer is connected, and whether Tor may use the network (in Tails: Tor Connection). Where \
                     the network blocks Tor, it needs bridges";

/// What a person can do, by Tor's name for the trouble.
// control-spec, STATUS_CLIENT, BOOTSTRAP: REASON is that of an ORCONN event, or MISC
fn next_step(reason: &str) -> &'static str {
    match reason {
        "NOROUTE" => "See whether this computer is connected to a network",
        "CONNECTREFUSED" | "TIMEOUT" | "CONNECTRESET" | "IOERROR" | "DONE" => {
            "The network may block Tor, or the bridge be away: try another network, or other bridges"
        }
        "IDENTITY" | "TLS_ERROR" => {
            "Something between here and the relay may interfere: try other bridges, and see whether the clock is right"
        }
        "RESOURCELIMIT" => "This computer has no memory or no open files left for Tor: end other programs",
        "PT_MISSING" => "The program for this kind of bridges is missing: install it, or use other bridges",
        _ => "See Tor's own log for more; the clock, the connection or the bridges may be wrong",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::controller::{BootstrapWarning, Desired, Fact, Generation, TorFact, status};

    /// What is seen of a Tor that told this and then nothing for so long.
    fn seen(facts: Vec<TorFact>, later: Duration) -> TorStatus {
        let mut observed = Observed::default();
        let connected = TorFact::Connected { version: "0.4.9.11".to_owned() };
        for fact in std::iter::once(connected).chain(facts) {
            observed.fold(Fact::Tor(Generation(1), fact));
        }
        let next = observed.next_look();
        observed.tick(observed.now + later);
        assert!(next.is_some() || tor_problem(&observed).is_none_or(|problem| !problem.message.contains("minutes")));
        status(&Desired::default(), &observed, &[]).tor
    }

    fn at(percent: u8, warning: Option<(&str, &str)>) -> TorFact {
        let warning = warning.map(|(reason, words)| BootstrapWarning { words: words.into(), reason: reason.into() });
        TorFact::Bootstrap(Bootstrap { percent, summary: "Handshaking".to_owned(), warning })
    }

    #[test]
    fn what_keeps_tor_back_has_a_cause_and_a_next_step() {
        let moment = Duration::from_secs(1);
        let long = STUCK_PATIENCE + moment;
        let route = at(5, Some(("NOROUTE", "No route to host")));
        let refused = at(14, Some(("CONNECTREFUSED", "Connection refused")));
        let ready = || vec![at(100, None), TorFact::EnoughDirectory(true), TorFact::Circuits(true)];
        for (facts, later, message, hint) in [
            (vec![], moment, None, ""),
            (vec![], long, Some("Tor has not got further than 0 % () for 2 minutes"), "Tor Connection"),
            (vec![at(45, None)], moment, None, ""),
            (
                vec![at(45, None)],
                long,
                Some("Tor has not got further than 45 % (Handshaking) for 2 minutes"),
                "bridges",
            ),
            (vec![route], moment, Some("Tor does not get further: No route to host"), "connected to a network"),
            (vec![refused], long, Some("Tor does not get further: Connection refused"), "may block Tor"),
            (vec![at(100, None)], moment, Some("Tor is not connected to the network"), "by itself"),
            (ready(), long, None, ""),
        ] {
            let problem = seen(facts, later).problem;
            assert_eq!(problem.as_ref().map(|problem| problem.message.as_str()), message);
            assert!(problem.and_then(|problem| problem.hint).unwrap_or_default().contains(hint), "{message:?}");
        }
    }

    #[test]
    fn what_tor_warns_of_has_a_next_step() {
        let facts = vec![TorFact::ClockSkew(-7200), TorFact::DangerousVersion("0.4.9.12".to_owned())];
        let warnings = seen(facts, Duration::ZERO).warnings;
        let texts: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            texts,
            [
                "the clock of this computer is 120 minutes behind, Tor says",
                "the Tor network advises against this version of Tor"
            ]
        );
        assert!(warnings.iter().all(|warning| warning.hint.is_some()));
    }
}
