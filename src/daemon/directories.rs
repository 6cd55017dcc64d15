// SPDX-License-Identifier: GPL-3.0-or-later
//! The two directories that everything lives in.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Why a directory can not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectoryError {
    #[error("cannot make the directory {}", path.display())]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the directory {} belongs to another user", .0.display())]
    Foreign(PathBuf),
    #[error("others can write to the directory {}", .0.display())]
    Open(PathBuf),
}

impl DirectoryError {
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Make { path, .. } => format!("See whether the disk of {} is there and writable", path.display()),
            Self::Foreign(_) => "Choose one of your own, or run the controller as its owner".to_owned(),
            Self::Open(path) => format!("Close it: chmod 700 {}", path.display()),
        }
    }
}

/// Whether what is in the directory is gone after a reboot: statfs(2), linux/magic.h.
pub(super) fn is_in_memory(path: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let kind = rustix::fs::statfs(path).map(|found| found.f_type.cast_unsigned());
    kind.is_ok_and(|kind| matches!(kind, TMPFS | RAMFS))
}

/// Makes the directory if it is missing, for us alone, and refuses one in which others could replace our files.
pub(super) fn prepare(path: &Path) -> Result<(), DirectoryError> {
    let cannot = |cause| DirectoryError::Make { path: path.to_owned(), cause };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
    let metadata = fs::metadata(path).map_err(cannot)?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(DirectoryError::Foreign(path.to_owned()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(DirectoryError::Open(path.to_owned()));
    }
    Ok(())
}
