// SPDX-License-Identifier: GPL-3.0-or-later
//! Files that belong onto a machine, as a list says it: a line each, with mode, from and to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// What programs may be executed by.
const EXECUTABLE: u32 = 0o111;
/// What everybody may do with a program.
const PROGRAM: u32 = 0o755;

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    mode: u32,
    from: &'a str,
    to: &'a str,
}

/// The lines of a list. Empty ones and those that begin with `#` say nothing.
pub(crate) fn parse(list: &str) -> Option<Vec<Entry<'_>>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Entry::parse).collect()
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let entry = Self { mode, from: words.next()?, to: words.next()? };
        words.next().is_none().then_some(entry)
    }

    /// Copies it. `programs/` is where the programs are, everything else lies below `source`; `target` says where a path
    /// of the machine is.
    pub(crate) fn copy(&self, source: &Path, programs: &Path, target: impl Fn(&str) -> PathBuf) -> Result<(), Error> {
        let from =
            self.from.strip_prefix("programs/").map_or_else(|| source.join(self.from), |name| programs.join(name));
        copy(&from, &target(self.to), self.mode)
    }
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), Error> {
    let metadata = fs::metadata(from).map_err(Error::file("read", from))?;
    if metadata.is_dir() {
        for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
            let entry = entry.map_err(Error::file("read", from))?;
            copy(&entry.path(), &to.join(entry.file_name()), mode)?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    let mode = if metadata.permissions().mode() & EXECUTABLE == 0 { mode } else { PROGRAM };
    fs::copy(from, to).map_err(Error::file("write", to))?;
    fs::set_permissions(to, Permissions::from_mode(mode)).map_err(Error::file("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_belongs_where_and_a_line_too_short_or_too_long_is_refused() {
        let entry = Entry { mode: 0o644, from: "a/b", to: "/usr/b" };
        assert_eq!(parse("# why\n\n0644  a/b   /usr/b\n"), Some(vec![entry]));
        for wrong in ["0644 a", "rw a /b", "0644 a /b c"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
