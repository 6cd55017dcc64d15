// SPDX-License-Identifier: GPL-3.0-or-later
//! Whole directories of the host.

use std::fs;
use std::path::Path;

use crate::Error;

/// Copies a file, or a directory with all that is in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(Error::file("write", to));
    }
    fs::create_dir_all(to).map_err(Error::file("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
