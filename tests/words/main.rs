// SPDX-License-Identifier: GPL-3.0-or-later
//! What people read: every message is in the template `contrib/po/tails-server.pot`, every translation is whole, and nothing
//! that the command line says goes past them.
//!
//! With `TAILS_SERVER_BLESS=1` the template is written anew: then read the difference, and have the translations follow it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "../e2e/harness.rs"]
#[expect(dead_code, reason = "what needs the network is for the tests with visitors")]
mod harness;

mod bypass;
mod po;
mod source;
mod spoken;
mod template;
mod translations;
