// SPDX-License-Identifier: GPL-3.0-or-later
//! The circuits that begin at this Tor.

use std::fmt;

use tails_server_state::OnionAddress;

use super::text::{Argument, arguments, keyword};

/// One circuit, from the value of [`InfoKey::CircuitStatus`](super::InfoKey::CircuitStatus).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// Its name until it is closed.
    pub id: CircuitId,
    /// How far it is, such as `LAUNCHED`, `EXTENDED`, `BUILT`.
    pub state: String,
    /// What it is for.
    pub purpose: CircuitPurpose,
    /// How far it is as a circuit of an onion service, such as `HSSR_CONNECTING` or `HSSR_JOINED`.
    pub hs_state: Option<String>,
    /// The onion service that it is for, or leads to.
    pub rend_query: Option<OnionAddress>,
}

/// Tor's name of a circuit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CircuitId(String);

impl CircuitId {
    // control-spec, CircuitID: 1*16 IDChar, letters and digits
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CircuitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a circuit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitPurpose {
    /// A visitor of an own onion service: made, or still being made.
    ServiceRendezvous,
    /// An introduction point of an own onion service.
    ServiceIntroduction,
    /// Anything else.
    Other,
}

/// Why a list of circuits is not to be trusted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line in the list of circuits can not be understood")]
pub struct InvalidCircuits;

/// Reads the value of [`InfoKey::CircuitStatus`](super::InfoKey::CircuitStatus).
///
/// # Errors
/// When any line is not understood: it may be the one that somebody looks for.
pub fn parse_circuits(value: &str) -> Result<Vec<Circuit>, InvalidCircuits> {
    value.lines().filter(|line| !line.is_empty()).map(|line| circuit(line).ok_or(InvalidCircuits)).collect()
}

// control-spec, CIRC: CircuitID CircStatus [Path] [KEY=VALUE]...
fn circuit(line: &str) -> Option<Circuit> {
    let (id, rest) = line.split_once(' ')?;
    let (state, rest) = rest.split_once(' ')?;
    let id = CircuitId::parse(id)?;
    let state = keyword(state)?.to_owned();
    let (mut purpose, mut hs_state, mut rend_query) = (None, None, None);
    for Argument { key, value } in arguments(rest) {
        let field = match key {
            "PURPOSE" => &mut purpose,
            "HS_STATE" => &mut hs_state,
            "REND_QUERY" => &mut rend_query,
            _ => continue,
        };
        // Twice, or without a value: which one counts is anybody's guess.
        if value.is_none() || std::mem::replace(field, value).is_some() {
            return None;
        }
    }
    let purpose = match keyword(&purpose?)? {
        "HS_SERVICE_REND" => CircuitPurpose::ServiceRendezvous,
        "HS_SERVICE_INTRO" => CircuitPurpose::ServiceIntroduction,
        _ => CircuitPurpose::Other,
    };
    let hs_state = match hs_state {
        Some(word) => Some(keyword(&word)?.to_owned()),
        None => None,
    };
    let rend_query = match rend_query {
        Some(text) => Some(OnionAddress::parse(&text).ok()?),
        None => None,
    };
    // A visitor of no service that can be named: Tor always names it.
    let is_nameless = purpose == CircuitPurpose::ServiceRendezvous && rend_query.is_none();
    if is_nameless { None } else { Some(Circuit { id, state, purpose, hs_state, rend_query }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "uwaqqjxba25klompr5fomlbxnt7pmmsim7zqqta6vwqjvlr4fcwh5hyd";

    #[test]
    fn recorded_circuits_are_understood() {
        let fixture = include_str!("../../fixtures/control-port/circuits.txt");
        let lines: Vec<&str> = fixture.lines().filter(|line| !line.starts_with('#')).collect();
        let circuits = parse_circuits(&lines.join("\n")).unwrap();
        assert_eq!(circuits.len(), lines.len());
        let of = |purpose| circuits.iter().filter(move |circuit| circuit.purpose == purpose);
        assert!(of(CircuitPurpose::ServiceIntroduction).all(|circuit| circuit.rend_query.is_some()));
        let visitors: Vec<_> =
            of(CircuitPurpose::ServiceRendezvous).map(|circuit| circuit.hs_state.as_deref().unwrap()).collect();
        assert!(visitors.contains(&"HSSR_JOINED") && visitors.contains(&"HSSR_CONNECTING"), "{visitors:?}");
        assert!(of(CircuitPurpose::Other).count() > 0);
    }

    #[test]
    fn one_line_that_is_not_understood_spoils_the_list() {
        let good = format!("317 BUILT PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY={ADDRESS}");
        assert_eq!(parse_circuits(""), Ok(vec![]));
        assert_eq!(parse_circuits(&format!("{good}\n{good}\n")).unwrap().len(), 2);
        for bad in [
            "317",
            "317 BUILT",
            "317 BUILT $1FBDCB4A16614B7B422FDFCDF67A0DCF663431ED~auth2",
            "3-17 BUILT PURPOSE=GENERAL",
            "12345678901234567 BUILT PURPOSE=GENERAL",
            "317 built PURPOSE=GENERAL",
            "317 BUILT PURPOSE=",
            "317 BUILT PURPOSE",
            "317 BUILT PURPOSE=GENERAL PURPOSE=HS_SERVICE_REND",
            "317 BUILT PURPOSE=HS_SERVICE_REND",
            "317 BUILT PURPOSE=HS_SERVICE_REND REND_QUERY=redacted",
            "317 BUILT PURPOSE=GENERAL REND_QUERY=redacted",
            " BUILT PURPOSE=GENERAL",
        ] {
            assert_eq!(parse_circuits(bad), Err(InvalidCircuits), "{bad:?}");
            assert_eq!(parse_circuits(&format!("{good}\n{bad}\n{good}")), Err(InvalidCircuits), "{bad:?}");
        }
    }

    #[test]
    fn what_a_visitor_of_a_proxy_chose_is_no_argument() {
        let line = r#"1 BUILT PURPOSE=GENERAL SOCKS_USERNAME="x\" PURPOSE=HS_SERVICE_REND" SOCKS_PASSWORD="\\""#;
        assert_eq!(parse_circuits(line).unwrap()[0].purpose, CircuitPurpose::Other);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(
            text in "(([0-9]{1,3}|.{0,3}) (BUILT|LAUNCHED|.{0,5})( (PURPOSE|HS_STATE|REND_QUERY|SOCKS_USERNAME)=[A-Z_\"\\\\]{0,9}| .{0,9}){0,6}\n){0,4}",
        ) {
            let _ = parse_circuits(&text);
        }
    }
}
