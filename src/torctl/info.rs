// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor can be asked.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tails_server_state::{InvalidAddress, OnionAddress};

/// A key of GETINFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InfoKey {
    /// Tor's version.
    Version,
    /// See [`parse_bootstrap_phase`](super::parse_bootstrap_phase).
    BootstrapPhase,
    /// `1` when Tor has a circuit.
    CircuitEstablished,
    /// `1` when Tor knows enough relays.
    EnoughDirInfo,
    /// `up` or `down`; slow to notice that the network went.
    NetworkLiveness,
    /// The onion services of this connection; see [`parse_onions`].
    OnionsCurrent,
    /// The onion services of no connection; see [`parse_onions`].
    OnionsDetached,
    /// The circuits that begin at this Tor; see [`parse_circuits`](super::parse_circuits).
    // A line has up to half a kilobyte: with 2,000 circuits the reply is longer than torut takes, and the connection ends.
    CircuitStatus,
    /// Where Tor's SOCKS ports are; see [`parse_listeners`](super::parse_listeners).
    SocksListeners,
    /// When the consensus that Tor has became valid; see [`parse_time`](super::parse_time). Empty without one.
    ConsensusValidAfter,
    /// When there will be a newer consensus; as above.
    ConsensusFreshUntil,
    /// Until when the consensus can be used; as above.
    ConsensusValidUntil,
    /// The number of Tor's process: another one is another Tor.
    ProcessId,
    /// What Tor's clock says; see [`parse_time`](super::parse_time).
    Clock,
    /// What the directory authorities think of this version; see [`VersionStatus`](super::VersionStatus).
    VersionStatus,
    /// The descriptor that Tor made for an own service.
    ServiceDescriptor(OnionAddress),
}

impl InfoKey {
    /// Its name in GETINFO.
    #[must_use]
    pub fn keyword(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Version => "version",
            Self::BootstrapPhase => "status/bootstrap-phase",
            Self::CircuitEstablished => "status/circuit-established",
            Self::EnoughDirInfo => "status/enough-dir-info",
            Self::NetworkLiveness => "network-liveness",
            Self::OnionsCurrent => "onions/current",
            Self::OnionsDetached => "onions/detached",
            Self::CircuitStatus => "circuit-status",
            Self::SocksListeners => "net/listeners/socks",
            Self::ConsensusValidAfter => "consensus/valid-after",
            Self::ConsensusFreshUntil => "consensus/fresh-until",
            Self::ConsensusValidUntil => "consensus/valid-until",
            Self::ProcessId => "process/pid",
            Self::Clock => "current-time/utc",
            Self::VersionStatus => "status/version/current",
            Self::ServiceDescriptor(address) => {
                return Cow::Owned(format!("hs/service/desc/id/{}", address.service_id()));
            }
        })
    }
}

/// Reads the value of [`InfoKey::OnionsCurrent`] or [`InfoKey::OnionsDetached`]: none, one or many addresses.
///
/// # Errors
/// When a line is no onion address: then the list is not to be trusted at all.
pub fn parse_onions(value: &str) -> Result<BTreeSet<OnionAddress>, InvalidAddress> {
    value.lines().filter(|line| !line.is_empty()).map(OnionAddress::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_one_and_many_services() {
        let one = "lirhggynw6f6ikklfzjqtemuv6f2t6xs7a6awmbxfpdro4mcxgpogkyd";
        let two = "4pdlrfhofbnxrfjyv4vciic7cb53r4nrfaobsootsle6aikfic5hjiid";
        assert_eq!(parse_onions("").unwrap().len(), 0);
        assert_eq!(parse_onions(one).unwrap().len(), 1);
        assert_eq!(parse_onions(&format!("{one}\n{two}")).unwrap().len(), 2);
        assert!(parse_onions(&format!("{one}\nx")).is_err());
        assert!(parse_onions(&format!("{one}{two}")).is_err());
    }
}
