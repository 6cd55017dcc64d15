// SPDX-License-Identifier: GPL-3.0-or-later
//! Files and directories that only we may read, and that are on the disk when we say so.
//!
//! What a symbolic link points to is not ours: it is not written, overwritten, opened to others or removed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

const DIRECTORY: u32 = 0o700;
const FILE: u32 = 0o600;

/// Makes a directory and what is missing above it, for us alone whatever the umask is.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            make_private_dir(parent)?;
        }
        match DirBuilder::new().mode(DIRECTORY).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other?,
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    set_mode(path, DIRECTORY)
}

/// Sets the modes of a directory and of all in it.
pub(super) fn make_tree_private(path: &Path) -> io::Result<()> {
    set_mode(path, DIRECTORY)?;
    for entry in entries(path)? {
        match kind(&entry)? {
            Kind::Directory => make_tree_private(&entry)?,
            Kind::File => set_mode(&entry, FILE)?,
            Kind::Foreign => {}
        }
    }
    Ok(())
}

/// What an entry of a directory is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    /// A symbolic link, or something else that we never make.
    Foreign,
}

/// What is at a path; links are not followed.
pub(super) fn kind(path: &Path) -> io::Result<Kind> {
    let found = fs::symlink_metadata(path)?.file_type();
    Ok(if found.is_dir() {
        Kind::Directory
    } else if found.is_file() {
        Kind::File
    } else {
        Kind::Foreign
    })
}

/// Whether anything in a directory, or the directory itself, is something that we never make.
pub(super) fn is_foreign(path: &Path) -> io::Result<bool> {
    match kind(path)? {
        Kind::Foreign => return Ok(true),
        Kind::File => return Ok(false),
        Kind::Directory => {}
    }
    for entry in entries(path)? {
        if is_foreign(&entry)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what is at a path, overwritten if it is ours, or else only unlinked; nothing if nothing is there.
pub(super) fn wipe_any(path: &Path) -> io::Result<()> {
    match kind(path) {
        Ok(Kind::Directory) => wipe_tree(path),
        Ok(Kind::File | Kind::Foreign) => wipe(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?.permissions().mode() & 0o7777;
    if found != mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes an entry of a directory durable: its creation, its new name or its end.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and all in it durable.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in entries(path)? {
        match kind(&entry)? {
            Kind::Directory => sync_tree(&entry)?,
            Kind::File => File::open(&entry)?.sync_all()?,
            Kind::Foreign => {}
        }
    }
    sync_dir(path)
}

/// What is in a directory, by name.
pub(super) fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// The last part of a path as text; empty if it is none of ours.
pub(super) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The whole of a file that may hold secrets.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = File::open(path)?;
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole of a file; blocks that the medium does not give back are zeros.
pub(super) fn read_ruin(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    match read(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            let file = File::open(path)?;
            read_blocks(file.metadata()?.len(), |block, offset| file.read_exact_at(block, offset))
        }
        done => done,
    }
}

fn read_blocks(len: u64, read_at: impl Fn(&mut [u8], u64) -> io::Result<()>) -> io::Result<Zeroizing<Vec<u8>>> {
    const BLOCK: usize = 4096;
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(len).map_err(io::Error::other)?]);
    let mut offset = 0;
    for block in bytes.chunks_mut(BLOCK) {
        if read_at(block, offset).is_err() {
            block.fill(0);
        }
        offset += BLOCK as u64;
    }
    Ok(bytes)
}

/// Creates a file for us alone and makes its contents durable, though not yet its name.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates an empty file for us alone, in the place of whatever had this name.
pub(super) fn create(path: &Path) -> io::Result<File> {
    if kind(path).is_ok_and(|kind| kind == Kind::Foreign) {
        fs::remove_file(path)?;
    }
    let file = unlinked().create(true).truncate(true).mode(FILE).open(path)?;
    file.set_permissions(Permissions::from_mode(FILE))?;
    Ok(file)
}

/// For writing to a file itself, never to what a link points to.
fn unlinked() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Where a file is written before it gets its name.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Puts a file in the place of another at one stroke. The old bytes are overwritten afterwards.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = unfinished(path);
    if let Err(error) = write_new(&new, bytes) {
        // It would take room where there may be none.
        let _ = wipe_any(&new);
        return Err(error);
    }
    let old = kind(path).and_then(|kind| match kind {
        Kind::File => unlinked().open(path).map(Some),
        Kind::Directory | Kind::Foreign => Ok(None),
    });
    fs::rename(&new, path)?;
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    if let Ok(Some(old)) = old {
        overwrite(&old)?;
    }
    Ok(())
}

/// Overwrites a file and removes it; of anything else, only the name is removed.
fn wipe(path: &Path) -> io::Result<()> {
    if kind(path)? == Kind::File {
        overwrite(&unlinked().open(path)?)?;
    }
    fs::remove_file(path)
}

/// Overwrites all files below a directory and removes it.
fn wipe_tree(path: &Path) -> io::Result<()> {
    for entry in entries(path)? {
        wipe_any(&entry)?;
    }
    fs::remove_dir(path)
}

/// Writes zeros over a file.
// No promise on flash memory or under a journal of data, but it costs little and keeps a plain disk from telling.
fn overwrite(mut file: &File) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let step = left.min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..usize::try_from(step).map_err(io::Error::other)?).unwrap_or_default();
        file.write_all(zeros)?;
        left -= step;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_made_is_for_us_alone() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        make_private_dir(&deep).unwrap();
        write_new(&deep.join("file"), b"x").unwrap();
        assert_eq!((mode(&root.path().join("a")), mode(&deep), mode(&deep.join("file"))), (0o700, 0o700, 0o600));
        fs::set_permissions(&deep, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(deep.join("file"), Permissions::from_mode(0o644)).unwrap();
        make_tree_private(&deep).unwrap();
        assert_eq!((mode(&deep), mode(&deep.join("file"))), (0o700, 0o600));
    }

    #[test]
    fn a_block_that_the_medium_does_not_give_back_does_not_take_the_others_with_it() {
        let broken = |block: &mut [u8], offset: u64| {
            block.fill(b'x');
            if offset == 4096 { Err(io::Error::other("a bad sector")) } else { Ok(()) }
        };
        let bytes = read_blocks(10_000, broken).unwrap();
        assert!(bytes[..4096].iter().all(|byte| *byte == b'x') && bytes[8192..].iter().all(|byte| *byte == b'x'));
        assert!(bytes[4096..8192].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_replaced_file_is_overwritten_not_only_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        write_new(&path, &[b'x'; 100_000]).unwrap();
        // A second name for the same bytes shows what became of them.
        fs::hard_link(&path, root.path().join("old")).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(root.path().join("old")).unwrap(), vec![0; 100_000]);
        fs::hard_link(&path, root.path().join("again")).unwrap();
        wipe_any(&path).unwrap();
        assert_eq!(fs::read(root.path().join("again")).unwrap(), b"\0\0\0");
    }
}
