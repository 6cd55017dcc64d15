// SPDX-License-Identifier: GPL-3.0-or-later
//! The rows of clients, requests and joined services.

use zeroize::Zeroizing;

use super::{Unreadable, place_from_v1, place_to_v1, v1};
use crate::address::OnionAddress;
use crate::client::{ClientPublicKey, ClientSecretKey, SecretHeld};
use crate::joined::JoinedService;
use crate::port::VirtualPort;

/// The public key goes beside the secret one, so that a list takes no arithmetic on the curve.
pub(crate) fn client_to_payload(public: &ClientPublicKey, secret: Option<&ClientSecretKey>) -> Zeroizing<Vec<u8>> {
    let mut payload = Zeroizing::new(Vec::with_capacity(32 + 1 + 32));
    payload.extend_from_slice(&public.to_bytes());
    put_secret(&mut payload, secret);
    payload
}

pub(crate) fn client_from_payload(payload: &[u8]) -> Result<(ClientPublicKey, SecretHeld), Unreadable> {
    let (public, secret) = v1::split_client(payload).ok_or(Unreadable)?;
    let public = ClientPublicKey::from_bytes(*public).map_err(|_| Unreadable)?;
    Ok((public, if secret.is_some() { SecretHeld::Here } else { SecretHeld::Elsewhere }))
}

pub(crate) fn client_key_from_payload(payload: &[u8]) -> Result<Option<ClientSecretKey>, Unreadable> {
    let (public, secret) = v1::split_client(payload).ok_or(Unreadable)?;
    let secret = secret_from(secret)?;
    // Handing out a key that opens nothing would be noticed by the client alone.
    if secret.as_ref().is_some_and(|secret| secret.public_key().to_bytes() != *public) {
        return Err(Unreadable);
    }
    Ok(secret)
}

pub(crate) fn joined_to_payload(
    joined: &JoinedService,
    secret: Option<&ClientSecretKey>,
) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let known = v1::render(&v1::Joined {
        name: joined.name.as_str().to_owned(),
        persistence: place_to_v1(joined.persistence),
        address: joined.address.service_id(),
        title: joined.title.clone(),
        ports: joined.ports.iter().map(|port| port.number()).collect(),
        expires: joined.expires,
    });
    let known = known.ok_or(Unreadable)?;
    let length = u32::try_from(joined.note.len()).map_err(|_| Unreadable)?;
    let mut payload = Zeroizing::new(Vec::with_capacity(1 + 32 + 4 + joined.note.len() + known.len()));
    put_secret(&mut payload, secret);
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(joined.note.as_bytes());
    payload.extend_from_slice(&known);
    Ok(payload)
}

pub(crate) fn joined_from_payload(payload: &[u8]) -> Result<JoinedService, Unreadable> {
    let (_, note, known) = v1::split_joined(payload).ok_or(Unreadable)?;
    let ports = known.ports.into_iter().map(|port| port.try_into().map(VirtualPort::new));
    Ok(JoinedService {
        name: known.name.parse().map_err(|_| Unreadable)?,
        address: OnionAddress::parse(&known.address).map_err(|_| Unreadable)?,
        persistence: place_from_v1(known.persistence),
        title: known.title,
        ports: ports.collect::<Result<_, _>>().map_err(|_| Unreadable)?,
        note: note.to_owned(),
        expires: known.expires,
    })
}

pub(crate) fn joined_key_from_payload(payload: &[u8]) -> Result<Option<ClientSecretKey>, Unreadable> {
    let (secret, _, _) = v1::split_joined(payload).ok_or(Unreadable)?;
    secret_from(secret)
}

fn put_secret(payload: &mut Vec<u8>, secret: Option<&ClientSecretKey>) {
    if let Some(secret) = secret {
        payload.push(v1::SECRET_HERE);
        payload.extend_from_slice(secret.expose_bytes());
    } else {
        payload.push(v1::SECRET_ELSEWHERE);
    }
}

fn secret_from(secret: Option<&[u8; 32]>) -> Result<Option<ClientSecretKey>, Unreadable> {
    secret.map(ClientSecretKey::from_bytes).transpose().map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::OnionKey;
    use crate::record::Persistence;

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let secret = ClientSecretKey::generate().unwrap();
        let public = secret.public_key();
        let made = client_to_payload(&public, Some(&secret));
        assert_eq!(client_from_payload(&made), Ok((public, SecretHeld::Here)));
        assert_eq!(client_key_from_payload(&made).unwrap().unwrap().expose_bytes(), secret.expose_bytes());
        let brought = client_to_payload(&public, None);
        assert_eq!(client_from_payload(&brought), Ok((public, SecretHeld::Elsewhere)));
        assert!(client_key_from_payload(&brought).unwrap().is_none());
        for (title, note) in [(None, ""), (Some("Mümble".to_owned()), "password: \"\\\n\0ü")] {
            let joined = JoinedService {
                name: "mumble".parse().unwrap(),
                address: OnionKey::generate().unwrap().address(),
                persistence: Persistence::Kept,
                title,
                ports: vec!["80".parse().unwrap(), "81".parse().unwrap()],
                note: note.to_owned(),
                expires: Some(7),
            };
            let payload = joined_to_payload(&joined, Some(&secret)).unwrap();
            assert_eq!(joined_from_payload(&payload), Ok(joined.clone()));
            let key = joined_key_from_payload(&payload).unwrap().unwrap();
            assert_eq!(key.expose_bytes(), secret.expose_bytes());
            let payload = joined_to_payload(&joined, None).unwrap();
            assert_eq!(joined_from_payload(&payload), Ok(joined));
            assert!(joined_key_from_payload(&payload).unwrap().is_none());
        }
    }

    #[test]
    fn a_stored_form_cannot_smuggle_in_what_the_live_type_refuses() {
        let secret = ClientSecretKey::generate().unwrap();
        let right = client_to_payload(&secret.public_key(), Some(&secret));
        let mut zeros = right.to_vec();
        zeros[..32].fill(0);
        let mut other = right.to_vec();
        other[40] ^= 1;
        let mut held = right.to_vec();
        held[32] = 2;
        assert!(client_from_payload(&zeros).is_err() && client_key_from_payload(&other).is_err());
        for wrong in [&held, &right[..64], &[right.as_slice(), b"x"].concat(), &[][..]] {
            assert!(client_from_payload(wrong).is_err() && client_key_from_payload(wrong).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120), held in 0..3_u8) {
            let mut begun = bytes.clone();
            if let Some(first) = begun.first_mut() {
                *first = held;
            }
            for bytes in [&bytes, &begun] {
                let _ = client_from_payload(bytes);
                let _ = client_key_from_payload(bytes);
                let _ = joined_from_payload(bytes);
                let _ = joined_key_from_payload(bytes);
            }
        }
    }
}
