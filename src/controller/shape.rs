// SPDX-License-Identifier: GPL-3.0-or-later
//! What a service is to Tor beside its key.

use std::collections::BTreeSet;

use tails_server_state::{ClientAuthorization, ClientPublicKey, MaxStreams, PortMap, ProofOfWork, StoredService};

/// What a service is to Tor beside its key. Tor can change none of it: another shape is another life of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnionShape {
    /// Its ports.
    pub ports: PortMap,
    /// To whom it is open.
    pub audience: Audience,
    /// The most streams that a circuit of a visitor may have.
    pub max_streams: Option<MaxStreams>,
    /// Its defence against floods.
    pub proof_of_work: Option<ProofOfWork>,
}

/// To whom a service is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Whoever knows the address.
    Everybody,
    /// Those who have the other halves of these keys; nobody if there are none.
    Clients(BTreeSet<ClientPublicKey>),
}

impl Audience {
    /// Nobody at all.
    pub(super) const NOBODY: Self = Self::Clients(BTreeSet::new());

    /// To whom a service is to be open while it is enabled.
    #[must_use]
    pub fn of(service: &StoredService) -> Self {
        match service.record.exposure().client_authorization {
            ClientAuthorization::Off => Self::Everybody,
            ClientAuthorization::On => Self::Clients(service.clients.iter().map(|client| client.public_key).collect()),
        }
    }

    /// Whether all those who are in the other one are in this one, too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everybody, _) => true,
            (Self::Clients(_), Self::Everybody) => false,
            (Self::Clients(these), Self::Clients(those)) => these.is_superset(those),
        }
    }

    /// Whether it is open to anybody. Tor can not be given a service that is not, and it would make no sense.
    #[must_use]
    pub fn is_anybody(&self) -> bool {
        *self != Self::NOBODY
    }
}

impl OnionShape {
    /// What is wished of a service.
    #[must_use]
    pub fn of(service: &StoredService) -> Self {
        let exposure = service.record.exposure();
        Self {
            ports: service.record.ports().clone(),
            audience: Audience::of(service),
            max_streams: exposure.max_streams,
            proof_of_work: exposure.proof_of_work,
        }
    }

    /// Whether it is the other one, and open to others besides.
    #[must_use]
    pub fn only_lets_in_more_than(&self, other: &Self) -> bool {
        let Self { ports, audience, max_streams, proof_of_work } = self;
        audience.includes(&other.audience)
            && (ports, max_streams, proof_of_work) == (&other.ports, &other.max_streams, &other.proof_of_work)
    }
}

#[cfg(test)]
mod tests {
    use tails_server_state::ClientSecretKey;

    use super::*;

    #[test]
    fn an_audience_includes_its_parts_and_nobody_is_in_all() {
        let keys: Vec<_> = (0..2).map(|_| ClientSecretKey::generate().unwrap().public_key()).collect();
        let one = Audience::Clients(keys[..1].iter().copied().collect());
        let both = Audience::Clients(keys.iter().copied().collect());
        for audience in [&one, &both, &Audience::Everybody, &Audience::NOBODY] {
            assert!(audience.includes(audience) && audience.includes(&Audience::NOBODY));
            assert!(Audience::Everybody.includes(audience));
        }
        assert!(both.includes(&one) && !one.includes(&both) && !both.includes(&Audience::Everybody));
        assert!(!Audience::NOBODY.is_anybody() && one.is_anybody() && Audience::Everybody.is_anybody());
    }
}
