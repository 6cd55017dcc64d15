// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking through the data in a backup, and putting them where nobody comes in.
//!
//! Things come in the order of a walk: a directory, then all that is in it. So each is made by its single name in a directory
//! that was made for it just before and is still open, and nothing has to be looked for by a path.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown, futimens, mkdirat,
    openat, symlinkat, utimensat,
};
use tails_server_state::ServiceName;

use super::entries::{Entry, Kind};
use super::notes::{Note, Notes};
use super::pack::Declared;
use super::paths::{Inside, stays_inside};
use super::rules::Rules;
use crate::cli::meter::Meter;

/// What a file is written in. Pieces that are empty are holes.
const PIECE: usize = 4096;
/// What a thing may have of rights: no program that runs as somebody else.
const RIGHTS: u32 = 0o777;

/// How much there is of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli::backup) struct Contents {
    pub(in crate::cli::backup) files: u64,
    pub(in crate::cli::backup) bytes: u64,
    entries: u64,
    directories: BTreeSet<String>,
}

impl Contents {
    /// When it is read once more, there has to be as much.
    pub(in crate::cli::backup) fn declared(&self, service: &ServiceName) -> Declared {
        Declared { service: service.clone(), entries: self.entries, bytes: self.bytes, live: false }
    }
}

/// Why it did not go on.
#[derive(Debug)]
pub(in crate::cli::backup) enum Trouble {
    /// No backup has it like this.
    Damaged,
    /// It could not be written.
    Place(io::Error),
}

impl From<rustix::io::Errno> for Trouble {
    fn from(cause: rustix::io::Errno) -> Self {
        match cause {
            // It is there twice.
            rustix::io::Errno::EXIST => Self::Damaged,
            cause => Self::Place(cause.into()),
        }
    }
}

/// Where the data of a service are put.
struct Target {
    directory: OwnedFd,
    rules: Rules,
}

/// The data in a backup, as they come.
pub(in crate::cli::backup) struct Unpacking {
    declared: BTreeMap<ServiceName, Declared>,
    targets: BTreeMap<ServiceName, Target>,
    contents: BTreeMap<ServiceName, Contents>,
    notes: Notes,
    meter: Meter,
    /// Where we are: the service, the directory that is kept, and the directories in it.
    base: Option<(ServiceName, String)>,
    levels: Vec<Level>,
}

/// A directory that we are in.
struct Level {
    name: Vec<u8>,
    /// None of what is only looked through.
    handle: Option<OwnedFd>,
    changed: u64,
}

impl Level {
    fn close(self) -> Result<(), Trouble> {
        // What was put into it has changed its time.
        if let Some(handle) = &self.handle {
            futimens(handle, &times(self.changed))?;
        }
        Ok(())
    }
}

impl Unpacking {
    /// To look through it.
    pub(in crate::cli::backup) fn new(declared: &[Declared], meter: Meter) -> Self {
        Self {
            declared: declared.iter().map(|declared| (declared.service.clone(), declared.clone())).collect(),
            targets: BTreeMap::new(),
            contents: BTreeMap::new(),
            notes: Notes::default(),
            meter,
            base: None,
            levels: Vec::new(),
        }
    }

    /// To put the data of this service into an empty directory, too.
    pub(in crate::cli::backup) fn put_into(&mut self, service: ServiceName, directory: OwnedFd, rules: Rules) {
        self.targets.insert(service, Target { directory, rules });
    }

    /// Takes the next thing.
    pub(in crate::cli::backup) fn take(&mut self, entry: &Entry, body: &mut impl Read) -> Result<(), Trouble> {
        let inside = Inside::parse(&entry.path).ok_or(Trouble::Damaged)?;
        let declared = self.declared.get(&inside.service).ok_or(Trouble::Damaged)?;
        let contents = self.contents.entry(inside.service.clone()).or_default();
        contents.entries += 1;
        contents.bytes = contents.bytes.checked_add(entry.size).ok_or(Trouble::Damaged)?;
        contents.files += u64::from(entry.kind != Kind::Directory);
        if contents.entries > declared.entries || contents.bytes > declared.bytes {
            return Err(Trouble::Damaged);
        }
        let Inside { service, directory, below } = inside;
        let Some((name, parents)) = below.split_last() else {
            let is_new = contents.directories.insert(directory.clone());
            return if is_new && entry.kind == Kind::Directory {
                self.begin(service, directory, entry)
            } else {
                Err(Trouble::Damaged)
            };
        };
        let is_here = self.base.as_ref().is_some_and(|(here, kept)| *here == service && *kept == directory);
        // The first is the directory that is kept.
        let here = self.levels.iter().skip(1).map(|level| &level.name);
        if !is_here || here.take(parents.len()).ne(parents) {
            return Err(Trouble::Damaged);
        }
        self.leave(parents.len() + 1)?;
        let parent = self.levels.last().ok_or(Trouble::Damaged)?;
        let made = match (&parent.handle, self.targets.get(&service)) {
            (Some(parent), Some(target)) => {
                let making = Making { parent, name, entry, rules: &target.rules, notes: &mut self.notes };
                making.make(parents.len(), body, &mut self.meter)?
            }
            _ => {
                look_through(body, &mut self.meter)?;
                None
            }
        };
        if entry.kind == Kind::Directory {
            self.levels.push(Level { name: name.clone(), handle: made, changed: entry.changed });
        }
        Ok(())
    }

    /// A directory that is kept begins.
    fn begin(&mut self, service: ServiceName, directory: String, entry: &Entry) -> Result<(), Trouble> {
        self.leave(0)?;
        let handle = match self.targets.get(&service) {
            None => None,
            Some(Target { directory: into, rules }) => match rules.directories.get(&directory) {
                None => {
                    self.notes.add(Note::Unknown, &entry.path);
                    None
                }
                Some(here) => {
                    let name = here.as_bytes();
                    Making { parent: into, name, entry, rules, notes: &mut self.notes }.directory()?
                }
            },
        };
        self.levels.push(Level { name: directory.as_bytes().to_vec(), handle, changed: entry.changed });
        self.base = Some((service, directory));
        Ok(())
    }

    /// Leaves all directories but the first so many.
    fn leave(&mut self, but: usize) -> Result<(), Trouble> {
        while self.levels.len() > but {
            self.levels.pop().map_or(Ok(()), Level::close)?;
        }
        Ok(())
    }

    /// It is whole: what there was, and what was not taken as it was.
    pub(in crate::cli::backup) fn end(mut self) -> Result<(BTreeMap<ServiceName, Contents>, Notes), Trouble> {
        self.leave(0)?;
        self.meter.end();
        // Whoever declares data has some.
        for service in self.declared.keys() {
            self.contents.entry(service.clone()).or_default();
        }
        Ok((self.contents, self.notes))
    }
}

/// One thing that is made.
struct Making<'a> {
    parent: &'a OwnedFd,
    name: &'a [u8],
    entry: &'a Entry,
    rules: &'a Rules,
    notes: &'a mut Notes,
}

impl Making<'_> {
    /// A handle to what was made, if it is a directory.
    fn make(self, depth: usize, body: &mut impl Read, meter: &mut Meter) -> Result<Option<OwnedFd>, Trouble> {
        match &self.entry.kind {
            Kind::Directory => self.directory(),
            Kind::File => self.file(body, meter).map(|()| None),
            Kind::Link(target) => self.link(target, depth).map(|()| None),
        }
    }

    fn directory(mut self) -> Result<Option<OwnedFd>, Trouble> {
        mkdirat(self.parent, self.os_name(), Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(self.parent, self.os_name(), flags, Mode::empty())?;
        self.give(&made)?;
        Ok(Some(made))
    }

    fn file(mut self, body: &mut impl Read, meter: &mut Meter) -> Result<(), Trouble> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(self.parent, self.os_name(), flags, Mode::RUSR | Mode::WUSR)?);
        let mut piece = [0; PIECE];
        loop {
            let read = fill(body, &mut piece)?;
            let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else { break };
            let written = if piece.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(i64::try_from(read).unwrap_or(0))).map(drop)
            } else {
                file.write_all(piece)
            };
            written.map_err(Trouble::Place)?;
            meter.advance(read as u64).map_err(Trouble::Place)?;
        }
        file.set_len(self.entry.size).map_err(Trouble::Place)?;
        self.give(&file)?;
        Ok(futimens(&file, &times(self.entry.changed))?)
    }

    fn link(mut self, target: &[u8], depth: usize) -> Result<(), Trouble> {
        if !stays_inside(target, depth) {
            self.notes.add(Note::Outward, &self.entry.path);
            return Ok(());
        }
        symlinkat(OsStr::from_bytes(target), self.parent, self.os_name())?;
        let (user, group) = self.owner();
        chownat(self.parent, self.os_name(), Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(utimensat(self.parent, self.os_name(), &times(self.entry.changed), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Owner, then rights: giving a file away clears bits of them.
    fn give(&mut self, made: impl AsFd) -> Result<(), Trouble> {
        let (user, group) = self.owner();
        fchown(&made, Some(user), Some(group))?;
        if self.entry.mode & !RIGHTS & 0o7777 != 0 {
            self.notes.add(Note::Bits, &self.entry.path);
        }
        Ok(fchmod(&made, Mode::from_raw_mode(self.entry.mode & RIGHTS))?)
    }

    /// A user and a group of the service, or else root.
    fn owner(&mut self) -> (Uid, Gid) {
        let (user, group) = (self.entry.user.as_str(), self.entry.group.as_str());
        let (known, other) = (self.rules.users.get(user).copied(), self.rules.groups.get(group).copied());
        if known.is_none() && user != "root" || other.is_none() && group != "root" {
            self.notes.add(Note::Foreign, &self.entry.path);
        }
        (known.map_or(Uid::ROOT, Uid::from_raw), other.map_or(Gid::ROOT, Gid::from_raw))
    }

    fn os_name(&self) -> &OsStr {
        OsStr::from_bytes(self.name)
    }
}

/// Reads as much as there is room for, or all that there is.
fn fill(body: &mut impl Read, piece: &mut [u8]) -> Result<usize, Trouble> {
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match body.read(rest).map_err(|_| Trouble::Damaged)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn look_through(body: &mut impl Read, meter: &mut Meter) -> Result<(), Trouble> {
    let mut piece = [0; PIECE];
    loop {
        match fill(body, &mut piece)? {
            0 => return Ok(()),
            read => meter.advance(read as u64).map_err(Trouble::Place)?,
        }
    }
}

fn times(changed: u64) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    // What no file system can hold is no time that anybody needs.
    let changed = i64::try_from(changed).ok().map(|tv_sec| Timespec { tv_sec, tv_nsec: 0 });
    Timestamps { last_access: omitted, last_modification: changed.unwrap_or(omitted) }
}

#[cfg(test)]
mod tests;
