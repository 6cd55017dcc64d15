// SPDX-License-Identifier: GPL-3.0-or-later
//! The directories of the databases of a place: `db-NUMBER`.
//!
//! A new one is always made whole under another name first, and the highest number counts: so whatever a crash interrupts,
//! there is one complete database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::defect::Defect;
use super::disk::{Disk, DiskError, Write};
use super::envelope::{Row, Tree};
use super::error::StoreError;
use super::files;
use crate::record::Persistence;

const PREFIX: &str = "db-";

/// What follows the name of a database that is not yet whole.
const UNFINISHED: &str = ".new";

/// The numbers of the databases that are there, in ascending order.
pub(super) fn numbers(root: &Path) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<_> = files::entries(root)?.iter().filter_map(|path| number(path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes databases that a crash left unfinished: nothing of them was ever acknowledged.
pub(super) fn tidy(root: &Path) -> io::Result<()> {
    for path in files::entries(root)? {
        let name = files::file_name(&path).strip_suffix(UNFINISHED);
        if name.is_some_and(|name| number(Path::new(name)).is_some()) {
            files::wipe_any(&path)?;
        }
    }
    Ok(())
}

/// Writes a whole database and only then gives it its name. After an error nothing of it takes room.
pub(super) fn write(
    root: &Path,
    number: u64,
    place: Persistence,
    generation: u64,
    rows: Vec<Row>,
) -> Result<(), StoreError> {
    let unfinished = unfinished(root, number);
    let written = write_once(root, number, place, generation, rows);
    if written.is_err() {
        // Whatever is left is removed at the next attempt.
        let _ = files::wipe_any(&unfinished);
    }
    written
}

fn write_once(root: &Path, number: u64, place: Persistence, generation: u64, rows: Vec<Row>) -> Result<(), StoreError> {
    let failed = |cause| StoreError::from_io(root, cause);
    let dir = directory(root, number);
    let unfinished = unfinished(root, number);
    files::wipe_any(&unfinished).map_err(failed)?;
    let refused = |error| match error {
        DiskError::Io(cause) | DiskError::Unsynced(cause) => failed(cause),
        DiskError::Defect(defect) => failed(io::Error::other(defect)),
    };
    let defective = |defect: Defect| failed(io::Error::other(defect));
    let census =
        Contents::tally(place, &rows).and_then(|contents| contents.census_after(generation, &[])).map_err(defective)?;
    let writes = rows.into_iter().filter(|row| row.tree != Tree::Meta).chain([census]).map(|row| {
        let bytes = row.encode()?;
        Ok(Write { tree: row.tree, key: row.key, bytes: Some(bytes) })
    });
    let writes = writes.collect::<Result<Vec<_>, Defect>>().map_err(defective)?;
    files::make_private_dir(&unfinished).map_err(failed)?;
    let disk = Disk::open(&unfinished).map_err(refused)?;
    disk.commit(&writes).map_err(refused)?;
    drop(disk);
    files::sync_tree(&unfinished).map_err(failed)?;
    fs::rename(&unfinished, &dir).map_err(failed)?;
    files::sync_dir(root).map_err(failed)
}

/// Removes all databases but one.
pub(super) fn discard_others(root: &Path, number: u64) -> io::Result<()> {
    for path in files::entries(root)? {
        if self::number(&path).is_some_and(|other| other != number) {
            files::wipe_any(&path)?;
        }
    }
    files::sync_dir(root)
}

/// Whether there is a database of that number.
pub(super) fn exists(root: &Path, number: u64) -> bool {
    directory(root, number).exists()
}

/// The size of the databases: what one of them takes when it is written anew is not more.
pub(super) fn bytes(root: &Path) -> io::Result<u64> {
    let databases = files::entries(root)?.into_iter().filter(|path| number(path).is_some());
    Ok(databases.filter_map(|path| fs::metadata(path.join("db")).ok()).map(|found| found.len()).sum())
}

pub(super) fn directory(root: &Path, number: u64) -> PathBuf {
    root.join(format!("{PREFIX}{number:08}"))
}

fn unfinished(root: &Path, number: u64) -> PathBuf {
    root.join(format!("{}{UNFINISHED}", files::file_name(&directory(root, number))))
}

fn number(path: &Path) -> Option<u64> {
    let name = files::file_name(path);
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    // No other spelling of a number is a name that we gave.
    (directory(Path::new(""), number).as_os_str() == name).then_some(number)
}
