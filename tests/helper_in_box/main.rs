// SPDX-License-Identifier: GPL-3.0-or-later
//! The privileged helper on a real Debian. The controller is played by the test: it writes wishes as its user, and has the
//! units started over the system bus, so that polkit decides.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests may fail by panicking"
)]

mod apt;
mod choices;
mod durable;
mod edited;
mod host;
mod killed;
mod last_words;
mod mumble;
mod numbers;
mod rights;
mod services;
mod tails;
mod tails_firewall;
