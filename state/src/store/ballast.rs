// SPDX-License-Identifier: GPL-3.0-or-later
//! Room that is kept for the day when there is none.
//!
//! The database can not even be opened for reading on a full disk, and removing a service writes before it frees. So a file
//! of ours lies there to be deleted then.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use super::files;

pub(super) const FILE: &str = "ballast";

/// What is there for an empty store: opening may write a segment of half a mebibyte, and some.
const LEAST_BYTES: u64 = 1024 * 1024;

/// In what steps to take less when there is not enough.
const STEP_BYTES: u64 = 256 * 1024;

/// Makes sure that the file is there, with real blocks behind it, and large enough for rewriting `content` bytes.
///
/// # Errors
/// If there is not enough room. Then as much as there is was taken.
pub(super) fn ensure(root: &Path, content: u64) -> io::Result<()> {
    let path = root.join(FILE);
    let wanted = (LEAST_BYTES + content).next_multiple_of(STEP_BYTES);
    // st_blocks counts in units of 512 bytes, whatever the file system's block size is.
    if fs::symlink_metadata(&path)
        .is_ok_and(|found| found.is_file() && found.len() >= wanted && found.blocks() * 512 >= wanted)
    {
        return Ok(());
    }
    let made = make(&path, wanted);
    if made.is_err() {
        let mut less = wanted;
        while less > STEP_BYTES {
            less -= STEP_BYTES;
            if make(&path, less).is_ok() {
                return made;
            }
        }
        release(root);
    }
    made
}

fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = files::create(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        // Random, because a file system that can not allocate may compress.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            let mut block = [0; 64 * 1024];
            for _ in 0..bytes / block.len() as u64 {
                getrandom::fill(&mut block).map_err(io::Error::other)?;
                file.write_all(&block)?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

/// Gives the room back. True if there was any.
pub(super) fn release(root: &Path) -> bool {
    let released = fs::remove_file(root.join(FILE)).is_ok();
    // Only a committed deletion frees blocks; if it can not be committed, what follows will say so.
    released && files::sync_dir(root).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_room_is_really_taken_and_really_given_back() {
        let root = tempfile::tempdir().unwrap();
        ensure(root.path(), 0).unwrap();
        let found = fs::metadata(root.path().join(FILE)).unwrap();
        assert!(found.blocks() * 512 >= LEAST_BYTES);
        assert_eq!(found.permissions().mode() & 0o7777, 0o600);
        // A hole of the same length is not enough.
        let file = OpenOptions::new().write(true).truncate(true).open(root.path().join(FILE)).unwrap();
        file.set_len(LEAST_BYTES).unwrap();
        ensure(root.path(), 0).unwrap();
        assert!(fs::metadata(root.path().join(FILE)).unwrap().blocks() * 512 >= LEAST_BYTES);
        ensure(root.path(), 1).unwrap();
        assert!(fs::metadata(root.path().join(FILE)).unwrap().len() > LEAST_BYTES);
        assert!(release(root.path()));
        assert!(!release(root.path()));
    }
}
