// SPDX-License-Identifier: GPL-3.0-or-later
//! An onion service for Tor, and whether Tor made the one that was asked for.

use std::collections::BTreeSet;

use tails_server_state::{ClientPublicKey, MaxStreams, OnionAddress, OnionKey, PortMap, ProofOfWork};

/// An onion service for Tor. Always with `DiscardPK`, never with `Detach`.
///
/// # Examples
/// ```
/// use tails_server::torctl::AddOnion;
/// use tails_server_state::{ClientSecretKey, OnionKey, PortMap};
///
/// let key = OnionKey::generate()?;
/// let ports = PortMap::try_from(vec!["80:127.0.0.1:8080".parse()?])?;
/// let public = AddOnion::new(&key, key.address(), &ports);
/// assert!(format!("{public:?}").contains("OnionKey(secret)"));
///
/// let clients = [ClientSecretKey::generate()?.public_key()];
/// assert_eq!(public.with_clients(&clients).check(), Ok(()));
/// assert!(public.with_clients(&[]).check().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AddOnion<'a> {
    /// The secret key.
    pub key: &'a OnionKey,
    /// The address that Tor has to give it.
    pub address: OnionAddress,
    /// Its ports.
    pub ports: &'a PortMap,
    /// The clients that may reach it; `None` is everybody.
    pub clients: Option<&'a [ClientPublicKey]>,
    /// The most streams of one circuit; Tor closes the circuit that asks for more.
    pub max_streams: Option<MaxStreams>,
    /// The proof-of-work defence, for a Tor that [supports it](super::Client::supports_proof_of_work).
    pub proof_of_work: Option<ProofOfWork>,
}

impl<'a> AddOnion<'a> {
    /// The most clients of one service: those that a person may let in, and one more for checks by the host itself.
    // The descriptor holds all of them and has a maximum size: tor 0.4.9.11 published 330 clients, and took 400 without a
    // word and never published them.
    pub const MOST_CLIENTS: usize = tails_server_state::MOST_CLIENTS + 1;

    /// A service that everybody with the address may reach, as often as Tor can.
    #[must_use]
    pub const fn new(key: &'a OnionKey, address: OnionAddress, ports: &'a PortMap) -> Self {
        Self { key, address, ports, clients: None, max_streams: None, proof_of_work: None }
    }

    /// Only for these clients. With none of them the service can not be added: see [`InvalidClients::Nobody`].
    #[must_use]
    pub const fn with_clients(self, clients: &'a [ClientPublicKey]) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// With so many streams on one circuit and no more.
    #[must_use]
    pub const fn with_max_streams(self, most: MaxStreams) -> Self {
        Self { max_streams: Some(most), ..self }
    }

    /// With the proof-of-work defence.
    #[must_use]
    pub const fn with_proof_of_work(self, defence: ProofOfWork) -> Self {
        Self { proof_of_work: Some(defence), ..self }
    }

    /// Whether Tor may be given these clients. [`Client::add_onion`](super::Client::add_onion) asks first.
    ///
    /// # Errors
    /// [`InvalidClients`]
    pub fn check(&self) -> Result<(), InvalidClients> {
        let Some(clients) = self.clients else { return Ok(()) };
        if clients.is_empty() {
            Err(InvalidClients::Nobody)
        } else if clients.len() > Self::MOST_CLIENTS {
            Err(InvalidClients::TooMany)
        } else if clients.iter().collect::<BTreeSet<_>>().len() < clients.len() {
            Err(InvalidClients::Twice)
        } else {
            Ok(())
        }
    }

    /// Whether the clients that Tor repeats are exactly those that were asked for, in any order.
    // control-spec, ADD_ONION: "250-ClientAuthV3=" for each client, none without V3Auth. Compared as text, so that a key
    // that Tor read otherwise than it was meant is no match.
    pub(super) fn has_clients<'b>(&self, repeated: impl Iterator<Item = &'b str>) -> bool {
        let mut wanted: Vec<String> = self.clients.into_iter().flatten().map(|client| client.base32()).collect();
        let mut repeated: Vec<&str> = repeated.collect();
        wanted.sort_unstable();
        repeated.sort_unstable();
        wanted == repeated
    }
}

/// Why a service for these clients can not be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClients {
    /// There is none. Tor has no service that nobody may reach: do not add it.
    #[error("a service for nobody can not be published")]
    Nobody,
    /// More than fit into a descriptor.
    #[error("a service has at most {} clients", AddOnion::MOST_CLIENTS)]
    TooMany,
    /// The same key twice, which Tor takes and describes twice.
    #[error("two clients have the same key")]
    Twice,
}

#[cfg(test)]
mod tests {
    use tails_server_state::ClientSecretKey;

    use super::*;

    #[test]
    fn only_the_very_same_clients_are_a_match() {
        let key = OnionKey::generate().unwrap();
        let ports = PortMap::try_from(vec!["80".parse().unwrap()]).unwrap();
        let clients = [(); 2].map(|()| ClientSecretKey::generate().unwrap().public_key());
        let [one, two] = clients.map(ClientPublicKey::base32);
        let (one, two, lower) = (one.as_str(), two.as_str(), two.to_lowercase());
        let public = AddOnion::new(&key, key.address(), &ports);
        let private = public.with_clients(&clients);
        for (repeated, is_public, is_private) in [
            (&[][..], true, false),
            (&[one], false, false),
            (&[one, two], false, true),
            (&[two, one], false, true),
            (&[one, one], false, false),
            (&[one, one, two], false, false),
            (&[one, &lower], false, false),
            (&[one, two, ""], false, false),
        ] {
            assert_eq!(public.has_clients(repeated.iter().copied()), is_public, "{repeated:?}");
            assert_eq!(private.has_clients(repeated.iter().copied()), is_private, "{repeated:?}");
        }
    }

    #[test]
    fn a_service_for_nobody_or_for_somebody_twice_is_refused() {
        let key = OnionKey::generate().unwrap();
        let ports = PortMap::try_from(vec!["80".parse().unwrap()]).unwrap();
        let public = AddOnion::new(&key, key.address(), &ports);
        let most = AddOnion::MOST_CLIENTS;
        let clients: Vec<_> = (0..=most).map(|_| ClientSecretKey::generate().unwrap().public_key()).collect();
        assert_eq!(public.check(), Ok(()));
        assert_eq!(public.with_clients(&[]).check(), Err(InvalidClients::Nobody));
        assert_eq!(public.with_clients(&clients[..most]).check(), Ok(()));
        assert_eq!(public.with_clients(&clients).check(), Err(InvalidClients::TooMany));
        assert_eq!(public.with_clients(&[clients[0], clients[1], clients[0]]).check(), Err(InvalidClients::Twice));
    }
}
