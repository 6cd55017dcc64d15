// SPDX-License-Identifier: GPL-3.0-or-later
//! A file that is there as a whole or not at all, and never in the place of another.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::BackupError;

/// For the person alone.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file that is being written, beside where it is to be. Dropped before it is settled, it is gone.
pub(in crate::cli) struct NewFile {
    file: File,
    written: PathBuf,
    path: PathBuf,
    directory: OwnedFd,
    is_settled: bool,
}

impl NewFile {
    pub(in crate::cli) fn begin(path: &Path) -> Result<Self, BackupError> {
        ensure_free(path)?;
        let failed = |cause: Errno| BackupError::Write { path: path.to_owned(), cause: cause.into() };
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            Some(_) | None => Path::new("."),
        };
        let name = path.file_name().ok_or_else(|| failed(Errno::ISDIR))?;
        let opened = rustix::fs::openat(CWD, directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let opened = opened.map_err(failed)?;
        let mut written = name.to_owned();
        written.push(format!(".{}.part", std::process::id()));
        let written = directory.join(written);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(CWD, &written, flags, PRIVATE).map_err(failed)?;
        Ok(Self { file: file.into(), written, path: path.to_owned(), directory: opened, is_settled: false })
    }

    pub(in crate::cli) const fn writer(&mut self) -> &mut File {
        &mut self.file
    }

    /// All of it is written: makes it durable, and gives it its name.
    pub(in crate::cli) fn settle(mut self) -> Result<(), BackupError> {
        let failed = |cause: io::Error| BackupError::Write { path: self.path.clone(), cause };
        self.file.sync_all().map_err(failed)?;
        match rustix::fs::renameat_with(CWD, &self.written, CWD, &self.path, RenameFlags::NOREPLACE) {
            // A file system that can not do both at once: nobody else is expected to make the same file in between.
            Err(Errno::INVAL | Errno::NOSYS) => {
                ensure_free(&self.path)?;
                std::fs::rename(&self.written, &self.path).map_err(failed)?;
            }
            Err(Errno::EXIST) => return Err(BackupError::Exists { path: self.path.clone() }),
            renamed => renamed.map_err(|cause| failed(cause.into()))?,
        }
        self.is_settled = true;
        rustix::fs::fsync(&self.directory).map_err(|cause| failed(cause.into()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_settled {
            // A backup is encrypted and settings have no secrets: where it can not be removed, it tells nothing but an invitation.
            let _ = std::fs::remove_file(&self.written);
        }
    }
}

/// Nothing is there, not even a link to nowhere.
pub(super) fn ensure_free(path: &Path) -> Result<(), BackupError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(BackupError::Exists { path: path.to_owned() }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(BackupError::Write { path: path.to_owned(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_there_as_a_whole_and_in_the_place_of_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let count = || std::fs::read_dir(directory.path()).unwrap().count();
        drop(NewFile::begin(&path).unwrap());
        assert_eq!(count(), 0);
        let mut file = NewFile::begin(&path).unwrap();
        file.writer().write_all(b"content").unwrap();
        file.settle().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(NewFile::begin(&path), Err(BackupError::Exists { .. })));
        // One that comes meanwhile is left alone, too, and so is a link to nowhere.
        let other = directory.path().join("other");
        let file = NewFile::begin(&other).unwrap();
        std::os::unix::fs::symlink("/nonexistent", &other).unwrap();
        assert!(matches!(file.settle(), Err(BackupError::Exists { .. })));
        assert!(matches!(NewFile::begin(&other), Err(BackupError::Exists { .. })));
        assert_eq!(count(), 2);
    }
}
