// SPDX-License-Identifier: GPL-3.0-or-later
//! What only one act at a time may do.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};

use super::error::Error;
use super::files::Directory;
use super::places::STATE;

/// Whoever can open a file can lock it, and have every act wait for ever: nobody but root comes in here. No service is called
/// like this.
const DIRECTORY: &str = ".locks";

/// Waits until nobody else has the lock of this name. It goes with the handle, also by a crash.
pub(super) fn wait(name: &str) -> Result<OwnedFd, Error> {
    let directory = Directory::ours(Path::new(STATE), 0o755)?.enter(DIRECTORY, 0o700)?;
    let lock = || {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(directory.handle(), name, flags, Mode::RUSR | Mode::WUSR)?;
        flock(&handle, FlockOperation::LockExclusive)?;
        Ok(handle)
    };
    lock().map_err(Error::file::<rustix::io::Errno>("lock", &directory.path().join(name)))
}
