// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor tells unasked.

use tails_server_state::OnionAddress;

use super::bootstrap::{Bootstrap, parse_bootstrap_phase};
use super::hs_desc::HsDescEvent;
use super::text::{Argument, arguments, bounded, keyword};

/// A kind of event to ask for.
// NOTICE, WARN and ERR are missing on purpose: a log line may hold text outside of ASCII, which ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Bootstrap and circuits.
    StatusClient,
    /// The clock, Tor's version.
    StatusGeneral,
    /// Descriptors of onion services.
    HsDesc,
    /// Changed options, such as `DisableNetwork`.
    ConfChanged,
    /// Whether Tor thinks that the network is there.
    NetworkLiveness,
    /// Signals that Tor acted upon, such as `RELOAD`.
    Signal,
}

impl EventKind {
    /// Its name in SETEVENTS.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::StatusClient => "STATUS_CLIENT",
            Self::StatusGeneral => "STATUS_GENERAL",
            Self::HsDesc => "HS_DESC",
            Self::ConfChanged => "CONF_CHANGED",
            Self::NetworkLiveness => "NETWORK_LIVENESS",
            Self::Signal => "SIGNAL",
        }
    }
}

/// What Tor tells unasked. All texts are bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step of the bootstrap, or what keeps it.
    Bootstrap(Bootstrap),
    /// Tor has a circuit and can be used.
    CircuitEstablished,
    /// Tor has no circuit any more.
    CircuitNotEstablished,
    /// Tor knows enough relays.
    EnoughDirInfo,
    /// Tor knows too few relays to build circuits.
    NotEnoughDirInfo,
    /// Something happened to the descriptor of an onion service.
    HsDesc(HsDescEvent),
    /// Tor answered that it added this onion service: no event of Tor's, but its place among them. What is told of the
    /// service before belongs to an earlier life of it.
    OnionAdded(OnionAddress),
    /// Options changed: their names and new values; `None` is the default. At most 64; long values are cut.
    ConfChanged(Vec<(String, Option<String>)>),
    /// The network came or went.
    NetworkLiveness(Liveness),
    /// The clock is wrong.
    ClockSkew {
        /// By how many seconds; positive when it is ahead.
        seconds: i64,
        /// Who said so.
        source: ClockSource,
    },
    /// The clock jumped, or the machine slept, and Tor gave up its circuits.
    ClockJumped {
        /// By how many seconds, where Tor says it; negative when it went back.
        seconds: Option<i64>,
    },
    /// The directory authorities advise against this version of Tor.
    DangerousVersion {
        /// Tor's name for why: `NEW`, `OLD`, `OBSOLETE`, `UNRECOMMENDED`.
        reason: String,
        /// The versions that they recommend, separated by commas.
        recommended: String,
    },
    /// Tor acted upon a signal.
    Signal {
        /// Its name, such as `RELOAD`.
        name: String,
    },
    /// Anything else.
    Other {
        /// Its first word, or its first and third for a status event; empty when it is no keyword.
        keyword: String,
    },
}

/// Whether the network is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// Something came from the network lately.
    Up,
    /// Nothing did.
    Down,
}

/// Who noticed that the clock is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockSource {
    /// A directory server: one opinion, which may itself be wrong.
    DirectoryServer,
    /// A relay: one opinion.
    Relay,
    /// The consensus of the directory authorities, or another document of theirs.
    Consensus,
    /// Tor does not say.
    Unknown,
}

/// Reads the lines of a 650 reply, each without its code. Total: what is unknown or broken is [`Event::Other`].
#[must_use]
pub fn parse_event(lines: &[String]) -> Event {
    let (first, others) = lines.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
    let (kind, rest) = first.split_once(' ').unwrap_or((first, ""));
    let event = match kind {
        "STATUS_CLIENT" => status_client(rest),
        "STATUS_GENERAL" => status_general(rest),
        "HS_DESC" => HsDescEvent::parse(rest).map(Event::HsDesc),
        "CONF_CHANGED" => Some(conf_changed(others)),
        "NETWORK_LIVENESS" => match rest {
            "UP" => Some(Event::NetworkLiveness(Liveness::Up)),
            "DOWN" => Some(Event::NetworkLiveness(Liveness::Down)),
            _ => None,
        },
        "SIGNAL" => keyword(rest).map(|name| Event::Signal { name: name.to_owned() }),
        _ => None,
    };
    event.unwrap_or_else(|| other(kind, rest))
}

fn other(kind: &str, rest: &str) -> Event {
    let kind = keyword(kind).unwrap_or_default();
    let action = rest.split(' ').nth(1).and_then(keyword);
    let keyword = match action {
        Some(action) if kind.starts_with("STATUS_") => format!("{kind} {action}"),
        Some(_) | None => kind.to_owned(),
    };
    Event::Other { keyword }
}

// control-spec, STATUS_CLIENT: Severity Action Arguments
fn status_client(text: &str) -> Option<Event> {
    match text.split(' ').nth(1)? {
        "BOOTSTRAP" => parse_bootstrap_phase(text).map(Event::Bootstrap),
        "CIRCUIT_ESTABLISHED" => Some(Event::CircuitEstablished),
        "CIRCUIT_NOT_ESTABLISHED" => Some(Event::CircuitNotEstablished),
        "ENOUGH_DIR_INFO" => Some(Event::EnoughDirInfo),
        "NOT_ENOUGH_DIR_INFO" => Some(Event::NotEnoughDirInfo),
        _ => None,
    }
}

// control-spec, STATUS_GENERAL
fn status_general(text: &str) -> Option<Event> {
    let argument =
        |wanted: &str| arguments(text).find_map(|Argument { key, value }| if key == wanted { value } else { None });
    match text.split(' ').nth(1)? {
        "CLOCK_SKEW" => {
            let source = argument("SOURCE").map_or(ClockSource::Unknown, |source| clock_source(&source));
            argument("SKEW")?.parse().ok().map(|seconds| Event::ClockSkew { seconds, source })
        }
        "CLOCK_JUMPED" => Some(Event::ClockJumped { seconds: argument("TIME").and_then(|time| time.parse().ok()) }),
        "DANGEROUS_VERSION" => Some(Event::DangerousVersion {
            reason: keyword(&argument("REASON")?).unwrap_or_default().to_owned(),
            recommended: bounded(&argument("RECOMMENDED").unwrap_or_default(), LONGEST_LIST),
        }),
        _ => None,
    }
}

/// The longest list of recommended versions that is kept.
const LONGEST_LIST: usize = 500;

// control-spec, CLOCK_SKEW: DIRSERV:IP:Port, NETWORKSTATUS:IP:Port, OR:IP:Port, CONSENSUS
fn clock_source(text: &str) -> ClockSource {
    match text.split(':').next() {
        Some("DIRSERV") => ClockSource::DirectoryServer,
        Some("OR") => ClockSource::Relay,
        Some("NETWORKSTATUS" | "CONSENSUS") => ClockSource::Consensus,
        Some(_) | None => ClockSource::Unknown,
    }
}

// control-spec, CONF_CHANGED: lines KEY=VALUE, or KEY where the value is the default; then OK.
fn conf_changed(lines: &[String]) -> Event {
    const MOST: usize = 64;
    const LONGEST: usize = 512;
    const LONGEST_NAME: usize = 64;
    let changes = lines.split_last().map_or(&[][..], |(_ok, changes)| changes);
    let change = |line: &String| {
        let (key, value) = line.split_once('=').map_or((line.as_str(), None), |(key, value)| (key, Some(value)));
        (bounded(key, LONGEST_NAME), value.map(|value| bounded(value, LONGEST)))
    };
    Event::ConfChanged(changes.iter().take(MOST).map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Event {
        parse_event(&text.split('|').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn lines_of_each_kind() {
        let other = |keyword: &str| Event::Other { keyword: keyword.to_owned() };
        let skew = |seconds, source| Event::ClockSkew { seconds, source };
        let changed = |list: &[(&str, Option<&str>)]| {
            let own = |&(key, value): &(&str, Option<&str>)| (key.to_owned(), value.map(str::to_owned));
            Event::ConfChanged(list.iter().map(own).collect())
        };
        for (text, event) in [
            ("STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED", Event::CircuitEstablished),
            ("STATUS_CLIENT NOTICE CIRCUIT_NOT_ESTABLISHED REASON=CLOCK_JUMPED", Event::CircuitNotEstablished),
            ("STATUS_CLIENT NOTICE ENOUGH_DIR_INFO", Event::EnoughDirInfo),
            ("STATUS_CLIENT NOTICE NOT_ENOUGH_DIR_INFO", Event::NotEnoughDirInfo),
            ("STATUS_CLIENT NOTICE CONSENSUS_ARRIVED", other("STATUS_CLIENT CONSENSUS_ARRIVED")),
            ("STATUS_CLIENT NOTICE BOOTSTRAP", other("STATUS_CLIENT BOOTSTRAP")),
            ("STATUS_GENERAL WARN CLOCK_SKEW SKEW=-3600 SOURCE=CONSENSUS", skew(-3600, ClockSource::Consensus)),
            ("STATUS_GENERAL WARN CLOCK_SKEW SKEW=+60 SOURCE=OR:192.0.2.1:9001", skew(60, ClockSource::Relay)),
            (
                "STATUS_GENERAL WARN CLOCK_SKEW MIN_SKEW=x SKEW=61 SOURCE=DIRSERV:192.0.2.1:80",
                skew(61, ClockSource::DirectoryServer),
            ),
            ("STATUS_GENERAL WARN CLOCK_SKEW SKEW=61", skew(61, ClockSource::Unknown)),
            ("STATUS_GENERAL WARN CLOCK_SKEW SKEW=?", other("STATUS_GENERAL CLOCK_SKEW")),
            ("STATUS_GENERAL NOTICE CLOCK_JUMPED TIME=120", Event::ClockJumped { seconds: Some(120) }),
            ("STATUS_GENERAL NOTICE CLOCK_JUMPED TIME=-120", Event::ClockJumped { seconds: Some(-120) }),
            ("STATUS_GENERAL NOTICE CLOCK_JUMPED", Event::ClockJumped { seconds: None }),
            (
                r#"STATUS_GENERAL WARN DANGEROUS_VERSION CURRENT=0.4.9.11 REASON=OBSOLETE RECOMMENDED="0.5.0, 0.5.1""#,
                Event::DangerousVersion { reason: "OBSOLETE".to_owned(), recommended: "0.5.0, 0.5.1".to_owned() },
            ),
            ("NETWORK_LIVENESS UP", Event::NetworkLiveness(Liveness::Up)),
            ("NETWORK_LIVENESS DOWN", Event::NetworkLiveness(Liveness::Down)),
            ("NETWORK_LIVENESS SIDEWAYS", other("NETWORK_LIVENESS")),
            ("CONF_CHANGED|DisableNetwork=1|OK", changed(&[("DisableNetwork", Some("1"))])),
            ("CONF_CHANGED|Log|SocksPort=a=b|OK", changed(&[("Log", None), ("SocksPort", Some("a=b"))])),
            ("CONF_CHANGED", changed(&[])),
            ("SIGNAL RELOAD", Event::Signal { name: "RELOAD".to_owned() }),
            ("BW 0 20", other("BW")),
            ("", other("")),
            ("lower case", other("")),
        ] {
            assert_eq!(parse(text), event, "{text:?}");
        }
        assert_eq!(parse_event(&[]), other(""));
    }

    /// Every 650 line of the fixture is understood.
    #[test]
    fn recorded_events_are_understood() {
        let fixture = include_str!("../../fixtures/control-port/events.txt");
        let (mut descriptors, mut phases) = (0, 0);
        for line in fixture.lines().filter_map(|line| line.strip_prefix("650 ")) {
            match parse(line) {
                Event::HsDesc(event) => {
                    assert!(event.address.is_some(), "{line}");
                    assert_eq!(event.hsdir.is_none(), event.action == crate::torctl::HsDescAction::Created, "{line}");
                    let named = event.action != crate::torctl::HsDescAction::Uploaded;
                    assert_eq!(event.descriptor_id.is_some(), named, "{line}");
                    descriptors += 1;
                }
                Event::Bootstrap(phase) => {
                    assert!(!phase.tag.is_empty() && !phase.summary.is_empty() && phase.problem.is_none(), "{line}");
                    phases += 1;
                }
                Event::Other { keyword } => assert_eq!(keyword, "STATUS_CLIENT CONSENSUS_ARRIVED"),
                Event::CircuitEstablished
                | Event::CircuitNotEstablished
                | Event::EnoughDirInfo
                | Event::NotEnoughDirInfo
                | Event::OnionAdded(_)
                | Event::ConfChanged(_)
                | Event::NetworkLiveness(_)
                | Event::ClockSkew { .. }
                | Event::ClockJumped { .. }
                | Event::DangerousVersion { .. }
                | Event::Signal { .. } => {}
            }
        }
        assert!(descriptors >= 20 && phases >= 15, "{descriptors} {phases}");
    }

    proptest::proptest! {
        #[test]
        fn no_lines_make_the_parser_panic(lines in proptest::collection::vec(
            "(HS_DESC|STATUS_CLIENT|STATUS_GENERAL|CONF_CHANGED|NETWORK_LIVENESS|SIGNAL|.{0,8})( [A-Z_=\"$\\\\~]{0,12}| .{0,60}){0,8}", 0..5,
        )) {
            let _ = parse_event(&lines);
        }
    }
}
