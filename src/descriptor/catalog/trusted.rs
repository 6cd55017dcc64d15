// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading a tree that nobody else can change: each step without following a link, owner and mode looked at on what was opened.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::descriptor::check::MAX_BYTES;

/// Who may write what is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Root alone.
    Root,
    /// Root, and the user with this number: for a controller that runs as that user.
    RootAnd(u32),
}

impl Trust {
    const fn covers(self, user: u32) -> bool {
        match self {
            Self::Root => user == 0,
            Self::RootAnd(own) => user == 0 || user == own,
        }
    }
}

/// Why something is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It belongs to somebody else.
    #[error("{} belongs to user {owner}, who could change it", path.display())]
    Owner {
        /// What.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// More than its owner may write it.
    #[error("{} can be written by others than its owner: its mode is {mode:04o}", path.display())]
    Writable {
        /// What.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It leads elsewhere.
    #[error("{} is a link, a device or something else that is not followed", path.display())]
    Kind {
        /// What.
        path: PathBuf,
    },
}

/// Why something was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeError {
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, cause: io::Error },
}

/// An open directory that is believed.
pub(super) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
    trust: Trust,
}

/// The directory that has the directories of the services.
pub(super) type Tree = Directory;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// NONBLOCK: nobody shall wait for the other end of a named pipe.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Directory {
    /// Opens a directory and believes it if nobody else could have put it there: each directory above it is looked at too.
    /// `None` if there is none.
    pub(super) fn open(path: &Path, trust: Trust) -> Result<Option<Self>, TreeError> {
        // Links above it may be: /etc can be one. What they lead to is what is walked and looked at.
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(TreeError::Read { path: path.to_owned(), cause }),
        };
        let mut walked = PathBuf::from("/");
        let mut handle = openat(CWD, "/", DIRECTORY, Mode::empty()).map_err(|cause| failed(&walked, cause))?;
        for part in real.components() {
            let Component::Normal(part) = part else { continue };
            above(&walked, &stat(&handle, &walked)?, trust)?;
            walked.push(part);
            handle = openat(&handle, part, DIRECTORY, Mode::empty()).map_err(|cause| failed(&walked, cause))?;
        }
        believe(&walked, &stat(&handle, &walked)?, trust)?;
        Ok(Some(Self { handle, path: path.to_owned(), trust }))
    }

    /// Where it is, as it was asked for.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the directories in it, and of the links: what they lead to is not followed, and that is said.
    pub(super) fn directories(&self) -> Result<Vec<String>, TreeError> {
        let read = || -> Result<Vec<String>, Errno> {
            let mut names = Vec::new();
            for entry in Dir::read_from(&self.handle)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let mut kind = entry.file_type();
                // Some file systems do not say.
                if kind == FileType::Unknown {
                    let about = statat(&self.handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    kind = FileType::from_raw_mode(about.st_mode);
                }
                let is_service = matches!(kind, FileType::Directory | FileType::Symlink);
                if is_service && !name.starts_with('.') {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        read().map_err(|cause| failed(&self.path, cause))
    }

    /// A directory in it.
    pub(super) fn enter(&self, name: &str) -> Result<Self, TreeError> {
        let path = self.path.join(name);
        let handle = openat(&self.handle, name, DIRECTORY, Mode::empty()).map_err(|cause| failed(&path, cause))?;
        believe(&path, &stat(&handle, &path)?, self.trust)?;
        Ok(Self { handle, path, trust: self.trust })
    }

    /// The text of a file in it.
    pub(super) fn text(&self, name: &str) -> Result<String, TreeError> {
        let (file, path) = self.file(name)?;
        let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        let mut text = String::new();
        let read = file.take(most.saturating_add(1)).read_to_string(&mut text);
        let read =
            read.and_then(|_| if text.len() > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) });
        read.map_err(|cause| TreeError::Read { path, cause })?;
        Ok(text)
    }

    /// SHA-256 of a program in it.
    pub(super) fn program(&self, name: &str) -> Result<[u8; 32], TreeError> {
        let (mut file, path) = self.file(name)?;
        if stat(&file, &path)?.st_mode & 0o100 == 0 {
            return Err(TreeError::Read { path, cause: io::ErrorKind::PermissionDenied.into() });
        }
        super::program_digest(&mut file).map_err(|cause| TreeError::Read { path, cause })
    }

    fn file(&self, name: &str) -> Result<(File, PathBuf), TreeError> {
        let path = self.path.join(name);
        let handle = openat(&self.handle, name, FILE, Mode::empty()).map_err(|cause| failed(&path, cause))?;
        let about = stat(&handle, &path)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
            return Err(Untrusted::Kind { path }.into());
        }
        believe(&path, &about, self.trust)?;
        Ok((File::from(handle), path))
    }
}

fn stat(handle: impl std::os::fd::AsFd, path: &Path) -> Result<Stat, TreeError> {
    fstat(handle).map_err(|cause| failed(path, cause))
}

/// What nobody else may write.
fn believe(path: &Path, about: &Stat, trust: Trust) -> Result<(), Untrusted> {
    let path = || path.to_owned();
    if !trust.covers(about.st_uid) {
        return Err(Untrusted::Owner { path: path(), owner: about.st_uid });
    }
    let mode = about.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Untrusted::Writable { path: path(), mode });
    }
    Ok(())
}

/// A directory above: with the sticky bit, as /tmp has, others can not replace what is not theirs.
fn above(path: &Path, about: &Stat, trust: Trust) -> Result<(), Untrusted> {
    if about.st_mode & 0o1000 != 0 && trust.covers(about.st_uid) { Ok(()) } else { believe(path, about, trust) }
}

fn failed(path: &Path, cause: Errno) -> TreeError {
    match cause {
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Untrusted::Kind { path: path.to_owned() }.into(),
        cause => TreeError::Read { path: path.to_owned(), cause: cause.into() },
    }
}
