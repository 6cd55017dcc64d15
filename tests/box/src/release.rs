// SPDX-License-Identifier: GPL-3.0-or-later
//! Which Debian.

use std::fmt;

/// A release of Debian that we can boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// Debian 12; Tails 6 is based on it.
    Bookworm,
    /// Debian 13; Tails 7 is based on it.
    Trixie,
}

impl Release {
    /// All of them, the oldest first.
    pub const ALL: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// The name of its suite in the archive.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bookworm => "Debian 12",
            Self::Trixie => "Debian 13",
        })
    }
}
