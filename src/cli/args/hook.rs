// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server hook`

use clap::ValueEnum;

pub(super) const HELP: &str = "\
The controller watches Tor by itself: told by nobody, it does the same a little later. It believes no hook, and looks. It is \
not started for that, and who tells it waits two seconds at most.

Examples:
  tails-server hook tor-is-up            it looks whether there is a Tor again, without a pause
  tails-server hook tor-is-lost          it looks whether Tor is still there";

/// What has become of Tor, by the word of a system that watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// It was started, or has bootstrapped
    TorIsUp,
    /// It was stopped, or has lost the network
    TorIsLost,
}
