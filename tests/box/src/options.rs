// SPDX-License-Identifier: GPL-3.0-or-later
//! What a machine is started with.

use crate::disk::Medium;

/// Whether the machine has a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Only loopback.
    None,
    /// One other host, and no way from there.
    ToNeighbour,
}

/// Whether something is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stick {
    /// Nothing.
    None,
    /// A file system of its own at [`STICK`](crate::STICK).
    PluggedIn,
}

/// What a machine has beside loopback and a file system in memory.
///
/// # Examples
///
/// ```
/// let options = tails_box::Options::new().with_lan().with_disk();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(crate) cable: Cable,
    pub(crate) medium: Medium,
    pub(crate) stick: Stick,
}

impl Options {
    /// Nothing else.
    pub fn new() -> Self {
        Self { cable: Cable::None, medium: Medium::Memory, stick: Stick::None }
    }

    /// A network card, and another host on the other end of its cable.
    pub fn with_lan(self) -> Self {
        Self { cable: Cable::ToNeighbour, ..self }
    }

    /// A file system of its own at [`STICK`](crate::STICK): it is another one than the machine's, and the same after a reboot.
    pub fn with_stick(self) -> Self {
        Self { stick: Stick::PluggedIn, ..self }
    }

    /// A disk, of which the power can be cut.
    pub fn with_disk(self) -> Self {
        Self { medium: Medium::Disk, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
