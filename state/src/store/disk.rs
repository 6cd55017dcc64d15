// SPDX-License-Identifier: GPL-3.0-or-later
//! The database: sled, in this one file.
//!
//! sled 0.34.7 is fast and small, and by itself not safe enough. What is done about it here:
//! - `flush` writes with `sync_file_range`, which reaches neither the size of the file nor the drive's cache: each commit
//!   ends with an fdatasync on a descriptor of our own. The flusher in the background never runs.
//! - neither directory nor `conf` are ever synced: all is, after opening.
//! - a killed opening leaves a partial `snap.*.generating`, which is then taken for the newest snapshot: deleted first.
//! - it may panic on bytes that it did not write: every call is guarded.
//! - an error stays until it is closed: whoever gets one closes it.
//! - its threads wake up every second: they are started with so much timer slack that they do not.
//! - nodes above a quarter of a segment go into files that are never synced: rows are limited so that there are none.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sled::transaction::{TransactionError, Transactional};
use zeroize::Zeroizing;

use super::defect::Defect;
use super::envelope::Tree;
use super::files::{self, Kind};
use super::unhurried::unhurried;

/// Fixed for ever: an existing database can not be opened with another.
pub(super) const SEGMENT_BYTES: usize = 512 * 1024;

/// The longest row.
// sled splits a leaf once it has more than 16 rows, and moves what is longer than a quarter of a segment to a file of its
// own, which is never synced. 17 rows of this size and their keys stay below.
pub(super) const ROW_MAX_BYTES: usize = SEGMENT_BYTES / 4 / 17 - 256;

/// A few times what a thousand services need.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// How long the threads of a database that was just closed may hold its file.
// Only after an error, and only within this process: no other gets past our own lock.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);
const CLOSING_PAUSE: Duration = Duration::from_millis(2);

/// Why the database did not do it.
#[derive(Debug)]
pub(super) enum DiskError {
    /// The system refused: room, rights, the medium.
    Io(io::Error),
    /// What was written may not be on the medium, now or after another sync, though it can be read.
    Unsynced(io::Error),
    /// The bytes are not what was written.
    Defect(Defect),
}

/// One change of a transaction; `None` deletes.
pub(super) struct Write {
    pub(super) tree: Tree,
    pub(super) key: String,
    pub(super) bytes: Option<Zeroizing<Vec<u8>>>,
}

/// An open database.
pub(super) struct Disk {
    db: Option<sled::Db>,
    trees: Vec<sled::Tree>,
    file: File,
    /// The second that the file was last marked with, since 1970.
    marked: AtomicU64,
}

impl Disk {
    /// Opens the database in `dir`, or makes one.
    pub(super) fn open(dir: &Path) -> Result<Self, DiskError> {
        if dir.exists() && files::is_foreign(dir)? {
            return Err(DiskError::Defect(Defect::Database("there is a link in it".to_owned())));
        }
        remove(dir, |name| name.ends_with(".generating"))?;
        let (db, trees) = guard(|| {
            let db = open_patiently(dir)?;
            let trees =
                unhurried(|| Tree::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<sled::Result<_>>())?;
            Ok((db, trees))
        })?;
        // Before any error below, so that dropping it is guarded.
        let mut disk = Self { db: Some(db), trees, file: File::open(dir)?, marked: AtomicU64::new(0) };
        disk.file = File::open(dir.join("db"))?;
        unhurried(|| disk.flush())?;
        disk.sync()?;
        files::make_tree_private(dir)?;
        files::sync_tree(dir)?;
        if let Some(parent) = dir.parent() {
            files::sync_dir(parent)?;
        }
        Ok(disk)
    }

    /// Marks the file as changed in a second of its own, after something was written.
    ///
    /// Backups copy what has another size or another whole second than last time. The size stays for long, and what is
    /// written in the second in which a backup has looked, and after it, would not be in the next one.
    // rsync(1), --modify-window
    pub(super) fn mark_as_changed(&self) -> io::Result<()> {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let last = seconds(self.file.metadata()?.modified()?).max(self.marked.load(Ordering::Relaxed));
        let mark = seconds(SystemTime::now()).max(last + 1);
        self.marked.store(mark, Ordering::Relaxed);
        self.file.set_modified(UNIX_EPOCH + Duration::from_secs(mark))
    }

    /// All rows of all trees, as bytes.
    pub(super) fn rows(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, DiskError> {
        guard(|| {
            let mut rows = Vec::new();
            for tree in &self.trees {
                for row in tree {
                    rows.push(Zeroizing::new(row?.1.to_vec()));
                }
            }
            Ok(rows)
        })
    }

    /// How long all rows of all trees are.
    pub(super) fn row_bytes(&self) -> Result<u64, DiskError> {
        guard(|| {
            let rows = self.trees.iter().flatten();
            rows.map(|row| row.map(|(_, bytes)| bytes.len() as u64)).sum()
        })
    }

    /// One row.
    pub(super) fn row(&self, tree: Tree, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, DiskError> {
        let tree = self.tree(tree)?;
        guard(|| Ok(tree.get(key)?.map(|bytes| Zeroizing::new(bytes.to_vec()))))
    }

    /// Makes all changes or none, durable on return.
    pub(super) fn commit(&self, writes: &[Write]) -> Result<(), DiskError> {
        let done = self.write(writes);
        // Asked for after an error, too: Linux tells each descriptor once that bytes were lost, and forgets which.
        self.sync().map_err(DiskError::Unsynced)?;
        done
    }

    fn write(&self, writes: &[Write]) -> Result<(), DiskError> {
        guard(|| {
            let done = self.trees.as_slice().transaction(|trees| {
                for write in writes {
                    let at = Tree::ALL.iter().position(|tree| *tree == write.tree).and_then(|at| trees.get(at));
                    if let Some(tree) = at {
                        match &write.bytes {
                            Some(bytes) => tree.insert(write.key.as_bytes(), bytes.as_slice())?,
                            None => tree.remove(write.key.as_bytes())?,
                        };
                    }
                }
                Ok(())
            });
            done.map_err(|error| match error {
                TransactionError::Abort(()) => sled::Error::ReportableBug("aborted".to_owned()),
                TransactionError::Storage(error) => error,
            })
        })?;
        self.flush()
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.db.as_ref().map_or(Ok(()), |db| guard(|| db.flush()).map(drop))
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        faults::syncing()?;
        self.file.sync_data()
    }

    fn tree(&self, tree: Tree) -> Result<&sled::Tree, DiskError> {
        let at = Tree::ALL.iter().position(|candidate| *candidate == tree);
        at.and_then(|at| self.trees.get(at)).ok_or(DiskError::Defect(Defect::Missing))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        #[cfg(test)]
        faults::closing();
        let (db, trees) = (self.db.take(), std::mem::take(&mut self.trees));
        // It syncs when it is dropped, and panics if that fails. All that was acknowledged was synced before.
        let _ = catch_unwind(AssertUnwindSafe(move || {
            drop(trees);
            drop(db);
        }));
    }
}

/// Deletes sled's snapshots: it reads the whole log instead.
pub(super) fn remove_snapshots(dir: &Path) -> io::Result<()> {
    remove(dir, |name| name.starts_with("snap."))
}

/// Deletes sled's settings: it writes those that it is opened with.
pub(super) fn remove_configuration(dir: &Path) -> io::Result<()> {
    remove(dir, |name| name == "conf")
}

fn remove(dir: &Path, condemned: impl Fn(&str) -> bool) -> io::Result<()> {
    if !files::kind(dir).is_ok_and(|kind| kind == Kind::Directory) {
        return Ok(());
    }
    for path in files::entries(dir)? {
        if condemned(files::file_name(&path)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn open_patiently(dir: &Path) -> sled::Result<sled::Db> {
    let given_up = Instant::now() + CLOSING_PATIENCE;
    loop {
        let config = sled::Config::new()
            .path(PathBuf::from(dir))
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None);
        let opened = unhurried(|| config.open());
        match opened {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                if Instant::now() >= given_up {
                    return Err(sled::Error::Io(error));
                }
                std::thread::sleep(CLOSING_PAUSE);
            }
            other => return other,
        }
    }
}

/// Calls into sled, whatever becomes of it.
fn guard<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, DiskError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(DiskError::Defect(Defect::Database("it panicked".to_owned()))),
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Defect> for DiskError {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

impl From<sled::Error> for DiskError {
    fn from(error: sled::Error) -> Self {
        let what = match error {
            // What is too short or missing inside of the database is damage, not a fault of the system.
            sled::Error::Io(cause)
                if !matches!(
                    cause.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::NotFound
                        | io::ErrorKind::IsADirectory
                ) =>
            {
                return Self::Io(cause);
            }
            sled::Error::Io(cause) => cause.kind().to_string(),
            sled::Error::Corruption { .. } => "it is corrupt".to_owned(),
            sled::Error::CollectionNotFound(_) => "a tree is missing".to_owned(),
            sled::Error::Unsupported(what) | sled::Error::ReportableBug(what) => what,
        };
        Self::Defect(Defect::Database(what))
    }
}

/// What tests can do to the databases of their thread.
#[cfg(test)]
pub(super) mod faults {
    use std::cell::{Cell, RefCell};
    use std::io;

    type Call = Box<dyn Fn()>;

    thread_local! {
        static SYNCS: Cell<Option<(u32, u32)>> = const { Cell::new(None) };
        static CLOSING: RefCell<Option<Call>> = const { RefCell::new(None) };
        static SYNCING: RefCell<Option<Call>> = const { RefCell::new(None) };
    }

    /// Has something called whenever a database is closed.
    pub(in super::super) fn on_closing(call: impl Fn() + 'static) {
        CLOSING.with_borrow_mut(|closing| *closing = Some(Box::new(call)));
    }

    /// Has something called before each sync.
    pub(in super::super) fn on_syncing(call: impl Fn() + 'static) {
        SYNCING.with_borrow_mut(|syncing| *syncing = Some(Box::new(call)));
    }

    /// Lets so many syncs succeed and as many after them fail.
    pub(in super::super) fn fail_syncs(after: u32, count: u32) {
        SYNCS.set(Some((after, count)));
    }

    pub(super) fn syncing() -> io::Result<()> {
        SYNCING.with_borrow(|syncing| syncing.as_ref().map(|call| call()));
        match SYNCS.get() {
            Some((0, 0)) | None => Ok(()),
            Some((0, left)) => {
                SYNCS.set(Some((0, left - 1)));
                Err(rustix::io::Errno::IO.into())
            }
            Some((after, left)) => {
                SYNCS.set(Some((after - 1, left)));
                Ok(())
            }
        }
    }

    pub(super) fn closing() {
        CLOSING.with_borrow(|closing| closing.as_ref().map(|call| call()));
    }
}
