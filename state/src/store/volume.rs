// SPDX-License-Identifier: GPL-3.0-or-later
//! The volume that what is kept has to be on, where it may not be there: not yet, no more, or never.
//!
//! A directory is on a volume if it is on another file system than the directory above it. That it is a mount point is not
//! enough: in the sandbox of systemd each directory that may be written to is one, of the same file system.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::error::StoreError;

/// What has to be mounted for what is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptMounts(Vec<PathBuf>);

impl KeptMounts {
    /// Each of these directories has to be on a volume, and belong to us if what is kept is in it. Without any, the directory
    /// of what is kept is used as it is.
    #[must_use]
    pub const fn new(directories: Vec<PathBuf>) -> Self {
        Self(directories)
    }

    /// Whether anything has to be mounted.
    #[must_use]
    pub const fn is_needed(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether all is mounted, and on which device the place `root` is; `None` where nothing has to be mounted.
    pub(super) fn ensure(&self, root: &Path) -> Result<Option<Device>, StoreError> {
        let mut device = None;
        for directory in &self.0 {
            let found = mounted(directory).map_err(|cause| StoreError::from_io(directory, cause))?;
            let found = found.ok_or_else(|| StoreError::NotMounted { path: directory.clone() })?;
            if root.starts_with(directory) {
                ensure_ours(directory)?;
                device = Some(found);
            }
        }
        Ok(device)
    }
}

/// A file system, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device(u64);

impl Device {
    /// The one that an open file or directory is on.
    pub(super) fn of(file: &std::fs::File) -> io::Result<Self> {
        file.metadata().map(|found| Self(found.dev()))
    }
}

/// The file system that is mounted on the directory, if there is one.
fn mounted(directory: &Path) -> io::Result<Option<Device>> {
    let device = |path: &Path| match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found.dev())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let above = directory.parent().unwrap_or(directory);
    let (here, above) = (device(directory)?, device(above)?);
    Ok(here.filter(|_| here != above).map(Device))
}

/// Nobody else may replace files in it.
fn ensure_ours(directory: &Path) -> Result<(), StoreError> {
    let found = std::fs::metadata(directory).map_err(|cause| StoreError::from_io(directory, cause))?;
    if found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let cause =
        io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user, or others can write to it");
    Err(StoreError::from_io(directory, cause))
}
