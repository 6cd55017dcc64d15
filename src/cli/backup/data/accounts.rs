// SPDX-License-Identifier: GPL-3.0-or-later
//! Users and groups of this computer, by name and by number. Those of servers are all in the local files: sysusers.d(5)

use std::io;
use std::path::Path;

/// Users and groups.
#[derive(Debug, Default)]
pub(in crate::cli::backup) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// Those of this computer.
    pub(in crate::cli::backup) fn read() -> io::Result<Self> {
        let table = |path| std::fs::read_to_string(Path::new(path)).map(|text| parse(&text));
        Ok(Self { users: table("/etc/passwd")?, groups: table("/etc/group")? })
    }

    pub(super) fn user(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    pub(super) fn group(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }

    /// The name of a user; empty if it has none.
    pub(super) fn name_of_user(&self, number: u32) -> &str {
        name(&self.users, number)
    }

    pub(super) fn name_of_group(&self, number: u32) -> &str {
        name(&self.groups, number)
    }
}

fn number(table: &[(String, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
}

fn name(table: &[(String, u32)], number: u32) -> &str {
    table.iter().find(|(_, known)| *known == number).map_or("", |(name, _)| name)
}

/// `NAME:x:NUMBER:...`, in both files. passwd(5), group(5)
fn parse(table: &str) -> Vec<(String, u32)> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
impl Accounts {
    /// The same users and groups.
    pub(super) fn of(users: &[(&str, u32)]) -> Self {
        let all: Vec<_> = users.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        Self { users: all.clone(), groups: all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        let users = parse("root:x:0:0:root:/root:/bin/bash\nirc2:x:40:\nirc:x:39:39:ircd\nodd:x:many:\n+\n");
        let accounts = Accounts { users, groups: Vec::new() };
        assert_eq!((accounts.user("irc"), accounts.user("ir"), accounts.user("odd")), (Some(39), None, None));
        assert_eq!((accounts.name_of_user(40), accounts.name_of_user(41)), ("irc2", ""));
        assert_eq!(accounts.group("irc"), None);
    }
}
