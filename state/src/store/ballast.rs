// SPDX-License-Identifier: GPL-3.0-or-later
//! Room that is kept for the day when there is none.
//!
//! The database can not even be opened for reading on a full disk, and removing a service writes before it frees. So files
//! of ours lie there to be deleted then: one for each, because what opening used up would be missing for closing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::disk::SEGMENT_BYTES;
use super::files;

/// What some room is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Closing or removing a service.
    Closing,
    /// Opening the database.
    Opening,
}

/// In what steps to take less when there is not enough.
const STEP_BYTES: u64 = 256 * 1024;

impl Purpose {
    /// The name of the file. Stores of the first versions have the one for closing alone.
    const fn file(self) -> &'static str {
        match self {
            Self::Closing => "ballast",
            Self::Opening => "ballast-opening",
        }
    }

    /// What is there if the database has `database` bytes, and an export of it `export`.
    const fn bytes(self, database: u64, export: u64) -> u64 {
        let segment = SEGMENT_BYTES as u64;
        match self {
            // A commit may begin a segment, and so may opening again after it failed. Then the database is written anew,
            // and two exports that may not be there yet.
            Self::Closing => (2 * segment + database + 2 * export).next_multiple_of(STEP_BYTES),
            // It may begin a segment, and writes an index.
            Self::Opening => segment + STEP_BYTES,
        }
    }
}

/// Makes sure that a file is there, with real blocks behind it, and large enough for a database of `database` bytes and an
/// export of `export`.
///
/// # Errors
/// If there is not enough room. Then as much as there is was taken.
pub(super) fn ensure(root: &Path, purpose: Purpose, database: u64, export: u64) -> io::Result<()> {
    let path = root.join(purpose.file());
    let wanted = purpose.bytes(database, export);
    let has = has_bytes(&path);
    if has >= wanted {
        return Ok(());
    }
    let made = make(&path, wanted);
    if made.is_err() {
        let mut less = wanted;
        while less > STEP_BYTES {
            less -= STEP_BYTES;
            // It never gives back what it has: somebody else might take it.
            if less <= has || make(&path, less).is_ok() {
                return made;
            }
        }
        release(root, purpose);
    }
    made
}

/// For how many bytes there are blocks.
fn has_bytes(path: &Path) -> u64 {
    // st_blocks counts in units of 512 bytes, whatever the file system's block size is.
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    found.map_or(0, |found| found.len().min(found.blocks() * 512))
}

fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = keep_or_create(path)?;
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

/// The file as it is, or a new one in the place of whatever has its name.
fn keep_or_create(path: &Path) -> io::Result<File> {
    if has_bytes(path) > 0 {
        OpenOptions::new().write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
    } else {
        files::create(path)
    }
}

/// Gives the room back. True if there was any.
pub(super) fn release(root: &Path, purpose: Purpose) -> bool {
    let released = fs::remove_file(root.join(purpose.file())).is_ok();
    // Only a committed deletion frees blocks; if it can not be committed, what follows will say so.
    released && files::sync_dir(root).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SEGMENT: u64 = SEGMENT_BYTES as u64;

    #[test]
    fn the_room_is_really_taken_and_really_given_back() {
        for purpose in [Purpose::Closing, Purpose::Opening] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(purpose.file());
            ensure(root.path(), purpose, 0, 0).unwrap();
            assert!(has_bytes(&path) > SEGMENT);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
            // A hole of the same length is not enough.
            let file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            file.set_len(2 * SEGMENT).unwrap();
            ensure(root.path(), purpose, 0, 0).unwrap();
            assert!(has_bytes(&path) > SEGMENT);
            assert!(release(root.path(), purpose));
            assert!(!release(root.path(), purpose));
        }
    }

    #[test]
    fn there_is_room_for_all_that_closing_writes_and_what_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(Purpose::Closing.file());
        ensure(root.path(), Purpose::Closing, SEGMENT, 1).unwrap();
        assert!(has_bytes(&path) > 3 * SEGMENT);
        ensure(root.path(), Purpose::Closing, 0, 0).unwrap();
        assert!(has_bytes(&path) > 3 * SEGMENT);
    }
}
