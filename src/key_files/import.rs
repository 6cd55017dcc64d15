// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading keys.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tails_server_state::{AuthorizedClient, MOST_CLIENTS, OnionKey, SecretHeld};

use super::client_file;
use super::error::{ImportError, Unsuitable};
use super::file::{self, Contents};
use super::format::{self, CLIENTS, HOSTNAME, PUBLIC_KEY, SECRET_KEY, VERSION_2_KEY, in_file};
use super::onionshare;

/// What was read.
#[derive(Debug)]
pub struct Imported {
    /// The key of the service.
    pub key: OnionKey,
    /// Whom the service lets in. Nobody here: it lets everybody in, or the file does not say.
    pub clients: Vec<ImportedClient>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

/// A client that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedClient {
    /// Its name, made to fit where it did not, and its key.
    pub client: AuthorizedClient,
    /// What it was called.
    pub called: String,
}

/// What a person should know of what was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The key may be in other hands.
    #[error("other users of this computer can read {}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a key: from a `HiddenServiceDir`, whose files are compared with each other; from a file
/// `hs_ed25519_secret_key`; from saved settings of OnionShare (JSON); or from a file with the key in base64 as the
/// control port writes it, with or without `ED25519-V3:`.
///
/// # Errors
/// Anything that is not as Tor would have written it. Files in `authorized_clients` that Tor would ignore, too: it would
/// depend on them whether a service is private.
pub fn import(path: &Path) -> Result<Imported, ImportError> {
    let about = fs::symlink_metadata(path).map_err(|cause| ImportError::Read { path: path.to_owned(), cause })?;
    if about.is_symlink() {
        return Err(ImportError::Symlink { path: path.to_owned() });
    }
    if about.is_dir() { directory(path) } else { single(path) }
}

fn directory(path: &Path) -> Result<Imported, ImportError> {
    let mut warnings = Vec::new();
    let secret_path = path.join(SECRET_KEY);
    let Some(secret) = file::read(&secret_path)? else {
        let old = path.join(VERSION_2_KEY);
        return Err(match file::read(&old)? {
            Some(contents) if format::is_version_2(&contents.bytes) => in_file(&old)(Unsuitable::Version2),
            Some(_) | None => ImportError::NoKey { path: path.to_owned() },
        });
    };
    let key = format::secret_key(&secret.bytes).map_err(in_file(&secret_path))?;
    warn(&mut warnings, &secret_path, &secret);

    let public_path = path.join(PUBLIC_KEY);
    if let Some(public) = file::read(&public_path)? {
        format::check_public_key(&public.bytes, &key).map_err(in_file(&public_path))?;
    }
    let hostname_path = path.join(HOSTNAME);
    if let Some(hostname) = file::read(&hostname_path)? {
        format::check_hostname(&hostname.bytes, &key).map_err(in_file(&hostname_path))?;
    }
    Ok(Imported { key, clients: clients(&path.join(CLIENTS))?, warnings })
}

fn single(path: &Path) -> Result<Imported, ImportError> {
    let missing = || ImportError::Read { path: path.to_owned(), cause: io::ErrorKind::NotFound.into() };
    let contents = file::read(path)?.ok_or_else(missing)?;
    let (key, client) = key(&contents.bytes).map_err(in_file(path))?;
    let client = client.map(|public_key| {
        let name = client_file::name(onionshare::CLIENT, |_| false);
        let client = AuthorizedClient { name, public_key, secret: SecretHeld::Elsewhere };
        ImportedClient { client, called: onionshare::CLIENT.to_owned() }
    });
    let mut warnings = Vec::new();
    warn(&mut warnings, path, &contents);
    Ok(Imported { key, clients: client.into_iter().collect(), warnings })
}

/// A key in any of the forms that a single file has.
fn key(bytes: &[u8]) -> Result<(OnionKey, Option<tails_server_state::ClientPublicKey>), Unsuitable> {
    if format::is_tagged(bytes) || format::is_version_2(bytes) {
        return format::secret_key(bytes).map(|key| (key, None));
    }
    let text = bytes.trim_ascii();
    if text.starts_with(b"{") {
        return onionshare::read(text);
    }
    let text = std::str::from_utf8(text).map_err(|_| Unsuitable::Unknown)?;
    format::key_from_base64(text).map(|key| (key, None))
}

/// The clients of a `HiddenServiceDir`, by the names of their files.
fn clients(directory: &Path) -> Result<Vec<ImportedClient>, ImportError> {
    let failed = |cause| ImportError::Read { path: directory.to_owned(), cause };
    match fs::symlink_metadata(directory) {
        Ok(about) if about.is_symlink() => return Err(ImportError::Symlink { path: directory.to_owned() }),
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // tor, hs_service.c, client_filename_is_valid: others are none of its business.
        if path.extension() == Some(OsStr::new(client_file::EXTENSION)) {
            files.push(path);
        }
        if files.len() > MOST_CLIENTS {
            return Err(in_file(directory)(Unsuitable::TooManyClients { most: MOST_CLIENTS }));
        }
    }
    // The order of a directory is no order.
    files.sort();
    let mut clients: Vec<ImportedClient> = Vec::new();
    for path in files {
        let contents = file::read(&path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let public_key = client_file::read(&contents.bytes).map_err(in_file(&path))?;
        let called = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = client_file::name(&called, |name| clients.iter().any(|other| other.client.name == *name));
        let client = AuthorizedClient { name, public_key, secret: SecretHeld::Elsewhere };
        clients.push(ImportedClient { client, called });
    }
    Ok(clients)
}

fn warn(warnings: &mut Vec<Warning>, path: &Path, contents: &Contents) {
    if contents.is_exposed {
        warnings.push(Warning::Exposed { path: path.to_owned() });
    }
}
