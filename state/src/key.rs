// SPDX-License-Identifier: GPL-3.0-or-later
//! The secret key of an onion service.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::address::OnionAddress;

/// The secret key of an onion service: an expanded ed25519 key, a clamped scalar followed by a PRF secret.
///
/// Whoever has it *is* the service. It is wiped on drop, not `Clone`, not `Serialize`, and `Debug` hides it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct OnionKey(Box<[u8; OnionKey::BYTES]>);

impl OnionKey {
    /// The size of the expanded key, as Tor takes it.
    pub const BYTES: usize = 64;

    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        let mut expanded = Box::new([0; Self::BYTES]);
        let mut digest = Sha512::digest(seed.as_slice());
        expanded.copy_from_slice(&digest);
        digest.as_mut_slice().zeroize();
        // RFC 8032, 5.1.5. Tor does not clamp: it has to be done here, or Tor computes another address than we do.
        let [lowest, .., highest] = expanded.first_chunk_mut::<32>().expect("an expanded key has 64 bytes");
        *lowest &= 0b1111_1000;
        *highest &= 0b0111_1111;
        *highest |= 0b0100_0000;
        Ok(Self(expanded))
    }

    /// Takes an expanded key, as from a file of Tor's or from the store.
    ///
    /// # Errors
    /// [`InvalidKey::Clamping`] for a scalar that Tor and this program would read differently.
    pub fn from_expanded(bytes: &[u8; Self::BYTES]) -> Result<Self, InvalidKey> {
        let clamped = bytes[0] & 0b0000_0111 == 0 && bytes[31] & 0b1100_0000 == 0b0100_0000;
        if !clamped {
            return Err(InvalidKey::Clamping);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// The address that belongs to this key. Costs one multiplication on the curve (about 30 µs).
    #[must_use]
    pub fn address(&self) -> OnionAddress {
        let expanded = ExpandedSecretKey::from_bytes(&self.0);
        OnionAddress::from_known_public_key(VerifyingKey::from(&expanded).to_bytes())
    }

    /// The secret itself, for Tor and for the store.
    #[must_use]
    pub fn expose_expanded(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for OnionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OnionKey(secret)")
    }
}

/// Why bytes are no [`OnionKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The bits that RFC 8032 fixes are otherwise.
    #[error("the secret key is not a clamped ed25519 key; Tor would give it another address")]
    Clamping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_known_key_is_the_known_address() {
        // RFC 8032, test 1; the secret seed is public, a throw-away.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let mut expanded: [u8; 64] = Sha512::digest(seed).into();
        expanded[0] &= 248;
        expanded[31] = expanded[31] & 127 | 64;
        let key = OnionKey::from_expanded(&expanded).unwrap();
        assert_eq!(
            key.address().display_unredacted(),
            "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion"
        );
    }

    #[test]
    fn generated_keys_are_clamped_and_differ() {
        let one = OnionKey::generate().unwrap();
        let two = OnionKey::generate().unwrap();
        assert!(OnionKey::from_expanded(one.expose_expanded()).is_ok());
        assert_ne!(one.address(), two.address());
        assert_eq!(OnionAddress::parse(&one.address().service_id()), Ok(one.address()));
    }

    #[test]
    fn keys_that_tor_reads_differently_are_refused() {
        assert_eq!(OnionKey::from_expanded(&[0; 64]).err(), Some(InvalidKey::Clamping));
        assert_eq!(OnionKey::from_expanded(&[0xff; 64]).err(), Some(InvalidKey::Clamping));
    }

    #[test]
    fn debug_has_none_of_the_bytes() {
        let key = OnionKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "OnionKey(secret)");
    }
}
