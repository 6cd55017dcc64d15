// SPDX-License-Identifier: GPL-3.0-or-later
//! Descriptors: those that are shipped, broken ones, hostile values, catalogues, and the two verbs that are about them.
//!
//! With `TAILS_SERVER_BLESS=1` the recorded files are written anew: then read the difference before it is committed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod catalogue;
mod guide;
mod invalid;
mod readers;
mod samples;
mod schema;
mod shipped;
mod values;
mod verbs;
