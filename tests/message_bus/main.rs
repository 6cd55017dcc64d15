// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller on a real message bus of its own, spoken with by busctl, Python, and floods.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

#[path = "../offline/given.rs"]
#[expect(dead_code, reason = "what begins without a bus is for the other stories")]
mod given;
#[path = "../e2e/harness.rs"]
#[expect(dead_code, reason = "what needs the network is for the tests with visitors")]
mod harness;

mod contract;
mod flood;
mod follow;
mod house;
mod others;
