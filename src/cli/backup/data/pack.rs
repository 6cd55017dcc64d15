// SPDX-License-Identifier: GPL-3.0-or-later
//! Putting the data of servers into the tar, as they are read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tails_server_state::ServiceName;
use tr::tr;

use super::ROOT;
use super::accounts::Accounts;
use super::notes::{Note, Notes};
use super::walk::{Found, Visit, walk};
use crate::cli::meter::{Meter, Stop};

/// What a server that runs may add while its data are read: an eighth, and so much.
const GROWTH_BYTES: u64 = 64 << 20;
const GROWTH_ENTRIES: u64 = 1000;
/// What a file is read in.
const PIECE: usize = 1 << 17;

/// What a backup says of the data of one service: never less than there is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli::backup) struct Declared {
    pub(in crate::cli::backup) service: ServiceName,
    pub(in crate::cli::backup) entries: u64,
    pub(in crate::cli::backup) bytes: u64,
    /// Whether its server could run meanwhile.
    pub(in crate::cli::backup) live: bool,
}

/// The data of some services, on their way into a backup.
pub(in crate::cli::backup) struct Cargo {
    accounts: Accounts,
    services: Vec<(Declared, Vec<PathBuf>)>,
    meter: Meter,
    notes: Notes,
}

impl Cargo {
    pub(in crate::cli::backup) fn new(accounts: Accounts) -> Self {
        Self { accounts, services: Vec::new(), meter: Meter::new(), notes: Notes::default() }
    }

    /// Adds what is in these directories of a service; how many things and bytes that is.
    pub(in crate::cli::backup) fn add(
        &mut self,
        service: ServiceName,
        directories: Vec<PathBuf>,
        live: bool,
    ) -> io::Result<(u64, u64)> {
        let mut sum = Sum::default();
        for directory in &directories {
            walk(directory, &mut sum).map_err(|cause| unreadable(directory, &cause))?;
        }
        let Sum { entries, bytes } = sum;
        let more = |amount: u64, least| if live { amount + amount / 8 + least } else { amount };
        let declared =
            Declared { service, entries: more(entries, GROWTH_ENTRIES), bytes: more(bytes, GROWTH_BYTES), live };
        self.services.push((declared, directories));
        Ok((entries, bytes))
    }

    pub(in crate::cli::backup) fn declared(&self) -> Vec<Declared> {
        self.services.iter().map(|(declared, _)| declared.clone()).collect()
    }

    /// Setting this ends the packing at the next piece.
    pub(in crate::cli::backup) fn stop(&self) -> Stop {
        self.meter.stop()
    }

    pub(in crate::cli::backup) const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Writes all of it.
    pub(in crate::cli::backup) fn pack(&mut self, tar: &mut tar::Builder<impl Write>) -> io::Result<()> {
        for (declared, directories) in &self.services {
            let name = &declared.service;
            self.meter.begin(tr!("the data of \"{name}\"", name), declared.bytes);
            let mut left = Sum { entries: declared.entries, bytes: declared.bytes };
            for directory in directories {
                let base = [ROOT.as_bytes(), b"/", name.as_str().as_bytes(), b"/"].concat();
                let base = [&base, directory.file_name().unwrap_or_default().as_bytes()].concat();
                let (accounts, meter, notes) = (&self.accounts, &mut self.meter, &mut self.notes);
                let mut packing = Packing { tar: &mut *tar, base, accounts, meter, notes, left: &mut left };
                walk(directory, &mut packing).map_err(|cause| unreadable(directory, &cause))?;
            }
        }
        self.meter.end();
        Ok(())
    }
}

fn unreadable(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

/// How much there is.
#[derive(Debug, Default)]
struct Sum {
    entries: u64,
    bytes: u64,
}

impl Visit for Sum {
    fn visit(&mut self, found: &Found<'_>) -> io::Result<()> {
        self.entries += 1;
        self.bytes += size(found.kind, found.about);
        Ok(())
    }

    // It is told when it is packed.
    fn note(&mut self, _: Note, _: &[u8]) {}
}

fn size(kind: FileType, about: &Stat) -> u64 {
    if kind == FileType::RegularFile { u64::try_from(about.st_size).unwrap_or(0) } else { 0 }
}

struct Packing<'a, W: Write> {
    tar: &'a mut tar::Builder<W>,
    /// What all names in the tar begin with.
    base: Vec<u8>,
    accounts: &'a Accounts,
    meter: &'a mut Meter,
    notes: &'a mut Notes,
    /// What is left of what was declared.
    left: &'a mut Sum,
}

impl<W: Write> Packing<'_, W> {
    fn name(&self, path: &[u8]) -> PathBuf {
        let name = if path.is_empty() { self.base.clone() } else { [&self.base, &b"/"[..], path].concat() };
        PathBuf::from(OsStr::from_bytes(&name))
    }

    fn header(&self, about: &Stat, kind: tar::EntryType, size: u64) -> io::Result<tar::Header> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(about.st_mode & 0o7777);
        header.set_mtime(u64::try_from(about.st_mtime).unwrap_or(0));
        // Numbers mean nothing on another computer.
        header.set_uid(0);
        header.set_gid(0);
        header.set_username(self.accounts.name_of_user(about.st_uid))?;
        header.set_groupname(self.accounts.name_of_group(about.st_gid))?;
        Ok(header)
    }

    fn file(&mut self, found: &Found<'_>) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(found.parent, found.name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::LOOP | Errno::NXIO) => {
                self.notes.add(Note::Changed, found.path);
                return Ok(());
            }
            Err(cause) => return Err(cause.into()),
        };
        let about = fstat(&file)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            self.notes.add(Note::Changed, found.path);
            return Ok(());
        }
        let size = size(FileType::RegularFile, &about);
        let Some(left) = self.left.bytes.checked_sub(size) else {
            self.notes.add(Note::Grown, found.path);
            return Ok(());
        };
        self.left.bytes = left;
        self.left.entries -= 1;
        let mut header = self.header(&about, tar::EntryType::Regular, size)?;
        let mut exact = Exact { file: &file, left: size, is_short: false, meter: self.meter };
        let name = if found.path.is_empty() { self.base.clone() } else { [&self.base, &b"/"[..], found.path].concat() };
        self.tar.append_data(&mut header, OsStr::from_bytes(&name), &mut exact)?;
        let is_short = exact.is_short;
        let after = fstat(&file)?;
        if is_short
            || (after.st_size, after.st_mtime, after.st_mtime_nsec)
                != (about.st_size, about.st_mtime, about.st_mtime_nsec)
        {
            self.notes.add(Note::Changed, found.path);
        }
        Ok(())
    }
}

impl<W: Write> Visit for Packing<'_, W> {
    fn visit(&mut self, found: &Found<'_>) -> io::Result<()> {
        if self.left.entries == 0 {
            self.notes.add(Note::Grown, found.path);
            return Ok(());
        }
        if found.kind == FileType::RegularFile {
            return self.file(found);
        }
        let name = self.name(found.path);
        if found.kind == FileType::Symlink {
            let target = readlinkat(found.parent, found.name, Vec::new())?;
            let mut header = self.header(found.about, tar::EntryType::Symlink, 0)?;
            self.tar.append_link(&mut header, name, OsStr::from_bytes(target.to_bytes()))?;
        } else {
            let mut header = self.header(found.about, tar::EntryType::Directory, 0)?;
            self.tar.append_data(&mut header, name, io::empty())?;
        }
        self.left.entries -= 1;
        Ok(())
    }

    fn note(&mut self, note: Note, path: &[u8]) {
        self.notes.add(note, path);
    }
}

/// So many bytes of a file, whatever becomes of it meanwhile: the tar has its size already.
struct Exact<'a> {
    file: &'a File,
    left: u64,
    /// There was less in it: the rest is zeros.
    is_short: bool,
    meter: &'a mut Meter,
}

impl Read for Exact<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE).min(bytes.len());
        let Some(piece) = bytes.get_mut(..most).filter(|piece| !piece.is_empty()) else { return Ok(0) };
        let mut read = if self.is_short { 0 } else { self.file.read(piece)? };
        if read == 0 {
            self.is_short = true;
            piece.fill(0);
            read = piece.len();
        }
        self.left -= read as u64;
        self.meter.advance(read as u64)?;
        Ok(read)
    }
}
