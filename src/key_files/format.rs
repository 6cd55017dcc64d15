// SPDX-License-Identifier: GPL-3.0-or-later
//! The bytes of Tor's files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tails_server_state::{InvalidKey, OnionAddress, OnionKey};
use zeroize::Zeroizing;

use super::error::{ImportError, Unsuitable};

/// The names of the files in a `HiddenServiceDir`.
pub(super) const SECRET_KEY: &str = "hs_ed25519_secret_key";
pub(super) const PUBLIC_KEY: &str = "hs_ed25519_public_key";
pub(super) const HOSTNAME: &str = "hostname";
pub(super) const CLIENTS: &str = "authorized_clients";
/// The key of version 2, in PEM.
pub(super) const VERSION_2_KEY: &str = "private_key";

/// Tags are filled up with zeros to 32 bytes.
// tor, crypto_format.c, crypto_write_tagged_contents_to_file
const SECRET_TAG: &[u8; 32] = b"== ed25519v1-secret: type0 ==\0\0\0";
const PUBLIC_TAG: &[u8; 32] = b"== ed25519v1-public: type0 ==\0\0\0";

/// Characters of an address of version 2.
const VERSION_2_CHARACTERS: usize = 16;
/// Characters of 64 bytes in base64, with padding.
const BASE64_CHARACTERS: usize = 88;

/// The bytes of `hs_ed25519_secret_key`.
pub(super) fn secret_key_file(key: &OnionKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&SECRET_TAG[..], key.expose_expanded()].concat())
}

/// The bytes of `hs_ed25519_public_key`.
pub(super) fn public_key_file(address: &OnionAddress) -> Vec<u8> {
    [&PUBLIC_TAG[..], address.public_key()].concat()
}

/// The bytes of `hostname`.
pub(super) fn hostname_file(address: &OnionAddress) -> String {
    format!("{}\n", address.display_unredacted())
}

/// Whether these are the bytes of a key file of Tor's, of either half.
pub(super) fn is_tagged(bytes: &[u8]) -> bool {
    bytes.starts_with(b"== ed25519v1-")
}

/// Reads `hs_ed25519_secret_key`.
pub(super) fn secret_key(bytes: &[u8]) -> Result<OnionKey, Unsuitable> {
    if is_version_2(bytes) {
        return Err(Unsuitable::Version2);
    }
    if bytes.starts_with(PUBLIC_TAG) {
        return Err(Unsuitable::PublicKey);
    }
    let expanded = bytes.strip_prefix(SECRET_TAG);
    let Some(expanded) = expanded else {
        // Cut off within the tag is cut off all the same.
        let short = SECRET_TAG.starts_with(bytes);
        return Err(if short {
            truncated(bytes.len(), SECRET_TAG.len() + OnionKey::BYTES)
        } else {
            Unsuitable::Header
        });
    };
    if expanded.len() < OnionKey::BYTES {
        return Err(truncated(bytes.len(), SECRET_TAG.len() + OnionKey::BYTES));
    }
    key_from(expanded)
}

/// Reads `hs_ed25519_public_key`, and compares.
pub(super) fn check_public_key(bytes: &[u8], key: &OnionKey) -> Result<(), Unsuitable> {
    let Some(public) = bytes.strip_prefix(PUBLIC_TAG) else {
        return Err(Unsuitable::Header);
    };
    if public.len() < 32 {
        return Err(truncated(bytes.len(), PUBLIC_TAG.len() + 32));
    }
    if public.len() > 32 {
        return Err(Unsuitable::TooLarge);
    }
    if public == key.address().public_key() { Ok(()) } else { Err(Unsuitable::PublicKeyMismatch) }
}

/// Reads `hostname`, and compares.
pub(super) fn check_hostname(bytes: &[u8], key: &OnionKey) -> Result<(), Unsuitable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unsuitable::Hostname)?.trim();
    let service_id = text.strip_suffix(".onion").unwrap_or(text);
    if service_id.len() == VERSION_2_CHARACTERS {
        return Err(Unsuitable::Version2);
    }
    let address = OnionAddress::parse(text).map_err(|_| Unsuitable::Hostname)?;
    if address == key.address() { Ok(()) } else { Err(Unsuitable::HostnameMismatch) }
}

/// Reads the 64 bytes in base64, with or without `ED25519-V3:` before them, as the control port gives them.
pub(super) fn key_from_base64(text: &str) -> Result<OnionKey, Unsuitable> {
    let text = text.trim();
    if text.starts_with("RSA1024:") || text.starts_with("MII") {
        return Err(Unsuitable::Version2);
    }
    let text = text.strip_prefix("ED25519-V3:").unwrap_or(text);
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if text.is_empty() || !text.bytes().all(is_base64) {
        return Err(Unsuitable::Unknown);
    }
    if text.len() < BASE64_CHARACTERS {
        return Err(truncated(text.len(), BASE64_CHARACTERS));
    }
    if text.len() > BASE64_CHARACTERS {
        return Err(Unsuitable::TooLarge);
    }
    // The decoder reckons with one block more than there is.
    let mut bytes = Zeroizing::new([0; OnionKey::BYTES + 2]);
    let length = STANDARD.decode_slice(text, bytes.as_mut_slice()).map_err(|_| Unsuitable::Unknown)?;
    key_from(bytes.get(..length).unwrap_or_default())
}

pub(super) fn is_version_2(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN RSA PRIVATE KEY-----")
}

fn key_from(expanded: &[u8]) -> Result<OnionKey, Unsuitable> {
    let expanded = expanded.try_into().map_err(|_| Unsuitable::TooLarge)?;
    OnionKey::from_expanded(expanded).map_err(|InvalidKey::Clamping| Unsuitable::Clamping)
}

const fn truncated(found: usize, expected: usize) -> Unsuitable {
    Unsuitable::Truncated { found, expected }
}

/// What a reader says of one file becomes what the import says.
pub(super) fn in_file(path: &std::path::Path) -> impl FnOnce(Unsuitable) -> ImportError {
    let path = path.to_owned();
    move |reason| ImportError::Unsuitable { path, reason }
}
