// SPDX-License-Identifier: GPL-3.0-or-later
//! What is to be uninstalled.

/// Why the server of a service is to be uninstalled, and its data deleted. Remembered until that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Uninstall {
    /// It was asked for. Whoever enables the service meanwhile has it back, with its data.
    Asked,
    /// The service was removed. Another one of its name begins without its data, so this comes first.
    Removed,
}
