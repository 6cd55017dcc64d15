// SPDX-License-Identifier: GPL-3.0-or-later
//! How far Tor is with connecting to the network.

use super::text::{Argument, arguments, bounded};

/// How far Tor is with connecting to the network.
///
/// Once at 100 it stays there, also while the network is off: look at
/// [`InfoKey::CircuitEstablished`](super::InfoKey::CircuitEstablished) too.
///
/// # Examples
/// ```
/// use tails_server::torctl::parse_bootstrap_phase;
///
/// let phase = parse_bootstrap_phase(r#"NOTICE BOOTSTRAP PROGRESS=14 TAG=handshake SUMMARY="Handshaking with a relay""#);
/// assert_eq!(phase.map(|phase| phase.progress), Some(14));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Percent, 0 to 100.
    pub progress: u8,
    /// Tor's short name of the phase; `done` at the end.
    pub tag: String,
    /// The phase for people, in English.
    pub summary: String,
    /// What Tor has trouble with.
    pub problem: Option<BootstrapProblem>,
}

/// What keeps Tor from connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapProblem {
    /// The trouble for people, in English.
    pub warning: String,
    /// Tor's name for it, such as `NOROUTE` or `TIMEOUT`.
    pub reason: String,
    /// How often it happened.
    pub count: u32,
    /// Whether Tor thinks that people should hear of it.
    pub worth_telling: bool,
}

/// Reads the answer to `GETINFO status/bootstrap-phase`, or a `STATUS_CLIENT` event without its first word.
#[must_use]
pub fn parse_bootstrap_phase(text: &str) -> Option<Bootstrap> {
    let mut arguments = arguments(text);
    let severity = arguments.next()?;
    let action = arguments.next()?;
    let bootstrap =
        matches!(severity.key, "NOTICE" | "WARN" | "ERR") && action == Argument { key: "BOOTSTRAP", value: None };
    if bootstrap { read(arguments) } else { None }
}

// control-spec, STATUS_CLIENT, BOOTSTRAP
fn read<'a>(arguments: impl Iterator<Item = Argument<'a>>) -> Option<Bootstrap> {
    const LONGEST: usize = 200;
    let (mut progress, mut tag, mut summary) = (None, String::new(), String::new());
    let (mut warning, mut reason, mut count, mut worth_telling) = (None, String::new(), 0, false);
    for Argument { key, value } in arguments {
        let Some(value) = value else { continue };
        match key {
            "PROGRESS" => progress = value.parse().ok().filter(|&percent: &u8| percent <= 100),
            "TAG" => tag = bounded(&value, LONGEST),
            "SUMMARY" => summary = bounded(&value, LONGEST),
            "WARNING" => warning = Some(bounded(&value, LONGEST)),
            "REASON" => reason = bounded(&value, LONGEST),
            "COUNT" => count = value.parse().unwrap_or(0),
            "RECOMMENDATION" => worth_telling = value == "warn",
            _ => {}
        }
    }
    let problem = warning.map(|warning| BootstrapProblem { warning, reason, count, worth_telling });
    Some(Bootstrap { progress: progress?, tag, summary, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_carries_its_reason() {
        let text = r#"WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay" WARNING="No route to host" REASON=NOROUTE COUNT=10 RECOMMENDATION=warn HOSTID="0123" HOSTADDR="192.0.2.1:9001""#;
        let found = parse_bootstrap_phase(text).unwrap();
        assert_eq!((found.progress, found.tag.as_str(), found.summary.as_str()), (5, "conn", "Connecting to a relay"));
        let problem = found.problem.unwrap();
        assert_eq!((problem.warning.as_str(), problem.reason.as_str()), ("No route to host", "NOROUTE"));
        assert_eq!((problem.count, problem.worth_telling), (10, true));
    }

    #[test]
    fn what_has_no_progress_is_no_phase() {
        for text in [
            "",
            "NOTICE",
            "NOTICE BOOTSTRAP",
            "NOTICE BOOTSTRAP PROGRESS=",
            "NOTICE BOOTSTRAP PROGRESS=101",
            "NOTICE BOOTSTRAP PROGRESS=-1",
            "NOTICE CIRCUIT_ESTABLISHED PROGRESS=5",
            "BOOTSTRAP PROGRESS=5",
            "DEBUG BOOTSTRAP PROGRESS=5",
        ] {
            assert_eq!(parse_bootstrap_phase(text), None, "{text:?}");
        }
    }
}
