// SPDX-License-Identifier: GPL-3.0-or-later
//! The real programs from end to end: our binaries, a real tor in a private network, real visitors.
//!
//! Each test has controllers of its own, and a host tor of its own if it does anything to it; the network and the
//! visitors' tor are shared.
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod access;
mod authentication;
mod claims;
mod clock;
mod fetch;
mod filter;
mod harness;
mod listeners;
mod lives;
mod managed;
#[path = "../offline/manager.rs"]
#[expect(dead_code, reason = "the tests without a network ask for more")]
mod manager;
mod neighbours;
mod other_filters;
mod outage;
mod publish;
mod removal;
mod restarts;
mod sessions;
mod site;
mod streams;
mod wishes;
mod witness;
