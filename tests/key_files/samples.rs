// SPDX-License-Identifier: GPL-3.0-or-later
//! What the tests read. The key is public, hence a throw-away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tails_server_state::{AuthorizedClient, ClientPublicKey, OnionKey, SecretHeld};
use tempfile::TempDir;

pub(crate) const SECRET_TAG: &[u8; 32] = b"== ed25519v1-secret: type0 ==\0\0\0";
pub(crate) const PUBLIC_TAG: &[u8; 32] = b"== ed25519v1-public: type0 ==\0\0\0";
pub(crate) const CLIENT: &str = "QUQPACJQWRJ2OVDLP5OHDIXAGMG6DPCATWVZVNFPYO5PKJKPJJVA";

/// Sixty-four bytes that are a key: clamped, and otherwise of no interest.
pub(crate) fn expanded() -> [u8; 64] {
    let mut bytes = [0x40; 64];
    bytes[5] = 7;
    bytes
}

pub(crate) fn key() -> OnionKey {
    OnionKey::from_expanded(&expanded()).unwrap()
}

pub(crate) fn client(name: &str) -> AuthorizedClient {
    let public_key = ClientPublicKey::parse(CLIENT).unwrap();
    AuthorizedClient { name: name.parse().unwrap(), public_key, secret: SecretHeld::Elsewhere }
}

/// A directory with files in it, all of them private.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// As mkp224o and Tor leave it.
    pub(crate) fn of_a_service() -> Self {
        Self::empty()
            .with("hs_ed25519_secret_key", &[&SECRET_TAG[..], &expanded()].concat())
            .with("hs_ed25519_public_key", &[&PUBLIC_TAG[..], key().address().public_key()].concat())
            .with("hostname", format!("{}\n", key().address().display_unredacted()).as_bytes())
    }

    pub(crate) fn with(self, name: &str, content: &[u8]) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Everything below a directory: names, permissions, contents.
pub(crate) fn picture(directory: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let about = entry.metadata().unwrap();
        let mode = about.permissions().mode() & 0o7777;
        if about.is_dir() {
            found.push((entry.path(), mode, Vec::new()));
            found.extend(picture(&entry.path()));
        } else {
            found.push((entry.path(), mode, fs::read(entry.path()).unwrap_or_default()));
        }
    }
    found.sort();
    found
}
