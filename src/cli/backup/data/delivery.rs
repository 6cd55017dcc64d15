// SPDX-License-Identifier: GPL-3.0-or-later
//! Exchanging the data of a service for those of a backup, so that a crash leaves the old or the new.
//!
//! They arrive in `.SERVICE.new`, beside the data that are kept, with a mark in it from the first moment. Once they are whole and
//! on the disk, one rename exchanges the two. The mark is now with the data that count: root's helper starts no server
//! on them until it is gone, which is after the wishes of the backup are remembered. What fails before they could be is
//! exchanged back. What was here before is then put aside; nothing of it is deleted.
//!
//! What a crash leaves is told by the mark: with it, it came out of a backup; without, it was here before.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, chmod, flock, fsync, open, openat2, renameat_with,
    statvfs, syncfs,
};
use tails_server_state::ServiceName;
use tr::tr;

use crate::cli::output::{now, time};

/// Says, in the data of a service, that the backup that they are from is not restored yet. Root's helper knows it, too.
const MARK: &str = ".restoring";
/// What follows the name of data that were put aside: the date, and a number where there are more.
const BEFORE: &str = ".before-";
/// What follows the name of data in the file that says where they came from: see helper/origin.rs.
const ORIGIN: &str = ".origin";
/// Nobody but root gets to it, as the helper makes it: whoever has the number that a server had elsewhere is somebody else.
const OURS: Mode = Mode::RWXU;

/// Where data are, and who works on them.
#[derive(Debug, Clone)]
pub(in crate::cli::backup) struct Site {
    kept: PathBuf,
    state: PathBuf,
}

/// Why data were not put in place.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum DeliveryError {
    #[error("{}", tr!("the server of \"{service}\" runs, or is not stopped yet", service = .0))]
    Runs(ServiceName),
    #[error("{}", tr!("cannot write {path}", path = path.display()))]
    Place {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl Site {
    /// Of this computer, as root's helper has it.
    pub(in crate::cli::backup) fn system() -> Self {
        Self { kept: "/var/lib/tails-server-data".into(), state: "/run/tails-server-helper".into() }
    }

    pub(in crate::cli::backup) fn directory(&self, service: &ServiceName) -> PathBuf {
        self.kept.join(service.as_str())
    }

    fn arriving(&self, service: &ServiceName) -> PathBuf {
        self.kept.join(format!(".{service}.new"))
    }

    /// Whether data are here.
    pub(in crate::cli::backup) fn has_data(&self, service: &ServiceName) -> bool {
        self.directory(service).symlink_metadata().is_ok()
    }

    /// Whether the server goes on elsewhere than with what is kept, until it is started anew: see helper/origin.rs.
    pub(in crate::cli::backup) fn is_behind(&self, service: &ServiceName, directory: &str) -> bool {
        let text = fs::read_to_string(self.directory(service).join(format!("{directory}{ORIGIN}")));
        text.is_ok_and(|text| text.contains("\"is-used\":true"))
    }

    /// Whether a restoration was interrupted in the middle of these data.
    pub(in crate::cli::backup) fn is_marked(&self, service: &ServiceName) -> bool {
        self.directory(service).join(MARK).symlink_metadata().is_ok()
    }

    /// Whether the server may run on them.
    pub(in crate::cli::backup) fn is_applied(&self, service: &ServiceName) -> bool {
        self.state.join(service.as_str()).join("applied.json").symlink_metadata().is_ok()
    }

    /// How many bytes fit in beside what is there.
    pub(in crate::cli::backup) fn room(&self) -> io::Result<u64> {
        let place = self.kept.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
        let about = statvfs(place)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }

    /// Waits until no act on the service goes on, and holds up those that follow.
    fn lock(&self, service: &ServiceName) -> io::Result<OwnedFd> {
        let locks = self.state.join(".locks");
        for (directory, mode) in [(&self.state, 0o755), (&locks, 0o700)] {
            make(directory, Mode::from_raw_mode(mode))?;
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = open(locks.join(service.as_str()), flags, Mode::RUSR | Mode::WUSR)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    }
}

/// The data of one service on their way. Dropped before it is finished, all is as it was before.
pub(in crate::cli::backup) struct Delivery {
    site: Site,
    service: ServiceName,
    state: State,
    /// While it is held, root's helper does nothing with the service.
    lock: Option<OwnedFd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// They arrive.
    Beside,
    /// They are in the place of others.
    Exchanged,
    /// They are where none were.
    Moved,
    /// Nothing is to be undone.
    Finished,
}

impl Delivery {
    /// Makes an empty place for them, after what an earlier one may have left is put in order.
    pub(in crate::cli::backup) fn begin(site: &Site, service: &ServiceName) -> Result<Self, DeliveryError> {
        let place = site.arriving(service);
        let begin = || -> io::Result<()> {
            make(&site.kept, OURS)?;
            ensure_ours(&site.kept)?;
            settle(site, service)?;
            make(&place, OURS)?;
            fs::File::create_new(place.join(MARK))?.sync_all()?;
            sync(&place)
        };
        begin().map_err(|cause| DeliveryError::Place { path: place.clone(), cause })?;
        Ok(Self { site: site.clone(), service: service.clone(), state: State::Beside, lock: None })
    }

    /// Where they are to be put.
    pub(in crate::cli::backup) fn place(&self) -> Result<OwnedFd, DeliveryError> {
        open_directory(&self.site.arriving(&self.service)).map_err(|cause| self.failed(cause))
    }

    /// They are whole: puts them in the place of those that are here, and holds up all acts on the service from now on.
    pub(in crate::cli::backup) fn exchange(&mut self) -> Result<(), DeliveryError> {
        let lock = self.site.lock(&self.service).map_err(|cause| self.failed(cause))?;
        self.lock = Some(lock);
        if self.site.is_applied(&self.service) {
            return Err(DeliveryError::Runs(self.service.clone()));
        }
        let (arriving, place) = (self.site.arriving(&self.service), self.site.directory(&self.service));
        let exchange = || -> io::Result<State> {
            syncfs(open_directory(&arriving)?)?;
            sync(&arriving)?;
            let state = if place.symlink_metadata().is_ok() {
                ensure_ours(&place)?;
                renameat_with(CWD, &arriving, CWD, &place, RenameFlags::EXCHANGE)?;
                State::Exchanged
            } else {
                renameat_with(CWD, &arriving, CWD, &place, RenameFlags::NOREPLACE)?;
                State::Moved
            };
            Ok(state)
        };
        self.state = exchange().map_err(|cause| self.failed(cause))?;
        sync(&self.site.kept).map_err(|cause| self.failed(cause))
    }

    /// The backup is restored: what was here is put aside, and the server may start. Where what was here is now.
    pub(in crate::cli::backup) fn finish(mut self) -> Result<Vec<PathBuf>, DeliveryError> {
        // From here on the wishes are those of the backup, and so are its data.
        self.state = State::Finished;
        let place = self.site.directory(&self.service);
        let finish = || -> io::Result<Vec<PathBuf>> {
            let aside = settle(&self.site, &self.service)?;
            fs::remove_file(place.join(MARK))?;
            sync(&place)?;
            Ok(aside)
        };
        finish().map_err(|cause| self.failed(cause))
    }

    /// It is unknown whether the backup is restored: no server starts on any data until it is.
    pub(in crate::cli::backup) fn leave(mut self) {
        self.state = State::Finished;
    }

    fn undo(&self) -> io::Result<()> {
        let (arriving, place) = (self.site.arriving(&self.service), self.site.directory(&self.service));
        match self.state {
            State::Finished => return Ok(()),
            State::Beside => {}
            State::Exchanged => renameat_with(CWD, &arriving, CWD, &place, RenameFlags::EXCHANGE)?,
            State::Moved => renameat_with(CWD, &place, CWD, &arriving, RenameFlags::NOREPLACE)?,
        }
        sync(&self.site.kept)?;
        discard(&arriving)
    }

    fn failed(&self, cause: io::Error) -> DeliveryError {
        DeliveryError::Place { path: self.site.arriving(&self.service), cause }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // What can not be undone now stays marked: no server starts on it, and the next restoration puts it in order.
        let _ = self.undo();
    }
}

/// Puts in order what is in the place of arrival: what was here before is put aside, what came out of a backup is deleted.
/// Where it was put.
fn settle(site: &Site, service: &ServiceName) -> io::Result<Vec<PathBuf>> {
    let (left, place) = (site.arriving(service), site.directory(service));
    if left.symlink_metadata().is_err() {
        return Ok(Vec::new());
    }
    let is_of_backup = left.join(MARK).symlink_metadata().is_ok();
    if place.symlink_metadata().is_err() {
        return if is_of_backup {
            discard(&left).map(|()| Vec::new())
        } else {
            renameat_with(CWD, &left, CWD, &place, RenameFlags::NOREPLACE)?;
            sync(&site.kept)?;
            Ok(Vec::new())
        };
    }
    let mut aside = Vec::new();
    for entry in fs::read_dir(&left)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let first = match name.find(BEFORE) {
            Some(_) => name.clone(),
            None if !is_of_backup && entry.file_type()?.is_dir() && !name.ends_with(".half") => {
                format!("{name}{BEFORE}{}", date())
            }
            None => continue,
        };
        let numbered = (2..).map(|number: u32| format!("{first}-{number}"));
        let mut free = std::iter::once(first.clone()).chain(numbered);
        let free = free.find(|name| place.join(name).symlink_metadata().is_err());
        let to = place.join(free.ok_or(io::ErrorKind::AlreadyExists)?);
        renameat_with(CWD, entry.path(), CWD, &to, RenameFlags::NOREPLACE)?;
        aside.push(to);
    }
    sync(&place)?;
    discard(&left)?;
    Ok(aside)
}

/// Deletes it, the mark last: what a crash leaves of it has it.
fn discard(left: &Path) -> io::Result<()> {
    for entry in fs::read_dir(left)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != MARK {
            fs::remove_file(entry.path())?;
        }
    }
    sync(left)?;
    fs::remove_dir_all(left)
}

fn date() -> String {
    time(now()).chars().take_while(|letter| *letter != 'T').collect()
}

/// Makes a directory of ours; one that is there stays as it is.
fn make(path: &Path, mode: Mode) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => Ok(chmod(path, mode)?),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// It belongs to us, and nobody else may write it.
fn ensure_ours(path: &Path) -> io::Result<()> {
    let about = path.symlink_metadata()?;
    let is_ours = about.is_dir() && about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o022 == 0;
    if is_ours { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?)
}

fn sync(directory: &Path) -> io::Result<()> {
    Ok(fsync(open_directory(directory)?)?)
}

#[cfg(test)]
mod tests;
