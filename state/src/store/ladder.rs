// SPDX-License-Identifier: GPL-3.0-or-later
//! Opening a place, and the ladder of what is tried when it is damaged.
//!
//! Nothing but a directory without any trace of a store yields an empty one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::aside::{self, Originals};
use super::contents::Contents;
use super::databases;
use super::defect::Defect;
use super::disk::{self, Disk, DiskError};
use super::envelope::{Row, Tree, carve};
use super::error::StoreError;
use super::export::{self, Export, Generations, Slot};
use super::recovery::{Loss, Recovery, Rung};
use super::salvage::{Salvage, salvage};
use crate::migrations::{self, Doubt, Unreadable};
use crate::record::Persistence;

/// A place that was opened.
pub(super) struct Opened {
    pub(super) disk: Disk,
    pub(super) number: u64,
    pub(super) contents: Contents,
    pub(super) exports: Generations,
    pub(super) recovery: Option<Recovery>,
}

/// Opens a place. `floor` is the last commit that this process knows of, 0 if it never had it open.
pub(super) fn open(root: &Path, place: Persistence, floor: u64) -> Result<Opened, StoreError> {
    let failed = |cause| StoreError::from_io(root, cause);
    let found = Found::survey(root).map_err(failed)?;
    if let Some(version) = found.later_version() {
        return Err(StoreError::TooNew { path: root.to_owned(), version });
    }
    let ground = Ground { root, place, floor: floor.max(found.exported()) };
    if found.is_untouched() {
        if floor > 0 {
            return Err(StoreError::Absent { path: root.to_owned() });
        }
        databases::write(root, 1, place, 1, Vec::new())?;
        let (disk, contents) = ground.adopt(1)?;
        return Ok(Opened { disk, number: 1, contents, exports: [None, None], recovery: None });
    }
    let originals = Originals::read(root, &found.paths(root)).map_err(failed)?;
    let defect = match found.databases.last().copied() {
        Some(number) => match ground.attempt(number, ground.floor)? {
            Ok((disk, contents)) => {
                databases::discard_others(root, number).map_err(failed)?;
                return Ok(Opened { disk, number, contents, exports: found.generations(), recovery: None });
            }
            Err(defect) => defect,
        },
        None => Defect::Missing,
    };
    mend(&ground, found, &originals, &defect)
}

/// Opens a database that was just written whole.
pub(super) fn adopt(root: &Path, number: u64, place: Persistence, floor: u64) -> Result<(Disk, Contents), StoreError> {
    Ground { root, place, floor }.adopt(number)
}

/// Writes what was opened to a database under a new number: what can be read from the old one may be in memory alone, and
/// no sync of it will tell.
pub(super) fn renew(root: &Path, place: Persistence, opened: Opened) -> Result<Opened, StoreError> {
    let Opened { disk, number: old, contents, exports, recovery } = opened;
    drop(disk);
    let generation = contents.generation();
    let ground = Ground { root, place, floor: generation };
    let (disk, _, rows) = ground.read(old, generation)?.map_err(|defect| ground.refuse(&defect))?;
    drop(disk);
    let number = old + 1;
    databases::write(root, number, place, generation, rows)?;
    let (disk, contents) = ground.adopt(number)?;
    databases::discard_others(root, number).map_err(|cause| StoreError::from_io(root, cause))?;
    Ok(Opened { disk, number, contents, exports, recovery })
}

/// What helps most is taken: the database itself without its index, if it is all there; what can be put together, if it is
/// enough; the database as far as it goes. It goes into a new database: the damaged one may have more in store.
fn mend(ground: &Ground<'_>, found: Found, originals: &Originals, defect: &Defect) -> Result<Opened, StoreError> {
    let root = ground.root;
    let directories: Vec<_> = found.databases.iter().map(|number| databases::directory(root, *number)).collect();
    let carved = originals.bytes_below(&directories).flat_map(carve);
    let ruins = carved.collect::<Result<Vec<_>, Defect>>().map_err(|defect| ground.refuse(&defect))?;
    let known = ruins.iter().map(|row| row.generation).max().unwrap_or(0).max(ground.floor);
    let copy = originals.put_aside(root)?;
    let newest = found.databases.last().copied();
    let exported = found.generations();
    let repaired = newest.map(|number| ground.repair(number)).transpose()?.flatten();
    let (rung, rows, loss) = match repaired {
        Some(Repaired { rung, certain, rows }) if certain >= known => {
            // An export that is missing or damaged may have been the one that knew of more.
            let agree = exported.contains(&Some(certain)) && !exported.contains(&None);
            (rung, rows, if agree { Loss::Nothing } else { Loss::NotExcluded })
        }
        repaired => match (salvage(ground.place, ruins, found.valid_exports(), ground.floor), repaired) {
            (Some(Salvage { rows, loss }), _) => (Rung::Rebuilt, rows, loss),
            (None, Some(Repaired { rung, certain, rows })) => (rung, rows, Loss::Proven { known, certain }),
            (None, None) => {
                return Err(StoreError::Damaged { path: root.to_owned(), copy, cause: defect.clone() });
            }
        },
    };
    let rows = match loss {
        Loss::Nothing => rows,
        Loss::NotExcluded | Loss::Proven { .. } => rows.into_iter().map(|row| doubted(row, known + 1)).collect(),
    };
    let number = newest.unwrap_or(0) + 1;
    databases::write(root, number, ground.place, known + 1, rows)?;
    let (disk, contents) = ground.adopt(number)?;
    databases::discard_others(root, number).map_err(|cause| StoreError::from_io(root, cause))?;
    let recovery = Recovery { rung, copy, defect: defect.clone(), loss, services: contents.services().len() };
    // The exports that are there were good enough to rebuild from, but are behind now: none counts.
    Ok(Opened { disk, number, contents, exports: [None, None], recovery: Some(recovery) })
}

/// Closes a service until it is asked for: who may reach it, and whether anybody may, can be among what was lost. It is part
/// of the record, so that neither a crash nor a reboot makes it forgotten.
fn doubted(row: Row, generation: u64) -> Row {
    if row.tree != Tree::Services {
        return row;
    }
    let payload = migrations::service_from_payload(&row.payload)
        .and_then(|(record, _)| migrations::doubtful_service_to_payload(&record, Doubt::Closed));
    match payload {
        Ok(payload) => Row { generation, payload: Zeroizing::new(payload), ..row },
        // What is written next reads every row, and says so.
        Err(Unreadable) => row,
    }
}

/// What a damaged database gave after all.
struct Repaired {
    rung: Rung,
    /// Its last commit.
    certain: u64,
    rows: Vec<Row>,
}

/// What an attempt to open needs to know.
struct Ground<'a> {
    root: &'a Path,
    place: Persistence,
    /// A database that is older than this is damaged.
    floor: u64,
}

/// An open database with all that is in it.
type Read = (Disk, Contents, Vec<Row>);

impl Ground<'_> {
    /// Lets the database make anew what it can do without: its index, then its settings.
    fn repair(&self, number: u64) -> Result<Option<Repaired>, StoreError> {
        let dir = databases::directory(self.root, number);
        for rung in [Rung::Index, Rung::Settings] {
            let removed = match rung {
                Rung::Index => disk::remove_snapshots(&dir),
                Rung::Settings | Rung::Rebuilt => disk::remove_configuration(&dir),
            };
            removed.map_err(|cause| StoreError::from_io(self.root, cause))?;
            if let Ok((_disk, contents, mut rows)) = self.read(number, 0)? {
                rows.retain(|row| row.tree != Tree::Removed);
                return Ok(Some(Repaired { rung, certain: contents.generation(), rows }));
            }
        }
        Ok(None)
    }

    /// Opens a database that has to be whole.
    fn adopt(&self, number: u64) -> Result<(Disk, Contents), StoreError> {
        self.attempt(number, self.floor)?.map_err(|defect| {
            tracing::error!(defect = defect.kind(), "bug: a new database does not read back");
            tracing::debug!(%defect, "why it does not");
            self.refuse(&defect)
        })
    }

    /// Opens a database that may be damaged: the inner error.
    fn attempt(&self, number: u64, floor: u64) -> Result<Result<(Disk, Contents), Defect>, StoreError> {
        Ok(self.read(number, floor)?.map(|(disk, contents, _rows)| (disk, contents)))
    }

    /// Opens a database and checks all that is in it; it may not be older than `floor`. The inner error is damage, the
    /// outer one is not.
    fn read(&self, number: u64, floor: u64) -> Result<Result<Read, Defect>, StoreError> {
        let read = || {
            let disk = Disk::open(&databases::directory(self.root, number))?;
            let rows = disk.rows()?;
            let rows = rows.iter().map(|row| Row::decode(row)).collect::<Vec<_>>();
            let too_new = rows.iter().find_map(|row| match row {
                Err(defect @ Defect::TooNew { .. }) => Some(defect.clone()),
                Ok(_) | Err(_) => None,
            });
            if let Some(defect) = too_new {
                return Err(DiskError::Defect(defect));
            }
            let rows = rows.into_iter().collect::<Result<Vec<_>, _>>().map_err(DiskError::Defect)?;
            let contents = Contents::load(self.place, &rows).map_err(DiskError::Defect)?;
            if contents.generation() < floor {
                return Err(DiskError::Defect(Defect::Older));
            }
            Ok((disk, contents, rows))
        };
        match read() {
            Ok(opened) => Ok(Ok(opened)),
            Err(DiskError::Io(cause) | DiskError::Unsynced(cause)) => {
                let error = StoreError::from_io(self.root, cause);
                if let StoreError::Io { cause, .. } = &error {
                    // A block that can not be read is damage like any other; what the export has can be had.
                    return Ok(Err(Defect::Database(cause.to_string())));
                }
                Err(error)
            }
            Err(DiskError::Defect(Defect::TooNew { version })) => {
                Err(StoreError::TooNew { path: self.root.to_owned(), version })
            }
            Err(DiskError::Defect(defect)) => Ok(Err(defect)),
        }
    }

    fn refuse(&self, defect: &Defect) -> StoreError {
        let path = self.root.to_owned();
        if let Defect::TooNew { version } = defect {
            return StoreError::TooNew { path, version: *version };
        }
        StoreError::Io { path, cause: Arc::new(io::Error::other(defect.clone())) }
    }
}

/// What is in a place before anything is touched.
struct Found {
    databases: Vec<u64>,
    exports: [Slot; 2],
    copies: usize,
}

impl Found {
    fn survey(root: &Path) -> io::Result<Self> {
        databases::tidy(root)?;
        export::tidy(root)?;
        aside::tidy(root)?;
        Ok(Self {
            databases: databases::numbers(root)?,
            exports: export::read(root)?,
            copies: aside::copies(root)?.len(),
        })
    }

    /// First use: no database, no export, and no damage that was put aside.
    fn is_untouched(&self) -> bool {
        let exported = self.exports.iter().any(|slot| !matches!(slot, Slot::Missing));
        self.databases.is_empty() && !exported && self.copies == 0
    }

    /// The version of an export that a later program wrote.
    fn later_version(&self) -> Option<u16> {
        self.exports.iter().find_map(|slot| match slot {
            Slot::Invalid(Defect::TooNew { version }) => Some(*version),
            Slot::Invalid(_) | Slot::Valid(_) | Slot::Missing => None,
        })
    }

    /// The generation of the newest export.
    fn exported(&self) -> u64 {
        self.generations().into_iter().flatten().max().unwrap_or(0)
    }

    fn generations(&self) -> Generations {
        let [one, two] = &self.exports;
        [one, two].map(|slot| match slot {
            Slot::Valid(export) => Some(export.generation),
            Slot::Missing | Slot::Invalid(_) => None,
        })
    }

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        self.databases.iter().map(|number| databases::directory(root, *number)).chain(export::paths(root)).collect()
    }

    fn valid_exports(self) -> Vec<Export> {
        let valid = self.exports.into_iter().filter_map(|slot| match slot {
            Slot::Valid(export) => Some(export),
            Slot::Missing | Slot::Invalid(_) => None,
        });
        valid.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::Write;
    use super::super::files;
    use super::*;

    const PLACE: Persistence = Persistence::Kept;

    #[test]
    fn a_row_of_a_later_version_stops_everything_and_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path(), PLACE, 0).unwrap());
        let row =
            Row { tree: Tree::Services, key: "web".to_owned(), generation: 2, payload: Zeroizing::new(b"?".to_vec()) };
        let mut bytes = row.encode().unwrap().to_vec();
        bytes.truncate(bytes.len() - 4);
        bytes[5] = 2;
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        let disk = Disk::open(&databases::directory(root.path(), 1)).unwrap();
        disk.commit(&[Write { tree: row.tree, key: row.key, bytes: Some(Zeroizing::new(bytes)) }]).unwrap();
        drop(disk);
        for _ in 0..2 {
            let refused = open(root.path(), PLACE, 0).err();
            assert!(matches!(refused, Some(StoreError::TooNew { version: 2, .. })), "{refused:?}");
        }
        assert!(databases::exists(root.path(), 1) && aside::copies(root.path()).unwrap().is_empty());
        // Not even when the database itself no longer opens.
        fs::write(databases::directory(root.path(), 1).join("conf"), "x".repeat(100)).unwrap();
        let snapshots = files::entries(&databases::directory(root.path(), 1)).unwrap();
        for path in snapshots.iter().filter(|path| files::file_name(path).starts_with("snap.")) {
            fs::write(path, "damaged").unwrap();
        }
        let refused = open(root.path(), PLACE, 0).err();
        assert!(matches!(refused, Some(StoreError::TooNew { version: 2, .. })), "{refused:?}");
    }

    #[test]
    fn a_store_of_the_other_place_is_damage() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path(), PLACE, 0).unwrap());
        let refused = open(root.path(), Persistence::Amnesic, 0).err();
        assert!(matches!(refused, Some(StoreError::Damaged { .. })), "{refused:?}");
        assert!(open(root.path(), PLACE, 0).is_ok());
    }

    #[test]
    fn a_crash_at_any_point_of_a_rewrite_leaves_one_whole_database() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path(), PLACE, 0).unwrap());
        // Before it has its name.
        fs::create_dir(root.path().join("db-00000002.new")).unwrap();
        fs::write(root.path().join("db-00000002.new/db"), "half").unwrap();
        assert_eq!(open(root.path(), PLACE, 0).unwrap().number, 1);
        assert!(!root.path().join("db-00000002.new").exists());
        // After it has its name, before the old one is gone; and with the old one half gone.
        databases::write(root.path(), 2, PLACE, 1, Vec::new()).unwrap();
        fs::write(databases::directory(root.path(), 1).join("db"), "half").unwrap();
        let opened = open(root.path(), PLACE, 0).unwrap();
        assert_eq!((opened.number, opened.recovery), (2, None));
        assert!(!databases::exists(root.path(), 1));
    }

    #[test]
    fn what_was_there_and_is_gone_is_absent_and_what_is_older_says_so() {
        let root = tempfile::tempdir().unwrap();
        let absent = open(root.path(), PLACE, 5).err();
        assert!(matches!(absent, Some(StoreError::Absent { .. })), "{absent:?}");
        drop(open(root.path(), PLACE, 0).unwrap());
        let older = open(root.path(), PLACE, 5).unwrap().recovery.unwrap();
        assert_eq!((older.defect, older.loss), (Defect::Older, Loss::Proven { known: 5, certain: 1 }));
    }
}
