// SPDX-License-Identifier: GPL-3.0-or-later
//! One of the two places: its lock, its database, its picture in memory, and what becomes of it after an error.

mod mounts;
mod room;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::contents::{Change, Contents};
use super::databases;
use super::defect::Defect;
use super::disk::{Disk, DiskError, ROW_MAX_BYTES, Write};
use super::envelope::{Row, Tree};
use super::error::StoreError;
use super::export::{self, Generations, Turn};
use super::files;
use super::ladder::{self, Opened};
use super::lock::DirectoryLock;
use super::notes::{Matter, Notes};
use super::recovery::{Loss, Recovery};
use super::volume::KeptMounts;
use crate::record::Persistence;

/// Time between two attempts to open a place that could not be opened.
// An attempt reads all of it; a person who tries again by hand is slower.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// One of the two places. Methods that change anything are called by one thread at a time.
pub(super) struct Place {
    root: PathBuf,
    persistence: Persistence,
    mounts: KeptMounts,
    view: RwLock<View>,
    /// Held while exports are written, and taken only by whoever is the writer.
    exports: Mutex<Generations>,
    /// What the last writer of exports left, for those who do not want to wait for the present one.
    exported: Mutex<Generations>,
    attempt: Mutex<Option<Instant>>,
    lock: Mutex<Option<DirectoryLock>>,
    /// A sync failed: what can be read from the database may not be on the medium.
    is_distrusted: AtomicBool,
    /// The room that was kept is given back to close something: opening again leaves it so.
    is_closing: AtomicBool,
    /// Its volume was gone since it was read: what is there now need not be what was there then.
    is_other: AtomicBool,
    /// About as long as an export of what is stored is.
    row_bytes: AtomicU64,
    notes: Notes,
}

/// What readers see. What was once read stays when the database has to be closed: it is what is durable.
pub(super) struct View {
    pub(super) contents: Contents,
    pub(super) problem: Option<Arc<StoreError>>,
    pub(super) recovery: Option<Recovery>,
    /// Something may have been lost, and the wishes have not yet been set accordingly.
    pub(super) in_doubt: bool,
    database: Option<(Arc<Disk>, u64)>,
}

impl View {
    /// Whether it was ever read in this process.
    pub(super) const fn was_read(&self) -> bool {
        // The first commit of all is part of making a place.
        self.contents.generation() > 0
    }
}

impl Place {
    /// Opens a place, or notes why it can not be.
    pub(super) fn open(root: PathBuf, persistence: Persistence) -> Self {
        Self::open_once_mounted(root, persistence, KeptMounts::default())
    }

    /// As [`Place::open`], if these are mounted.
    pub(super) fn open_once_mounted(root: PathBuf, persistence: Persistence, mounts: KeptMounts) -> Self {
        let contents = Contents::empty(persistence);
        let view = View { contents, problem: None, recovery: None, in_doubt: false, database: None };
        let place = Self {
            root,
            persistence,
            mounts,
            view: RwLock::new(view),
            exports: Mutex::new([None, None]),
            exported: Mutex::new([None, None]),
            attempt: Mutex::new(None),
            lock: Mutex::new(None),
            is_distrusted: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_other: AtomicBool::new(false),
            row_bytes: AtomicU64::new(0),
            notes: Notes::new(persistence),
        };
        place.reopen();
        place
    }

    /// What readers see.
    pub(super) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Which of the two it is.
    pub(super) const fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Whether it can be read and written.
    pub(super) fn is_open(&self) -> bool {
        self.view().database.is_some()
    }

    /// Whether the exports are behind. While one is written, it does not count.
    pub(super) fn is_unexported(&self) -> bool {
        let generation = Some(self.view().contents.generation());
        let known = *held(&self.exported);
        self.is_open() && (!known.contains(&generation) || known.contains(&None))
    }

    /// Whether the exporter has something to do here.
    pub(super) fn is_behind(&self) -> bool {
        self.is_unexported() || self.view().contents.needs_scrubbing()
    }

    /// Tries again to open it, if it is closed and has not just been tried.
    pub(super) fn ensure_open(&self) -> Result<(), StoreError> {
        if self.is_open() {
            return Ok(());
        }
        let hopeless = match self.view().problem.as_deref() {
            Some(StoreError::Damaged { .. } | StoreError::Crowded { .. } | StoreError::TooNew { .. }) => true,
            Some(_) | None => false,
        };
        let early = held(&self.attempt).is_some_and(|attempt| attempt.elapsed() < REOPEN_PAUSE);
        if !hopeless && !early {
            self.reopen();
        }
        self.database().map(drop)
    }

    fn database(&self) -> Result<Arc<Disk>, StoreError> {
        let view = self.view();
        match (&view.database, &view.problem) {
            (Some((disk, _)), _) => Ok(Arc::clone(disk)),
            (None, Some(problem)) => Err(StoreError::clone(problem)),
            (None, None) => Err(StoreError::Absent { path: self.root.clone() }),
        }
    }

    fn change_view(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a database, or none, in the place of the one that is open, and changes the rest of what readers see with it.
    /// The old one is closed here, unless a reader still has it.
    fn put_database(&self, database: Option<(Arc<Disk>, u64)>, change: impl FnOnce(&mut View)) {
        let mut view = self.change_view();
        change(&mut view);
        let old = std::mem::replace(&mut view.database, database);
        // It syncs when it is closed: not under the lock that every reader takes.
        drop(view);
        drop(old);
    }

    fn reopen(&self) {
        self.put_database(None, |_| ());
        let opened = self.with_room_to_open(|| self.try_open());
        *held(&self.attempt) = Some(Instant::now());
        match opened {
            Ok(opened) => self.take_over(opened),
            Err(error) => {
                self.notes.problem(Matter::Use, &error);
                self.change_view().problem = Some(Arc::new(error));
            }
        }
    }

    fn try_open(&self) -> Result<Opened, StoreError> {
        let device = self.ensure_mounted()?;
        let floor = self.floor();
        if floor > 0 && !self.root.is_dir() {
            // It was there before: it is gone, not new.
            return Err(StoreError::Absent { path: self.root.clone() });
        }
        files::make_private_dir(&self.root).map_err(|cause| StoreError::from_io(&self.root, cause))?;
        {
            let mut lock = held(&self.lock);
            if lock.is_none() {
                *lock = Some(DirectoryLock::take(&self.root)?);
            }
        }
        self.ensure_locked_on(device)?;
        // An export under way would be tidied away under its writer's hands.
        let _exports = held(&self.exports);
        let opened = ladder::open(&self.root, self.persistence, floor)?;
        let opened = if self.is_distrusted.load(Ordering::Relaxed) && opened.recovery.is_none() {
            ladder::renew(&self.root, self.persistence, opened)?
        } else {
            opened
        };
        self.is_distrusted.store(false, Ordering::Relaxed);
        self.is_other.store(false, Ordering::Relaxed);
        Ok(opened)
    }

    fn take_over(&self, opened: Opened) {
        if let Some(recovery) = &opened.recovery {
            self.notes.repaired(recovery);
        }
        let mut exports = held(&self.exports);
        *exports = opened.exports;
        *held(&self.exported) = opened.exports;
        drop(exports);
        // Too little is reserved if it can not be read; whoever reads next notices.
        self.row_bytes.store(opened.disk.row_bytes().unwrap_or(0), Ordering::Relaxed);
        let needs_scrubbing = opened.contents.needs_scrubbing();
        let rebuilt = opened.recovery.is_some();
        self.put_database(Some((Arc::new(opened.disk), opened.number)), |view| {
            view.contents = opened.contents;
            view.problem = None;
            if let Some(recovery) = opened.recovery {
                view.in_doubt |= match (recovery.loss, self.persistence) {
                    (Loss::Nothing, _) => false,
                    // The kept place holds no wishes: what is missing in it can not be open by mistake.
                    (Loss::NotExcluded, place) => place == Persistence::Amnesic,
                    (Loss::Proven { .. }, _) => true,
                };
                view.recovery = Some(recovery);
            }
        });
        self.notes.over(Matter::Use);
        if self.is_closing.load(Ordering::Relaxed) {
            return;
        }
        // If these fail, they are the exporter's to try again.
        if needs_scrubbing {
            let _ = self.scrub();
        } else if rebuilt {
            let _ = self.export(Turn::Both, || ());
        }
        // Last, because opening may have needed the room. Without ballast all works, except on a full disk.
        let _ = self.ensure_room();
    }

    /// The wishes have been set so that nothing is open by mistake.
    pub(super) fn resolve_doubt(&self) {
        self.change_view().in_doubt = false;
    }

    /// One row, read from the database, if it is the one that has to be there.
    pub(super) fn row(&self, tree: Tree, key: &str) -> Result<Row, StoreError> {
        let bytes = self.database()?.row(tree, key).map_err(|error| self.understand(error))?;
        let row = bytes.ok_or(Defect::Missing).and_then(|bytes| Row::decode(&bytes));
        let row = row.map_err(|defect| self.understand(defect.into()))?;
        let is_expected = row.tree == tree && row.key == key && self.view().contents.expects(&row);
        if is_expected { Ok(row) } else { Err(self.understand(Defect::Census.into())) }
    }

    /// Closes the database after a reader met an error, and opens it again.
    pub(super) fn mend(&self) {
        self.reopen();
    }

    /// Makes changes, all or none, durable on return.
    ///
    /// On an error the place is closed and opened again: then what is in memory is what is durable. The changes may be
    /// among it, never a part of them.
    pub(super) fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let disk = self.database()?;
        let generation = self.view().contents.generation() + 1;
        let stamped = |change| match change {
            Change::Put(row) => Change::Put(Row { generation, ..row }),
            Change::Delete { tree, key } => Change::Delete { tree, key },
        };
        let mut changes: Vec<_> = changes.into_iter().map(stamped).collect();
        let census = self.view().contents.census_after(generation, &changes);
        changes.push(Change::Put(census.map_err(|defect| self.understand(defect.into()))?));
        let writes = changes.iter().map(write).collect::<Result<Vec<_>, Defect>>();
        let writes = writes.map_err(|defect| self.understand(defect.into()))?;
        if let Err(error) = disk.commit(&writes) {
            let unsynced = matches!(error, DiskError::Unsynced(_));
            let error = self.understand(error);
            if unsynced || !error.is_full() {
                self.is_distrusted.store(true, Ordering::Relaxed);
            }
            drop(disk);
            self.close(&error);
            self.reopen();
            return Err(error);
        }
        let put = writes.iter().filter_map(|write| write.bytes.as_ref()).map(|bytes| bytes.len() as u64).sum();
        self.row_bytes.fetch_add(put, Ordering::Relaxed);
        let applied = self.change_view().contents.apply(generation, &changes);
        applied.map_err(|defect| self.understand(defect.into()))
    }

    /// Says what came of it, unless it was the place as a whole: that was said where it was closed.
    fn note<T>(&self, matter: Matter, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.notes.over(matter),
            Err(error) if self.is_open() => self.notes.problem(matter, error),
            Err(_) => {}
        }
        done
    }

    // The exports first: what has been removed is written down in the database until that is rewritten, too, so that an
    // interrupted scrubbing is taken up again.
    fn scrub_once(&self) -> Result<(), StoreError> {
        self.export(Turn::Both, || ())?;
        let (disk, number) = {
            let view = self.view();
            let Some((disk, number)) = &view.database else {
                return Err(StoreError::Absent { path: self.root.clone() });
            };
            (Arc::clone(disk), *number)
        };
        let rows = self.checked_rows(disk)?;
        let generation = self.view().contents.generation();
        let kept = rows.into_iter().filter(|row| row.tree != Tree::Removed).collect();
        let written = databases::write(&self.root, number + 1, self.persistence, generation, kept);
        let adopt = || ladder::adopt(&self.root, number + 1, self.persistence, generation);
        let adopted = written.and_then(|()| adopt()).or_else(|error| {
            if !error.is_full() || !databases::exists(&self.root, number + 1) {
                return Err(error);
            }
            // It is complete, and so are two exports: the old one makes room for opening it.
            self.put_database(None, |_| ());
            let discarded = databases::discard_others(&self.root, number + 1);
            discarded.map_err(|cause| StoreError::from_io(&self.root, cause)).and_then(|()| adopt())
        });
        match adopted {
            Ok((disk, contents)) => {
                self.put_database(Some((Arc::new(disk), number + 1)), |view| view.contents = contents);
            }
            Err(error) => {
                // If the new one has its name already, it is the one that counts: nothing may be written to the old one.
                if databases::exists(&self.root, number + 1) {
                    self.is_distrusted.store(true, Ordering::Relaxed);
                    self.close(&error);
                    self.reopen();
                }
                return Err(error);
            }
        }
        // A reader that still has the old one reads zeros from here on, notices, and reads the new one.
        let discarded = databases::discard_others(&self.root, number + 1);
        discarded.map_err(|cause| StoreError::from_io(&self.root, cause))
    }

    /// Writes an export of what is durable. `released` is called once all rows are read: from then on others may write.
    pub(super) fn export(&self, turn: Turn, released: impl FnOnce()) -> Result<(), StoreError> {
        let disk = self.database()?;
        let generation = self.view().contents.generation();
        let rows = self.checked_rows(disk)?;
        let mut known = held(&self.exports);
        released();
        let bytes = export::encode(generation, &rows).map_err(|defect| self.understand(defect.into()))?;
        self.row_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        let turn = if known.contains(&None) { Turn::Both } else { turn };
        let written = export::write(&self.root, &mut known, generation, &bytes, turn);
        *held(&self.exported) = *known;
        self.note(Matter::Export, written.map_err(|cause| StoreError::from_io(&self.root, cause)))
    }

    /// Has backups see that the database has changed, and that they have to copy it.
    pub(super) fn mark_as_changed(&self) {
        let marked = self.database().map(|disk| disk.mark_as_changed());
        // If it fails a backup may be older than it could be, and nothing else.
        if let Ok(Err(cause)) = marked {
            tracing::debug!(%cause, "cannot mark the database as changed");
        }
    }

    /// All rows, if they are those that were committed: neither a good export nor the database may be replaced by less.
    fn checked_rows(&self, disk: Arc<Disk>) -> Result<Vec<Row>, StoreError> {
        let generation = self.view().contents.generation();
        let read = || {
            let rows = disk.rows()?.iter().map(|row| Row::decode(row)).collect::<Result<Vec<_>, _>>()?;
            let contents = Contents::load(self.persistence, &rows)?;
            if contents.generation() == generation { Ok(rows) } else { Err(DiskError::from(Defect::Older)) }
        };
        read().map_err(|error| {
            let error = self.understand(error);
            self.close(&error);
            error
        })
    }

    /// An error stays in the database until it is closed. The next call opens it again.
    pub(super) fn close(&self, error: &StoreError) {
        self.notes.problem(Matter::Use, error);
        self.put_database(None, |view| view.problem = Some(Arc::new(error.clone())));
        *held(&self.attempt) = None;
    }

    /// The error for a row that can not be used.
    pub(super) fn defective(&self, defect: Defect) -> StoreError {
        self.understand(defect.into())
    }

    fn understand(&self, error: DiskError) -> StoreError {
        let cause = match error {
            DiskError::Io(cause) | DiskError::Unsynced(cause) => cause,
            DiskError::Defect(defect) => std::io::Error::other(defect),
        };
        StoreError::from_io(&self.root, cause)
    }
}

fn write(change: &Change) -> Result<Write, Defect> {
    Ok(match change {
        Change::Put(row) => Write { tree: row.tree, key: row.key.clone(), bytes: Some(row.encode()?) },
        Change::Delete { tree, key } => Write { tree: *tree, key: key.clone(), bytes: None },
    })
}

/// Whether a row is too long for the database.
pub(super) fn is_too_long(row: &Row) -> bool {
    row.encode().map_or(true, |bytes| bytes.len() > ROW_MAX_BYTES)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::disk::faults;
    use super::*;
    use crate::key::OnionKey;
    use crate::migrations;
    use crate::record::{Autostart, ServiceRecord};

    fn add(place: &Place, name: &str) -> OnionKey {
        let ports = vec!["80".parse().unwrap()].try_into().unwrap();
        let record = ServiceRecord::new(name.parse().unwrap(), Persistence::Kept, Autostart::Off, ports).unwrap();
        let key = OnionKey::generate().unwrap();
        let service = Zeroizing::new(migrations::service_to_payload(&record).unwrap());
        let secret = migrations::key_to_payload(&key.address(), &key);
        let row = |tree, payload| Change::Put(Row { tree, key: name.to_owned(), generation: 0, payload });
        place.commit(vec![row(Tree::Services, service), row(Tree::Keys, secret)]).unwrap();
        key
    }

    fn holds(root: &Path, key: &OnionKey) -> bool {
        let secret = key.expose_expanded();
        files::entries(root).unwrap().iter().any(|path| {
            if path.is_dir() {
                holds(path, key)
            } else {
                files::read(path).unwrap().windows(secret.len()).any(|window| window == secret)
            }
        })
    }

    #[test]
    fn a_scrubbing_that_was_interrupted_is_taken_up_at_the_next_opening() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path().to_owned(), Persistence::Kept);
        let (gone, kept) = (add(&place, "gone"), add(&place, "kept"));
        place.export(Turn::Both, || ()).unwrap();
        let forget = [Tree::Services, Tree::Keys].into_iter().flat_map(|tree| {
            let key = super::super::contents::removed_key(tree, "gone");
            let removed = Row { tree: Tree::Removed, key, generation: 0, payload: Zeroizing::default() };
            [Change::Delete { tree, key: "gone".to_owned() }, Change::Put(removed)]
        });
        place.commit(forget.collect()).unwrap();
        assert!(place.view().contents.needs_scrubbing());
        drop(place);
        assert!(holds(root.path(), &gone));
        let place = Place::open(root.path().to_owned(), Persistence::Kept);
        assert!(!place.view().contents.needs_scrubbing() && place.view().problem.is_none());
        assert_eq!(place.view().contents.services().len(), 1);
        assert!(!holds(root.path(), &gone) && holds(root.path(), &kept));
    }

    #[test]
    fn no_database_is_closed_while_readers_have_to_wait() {
        let root = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::open(root.path().to_owned(), Persistence::Kept));
        add(&place, "web");
        let closed = std::rc::Rc::new(std::cell::Cell::new(0));
        let (watched, count) = (Arc::clone(&place), std::rc::Rc::clone(&closed));
        faults::on_closing(move || {
            assert!(watched.view.try_read().is_ok());
            count.set(count.get() + 1);
        });
        place.reopen();
        place.scrub().unwrap();
        place.close(&StoreError::Full { path: root.path().to_owned() });
        place.ensure_open().unwrap();
        faults::on_closing(|| ());
        assert!(closed.get() >= 3, "{}", closed.get());
    }

    #[test]
    fn nobody_waits_for_an_export_to_learn_that_one_is_due() {
        let root = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::open(root.path().to_owned(), Persistence::Kept));
        add(&place, "web");
        place.export(Turn::Both, || ()).unwrap();
        assert!(!place.is_unexported());
        let (told, answer) = std::sync::mpsc::channel();
        let writing = held(&place.exports);
        let asked = Arc::clone(&place);
        let asking = std::thread::spawn(move || {
            add(&asked, "chat");
            told.send(asked.is_unexported())
        });
        assert_eq!(answer.recv_timeout(Duration::from_secs(10)), Ok(true));
        drop(writing);
        asking.join().unwrap().unwrap();
        place.export(Turn::Older, || ()).unwrap();
        assert!(!place.is_unexported());
    }

    #[test]
    fn an_error_closes_and_the_next_call_opens_again_with_what_is_durable() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path().to_owned(), Persistence::Kept);
        let key = add(&place, "web");
        place.close(&StoreError::Full { path: root.path().to_owned() });
        assert!(!place.is_open() && place.view().problem.is_some());
        assert_eq!(place.view().contents.services().len(), 1);
        assert!(matches!(place.row(Tree::Keys, "web"), Err(StoreError::Full { .. })));
        place.ensure_open().unwrap();
        assert!(place.view().problem.is_none());
        let row = place.row(Tree::Keys, "web").unwrap();
        assert_eq!(migrations::key_from_payload(&row.payload).unwrap().expose_expanded(), key.expose_expanded());
    }
}
