// SPDX-License-Identifier: GPL-3.0-or-later
//! What people paste where an invitation belongs.

use tails_server_state::{ClientPublicKey, ClientSecretKey, OnionAddress};

use super::error::{PasteError, Stray};

/// Characters of an onion address of version 2.
const VERSION_2_CHARACTERS: usize = 16;

/// Says what a flattened text is that is nothing of ours.
pub(super) fn name(flat: &str) -> PasteError {
    let alone = (!flat.contains(' ')).then_some(flat);
    if ["ed25519v1-secret", "ED25519-V3:", "BEGIN RSA PRIVATE KEY"].iter().any(|mark| flat.contains(mark)) {
        return PasteError::Stray(Stray::ServiceKey);
    }
    if flat.split(' ').any(|word| word.starts_with("descriptor:x25519:") && ClientPublicKey::parse(word).is_ok()) {
        return PasteError::Stray(Stray::PublicClientKey);
    }
    if alone.is_some_and(|word| ClientSecretKey::parse(word).is_ok()) {
        return PasteError::Stray(Stray::ClientKey);
    }
    let mut hosts = flat.split(' ').filter_map(host);
    if let Some(found) = hosts.find_map(|(host, dotted)| address(host, dotted || alone.is_some())) {
        return found;
    }
    PasteError::Unknown
}

/// What could be an address in a word, without `.onion`, and whether that was there.
fn host(word: &str) -> Option<(&str, bool)> {
    let word = word.trim_start_matches(['<', '(', '"', '\'']);
    let word = word.split_once("://").map_or(word, |(_, rest)| rest);
    let host = word.split(['/', ':', '>', ')', '"', '\'', ',', '?', '#']).next()?;
    let host = host.trim_end_matches('.');
    // The name before the last dot: sub-domains are part of what people copy.
    let onion = host.len().checked_sub(".onion".len()).and_then(|at| host.split_at_checked(at));
    match onion {
        Some((front, end)) if end.eq_ignore_ascii_case(".onion") => Some((front.rsplit('.').next()?, true)),
        Some(_) | None => Some((host, false)),
    }
}

fn address(host: &str, certain: bool) -> Option<PasteError> {
    let is_base32 = host.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7'));
    if certain && host.len() == VERSION_2_CHARACTERS && is_base32 {
        return Some(PasteError::Version2);
    }
    OnionAddress::parse(host).is_ok().then_some(PasteError::Stray(Stray::Address))
}
