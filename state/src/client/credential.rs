// SPDX-License-Identifier: GPL-3.0-or-later
//! What lets a client in: an address and a secret key, as one line.

use super::key::{ClientSecretKey, InvalidClientKey, KEY_TYPE};
use crate::address::{InvalidAddress, OnionAddress};
use zeroize::Zeroizing;

/// Characters of an address of the version before: nobody publishes those any more.
const VERSION_2_CHARACTERS: usize = 16;

/// The access of one client to one service: the line of Tor's `.auth_private` files.
///
/// # Examples
/// ```
/// use tails_server_state::ClientCredential;
///
/// let line = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid:descriptor:x25519:\
///             O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA\n";
/// let credential = ClientCredential::parse(line)?;
/// assert_eq!(credential.expose_line().as_str(), line.trim_end());
/// # Ok::<(), tails_server_state::InvalidCredential>(())
/// ```
#[derive(Debug)]
pub struct ClientCredential {
    /// The service.
    pub address: OnionAddress,
    /// What opens it.
    pub key: ClientSecretKey,
}

impl ClientCredential {
    /// Reads `ADDRESS:descriptor:x25519:KEY`, with or without `.onion` and white space around it.
    ///
    /// # Errors
    /// Which part is wrong.
    // rend-spec-v3, G.1, "Client side"
    pub fn parse(line: &str) -> Result<Self, InvalidCredential> {
        let mut parts = line.trim().splitn(4, ':');
        let (Some(address), Some(authorization), Some(kind), Some(key)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidCredential::Form);
        };
        let service_id = address.strip_suffix(".onion").unwrap_or(address);
        if service_id.len() == VERSION_2_CHARACTERS && service_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidCredential::Version2);
        }
        let address = OnionAddress::parse(address).map_err(InvalidCredential::Address)?;
        if (authorization, kind) != ("descriptor", "x25519") {
            return Err(InvalidCredential::KeyType);
        }
        if key.contains(':') {
            return Err(InvalidCredential::Form);
        }
        Ok(Self { address, key: ClientSecretKey::parse(key).map_err(InvalidCredential::Key)? })
    }

    /// The line itself, as Tor writes it: it is the access. Without a line break.
    #[must_use]
    pub fn expose_line(&self) -> Zeroizing<String> {
        let (address, key) = (self.address.service_id(), self.key.expose_base32());
        // Room for all of it at once: text that grows leaves copies behind.
        let mut line = Zeroizing::new(String::with_capacity(address.len() + 1 + KEY_TYPE.len() + key.len()));
        for part in [address.as_str(), ":", KEY_TYPE, key.as_str()] {
            line.push_str(part);
        }
        line
    }
}

/// Why a line is no [`ClientCredential`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// Not four parts.
    #[error("a client credential has the form ADDRESS:descriptor:x25519:KEY")]
    Form,
    /// An address of the version that Tor gave up.
    #[error("the onion address has version 2, which no longer exists")]
    Version2,
    /// Not the address of an onion service.
    #[error("the address in the client credential is wrong")]
    Address(#[source] InvalidAddress),
    /// A key of another type.
    #[error("the client credential is of another type than descriptor:x25519")]
    KeyType,
    /// Not a key.
    #[error("the key in the client credential is wrong")]
    Key(#[source] InvalidClientKey),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: &str = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";
    // RFC 7748, 6.1: Alice's. Public, hence a throw-away.
    const KEY: &str = "O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA";

    #[test]
    fn the_spellings_that_people_have_are_read() {
        let line = format!("{ADDRESS}:descriptor:x25519:{KEY}");
        for spelling in [
            line.clone(),
            format!("  {line}\r\n"),
            format!("{ADDRESS}.onion:descriptor:x25519:{KEY}"),
            format!("{}:descriptor:x25519:{}", ADDRESS.to_uppercase(), KEY.to_lowercase()),
        ] {
            let credential = ClientCredential::parse(&spelling).unwrap();
            assert_eq!(*credential.expose_line(), line, "{spelling:?}");
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        let zeros = "A".repeat(52);
        for (line, reason) in [
            (String::new(), InvalidCredential::Form),
            (ADDRESS.to_owned(), InvalidCredential::Form),
            (format!("{ADDRESS}:descriptor:x25519"), InvalidCredential::Form),
            (format!("{ADDRESS}:descriptor:x25519:{KEY}:x"), InvalidCredential::Form),
            (format!("expyuzz4wqqyqhjn:descriptor:x25519:{KEY}"), InvalidCredential::Version2),
            (format!("expyuzz4wqqyqhjn.onion:descriptor:x25519:{KEY}"), InvalidCredential::Version2),
            (
                format!("{}a:descriptor:x25519:{KEY}", &ADDRESS[..55]),
                InvalidCredential::Address(InvalidAddress::Version(0)),
            ),
            (format!("example.org:descriptor:x25519:{KEY}"), InvalidCredential::Address(InvalidAddress::Length)),
            (format!("{ADDRESS}:descriptor:ed25519:{KEY}"), InvalidCredential::KeyType),
            (format!("{ADDRESS}:standard:x25519:{KEY}"), InvalidCredential::KeyType),
            (format!("{ADDRESS}:descriptor:x25519:{}", &KEY[1..]), InvalidCredential::Key(InvalidClientKey::Form)),
            (format!("{ADDRESS}:descriptor:x25519:{zeros}"), InvalidCredential::Key(InvalidClientKey::LowOrder)),
        ] {
            assert_eq!(ClientCredential::parse(&line).err(), Some(reason), "{line}");
        }
    }

    #[test]
    fn debug_has_neither_the_key_nor_the_address() {
        let shown = format!("{:?}", ClientCredential::parse(&format!("{ADDRESS}:descriptor:x25519:{KEY}")).unwrap());
        assert!(!shown.contains(&KEY[..6]) && !shown.contains(&ADDRESS[..6]), "{shown}");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,150}", address in ".{0,60}", key in ".{0,60}") {
            for line in [line, format!("{address}:descriptor:x25519:{KEY}"), format!("{ADDRESS}:descriptor:x25519:{key}")] {
                if let Ok(credential) = ClientCredential::parse(&line) {
                    prop_assert!(ClientCredential::parse(&credential.expose_line()).is_ok());
                }
            }
        }
    }
}
