// SPDX-License-Identifier: GPL-3.0-or-later
//! The file of a backup: a tar with `manifest.json` and `remembered.json`, encrypted with a passphrase as `age` does it.
//!
//! Nothing of it is looked at before all of it was decrypted: until then it may be cut off or put together.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use serde::{Deserialize, Serialize};
use tr::tr;
use zeroize::Zeroizing;

use super::error::BackupError;
use super::place::NewFile;
use crate::cli::output::{now, time};

/// How much work a passphrase takes: 2^17 blocks of scrypt, 128 MiB of memory and about half a second.
// `age` itself takes 18; a Tails with 2 GiB is to open it, too, and the passphrase is no short one.
const WORK: u8 = 17;
/// The most work that is done to open a file: 1 GiB of memory, some seconds.
const MOST_WORK: u8 = 20;
/// The most bytes of a file: what is remembered is 16 MiB at most.
const MOST_BYTES: usize = 20 * 1024 * 1024;

const FORMAT: &str = "tails-server-backup";
const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const REMEMBERED: &str = "remembered.json";

/// What a backup says of itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Manifest {
    format: String,
    version: u32,
    /// When it was made, in UTC.
    pub(super) made_at: String,
    /// The version that made it.
    pub(super) made_by: String,
}

/// A backup that was opened.
pub(super) struct Opened {
    pub(super) manifest: Manifest,
    pub(super) remembered: Zeroizing<Vec<u8>>,
}

/// Writes a backup into a new file.
pub(super) fn write(path: &Path, remembered: &[u8], passphrase: &str) -> Result<(), BackupError> {
    let failed = |cause| BackupError::Write { path: path.to_owned(), cause };
    let mut file = NewFile::begin(path)?;
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(WORK);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as _));
    // One recipient is never none.
    let encryptor = encryptor.map_err(|_| failed(io::Error::other(tr!("it can not be encrypted"))))?;
    let mut encrypted = encryptor.wrap_output(file.writer()).map_err(failed)?;
    pack(&mut encrypted, remembered).map_err(failed)?;
    encrypted.finish().map_err(failed)?;
    file.settle()
}

fn pack(to: impl Write, remembered: &[u8]) -> io::Result<()> {
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        made_at: time(now()),
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let manifest = serde_json::to_vec_pretty(&manifest)?;
    let mut tar = tar::Builder::new(to);
    for (name, content) in [(MANIFEST, manifest.as_slice()), (REMEMBERED, remembered)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now());
        tar.append_data(&mut header, name, content)?;
    }
    tar.finish()
}

/// Opens a backup.
pub(super) fn open(path: &Path, passphrase: &str) -> Result<Opened, BackupError> {
    let of = || path.to_owned();
    let encrypted = read(path)?;
    let decryptor = Decryptor::new_buffered(encrypted.as_slice()).map_err(|cause| head(&cause, of()))?;
    if !decryptor.is_scrypt() {
        return Err(BackupError::NotOurs { path: of() });
    }
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MOST_WORK);
    let mut reader = decryptor.decrypt(iter::once(&identity as _)).map_err(|cause| head(&cause, of()))?;
    // Of its final size at once: what grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(encrypted.len()));
    reader.read_to_end(&mut content).map_err(|_| BackupError::Damaged { path: of() })?;
    unpack(&content, path)
}

/// Why the head of a file could not be used.
fn head(cause: &DecryptError, path: PathBuf) -> BackupError {
    match cause {
        DecryptError::ExcessiveWork { .. } => BackupError::TooMuchWork { path },
        DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed
        | DecryptError::NoMatchingKeys
        | DecryptError::InvalidMac => BackupError::WrongPassphrase,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => BackupError::NotOurs { path },
        // A version of the library that knows more of them.
        DecryptError::Io(_) | _ => BackupError::Damaged { path },
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BackupError> {
    let failed = |cause| BackupError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let most = MOST_BYTES as u64;
    File::open(path).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MOST_BYTES { Err(BackupError::TooLarge { path: path.to_owned() }) } else { Ok(bytes) }
}

/// What is in the tar, which has two files and nothing else. Nothing of it is written anywhere.
fn unpack(content: &[u8], path: &Path) -> Result<Opened, BackupError> {
    let damaged = || BackupError::Damaged { path: path.to_owned() };
    let not_ours = || BackupError::NotOurs { path: path.to_owned() };
    let (mut manifest, mut remembered) = (None, None);
    let mut tar = tar::Archive::new(Cursor::new(content));
    for entry in tar.entries().map_err(|_| not_ours())? {
        let mut entry = entry.map_err(|_| if manifest.is_none() { not_ours() } else { damaged() })?;
        let name = entry.path().ok().and_then(|name| name.to_str().map(str::to_owned)).ok_or_else(damaged)?;
        let slot = match name.as_str() {
            MANIFEST => &mut manifest,
            REMEMBERED => &mut remembered,
            // A later version says so in its manifest, which comes first.
            _ => break,
        };
        let size = usize::try_from(entry.size()).ok().filter(|size| *size <= content.len()).ok_or_else(damaged)?;
        if !entry.header().entry_type().is_file() || slot.is_some() {
            return Err(damaged());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        entry.read_to_end(&mut bytes).map_err(|_| damaged())?;
        *slot = Some(bytes);
    }
    let manifest = manifest.ok_or_else(not_ours)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_| not_ours())?;
    match (manifest.format.as_str(), manifest.version) {
        (FORMAT, VERSION) => Ok(Opened { manifest, remembered: remembered.ok_or_else(damaged)? }),
        (FORMAT, version) if version > VERSION => Err(BackupError::TooNew { path: path.to_owned(), version }),
        _ => Err(not_ours()),
    }
}
