// SPDX-License-Identifier: GPL-3.0-or-later
//! The store, from outside: what it promises, and what it does when crashed, cut off, damaged, full or refused.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

#[path = "store/access.rs"]
mod access;
#[path = "store/backup.rs"]
mod backup;
#[path = "store/churn.rs"]
mod churn;
#[path = "store/crash.rs"]
mod crash;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/farewells.rs"]
mod farewells;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/full.rs"]
mod full;
#[path = "store/given.rs"]
mod given;
#[path = "store/moves.rs"]
mod moves;
#[path = "store/options.rs"]
mod options;
#[path = "store/power.rs"]
mod power;
#[path = "store/promises.rs"]
mod promises;
#[path = "store/refused.rs"]
mod refused;
#[path = "store/root.rs"]
mod root;
#[path = "store/scrubbed.rs"]
mod scrubbed;
#[path = "store/secrecy.rs"]
mod secrecy;
#[path = "store/speed.rs"]
mod speed;
#[path = "store/together.rs"]
mod together;
