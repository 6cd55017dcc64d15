// SPDX-License-Identifier: GPL-3.0-or-later
//! Damaged bytes, put aside as they were found. They hold keys: like all else here they are for us alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::StoreError;
use super::files::{self, Kind};

/// How the directories with the copies are named, before a number.
pub(super) const PREFIX: &str = "damaged-";
const UNFINISHED: &str = "damaged.new";

/// More different damages than this are a medium that is dying; more copies would only fill it.
const MOST: usize = 8;

/// Removes a copy that a crash left unfinished: it is made anew from the same bytes.
pub(super) fn tidy(root: &Path) -> io::Result<()> {
    files::wipe_any(&root.join(UNFINISHED))
}

/// The files of a store as they were before anything of ours touched them.
pub(super) struct Originals(Vec<(PathBuf, Zeroizing<Vec<u8>>)>);

impl Originals {
    /// Reads the given files and directories below `root`.
    // All in memory: a thousand services are about a megabyte, and a copy on disk at each opening would wear the stick.
    pub(super) fn read(root: &Path, paths: &[PathBuf]) -> io::Result<Self> {
        let mut found = Vec::new();
        for path in paths {
            read_tree(root, path, &mut found)?;
        }
        Ok(Self(found))
    }

    /// The bytes of all files below directories.
    pub(super) fn bytes_below<'a>(&'a self, directories: &'a [PathBuf]) -> impl Iterator<Item = &'a [u8]> {
        let within = |path: &Path| directories.iter().any(|directory| directory.ends_with(first_part(path)));
        self.0.iter().filter(move |(path, _)| within(path)).map(|(_, bytes)| bytes.as_slice())
    }

    /// Puts a copy aside and returns where. Copies are never overwritten, and the same is not copied twice.
    pub(super) fn put_aside(&self, root: &Path) -> Result<PathBuf, StoreError> {
        let failed = |cause| StoreError::from_io(root, cause);
        let copies = copies(root).map_err(failed)?;
        for copy in copies.iter().rev() {
            if self.is_same(copy).map_err(failed)? {
                return Ok(copy.clone());
            }
        }
        if copies.len() >= MOST {
            return Err(StoreError::Crowded { path: root.to_owned(), copies: copies.len() });
        }
        let highest = copies.iter().filter_map(|copy| number(copy)).max().unwrap_or(0);
        let copy = root.join(format!("{PREFIX}{:04}", highest + 1));
        self.write(&root.join(UNFINISHED), &copy).map_err(failed)?;
        Ok(copy)
    }

    fn write(&self, unfinished: &Path, copy: &Path) -> io::Result<()> {
        files::wipe_any(unfinished)?;
        files::make_private_dir(unfinished)?;
        for (path, bytes) in &self.0 {
            let path = unfinished.join(path);
            if let Some(parent) = path.parent() {
                files::make_private_dir(parent)?;
            }
            files::write_new(&path, bytes)?;
        }
        files::sync_tree(unfinished)?;
        fs::rename(unfinished, copy)?;
        copy.parent().map_or(Ok(()), files::sync_dir)
    }

    fn is_same(&self, copy: &Path) -> io::Result<bool> {
        let mut found = Vec::new();
        read_tree(copy, copy, &mut found)?;
        Ok(found == self.0)
    }
}

/// The copies that were put aside, oldest first.
pub(super) fn copies(root: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(files::entries(root)?.into_iter().filter(|path| number(path).is_some()).collect())
}

fn number(path: &Path) -> Option<u64> {
    files::file_name(path).strip_prefix(PREFIX)?.parse().ok()
}

fn first_part(path: &Path) -> &Path {
    path.components().next().map_or(path, |part| Path::new(part.as_os_str()))
}

fn read_tree(root: &Path, path: &Path, found: &mut Vec<(PathBuf, Zeroizing<Vec<u8>>)>) -> io::Result<()> {
    match files::kind(path) {
        Ok(Kind::Directory) => {
            for entry in files::entries(path)? {
                read_tree(root, &entry, found)?;
            }
        }
        Ok(Kind::File) => {
            let name = path.strip_prefix(root).map_err(io::Error::other)?;
            found.push((name.to_owned(), files::read_ruin(path)?));
        }
        Ok(Kind::Foreign) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn originals(root: &Path, text: &str) -> Originals {
        fs::create_dir_all(root.join("db/blobs")).unwrap();
        fs::write(root.join("db/db"), text).unwrap();
        Originals::read(root, &[root.join("db"), root.join("export-0")]).unwrap()
    }

    #[test]
    fn the_same_damage_is_copied_once_and_no_copy_is_ever_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let one = originals(root.path(), "one").put_aside(root.path()).unwrap();
        let two = originals(root.path(), "two").put_aside(root.path()).unwrap();
        assert_ne!(one, two);
        assert_eq!(originals(root.path(), "one").put_aside(root.path()).unwrap(), one);
        assert_eq!(fs::read(one.join("db/db")).unwrap(), b"one");
        assert_eq!(fs::read(two.join("db/db")).unwrap(), b"two");
    }

    #[test]
    fn a_dying_medium_is_not_filled_with_copies() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..MOST {
            originals(root.path(), &number.to_string()).put_aside(root.path()).unwrap();
        }
        let refused = originals(root.path(), "more").put_aside(root.path());
        assert!(matches!(refused, Err(StoreError::Crowded { copies: MOST, .. })), "{refused:?}");
        assert!(originals(root.path(), "0").put_aside(root.path()).is_ok());
    }
}
