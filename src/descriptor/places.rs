// SPDX-License-Identifier: GPL-3.0-or-later
//! Paths and their modes: what of the system a service may call its own.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::json;

use super::names::InvalidText;
use super::read::{Read, Toml, text};
use crate::descriptor::finding::{Findings, Rule};

/// What is too much for one service, while what is in it may be a service's.
const TOO_MUCH: &[&str] =
    &["/", "/etc", "/media", "/mnt", "/opt", "/run", "/srv", "/var", "/var/cache", "/var/lib", "/var/log", "/var/www"];

/// An absolute path without `.`, `..`, doubled slashes, or characters that mean something to systemd, a template or a shell.
fn check_plain(text: &str) -> Result<(), InvalidText> {
    const BAD: InvalidText = InvalidText("a path begins with / and has letters, digits and _ . + - in its parts");
    let rest = text.strip_prefix('/').ok_or(BAD)?;
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte))
    };
    let is_plain = text.len() <= 200 && rest.split('/').all(plain);
    is_plain.then_some(()).ok_or(BAD)
}

/// A path that a service may call its own: plain, and neither the system's nor a person's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePath(String);

impl ServicePath {
    /// What is the system's, a person's or Tor's, and never a service's: the path itself, and all below it.
    pub const FORBIDDEN: &'static [&'static str] = &[
        "/bin",
        "/boot",
        "/dev",
        "/etc/apt",
        "/etc/gshadow",
        "/etc/passwd",
        "/etc/group",
        "/etc/pam.d",
        "/etc/polkit-1",
        "/etc/shadow",
        "/etc/sudoers",
        "/etc/sudoers.d",
        "/etc/systemd",
        "/etc/tails-server",
        "/etc/tor",
        "/home",
        "/lib",
        "/live",
        "/proc",
        "/root",
        "/run/systemd",
        "/run/tails-server",
        "/run/tails-server-helper",
        "/run/tor",
        "/sbin",
        "/sys",
        "/tmp",
        "/usr",
        "/var/lib/dpkg",
        "/var/lib/systemd",
        "/var/lib/tails-server",
        "/var/lib/tails-server-data",
        "/var/lib/tails-server-helper",
        "/var/lib/tor",
        "/var/tmp",
    ];

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// What it is called among the persistent directories of a service.
    #[must_use]
    pub fn kept_name(&self) -> String {
        self.0.trim_start_matches('/').replace('/', "=")
    }

    /// Whether it is the other, or lies in it.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        self.as_path().starts_with(&other.0)
    }
}

impl fmt::Display for ServicePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Read for ServicePath {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        let text = String::read(value, findings)?;
        if let Err(reason) = check_plain(&text) {
            findings.tell(Rule::PathInvalid, &value.span(), format!("\"{}\": {reason}", text.escape_debug()));
            return None;
        }
        let path = Path::new(&text);
        if let Some(owner) = Self::FORBIDDEN.iter().find(|forbidden| path.starts_with(forbidden)) {
            findings.tell(Rule::PathForbidden, &value.span(), format!("{owner} does not belong to a service"));
            return None;
        }
        if TOO_MUCH.contains(&text.as_str()) {
            findings
                .tell(Rule::PathForbidden, &value.span(), format!("{text} belongs to more than one service"))
                .hint("Name what is in it and is the service's alone");
            return None;
        }
        Some(Self(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^(/[A-Za-z0-9_.+-]+)+$" })
    }
}

/// Permissions, as `chmod` takes them: `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(u16);

impl Mode {
    /// Those of a configuration file that has no secret in it.
    pub const FILE: Self = Self(0o644);
    /// Those of a directory of the service alone.
    pub const DIRECTORY: Self = Self(0o750);

    /// As a number.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether everybody on this computer may read it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.0 & 0o004 != 0
    }

    /// Whether everybody on this computer may write it.
    #[must_use]
    pub const fn is_writable_by_all(self) -> bool {
        self.0 & 0o002 != 0
    }
}

impl FromStr for Mode {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        const BAD: InvalidText = InvalidText("a mode is four octal digits in quotes, the first a 0, such as \"0640\"");
        if text.len() != 4 || !text.starts_with('0') || !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(BAD);
        }
        u16::from_str_radix(text, 8).map(Self).map_err(|_| BAD)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

text!(Mode, ModeInvalid, json!({ "type": "string", "pattern": "^0[0-7]{3}$" }));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for text in ["/etc/nginx/nginx.conf", "/var/lib/mumble-server"] {
            assert!(check_plain(text).is_ok(), "{text}");
        }
        for text in ["", "etc/x", "/", "//x", "/a/", "/a/../b", "/a/./b", "/a b", "/a%n", "/a$b", "/a:b", "/a\n", "/ä"]
        {
            assert!(check_plain(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn modes_are_octal_and_without_set_user_id() {
        assert_eq!("0640".parse::<Mode>().map(|mode| mode.to_string()).as_deref(), Ok("0640"));
        for text in ["", "640", "4755", "0888", "+640", "06400"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
        assert!(Mode::FILE.is_open() && !Mode::FILE.is_writable_by_all() && !Mode::DIRECTORY.is_open());
    }
}
