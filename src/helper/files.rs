// SPDX-License-Identifier: GPL-3.0-or-later
//! Directories and files, made so that a crash leaves the old or the new, and no link of another user is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Uid, fchmod, fchown, fstat, fsync,
    mkdirat, openat, openat2, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::error::Error;
use super::program::{RM, run};
use super::users::Owner;

/// What something new is called until it is whole.
const HALF: &str = ".tails-server-half";
/// What follows the name of something that was superseded, and a number.
const BEFORE: &str = ".before-";

/// An open directory, to which no link has led.
#[derive(Debug)]
pub(super) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// A directory that is there. It may belong to the user of a server: what is done in it follows nothing.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(CWD, path, flags, Mode::empty(), resolve) {
            Ok(handle) => Ok(Self { handle, path: path.to_owned() }),
            Err(Errno::LOOP) => Err(Error::Unsafe { path: path.to_owned(), why: "a link leads to it, or it is one" }),
            Err(Errno::NOTDIR) => Err(Error::Unsafe { path: path.to_owned(), why: "it is no directory" }),
            Err(cause) => Err(Error::file("open", path)(cause)),
        }
    }

    /// A directory of ours: root's, and nobody else may write it. Made if it is missing.
    pub(super) fn ours(path: &Path, mode: u32) -> Result<Self, Error> {
        if is_missing(path)? {
            Self::parent(path)?.make(path, Owner::ROOT, mode)?;
        }
        let directory = Self::open(path)?;
        let about = fstat(&directory.handle).map_err(Error::file("look at", path))?;
        if about.st_uid != 0 {
            return Err(Error::Unsafe { path: path.to_owned(), why: "it does not belong to root" });
        }
        if about.st_mode & 0o022 != 0 {
            return Err(Error::Unsafe { path: path.to_owned(), why: "others than root may write it" });
        }
        // One of before, or of a volume, may be more open than it would be made.
        if mode == 0o700 && about.st_mode & 0o077 != 0 {
            fchmod(&directory.handle, Mode::RWXU).map_err(Error::file("close", path))?;
        }
        Ok(directory)
    }

    /// The directory that something is in.
    pub(super) fn parent(path: &Path) -> Result<Self, Error> {
        Self::open(path.parent().ok_or(Error::Bug("a path without a directory"))?)
    }

    /// A directory in it that is ours alone.
    pub(super) fn enter(&self, name: &str, mode: u32) -> Result<Self, Error> {
        Self::ours(&self.path.join(name), mode)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Gives something in it the last part of `to` as its name, durably.
    pub(super) fn rename(&self, name: &str, to: &Path) -> Result<(), Error> {
        let renamed = renameat(&self.handle, name, &self.handle, file_name(to)?);
        renamed.and_then(|()| fsync(&self.handle)).map_err(Error::file("make", to))
    }

    /// Waits until the disk knows what is in it, be it made by somebody else.
    pub(super) fn sync(&self) -> Result<(), Error> {
        fsync(&self.handle).map_err(Error::file("sync", &self.path))
    }

    /// Makes a directory in it, with its owner from the first moment. One that is there stays as it is.
    pub(super) fn make(&self, path: &Path, owner: Owner, mode: u32) -> Result<(), Error> {
        let name = file_name(path)?;
        let half = half(name);
        let wrong = || Error::file("make", path);
        // What a crash has left is empty.
        unlinkat(&self.handle, &half, AtFlags::REMOVEDIR).or_else(unless_missing).map_err(wrong())?;
        mkdirat(&self.handle, &half, Mode::RWXU).map_err(wrong())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.handle, &half, flags, Mode::empty()).map_err(wrong())?;
        give(&made, owner, mode).map_err(wrong())?;
        match renameat_with(&self.handle, &half, &self.handle, name, RenameFlags::NOREPLACE) {
            Ok(()) => fsync(&self.handle).map_err(wrong()),
            Err(Errno::EXIST) => unlinkat(&self.handle, &half, AtFlags::REMOVEDIR).map_err(wrong()),
            Err(cause) => Err(wrong()(cause)),
        }
    }

    /// Writes a file: after a crash there is the one before, or all of this.
    pub(super) fn write(&self, name: &str, contents: &[u8], owner: Owner, mode: u32) -> Result<(), Error> {
        let half = half(OsStr::new(name));
        let write = || -> io::Result<()> {
            unlinkat(&self.handle, &half, AtFlags::empty()).or_else(unless_missing)?;
            self.write_half(&half, contents, owner, mode)?;
            renameat(&self.handle, &half, &self.handle, name)?;
            Ok(fsync(&self.handle)?)
        };
        write().map_err(Error::file("write", &self.path.join(name)))
    }

    /// Writes a file that is laid over others in servers that run. The one before keeps a name until [`Self::forget`]: what
    /// has none any more can not be covered by anything, and would uncover what it has covered.
    pub(super) fn supersede(&self, name: &str, contents: &[u8], owner: Owner, mode: u32) -> Result<(), Error> {
        let path = self.path.join(name);
        if is_missing(&path)? {
            return self.write(name, contents, owner, mode);
        }
        let wrong = || Error::file("write", &path);
        let about = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).map_err(wrong())?;
        let most = u64::try_from(contents.len()).unwrap_or(u64::MAX);
        let is_same = (about.st_uid, about.st_gid, about.st_mode & 0o7777) == (owner.user, owner.group, mode)
            && u64::try_from(about.st_size) == Ok(most)
            && self.read(name, most)?.as_deref() == Some(contents);
        if is_same {
            return Ok(());
        }
        let names = self.names()?;
        let mut spare =
            (0..).map(|number: u32| format!("{name}{BEFORE}{number}")).filter(|spare| !names.contains(spare));
        let mut put_aside = |half: &OsStr| -> Result<(), Errno> {
            // There are endlessly many numbers.
            let spare = spare.next().ok_or(Errno::OVERFLOW)?;
            renameat(&self.handle, half, &self.handle, spare)
        };
        let half = half(OsStr::new(name));
        let mut write = || -> io::Result<()> {
            put_aside(&half).or_else(unless_missing)?;
            self.write_half(&half, contents, owner, mode)?;
            renameat_with(&self.handle, &half, &self.handle, name, RenameFlags::EXCHANGE)?;
            Ok(put_aside(&half)?)
        };
        write().map_err(Error::file("write", &path))
    }

    /// Removes all that was superseded: nothing that runs sees it any more.
    pub(super) fn forget(&self) -> Result<(), Error> {
        self.names()?.iter().filter(|name| name.contains(BEFORE)).try_for_each(|name| self.remove(name))
    }

    fn write_half(&self, half: &OsStr, contents: &[u8], owner: Owner, mode: u32) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.handle, half, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(contents)?;
        Ok(give(&file, owner, mode)?)
    }

    /// What is in a regular file, at most so much; `None` if there is none.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(Error::Unsafe { path, why: "it is no regular file" }),
            Err(cause) => return Err(Error::file("read", &path)(cause)),
        };
        if !is_regular(&fstat(&file).map_err(Error::file("look at", &path))?) {
            return Err(Error::Unsafe { path, why: "it is no regular file" });
        }
        let mut contents = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut contents).map_err(Error::file("read", &path))?;
        if u64::try_from(contents.len()).is_ok_and(|length| length > most) {
            return Err(Error::Unsafe { path, why: "it is too large" });
        }
        Ok(Some(contents))
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = match unlinkat(&self.handle, name, AtFlags::empty()) {
            // What comes next may rely on it, also after a power cut.
            Ok(()) => fsync(&self.handle),
            Err(cause) => unless_missing(cause),
        };
        removed.map_err(Error::file("remove", &self.path.join(name)))
    }

    /// Removes a directory with all that is in it, without following anything.
    pub(super) fn remove_all(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        if is_missing(&path)? {
            return Ok(());
        }
        // A server can nest more directories than a process can have open, which the standard library would have.
        let words = ["--recursive", "--force", "--one-file-system", "--"].map(Path::new);
        run(RM, &[&words[..], &[path.as_path()]].concat())?;
        fsync(&self.handle).map_err(Error::file("remove", &path))
    }

    /// The names of what is in it.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let read = || -> Result<Vec<String>, Errno> {
            let mut names = Vec::new();
            for entry in Dir::read_from(&self.handle)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !matches!(name.as_str(), "." | "..") {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        read().map_err(Error::file("read", &self.path))
    }
}

/// Whether nothing is there, not even a link that leads nowhere.
pub(super) fn is_missing(path: &Path) -> Result<bool, Error> {
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(false),
        Err(Errno::NOENT) => Ok(true),
        Err(cause) => Err(Error::file("look at", path)(cause)),
    }
}

/// Undoes what we have made: an empty file, or a directory with nothing in it. Whatever has more in it stays.
pub(super) fn unmake(path: &Path) -> Result<(), Error> {
    let about = match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => about,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(cause) => return Err(Error::file("look at", path)(cause)),
    };
    let parent = Directory::parent(path)?;
    let name = file_name(path)?;
    let removed = if is_regular(&about) && about.st_size == 0 {
        unlinkat(&parent.handle, name, AtFlags::empty())
    } else if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
        unlinkat(&parent.handle, name, AtFlags::REMOVEDIR)
    } else {
        Ok(())
    };
    match removed {
        // It is forgotten after that, so it must not come back.
        Ok(()) => fsync(&parent.handle).map_err(Error::file("remove", path)),
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(()),
        Err(cause) => Err(Error::file("remove", path)(cause)),
    }
}

fn give(file: impl AsFd, owner: Owner, mode: u32) -> Result<(), Errno> {
    // The mode last: giving a file away may clear bits of it.
    fchown(&file, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))?;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    fsync(&file)
}

pub(super) fn is_regular(about: &Stat) -> bool {
    FileType::from_raw_mode(about.st_mode) == FileType::RegularFile
}

fn file_name(path: &Path) -> Result<&OsStr, Error> {
    path.file_name().ok_or(Error::Bug("a path without a name"))
}

fn half(name: &OsStr) -> std::ffi::OsString {
    let mut half = name.to_owned();
    half.push(HALF);
    half
}

fn unless_missing(cause: Errno) -> Result<(), Errno> {
    if cause == Errno::NOENT { Ok(()) } else { Err(cause) }
}
