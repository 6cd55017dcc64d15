// SPDX-License-Identifier: GPL-3.0-or-later
//! Users and groups of the system, by their names. They are all in the local files: sysusers.d(5)

use std::path::Path;

use super::error::Error;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Owner {
    /// Root, and its group.
    pub(super) const ROOT: Self = Self { user: 0, group: 0 };

    /// A user and a group by their names.
    pub(super) fn find(user: &str, group: &str) -> Result<Self, Error> {
        Ok(Self { user: user_number(user)?, group: number("group", "/etc/group", group)? })
    }
}

/// The number of a user.
pub(super) fn user_number(name: &str) -> Result<u32, Error> {
    number("user", "/etc/passwd", name)
}

fn number(kind: &'static str, table: &str, name: &str) -> Result<u32, Error> {
    if name == "root" {
        return Ok(0);
    }
    let text = std::fs::read_to_string(table).map_err(Error::file("read", Path::new(table)))?;
    find(&text, name).ok_or_else(|| Error::NoAccount { kind, name: name.to_owned() })
}

/// `NAME:x:NUMBER:...`, in both files. passwd(5), group(5)
fn find(table: &str, name: &str) -> Option<u32> {
    let mut lines = table.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.nth(1))?.and_then(|id| id.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let table = "root:x:0:0:root:/root:/bin/bash\nirc2:x:40:\nirc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin\n";
        assert_eq!(find(table, "irc"), Some(39));
        assert_eq!(find(table, "ir"), None);
        assert_eq!(find("irc:x:many:", "irc"), None);
    }
}
