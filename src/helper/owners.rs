// SPDX-License-Identifier: GPL-3.0-or-later
//! Kept data belong to the user of their server, whatever its number is.
//!
//! Files belong to numbers. A package that is installed anew, as in each session of Tails, may get other numbers for its
//! users than the last time, and the old ones may be those of others. So what is kept is behind a directory that is root's
//! alone, and is given to the server's user before the server starts. Within the directory of a server nobody but root and that
//! user has ever written: whatever is not root's, nor of a number that means the same on each Debian, is the server's. That
//! needs no memory of old numbers, comes to the same when it is done twice, and the top is given last: so what a crash has
//! left half done is known by it, and is mended also under a third number.
//!
//! The server may have put anything there. No link is followed, nothing is opened but directories, and what has a name
//! elsewhere, too, stays whose it is.

use std::collections::HashMap;
use std::ffi::CString;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chownat, fchown, fstat, fsync, openat,
    openat2, statat, syncfs,
};
use rustix::io::Errno;

use super::error::Error;
use super::files::Directory;
use super::users::Owner;

/// What Debian gives to users of packages, in the order in which they come. Below it, and above, numbers mean the same
/// everywhere, or are a person's. Debian Policy, 9.2.2
const USERS: RangeInclusive<u32> = 100..=999;
/// The same for groups; 100 is `users`.
const GROUPS: RangeInclusive<u32> = 101..=999;

/// Whether data have to be given to this owner first. Their server has to be stopped for it.
pub(super) fn is_of_others(top: &Path, owner: Owner) -> Result<bool, Error> {
    let about = statat(CWD, top, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::file("look at", top))?;
    Ok(Change::from(&about, owner).is_needed(&about))
}

/// Gives data to their owner, if they are not theirs. How many files stay as they are, because they have names elsewhere.
pub(super) fn give(top: &Path, owner: Owner) -> Result<usize, Error> {
    if !is_of_others(top, owner)? {
        return Ok(0);
    }
    let directory = Directory::open(top)?;
    let left = give_all(directory.handle(), owner).map_err(Error::file("give to its server what is in", top))?;
    Ok(left)
}

fn give_all(top: &OwnedFd, owner: Owner) -> Result<usize, Errno> {
    let change = Change::from(&fstat(top)?, owner);
    // How many names each has in here, of those that have several.
    let mut linked: HashMap<u64, u64> = HashMap::new();
    walk(top, |file, about| {
        if !change.is_due(about) {
            return Ok(());
        }
        if has_more_names(about) {
            *linked.entry(about.st_ino).or_default() += 1;
            return Ok(());
        }
        change.make(file, about)
    })?;
    let mut left = 0;
    if !linked.is_empty() {
        walk(top, |file, about| match linked.get(&about.st_ino) {
            Some(names) if has_more_names(about) && change.is_due(about) => {
                if *names == about.st_nlink {
                    return change.make(file, about);
                }
                left += 1;
                Ok(())
            }
            Some(_) | None => Ok(()),
        })?;
    }
    // Whoever finds that the top is the server's relies on all that is in it, also after a power cut.
    syncfs(top)?;
    fchown(top, change.user.map(Uid::from_raw), change.group.map(Gid::from_raw))?;
    fsync(top)?;
    Ok(left)
}

/// To whom what is the server's is given. What is to be root's is never made so: root would run it, or believe it.
struct Change {
    user: Option<u32>,
    group: Option<u32>,
    /// Whose the top is until the end.
    before: Owner,
}

impl Change {
    fn from(top: &Stat, owner: Owner) -> Self {
        let unless_root = |number: u32| (number != 0).then_some(number);
        let before = Owner { user: top.st_uid, group: top.st_gid };
        Self { user: unless_root(owner.user), group: unless_root(owner.group), before }
    }

    /// Whether the top is not as it is to be.
    fn is_needed(&self, top: &Stat) -> bool {
        self.user.is_some_and(|user| user != top.st_uid) || self.group.is_some_and(|group| group != top.st_gid)
    }

    fn is_due(&self, about: &Stat) -> bool {
        self.new_user(about).is_some() || self.new_group(about).is_some()
    }

    fn new_user(&self, about: &Stat) -> Option<u32> {
        let is_servers = USERS.contains(&about.st_uid) || (about.st_uid != 0 && about.st_uid == self.before.user);
        self.user.filter(|user| is_servers && *user != about.st_uid)
    }

    fn new_group(&self, about: &Stat) -> Option<u32> {
        let is_servers = GROUPS.contains(&about.st_gid) || (about.st_gid != 0 && about.st_gid == self.before.group);
        self.group.filter(|group| is_servers && *group != about.st_gid)
    }

    /// The kernel takes away setuid and file capabilities with it.
    fn make(&self, file: &OwnedFd, about: &Stat) -> Result<(), Errno> {
        let (user, group) = (self.new_user(about).map(Uid::from_raw), self.new_group(about).map(Gid::from_raw));
        chownat(file, c"", user, group, AtFlags::EMPTY_PATH)
    }
}

fn has_more_names(about: &Stat) -> bool {
    !is_directory(about) && about.st_nlink > 1
}

fn is_directory(about: &Stat) -> bool {
    FileType::from_raw_mode(about.st_mode) == FileType::Directory
}

/// A directory on the way to where the walk is.
struct Level {
    inode: u64,
    /// The directories in it that were not entered yet.
    left: Vec<CString>,
}

/// Looks at all that is below a directory and on its file system, how deep soever: one directory is open at a time, as a server
/// can nest more of them than can be open.
fn walk(top: &OwnedFd, mut look: impl FnMut(&OwnedFd, &Stat) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut here = top.try_clone().map_err(|cause| Errno::from_io_error(&cause).unwrap_or(Errno::IO))?;
    let mut levels = vec![look_into(&here, &mut look)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.left.pop() {
            here = openat2(&here, name, OPEN_DIRECTORY, Mode::empty(), STAY)?;
            levels.push(look_into(&here, &mut look)?);
            continue;
        }
        levels.pop();
        if let Some(above) = levels.last() {
            here = openat(&here, c"..", OPEN_DIRECTORY, Mode::empty())?;
            // Somebody has moved what we are in: no server runs, so it is nobody who may.
            if fstat(&here)?.st_ino != above.inode {
                return Err(Errno::STALE);
            }
        }
    }
    Ok(())
}

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Opens nothing: no pipe waits, no device does anything.
const POINT_AT: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const STAY: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_XDEV).union(ResolveFlags::NO_MAGICLINKS);

fn look_into(here: &OwnedFd, look: &mut impl FnMut(&OwnedFd, &Stat) -> Result<(), Errno>) -> Result<Level, Errno> {
    let mut left = Vec::new();
    for entry in Dir::read_from(here)? {
        let name = entry?.file_name().to_owned();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let file = match openat2(here, &name, POINT_AT, Mode::empty(), STAY) {
            Ok(file) => file,
            // Something is mounted there, which is none of the data.
            Err(Errno::XDEV) => continue,
            Err(cause) => return Err(cause),
        };
        let about = fstat(&file)?;
        look(&file, &about)?;
        if is_directory(&about) {
            left.push(name);
        }
    }
    Ok(Level { inode: fstat(here.as_fd())?.st_ino, left })
}
