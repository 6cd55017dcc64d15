// SPDX-License-Identifier: GPL-3.0-or-later
//! The real programs without any network: our binaries, a real tor that stays offline, and peers that misbehave.
//!
//! What needs root (mounts, another user) fails without it, unless `TAILS_SERVER_WITHOUT_ROOT` says to leave it out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

#[path = "../e2e/harness.rs"]
#[expect(dead_code, reason = "what needs the network is for the tests with visitors")]
mod harness;

#[path = "../matrix/model.rs"]
#[expect(dead_code, reason = "the matrix looks at more of it")]
mod model;
#[path = "../matrix/tor.rs"]
#[expect(dead_code, reason = "the matrix has it fail in more ways")]
mod tor;

mod asking;
mod backup;
mod clients;
mod closed;
mod completion;
mod damage;
mod declared;
mod described;
mod disk;
mod doctor;
mod end;
mod files;
mod given;
mod hostile;
mod input;
mod invitations;
mod keys;
mod killed;
mod log;
mod manager;
mod output;
mod peer;
mod persistence;
mod places;
mod plan;
mod settings;
mod simulated;
mod supervised;
mod terminal;
mod trust;
mod typed;
mod volume;
mod words;
