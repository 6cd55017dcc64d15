// SPDX-License-Identifier: GPL-3.0-or-later
//! What was done for a service and has to be undone: written down before it is done, and kept over a reboot.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::{Directory, is_missing, unmake};
use super::places::LEDGERS;
use super::users::Owner;

/// More than any service needs.
const MOST_BYTES: u64 = 1 << 20;

/// The ledger of one service.
#[derive(Debug)]
pub(super) struct Ledger {
    directory: Directory,
    file: String,
    /// What stands in it.
    pub(super) entries: Entries,
}

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Entries {
    /// The packages that the service uses.
    pub(super) needs: Vec<String>,
    /// The packages that were installed for it, with what these depend on.
    pub(super) brought: Vec<String>,
    /// The units that were kept from starting while packages were installed.
    pub(super) guarded: Vec<String>,
    /// Empty files and directories to lay something over: gone when it is withdrawn.
    pub(super) scaffold: Vec<PathBuf>,
    /// Data and keys: gone when it is uninstalled.
    pub(super) data: Vec<PathBuf>,
    /// Whether packages were being installed, and nobody knows whether all of them is on the disk.
    pub(super) unfinished: bool,
    /// Whether the hook was told that all is installed.
    pub(super) announced: bool,
}

impl Ledger {
    /// The ledger of a service, empty if there is none.
    pub(super) fn open(service: &str) -> Result<Self, Error> {
        let directory = Directory::ours(Path::new(LEDGERS), 0o700)?;
        let file = format!("{service}.json");
        let entries = read(&directory, &file)?.unwrap_or_default();
        Ok(Self { directory, file, entries })
    }

    /// Lets another service take over the packages that were installed for this one, if it needs one of them. All of them:
    /// what it needs depends on some of the rest.
    pub(super) fn hand_over(&self) -> Result<bool, Error> {
        for name in self.directory.names()? {
            if !name.ends_with(".json") || name == self.file {
                continue;
            }
            let Some(mut other) = read(&self.directory, &name)? else { continue };
            if !self.entries.brought.iter().any(|brought| other.needs.contains(brought)) {
                continue;
            }
            join(&mut other.brought, &self.entries.brought);
            join(&mut other.guarded, &self.entries.guarded);
            other.unfinished |= self.entries.unfinished;
            write(&self.directory, &name, &other)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether another service keeps this unit from starting, too.
    pub(super) fn is_guarded_elsewhere(&self, unit: &str) -> Result<bool, Error> {
        for name in self.directory.names()?.iter().filter(|name| name.ends_with(".json") && **name != self.file) {
            if read(&self.directory, name)?.is_some_and(|other| other.guarded.iter().any(|guarded| guarded == unit)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves packages to any other service, so that they go with the last that has use for them.
    pub(super) fn bequeath(&self, packages: &[String]) -> Result<(), Error> {
        if packages.is_empty() {
            return Ok(());
        }
        for name in self.directory.names()?.iter().filter(|name| name.ends_with(".json") && **name != self.file) {
            if let Some(mut other) = read(&self.directory, name)? {
                join(&mut other.brought, packages);
                other.unfinished |= self.entries.unfinished;
                return write(&self.directory, name, &other);
            }
        }
        Ok(())
    }

    /// What stands in all ledgers.
    pub(super) fn all() -> Result<Vec<Entries>, Error> {
        let directory = Directory::ours(Path::new(LEDGERS), 0o700)?;
        let names = directory.names()?;
        let ledgers = names.iter().filter(|name| name.ends_with(".json"));
        Ok(ledgers.map(|name| read(&directory, name)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Makes it durable.
    pub(super) fn save(&self) -> Result<(), Error> {
        write(&self.directory, &self.file, &self.entries)
    }

    /// Makes it durable, or forgets it if nothing stands in it.
    pub(super) fn save_unless_empty(&self) -> Result<(), Error> {
        if self.entries == Entries::default() { self.remove() } else { self.save() }
    }

    /// Forgets it.
    pub(super) fn remove(&self) -> Result<(), Error> {
        self.directory.remove(&self.file)
    }

    /// Makes a directory and those above it, if they are missing.
    pub(super) fn make_directory(&mut self, path: &Path, owner: Owner, mode: u32, kind: Kind) -> Result<(), Error> {
        let mut missing = Vec::new();
        for ancestor in path.ancestors() {
            if !is_missing(ancestor)? {
                break;
            }
            missing.push(ancestor.to_owned());
        }
        for directory in missing.iter().rev() {
            let is_last = directory == path;
            self.note(directory, if is_last { kind } else { Kind::Scaffold })?;
            let (owner, mode) = if is_last { (owner, mode) } else { (Owner::ROOT, 0o755) };
            Directory::parent(directory)?.make(directory, owner, mode)?;
        }
        Directory::open(path).map(drop)
    }

    /// Makes an empty file to lay another over, if there is none.
    pub(super) fn make_file(&mut self, path: &Path) -> Result<(), Error> {
        if !is_missing(path)? {
            return Ok(());
        }
        self.note(path, Kind::Scaffold)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("a path without a name"))?;
        Directory::parent(path)?.write(name, b"", Owner::ROOT, 0o644)
    }

    /// Remembers something before it is made.
    pub(super) fn note(&mut self, path: &Path, kind: Kind) -> Result<(), Error> {
        let list = match kind {
            Kind::Scaffold => &mut self.entries.scaffold,
            Kind::Data => &mut self.entries.data,
        };
        if list.iter().any(|noted| noted == path) {
            return Ok(());
        }
        list.push(path.to_owned());
        self.save()
    }

    /// Removes what was only there to lay something over.
    pub(super) fn strike_scaffold(&mut self) -> Result<(), Error> {
        if self.entries.scaffold.is_empty() {
            return Ok(());
        }
        for path in self.entries.scaffold.iter().rev() {
            unmake(path)?;
        }
        // What still has something in it is tried again the next time.
        let left = self.entries.scaffold.iter().filter(|path| !is_missing(path).unwrap_or(false));
        self.entries.scaffold = left.cloned().collect();
        match self.save() {
            // Then more stands in it than there is, and looking for that costs the next run nothing. A server is withdrawn
            // also on a full disk.
            Err(Error::File { cause, .. }) if is_full(&cause) => Ok(()),
            saved => saved,
        }
    }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// How long something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// While the service is applied.
    Scaffold,
    /// Until it is uninstalled.
    Data,
}

fn join(list: &mut Vec<String>, more: &[String]) {
    let new: Vec<String> = more.iter().filter(|name| !list.contains(name)).cloned().collect();
    list.extend(new);
}

fn write(directory: &Directory, file: &str, entries: &Entries) -> Result<(), Error> {
    let text = serde_json::to_vec(entries).map_err(|_| Error::Bug("a ledger that can not be written"))?;
    directory.write(file, &text, Owner::ROOT, 0o600)
}

fn read(directory: &Directory, file: &str) -> Result<Option<Entries>, Error> {
    let Some(text) = directory.read(file, MOST_BYTES)? else { return Ok(None) };
    let path = directory.path().join(file);
    serde_json::from_slice(&text).map(Some).map_err(|cause| Error::File { action: "read", path, cause: cause.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_that_was_cut_off_is_known_and_one_of_which_nobody_wrote_was_not() {
        let cut = Entries { unfinished: true, ..Entries::default() };
        let text = serde_json::to_string(&cut).unwrap();
        assert!(text.contains(r#""unfinished":true"#), "{text}");
        assert_eq!(serde_json::from_str::<Entries>(&text).unwrap(), cut);
        let before: Entries = serde_json::from_str(r#"{"needs":["a"],"announced":true}"#).unwrap();
        assert!(!before.unfinished);
        assert_ne!(cut, Entries::default(), "it is not forgotten as one that is empty");
    }
}
