// SPDX-License-Identifier: GPL-3.0-or-later
//! Keys in files: from Tor, mkp224o and OnionShare, and back to Tor.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod exported;
mod imported;
mod samples;
mod with_tor;
