// SPDX-License-Identifier: GPL-3.0-or-later
//! What the tests send around. All keys are public, hence throw-aways.

use tails_server::invitation::{Access, Detail, Expiry, Invitation, Request, Secrecy};
use tails_server_state::{ClientSecretKey, OnionAddress};

pub(crate) const ADDRESS: &str = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";
// RFC 7748, 6.1: Alice's.
pub(crate) const KEY: &str = "O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA";

pub(crate) fn key() -> ClientSecretKey {
    ClientSecretKey::parse(KEY).unwrap()
}

pub(crate) fn address() -> OnionAddress {
    OnionAddress::parse(ADDRESS).unwrap()
}

/// What `invite` typically makes: a private Mumble with a password and a fingerprint.
pub(crate) fn typical() -> Invitation {
    let details = vec![
        Detail::new("Password", "correct-horse-battery", Secrecy::Secret).unwrap(),
        Detail::new("Fingerprint", "8f43288ad272f3103b6fb1428485ea3014c0bcfe", Secrecy::Open).unwrap(),
    ];
    Invitation::new(address(), ["64738".parse().unwrap()])
        .unwrap()
        .with_title("Mumble of the chess club".parse().unwrap())
        .with_client("alice".parse().unwrap())
        .with_access(Access::Key(key()))
        .with_expiry(Expiry::from_unix_seconds(1_800_000_000).unwrap())
        .with_details(details)
        .unwrap()
}

pub(crate) fn request() -> Request {
    Request { name: "alice".parse().unwrap(), public_key: key().public_key() }
}

/// The letters of a block, without its first and last line.
pub(crate) fn letters(block: &str) -> String {
    block.lines().filter(|line| !line.starts_with('-')).collect()
}
