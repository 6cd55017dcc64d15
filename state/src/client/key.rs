// SPDX-License-Identifier: GPL-3.0-or-later
//! The keys of a client: curve25519, for the descriptor that only authorised clients can read.

use std::fmt;

use base32::Alphabet;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Characters of a key: 32 bytes in base32.
const CHARACTERS: usize = 52;
const ALPHABET: Alphabet = Alphabet::Rfc4648 { padding: false };

/// What stands before a key in Tor's files.
// rend-spec-v3, G.1: the only type of authorisation and the only type of key there is.
pub(super) const KEY_TYPE: &str = "descriptor:x25519:";

/// The points that give the same shared secret with every key, by their canonical encoding or without bit 255.
// https://cr.yp.to/ecdh.html, "How do I validate public keys?", where the other five are these with bit 255 set.
// Those of the twist are among them: it shares 0, and -1 is on it.
const LOW_ORDER: [[u8; 32]; 7] = [
    with_ends(0x00, 0x00, 0x00),
    with_ends(0x01, 0x00, 0x00),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    // p - 1, p and p + 1
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
];

const fn with_ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    let [one, .., end] = &mut bytes;
    *one = first;
    *end = last;
    bytes
}

/// The public key of a client, as the service tells it to Tor.
///
/// # Examples
/// ```
/// use tails_server_state::{ClientPublicKey, InvalidClientKey};
///
/// // RFC 7748, 6.1, Alice's.
/// let text = "QUQPACJQWRJ2OVDLP5OHDIXAGMG6DPCATWVZVNFPYO5PKJKPJJVA";
/// let key = ClientPublicKey::parse(&format!("descriptor:x25519:{}", text.to_lowercase()));
/// assert_eq!(key.map(|key| key.base32()).as_deref(), Ok(text));
/// assert_eq!(ClientPublicKey::from_bytes([0; 32]), Err(InvalidClientKey::LowOrder));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientPublicKey([u8; 32]);

impl ClientPublicKey {
    /// Reads a key: 52 characters of base32 in small or capital letters, with or without `descriptor:x25519:` before them.
    ///
    /// # Errors
    /// As [`ClientPublicKey::from_bytes`], and [`InvalidClientKey::Form`] for anything that Tor would not have written.
    pub fn parse(text: &str) -> Result<Self, InvalidClientKey> {
        Self::from_bytes(*decode(text)?)
    }

    /// Takes a key that a client can have made.
    ///
    /// # Errors
    /// [`InvalidClientKey::LowOrder`] and [`InvalidClientKey::NonCanonical`]. No client has made such a key, what is
    /// encrypted for one of them is for everybody, and one of them makes Tor crash.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidClientKey> {
        let [low @ .., last] = bytes;
        let is_low = |[known @ .., known_last]: &[u8; 32]| low == *known && last & 0x7f == *known_last;
        if LOW_ORDER.iter().any(is_low) {
            return Err(InvalidClientKey::LowOrder);
        }
        let [first, middle @ .., last] = bytes;
        let is_above = last == 0x7f && middle.iter().all(|byte| *byte == 0xff) && first >= 0xed;
        if last & 0x80 != 0 || is_above {
            return Err(InvalidClientKey::NonCanonical);
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The key as Tor writes it: 52 capital letters and digits.
    #[must_use]
    pub fn base32(self) -> String {
        base32::encode(ALPHABET, &self.0)
    }
}

impl fmt::Debug for ClientPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two of them apart in a log, too little to recognise a client by.
        let text = self.base32();
        write!(formatter, "ClientPublicKey({}…)", text.get(..3).unwrap_or_default())
    }
}

/// The secret key of a client: whoever has it, and the address, can reach the service.
///
/// It is wiped on drop, not `Clone`, not `Serialize`, and `Debug` hides it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ClientSecretKey(Box<[u8; ClientSecretKey::BYTES]>);

impl ClientSecretKey {
    /// The size of the key.
    pub const BYTES: usize = 32;

    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Box::new([0; Self::BYTES]);
        getrandom::fill(bytes.as_mut_slice())?;
        // RFC 7748, 5. Every implementation does it again before it uses the key; some compare the bytes.
        let [lowest, .., highest] = bytes.as_mut();
        *lowest &= 0b1111_1000;
        *highest &= 0b0111_1111;
        *highest |= 0b0100_0000;
        Ok(Self(bytes))
    }

    /// Reads a key: 52 characters of base32 in small or capital letters, with or without `descriptor:x25519:` before them.
    ///
    /// # Errors
    /// As [`ClientSecretKey::from_bytes`], and [`InvalidClientKey::Form`] for anything that Tor would not have written.
    pub fn parse(text: &str) -> Result<Self, InvalidClientKey> {
        Self::from_bytes(&*decode(text)?)
    }

    /// Takes a key, as from a file of Tor's or from the store. It need not be clamped, and stays as it is.
    ///
    /// # Errors
    /// [`InvalidClientKey::LowOrder`] for zeros alone: Tor refuses them, and they are no secret.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, InvalidClientKey> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(InvalidClientKey::LowOrder);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// The key that belongs to it. Costs one multiplication on the curve (about 30 µs).
    #[must_use]
    pub fn public_key(&self) -> ClientPublicKey {
        // A clamped scalar times the base point is never of low order, and comes out canonical.
        ClientPublicKey(PublicKey::from(&StaticSecret::from(*self.0)).to_bytes())
    }

    /// The secret itself as Tor takes it: 52 capital letters and digits.
    #[must_use]
    pub fn expose_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(base32::encode(ALPHABET, self.0.as_slice()))
    }

    /// The secret itself, for the store.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for ClientSecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecretKey(secret)")
    }
}

/// What is read may be a secret.
fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, InvalidClientKey> {
    let text = text.strip_prefix(KEY_TYPE).unwrap_or(text);
    if !text.is_ascii() || text.len() != CHARACTERS {
        return Err(InvalidClientKey::Form);
    }
    let text = Zeroizing::new(text.to_ascii_uppercase());
    let bytes = Zeroizing::new(base32::decode(ALPHABET, &text).ok_or(InvalidClientKey::Form)?);
    // base32 lets aliases through: re-encoding shows whether this is the one true spelling.
    if Zeroizing::new(base32::encode(ALPHABET, &bytes)) != text {
        return Err(InvalidClientKey::Form);
    }
    let mut decoded = Zeroizing::new([0; 32]);
    decoded.copy_from_slice(bytes.get(..32).ok_or(InvalidClientKey::Form)?);
    Ok(decoded)
}

/// Why something is no key of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientKey {
    /// Not the form of a key.
    #[error("a client key has {CHARACTERS} characters, the letters a to z and the digits 2 to 7")]
    Form,
    /// A key whose secrets everybody knows.
    #[error("the client key is a weak one that keeps nothing secret")]
    LowOrder,
    /// Another spelling of a key, which no program makes.
    #[error("the client key is not written as keys are")]
    NonCanonical,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // RFC 7748, 6.1: Alice's. Public, hence a throw-away.
    const SECRET: [u8; 32] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c,
        0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    const PUBLIC: [u8; 32] = [
        0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf,
        0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
    ];

    fn is_shared(public: [u8; 32]) -> bool {
        StaticSecret::from(SECRET).diffie_hellman(&PublicKey::from(public)).as_bytes() != &[0; 32]
    }

    #[test]
    fn the_public_key_of_a_known_key_is_the_known_one() {
        let secret = ClientSecretKey::from_bytes(&SECRET).unwrap();
        assert_eq!(secret.public_key().to_bytes(), PUBLIC);
        assert_eq!(secret.expose_bytes(), &SECRET);
        assert_eq!(ClientSecretKey::parse(&secret.expose_base32()).unwrap().expose_bytes(), &SECRET);
    }

    #[test]
    fn generated_keys_are_clamped_and_differ() {
        let [one, two] = [(); 2].map(|()| ClientSecretKey::generate().unwrap());
        assert_ne!(one.public_key(), two.public_key());
        assert_eq!((one.expose_bytes()[0] & 7, one.expose_bytes()[31] & 0xc0), (0, 0x40));
        assert_eq!(ClientPublicKey::from_bytes(one.public_key().to_bytes()), Ok(one.public_key()));
    }

    #[test]
    fn every_point_of_low_order_is_refused_in_every_encoding() {
        assert_eq!((LOW_ORDER[0], LOW_ORDER[1][0]), ([0; 32], 1));
        for bytes in LOW_ORDER {
            for bit in [0, 0x80] {
                let mut bytes = bytes;
                bytes[31] |= bit;
                assert!(!is_shared(bytes), "{bytes:?} is not of low order");
                assert_eq!(ClientPublicKey::from_bytes(bytes), Err(InvalidClientKey::LowOrder));
            }
        }
        assert_eq!(ClientSecretKey::from_bytes(&[0; 32]).err(), Some(InvalidClientKey::LowOrder));
    }

    #[test]
    fn other_spellings_of_a_point_are_refused() {
        let mut bytes = PUBLIC;
        bytes[31] |= 0x80;
        assert_eq!(ClientPublicKey::from_bytes(bytes), Err(InvalidClientKey::NonCanonical));
        for first in 0xef..=0xff {
            let bytes = with_ends(first, 0xff, 0x7f);
            assert_eq!(ClientPublicKey::from_bytes(bytes), Err(InvalidClientKey::NonCanonical), "{first}");
        }
        assert!(ClientPublicKey::from_bytes(with_ends(0xeb, 0xff, 0x7f)).is_ok());
    }

    #[test]
    fn spellings_that_tor_does_not_write_are_refused() {
        let text = ClientPublicKey(PUBLIC).base32();
        for right in [text.clone(), text.to_lowercase(), format!("descriptor:x25519:{text}")] {
            assert_eq!(ClientPublicKey::parse(&right), Ok(ClientPublicKey(PUBLIC)), "{right}");
        }
        let body = &text[..51];
        // The last of 52 characters has four bits that belong to no byte.
        let aliases = ('B'..='P').map(|last| format!("{body}{last}")).filter(|alias| *alias != text);
        let wrong =
            ["", &text[1..], &format!("{text}A"), &format!("{text}===="), &format!(" {text}"), &format!("{body}1")]
                .map(str::to_owned);
        let prefixed = ["descriptor:x25519:descriptor:x25519:", "x25519:", "DESCRIPTOR:X25519:", "descriptor:ed25519:"];
        let prefixed = prefixed.map(|prefix| format!("{prefix}{text}"));
        for wrong in aliases.chain(wrong).chain(prefixed).chain(["ü".repeat(26)]) {
            assert_eq!(ClientPublicKey::parse(&wrong), Err(InvalidClientKey::Form), "{wrong:?}");
            assert_eq!(ClientSecretKey::parse(&wrong).err(), Some(InvalidClientKey::Form), "{wrong:?}");
        }
    }

    #[test]
    fn debug_has_none_of_the_secret_and_next_to_nothing_of_the_public_key() {
        let secret = ClientSecretKey::from_bytes(&SECRET).unwrap();
        assert_eq!(format!("{secret:?}"), "ClientSecretKey(secret)");
        assert_eq!(format!("{:?}", secret.public_key()), "ClientPublicKey(QUQ…)");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", base in "[a-zA-Z2-7]{52}") {
            for text in [text, base] {
                let _ = ClientSecretKey::parse(&text);
                if let Ok(key) = ClientPublicKey::parse(&text) {
                    let upper = text.to_ascii_uppercase();
                    prop_assert!(upper.ends_with(&key.base32()));
                }
            }
        }

        #[test]
        fn every_key_that_is_accepted_shares_a_secret(mut bytes: [u8; 32]) {
            bytes[31] &= 0x7f;
            if ClientPublicKey::from_bytes(bytes).is_ok() {
                prop_assert!(is_shared(bytes));
            }
        }

        #[test]
        fn what_is_near_the_edges_is_accepted_only_if_it_shares_a_secret(
            index in 0..LOW_ORDER.len(), byte in 0..32_usize, difference: u8
        ) {
            let mut bytes = LOW_ORDER[index];
            bytes[byte] = bytes[byte].wrapping_add(difference);
            if let Ok(key) = ClientPublicKey::from_bytes(bytes) {
                prop_assert!(is_shared(bytes));
                prop_assert_eq!(ClientPublicKey::parse(&key.base32()), Ok(key));
            }
        }
    }
}
