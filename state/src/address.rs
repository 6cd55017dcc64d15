// SPDX-License-Identifier: GPL-3.0-or-later
//! The address of an onion service.

use std::fmt;

use base32::Alphabet;
use ed25519_dalek::VerifyingKey;
use sha3::{Digest, Sha3_256};

/// The only version there is.
const VERSION: u8 = 3;
/// Characters of an address without `.onion`: 35 bytes in base32.
const CHARACTERS: usize = 56;
const ALPHABET: Alphabet = Alphabet::Rfc4648Lower { padding: false };

/// The address of a version 3 onion service: its 32-byte ed25519 public key.
///
/// There is no `Display`: whoever knows the address can reach a public service, so writing it out is a visible act.
///
/// # Examples
/// ```
/// use tails_server_state::OnionAddress;
///
/// let text = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion";
/// let address = OnionAddress::parse(text)?;
/// assert_eq!(address.display_unredacted(), text);
/// assert_eq!(format!("{address:?}"), "OnionAddress(25n…)");
/// # Ok::<(), tails_server_state::InvalidAddress>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnionAddress([u8; 32]);

impl OnionAddress {
    /// Reads an address, with or without `.onion`, in small or capital letters.
    ///
    /// # Errors
    /// Anything that Tor would not have written: length, alphabet, version, checksum, a public key that is no point of
    /// the curve, or bits set that decode to nothing.
    // rend-spec-v3, ENCODING-ONION-ADDRESS
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let service_id = text.strip_suffix(".onion").unwrap_or(text);
        if !service_id.is_ascii() || service_id.len() != CHARACTERS {
            return Err(InvalidAddress::Length);
        }
        let service_id = service_id.to_ascii_lowercase();
        let bytes = base32::decode(ALPHABET, &service_id).ok_or(InvalidAddress::Alphabet)?;
        // base32 lets aliases through: re-encoding shows whether this is the one true spelling.
        if base32::encode(ALPHABET, &bytes) != service_id {
            return Err(InvalidAddress::Alphabet);
        }
        let (public_key, rest) = bytes.split_first_chunk::<32>().ok_or(InvalidAddress::Length)?;
        let &[check_one, check_two, version] = rest else {
            return Err(InvalidAddress::Length);
        };
        if version != VERSION {
            return Err(InvalidAddress::Version(version));
        }
        let address = Self(*public_key);
        if address.checksum() != [check_one, check_two] {
            return Err(InvalidAddress::Checksum);
        }
        Self::from_public_key(*public_key)
    }

    /// The address of this public key.
    ///
    /// # Errors
    /// [`InvalidAddress::Point`] when the bytes are no point of the curve, or one of small order.
    pub fn from_public_key(public_key: [u8; 32]) -> Result<Self, InvalidAddress> {
        match VerifyingKey::from_bytes(&public_key) {
            Ok(point) if !point.is_weak() => Ok(Self(public_key)),
            Ok(_) | Err(_) => Err(InvalidAddress::Point),
        }
    }

    /// The address of this public key, which was computed from a secret key or checked when it was stored.
    pub(crate) const fn from_known_public_key(public_key: [u8; 32]) -> Self {
        Self(public_key)
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address as people and programs use it, with `.onion`.
    #[must_use]
    pub fn display_unredacted(&self) -> String {
        let mut text = self.service_id();
        text.push_str(".onion");
        text
    }

    /// The address as Tor's control port names it: 56 characters without `.onion`.
    #[must_use]
    pub fn service_id(&self) -> String {
        let mut bytes = Vec::with_capacity(35);
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(&self.checksum());
        bytes.push(VERSION);
        base32::encode(ALPHABET, &bytes)
    }

    /// The first two bytes of SHA3-256(".onion checksum" | PUBKEY | VERSION).
    fn checksum(&self) -> [u8; 2] {
        let digest: [u8; 32] = Sha3_256::new()
            .chain_update(b".onion checksum")
            .chain_update(self.0)
            .chain_update([VERSION])
            .finalize()
            .into();
        let [one, two, ..] = digest;
        [one, two]
    }
}

impl fmt::Debug for OnionAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two of them apart in a log, too little to reach one.
        let service_id = self.service_id();
        write!(formatter, "OnionAddress({}…)", service_id.get(..3).unwrap_or_default())
    }
}

/// Why a text is no [`OnionAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Another number of characters.
    #[error("an onion address has {CHARACTERS} characters before .onion")]
    Length,
    /// Not base32, or not its canonical spelling.
    #[error("an onion address has only the letters a to z and the digits 2 to 7")]
    Alphabet,
    /// A version other than 3.
    #[error("the onion address has version {0}; only version {VERSION} exists")]
    Version(u8),
    /// A typing error, most likely.
    #[error("the checksum of the onion address is wrong")]
    Checksum,
    /// The public key can belong to nobody.
    #[error("the public key in the onion address is not a valid one")]
    Point,
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, test 1: the public key, as an onion address.
    const KNOWN: &str = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";

    #[test]
    fn one_wrong_letter_anywhere_is_noticed() {
        for index in 0..KNOWN.len() {
            let mut wrong = KNOWN.to_owned().into_bytes();
            wrong[index] = if wrong[index] == b'a' { b'b' } else { b'a' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(OnionAddress::parse(&wrong).is_err(), "position {index}");
        }
    }

    #[test]
    fn spellings_other_than_the_one_are_refused() {
        assert!(OnionAddress::parse(&KNOWN.to_uppercase()).is_ok());
        for wrong in ["", ".onion", "ünïcödé", &KNOWN[1..], &format!("{KNOWN}a"), &format!("{KNOWN}=")] {
            assert_eq!(OnionAddress::parse(wrong), Err(InvalidAddress::Length), "{wrong:?}");
        }
        assert_eq!(OnionAddress::parse(&KNOWN.replace('2', "1")), Err(InvalidAddress::Alphabet));
    }

    #[test]
    fn keys_of_small_order_are_no_address() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(OnionAddress::from_public_key(identity), Err(InvalidAddress::Point));
        assert_eq!(OnionAddress::from_public_key([0; 32]), Err(InvalidAddress::Point));
    }

    #[test]
    fn debug_shows_too_little_to_reach_the_service() {
        let shown = format!("{:?}", OnionAddress::parse(KNOWN).unwrap());
        assert!(!shown.contains(&KNOWN[..6]), "{shown}");
    }
}
