// SPDX-License-Identifier: GPL-3.0-or-later
//! One process at a time.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::error::StoreError;
use super::volume::Device;

/// The file that is locked. It stays, so that nobody locks a file that is no longer the one.
pub(super) const FILE: &str = "state.lock";

/// The lock on a directory, until it is dropped or the process ends.
pub(super) struct DirectoryLock(File);

impl DirectoryLock {
    /// Takes the lock, or says at once who else has it.
    pub(super) fn take(root: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::from_io(root, cause);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(root.join(FILE))
            .map_err(failed)?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: root.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }

    /// The file system that it is on.
    pub(super) fn device(&self) -> std::io::Result<Device> {
        Device::of(&self.0)
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that was forked at this moment and has not yet called exec.
        let _ = self.0.unlock();
    }
}
