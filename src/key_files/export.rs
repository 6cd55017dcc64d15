// SPDX-License-Identifier: GPL-3.0-or-later
//! Writing keys: a `HiddenServiceDir` as Tor would have made it.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;
use tails_server_state::{AuthorizedClient, OnionKey};

use super::client_file;
use super::error::ExportError;
use super::format::{self, CLIENTS, HOSTNAME, PUBLIC_KEY, SECRET_KEY};

const PRIVATE_DIRECTORY: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Writes the key, its address and the authorised clients into a directory that is new or empty.
///
/// It is durable when this returns. Only the user who runs this can read it: for a Tor that runs as another user, the
/// directory has to be given to that user.
///
/// # Errors
/// The directory is there and not empty, or of somebody else, or the system says no. What had been written is gone again.
pub fn export(key: &OnionKey, clients: &[AuthorizedClient], directory: &Path) -> Result<(), ExportError> {
    let mut written = Written::begin(directory)?;
    match written.fill(key, clients) {
        Ok(()) => Ok(()),
        Err(error) => {
            written.undo();
            Err(error)
        }
    }
}

/// A directory, and what was made in it.
struct Written {
    path: PathBuf,
    directory: OwnedFd,
    /// Whether the directory was made here, and what its permissions were before if not.
    before: Option<Mode>,
    files: Vec<String>,
    clients: Option<OwnedFd>,
    client_files: Vec<String>,
}

impl Written {
    fn begin(path: &Path) -> Result<Self, ExportError> {
        let failed = |cause: Errno| ExportError::Write { path: path.to_owned(), cause: cause.into() };
        let is_new = match rustix::fs::mkdir(path, PRIVATE_DIRECTORY) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(cause) => return Err(failed(cause)),
        };
        let directory = match open_directory(CWD, path) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(ExportError::NotADirectory { path: path.to_owned() }),
            Err(cause) => return Err(failed(cause)),
        };
        let about = rustix::fs::fstat(&directory).map_err(failed)?;
        if about.st_uid != rustix::process::geteuid().as_raw() {
            return Err(ExportError::Foreign { path: path.to_owned() });
        }
        for entry in Dir::read_from(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Err(ExportError::NotEmpty { path: path.to_owned() });
            }
        }
        let before = (!is_new).then(|| Mode::from_raw_mode(about.st_mode));
        Ok(Self {
            path: path.to_owned(),
            directory,
            before,
            files: Vec::new(),
            clients: None,
            client_files: Vec::new(),
        })
    }

    fn fill(&mut self, key: &OnionKey, clients: &[AuthorizedClient]) -> Result<(), ExportError> {
        let path = self.path.clone();
        let failed = |cause: Errno| ExportError::Write { path: path.clone(), cause: cause.into() };
        // Before anything is in it. A file system without permissions (FAT) says no here, and rightly so.
        rustix::fs::fchmod(&self.directory, PRIVATE_DIRECTORY).map_err(failed)?;
        let address = key.address();
        // Those whom it lets in come first: what is found after a power cut is never a key that lets in everybody.
        if !clients.is_empty() {
            rustix::fs::mkdirat(&self.directory, CLIENTS, PRIVATE_DIRECTORY).map_err(failed)?;
            let made = open_directory(self.directory.as_fd(), Path::new(CLIENTS)).map_err(failed)?;
            let made = self.clients.insert(made);
            for client in clients {
                let name = format!("{}.{}", client.name, client_file::EXTENSION);
                let content = client_file::line(client);
                write(made, &name, content.as_bytes(), &mut self.client_files)
                    .map_err(|cause| ExportError::Write { path: path.join(CLIENTS).join(&name), cause })?;
            }
            rustix::fs::fsync(&*made).map_err(failed)?;
            rustix::fs::fsync(&self.directory).map_err(failed)?;
        }
        let (hostname, public) = (format::hostname_file(&address), format::public_key_file(&address));
        let secret = format::secret_key_file(key);
        for (name, content) in [(HOSTNAME, hostname.as_bytes()), (PUBLIC_KEY, &public), (SECRET_KEY, &secret)] {
            write(&self.directory, name, content, &mut self.files)
                .map_err(|cause| ExportError::Write { path: path.join(name), cause })?;
        }
        rustix::fs::fsync(&self.directory).map_err(failed)?;
        if self.before.is_none() {
            // The directory itself is an entry of another one.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(parent, flags, Mode::empty()).and_then(rustix::fs::fsync).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what was made. What can not be removed stays: there is nothing better to do about it.
    fn undo(self) {
        if let Some(clients) = &self.clients {
            for name in &self.client_files {
                let _ = rustix::fs::unlinkat(clients, name, AtFlags::empty());
            }
        }
        // It was empty when this began: if there is one, it was made here.
        let _ = rustix::fs::unlinkat(&self.directory, CLIENTS, AtFlags::REMOVEDIR);
        for name in &self.files {
            let _ = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty());
        }
        let _ = match self.before {
            Some(mode) => rustix::fs::fchmod(&self.directory, mode),
            None => rustix::fs::rmdir(&self.path),
        };
    }
}

fn open_directory(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// Writes a new file, durably, and notes it once it is there.
fn write(directory: &OwnedFd, name: &str, content: &[u8], made: &mut Vec<String>) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, PRIVATE_FILE)?;
    made.push(name.to_owned());
    // Whatever the umask is.
    rustix::fs::fchmod(&file, PRIVATE_FILE)?;
    let mut file = File::from(file);
    file.write_all(content)?;
    file.sync_all()
}
