// SPDX-License-Identifier: GPL-3.0-or-later
//! All that is in a directory of a server, which may be changed by it at any moment: no link is followed, and no other file
//! system is entered.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, statat};
use rustix::io::Errno;

use super::MOST_DEPTH;
use super::notes::Note;

/// What is done with each thing.
pub(super) trait Visit {
    /// A directory, a file or a link. The path is from the directory where it began.
    fn visit(&mut self, found: &Found<'_>) -> io::Result<()>;
    /// Something is not taken, or not as it was.
    fn note(&mut self, note: Note, path: &[u8]);
}

/// Something in a directory.
pub(super) struct Found<'a> {
    /// The directory that it is in.
    pub(super) parent: &'a OwnedFd,
    pub(super) name: &'a OsStr,
    /// From where it began, without a slash at either end.
    pub(super) path: &'a [u8],
    pub(super) about: &'a Stat,
    pub(super) kind: FileType,
}

/// Goes through a directory, the directory itself first, each before what is in it.
pub(super) fn walk(directory: &Path, visit: &mut impl Visit) -> io::Result<()> {
    let parent = directory.parent().zip(directory.file_name());
    let (parent, name) = parent.ok_or(io::ErrorKind::InvalidInput)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = openat2(CWD, parent, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let opened = openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    let about = fstat(&opened)?;
    visit.visit(&Found { parent: &parent, name, path: b"", about: &about, kind: FileType::Directory })?;
    descend(&opened, about.st_dev, &mut Vec::new(), 1, visit)
}

fn descend(
    directory: &OwnedFd,
    device: u64,
    path: &mut Vec<u8>,
    depth: usize,
    visit: &mut impl Visit,
) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let done = look(directory, OsStr::from_bytes(name), device, path, depth, visit);
        if matches!(&done, Err(cause) if cause.kind() == io::ErrorKind::NotFound) {
            // It is gone: what changes while it is read is told, and no failure.
            visit.note(Note::Changed, path);
        } else {
            done?;
        }
        path.truncate(length);
    }
    Ok(())
}

fn look(
    parent: &OwnedFd,
    name: &OsStr,
    device: u64,
    path: &mut Vec<u8>,
    depth: usize,
    visit: &mut impl Visit,
) -> io::Result<()> {
    let about = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(about.st_mode);
    let found = Found { parent, name, path: &path.clone(), about: &about, kind };
    match kind {
        FileType::RegularFile | FileType::Symlink if depth <= MOST_DEPTH => visit.visit(&found),
        FileType::Directory if depth <= MOST_DEPTH => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = match openat(parent, name, flags, Mode::empty()) {
                // It is another thing now.
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    visit.note(Note::Changed, path);
                    return Ok(());
                }
                opened => opened?,
            };
            if fstat(&opened)?.st_dev != device {
                visit.note(Note::Mounted, path);
                return Ok(());
            }
            visit.visit(&found)?;
            descend(&opened, device, path, depth + 1, visit)
        }
        FileType::RegularFile | FileType::Symlink | FileType::Directory => {
            visit.note(Note::Deep, path);
            Ok(())
        }
        FileType::Socket | FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            visit.note(Note::Special, path);
            Ok(())
        }
    }
}
