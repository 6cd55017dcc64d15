// SPDX-License-Identifier: GPL-3.0-or-later
//! Checking a descriptor where somebody writes it: whose the files are does not matter yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{FILE_NAME, shown};
use crate::descriptor::check::{Companions, MAX_BYTES, check};
use crate::descriptor::names::CompanionName;
use crate::descriptor::report::Report;

/// Checks a file, or the `service.toml` of a directory. The service should be called as the directory, or as a file that is
/// called otherwise.
///
/// # Errors
/// The file can not be read.
pub fn lint_file(path: &Path) -> io::Result<Report> {
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = read(&file)?;
    let beside = Beside { directory: file.parent().unwrap_or(Path::new("")).to_owned(), seen: RefCell::default() };
    let name = expected_name(&file);
    let findings = check(&name, &text, &beside).findings;
    Ok(Report::new(&shown(&file), &text, &beside.seen.into_inner(), findings))
}

/// What the service is called after.
fn expected_name(file: &Path) -> String {
    let stem = if file.file_name().is_some_and(|name| name == FILE_NAME) {
        let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // `service.toml` alone is in the current directory, whose name has to be asked for.
        let whole = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        whole.file_name().map(std::ffi::OsStr::to_owned)
    } else {
        file.file_stem().map(std::ffi::OsStr::to_owned)
    };
    stem.unwrap_or_default().to_string_lossy().into_owned()
}

/// The files beside a descriptor.
struct Beside {
    directory: PathBuf,
    seen: RefCell<BTreeMap<String, String>>,
}

impl Companions for Beside {
    fn text(&self, name: &CompanionName) -> Result<String, String> {
        let text = read(&self.directory.join(name.as_str())).map_err(|cause| words(&cause))?;
        self.seen.borrow_mut().insert(name.to_string(), text.clone());
        Ok(text)
    }

    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String> {
        let path = self.directory.join(name.as_str());
        let about = std::fs::metadata(&path).map_err(|cause| words(&cause))?;
        if !about.is_file() || about.permissions().mode() & 0o100 == 0 {
            return Err("it is not executable".to_owned());
        }
        File::open(path).and_then(|mut program| super::program_digest(&mut program)).map_err(|cause| words(&cause))
    }
}

/// Why a file was not read, the same on every computer.
fn words(cause: &io::Error) -> String {
    let known = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::InvalidData, "it is no text"),
        (io::ErrorKind::FileTooLarge, "it is too large"),
    ];
    let words = known.into_iter().find(|(kind, _)| *kind == cause.kind());
    words.map_or_else(|| cause.to_string(), |(_, words)| words.to_owned())
}

/// Opens a file, and waits for nobody: not for the other end of a named pipe.
fn open(path: &Path) -> io::Result<File> {
    let about = std::fs::metadata(path)?;
    // proc(5): of a pipe without a name, as a shell makes one for <(COMMAND).
    let is_nameless = |to: PathBuf| to.as_os_str().as_encoded_bytes().starts_with(b"pipe:[");
    let is_pipe = about.file_type().is_fifo() && std::fs::read_link(path).is_ok_and(is_nameless);
    if !(about.is_file() || is_pipe) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    File::open(path)
}

fn read(path: &Path) -> io::Result<String> {
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    open(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}
