// SPDX-License-Identifier: GPL-3.0-or-later
//! The file of a backup: a tar with `manifest.json` and `remembered.json`, and in version 2 with the data of servers,
//! encrypted with a passphrase as `age` does it.
//!
//! Nothing of it is used before all of it was decrypted: until then it may be cut off or put together. Data may be larger than
//! all memory, so they are read twice: once to see whether all is as it should be, and once to unpack them.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use serde::{Deserialize, Serialize};
use tr::tr;
use zeroize::Zeroizing;

use super::data::{Cargo, Declared, Entries, Kind, Trouble, Unpacking, is_malformed};
use super::error::BackupError;
use super::place::NewFile;
use crate::cli::given;
use crate::cli::meter::Meter;
use crate::cli::output::{now, time};

/// How much work a passphrase takes: 2^17 blocks of scrypt, 128 MiB of memory and about half a second.
// `age` itself takes 18; a Tails with 2 GiB is to open it, too, and the passphrase is no short one.
const WORK: u8 = 17;
/// The most work that is done to open a file: 1 GiB of memory, some seconds.
const MOST_WORK: u8 = 20;
/// The most bytes of what is remembered, and of a file without data: the controller takes 16 MiB at most.
const MOST_BYTES: u64 = 20 * 1024 * 1024;
/// The most bytes of a manifest: a line for each of thousands of services.
const MOST_MANIFEST_BYTES: u64 = 1024 * 1024;

const FORMAT: &str = "tails-server-backup";
/// Without data, so that programs of that time can read it.
const WITHOUT_DATA: u32 = 1;
const WITH_DATA: u32 = 2;
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
    /// The data that come with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) data: Vec<Declared>,
}

/// A backup that was opened and is whole.
pub(super) struct Opened {
    pub(super) manifest: Manifest,
    pub(super) remembered: Zeroizing<Vec<u8>>,
    /// All that was read of its data.
    pub(super) data: Unpacking,
}

/// Writes a backup into a new file.
pub(super) fn write(
    path: &Path,
    remembered: &[u8],
    passphrase: &str,
    data: Option<&mut Cargo>,
) -> Result<(), BackupError> {
    let first = Cell::new(None);
    // What the library makes of an error of the disk is for its authors.
    let failed = |cause| BackupError::Write { path: path.to_owned(), cause: first.take().unwrap_or(cause) };
    let mut file = NewFile::begin(path)?;
    let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(WORK);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as _));
    // One recipient is never none.
    let encryptor = encryptor.map_err(|_| failed(io::Error::other(tr!("it can not be encrypted"))))?;
    let mut encrypted = encryptor.wrap_output(Watched { to: file.writer(), first: &first }).map_err(failed)?;
    pack(&mut encrypted, remembered, data).map_err(failed)?;
    encrypted.finish().map_err(failed)?;
    file.settle()
}

/// Remembers what first went wrong with the file.
struct Watched<'a> {
    to: &'a mut File,
    first: &'a Cell<Option<io::Error>>,
}

impl Watched<'_> {
    fn watch<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|cause| {
            let kind = cause.kind();
            // Whoever writes tries once more when interrupted: nothing has gone wrong then.
            if kind != io::ErrorKind::Interrupted {
                let before = self.first.take();
                self.first.set(Some(before.unwrap_or(cause)));
            }
            kind.into()
        })
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.watch(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.watch(flushed)
    }
}

fn pack(to: impl Write, remembered: &[u8], data: Option<&mut Cargo>) -> io::Result<()> {
    let declared = data.as_ref().map(|data| data.declared()).unwrap_or_default();
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: if declared.is_empty() { WITHOUT_DATA } else { WITH_DATA },
        made_at: time(now()),
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        data: declared,
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
    if let Some(data) = data {
        data.pack(&mut tar)?;
    }
    tar.finish()
}

/// Opens a backup, and reads all of it.
pub(super) fn open(path: &Path, passphrase: &str, meter: Meter) -> Result<Opened, BackupError> {
    let (manifest, remembered, data) = read(path, passphrase, |manifest| Unpacking::new(&manifest.data, meter))?;
    Ok(Opened { manifest, remembered, data })
}

/// Unpacks the data of one that was opened.
pub(super) fn unpack(path: &Path, passphrase: &str, unpacking: Unpacking) -> Result<Unpacking, BackupError> {
    read(path, passphrase, |_| unpacking).map(|(_, _, unpacking)| unpacking)
}

type All = (Manifest, Zeroizing<Vec<u8>>, Unpacking);

fn read(path: &Path, passphrase: &str, begin: impl FnOnce(&Manifest) -> Unpacking) -> Result<All, BackupError> {
    let of = || path.to_owned();
    let damaged = |_| BackupError::Damaged { path: of() };
    let failed = |cause| BackupError::Read { path: of(), cause };
    let file = given::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let decryptor = Decryptor::new_buffered(BufReader::new(file)).map_err(|cause| head(cause, of()))?;
    if !decryptor.is_scrypt() {
        return Err(BackupError::NotOurs { path: of() });
    }
    let mut identity = scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(MOST_WORK);
    let reader = decryptor.decrypt(iter::once(&identity as _)).map_err(|cause| head(cause, of()))?;
    let mut entries = Entries::new(reader);
    let manifest = manifest(&mut entries, path)?;
    if manifest.version == WITHOUT_DATA && length > MOST_BYTES {
        return Err(BackupError::TooLarge { path: of() });
    }
    let entry = entries.next().map_err(damaged)?.filter(|entry| entry.path == REMEMBERED.as_bytes());
    let entry = entry.filter(|entry| entry.kind == Kind::File && entry.size <= MOST_BYTES);
    let size = entry.and_then(|entry| usize::try_from(entry.size).ok());
    // Of its final size at once: what grows leaves copies behind.
    let mut remembered = Zeroizing::new(Vec::with_capacity(size.ok_or_else(|| BackupError::Damaged { path: of() })?));
    entries.read_to_end(&mut remembered).map_err(damaged)?;
    let mut unpacking = begin(&manifest);
    while let Some(entry) = entries.next().map_err(damaged)? {
        unpacking.take(&entry, &mut entries).map_err(|trouble| told(trouble, path))?;
    }
    Ok((manifest, remembered, unpacking))
}

/// The manifest, which is the first.
fn manifest(entries: &mut Entries<impl Read>, path: &Path) -> Result<Manifest, BackupError> {
    let not_ours = || BackupError::NotOurs { path: path.to_owned() };
    let first = entries.next().map_err(|cause| {
        if is_malformed(&cause) { not_ours() } else { BackupError::Damaged { path: path.to_owned() } }
    })?;
    let entry = first.filter(|entry| entry.path == MANIFEST.as_bytes()).ok_or_else(not_ours)?;
    let mut text = Vec::new();
    if entry.kind != Kind::File || entry.size > MOST_MANIFEST_BYTES || entries.read_to_end(&mut text).is_err() {
        return Err(not_ours());
    }
    // What another version has in it is not known.
    let head: Head = serde_json::from_slice(&text).map_err(|_| not_ours())?;
    match (head.format.as_str(), head.version) {
        (FORMAT, WITHOUT_DATA | WITH_DATA) => {}
        (FORMAT, version) if version > WITH_DATA => {
            return Err(BackupError::TooNew { path: path.to_owned(), version });
        }
        _ => return Err(not_ours()),
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| not_ours())?;
    let is_whole = manifest.data.is_empty() == (manifest.version == WITHOUT_DATA);
    if is_whole { Ok(manifest) } else { Err(BackupError::Damaged { path: path.to_owned() }) }
}

/// What is the same in every version.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// Why unpacking did not go on.
pub(super) fn told(trouble: Trouble, path: &Path) -> BackupError {
    match trouble {
        Trouble::Damaged => BackupError::Damaged { path: path.to_owned() },
        Trouble::Place(cause) => BackupError::Unpack { cause },
    }
}

/// Why the head of a file could not be used.
fn head(cause: DecryptError, path: PathBuf) -> BackupError {
    match cause {
        DecryptError::ExcessiveWork { .. } => BackupError::TooMuchWork { path },
        DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed
        | DecryptError::NoMatchingKeys
        | DecryptError::InvalidMac => BackupError::WrongPassphrase,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => BackupError::NotOurs { path },
        DecryptError::Io(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => BackupError::Read { path, cause },
        // A version of the library that knows more of them.
        DecryptError::Io(_) | _ => BackupError::Damaged { path },
    }
}
