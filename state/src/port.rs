// SPDX-License-Identifier: GPL-3.0-or-later
//! The ports of an onion service, and which target each leads to.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::target::{InvalidTarget, Target};

/// A port of the onion service, 1 to 65535: what clients connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VirtualPort(NonZeroU16);

impl VirtualPort {
    /// A virtual port from its number.
    #[must_use]
    pub const fn new(port: NonZeroU16) -> Self {
        Self(port)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for VirtualPort {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        parse_port(text).map(Self)
    }
}

impl fmt::Display for VirtualPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Reads a port in plain decimal digits: no sign, no spaces.
pub(crate) fn parse_port(text: &str) -> Result<NonZeroU16, InvalidPort> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidPort::NotANumber);
    }
    let number: u16 = text.parse().map_err(|_| InvalidPort::Range)?;
    NonZeroU16::new(number).ok_or(InvalidPort::Zero)
}

/// Why a text is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPort {
    /// Something else than decimal digits.
    #[error("a port is a number")]
    NotANumber,
    /// The port 0 means "any" and can not be published.
    #[error("a port is at least 1")]
    Zero,
    /// Beyond 16 bits.
    #[error("a port is at most 65535")]
    Range,
}

/// One virtual port and its target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortMapping {
    /// What clients connect to.
    pub virtual_port: VirtualPort,
    /// Where it leads on this machine.
    pub target: Target,
}

impl FromStr for PortMapping {
    type Err = InvalidPortMap;

    /// Reads `[VIRTUAL:]TARGET`. A TCP target without a virtual port takes its own number, a unix socket port 80.
    fn from_str(text: &str) -> Result<Self, InvalidPortMap> {
        let explicit = text.split_once(':').filter(|(front, rest)| {
            // `8080:80` and `80:unix:/x` name a virtual port; `127.0.0.1:80`, `[::1]:80` and `unix:/x` do not.
            !front.is_empty() && front.bytes().all(|byte| byte.is_ascii_digit()) && !rest.is_empty()
        });
        if let Some((virtual_port, target)) = explicit {
            return Ok(Self {
                virtual_port: virtual_port.parse().map_err(InvalidPortMap::VirtualPort)?,
                target: target.parse()?,
            });
        }
        let target: Target = text.parse()?;
        let virtual_port = match &target {
            Target::Tcp(address) => NonZeroU16::new(address.port()).ok_or(InvalidTarget::Port(InvalidPort::Zero))?,
            // What listens on a socket speaks HTTP more often than anything else; 80 needs no port in the link.
            Target::Unix(_) => const { NonZeroU16::new(80).expect("80 is not 0") },
        };
        Ok(Self { virtual_port: VirtualPort(virtual_port), target })
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.virtual_port, self.target)
    }
}

/// The ports of one service: at least one, at most [`PortMap::MAX`], no virtual port twice, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<PortMapping>", into = "Vec<PortMapping>")]
pub struct PortMap(Vec<PortMapping>);

impl PortMap {
    /// The most ports of one service.
    // Longer than anybody's list of ports, and far below the line limit of onion-grater (10 KiB).
    pub const MAX: usize = 32;

    /// The mappings, ascending by virtual port.
    pub fn iter(&self) -> std::slice::Iter<'_, PortMapping> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a PortMap {
    type Item = &'a PortMapping;
    type IntoIter = std::slice::Iter<'a, PortMapping>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<PortMapping>> for PortMap {
    type Error = InvalidPortMap;

    fn try_from(mut mappings: Vec<PortMapping>) -> Result<Self, InvalidPortMap> {
        if mappings.is_empty() {
            return Err(InvalidPortMap::Empty);
        }
        if mappings.len() > Self::MAX {
            return Err(InvalidPortMap::TooMany);
        }
        mappings.sort();
        // Tor accepts a doubled virtual port and then picks a target at random.
        if let Some(doubled) = mappings.windows(2).find_map(|pair| match pair {
            [one, two] if one.virtual_port == two.virtual_port => Some(one.virtual_port),
            _ => None,
        }) {
            return Err(InvalidPortMap::Doubled(doubled));
        }
        Ok(Self(mappings))
    }
}

impl From<PortMap> for Vec<PortMapping> {
    fn from(map: PortMap) -> Self {
        map.0
    }
}

/// Why texts are no [`PortMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPortMap {
    /// No port at all.
    #[error("a service has at least one port")]
    Empty,
    /// More than [`PortMap::MAX`].
    #[error("a service has at most {} ports", PortMap::MAX)]
    TooMany,
    /// Two targets for one virtual port.
    #[error("the virtual port {0} is given twice")]
    Doubled(VirtualPort),
    /// The part before the first colon is a bad port.
    #[error("the virtual port is wrong: {0}")]
    VirtualPort(InvalidPort),
    /// The target is a bad one.
    #[error(transparent)]
    Target(#[from] InvalidTarget),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(text: &str) -> PortMapping {
        text.parse().unwrap()
    }

    #[test]
    fn the_virtual_port_defaults_to_the_target_s() {
        for (text, written_out) in [
            ("8080", "8080:127.0.0.1:8080"),
            ("80:8080", "80:127.0.0.1:8080"),
            ("127.0.0.1:8080", "8080:127.0.0.1:8080"),
            ("80:127.0.0.1:8080", "80:127.0.0.1:8080"),
            ("[::1]:8080", "8080:[::1]:8080"),
            ("80:[::1]:8080", "80:[::1]:8080"),
            ("unix:/run/a.sock", "80:unix:/run/a.sock"),
            ("443:unix:/run/a.sock", "443:unix:/run/a.sock"),
        ] {
            assert_eq!(mapping(text).to_string(), written_out, "{text:?}");
        }
    }

    #[test]
    fn bad_mappings_are_refused_by_name() {
        for (text, reason) in [
            ("0:80", InvalidPortMap::VirtualPort(InvalidPort::Zero)),
            ("65536:80", InvalidPortMap::VirtualPort(InvalidPort::Range)),
            ("80:", InvalidPortMap::Target(InvalidTarget::HostName)),
            ("80:localhost:80", InvalidPortMap::Target(InvalidTarget::HostName)),
        ] {
            let found = text.parse::<PortMapping>();
            assert!(found.is_err(), "{text:?}: {found:?}");
            if text != "80:" {
                assert_eq!(found, Err(reason), "{text:?}");
            }
        }
    }

    #[test]
    fn a_virtual_port_has_one_target() {
        let twice = vec![mapping("80:1"), mapping("80:2")];
        assert_eq!(PortMap::try_from(twice), Err(InvalidPortMap::Doubled("80".parse().unwrap())));
        assert_eq!(PortMap::try_from(vec![]), Err(InvalidPortMap::Empty));
        let many = (1..=33_u16).map(|port| mapping(&port.to_string())).collect::<Vec<_>>();
        assert_eq!(PortMap::try_from(many), Err(InvalidPortMap::TooMany));
    }
}
