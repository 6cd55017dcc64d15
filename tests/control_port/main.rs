// SPDX-License-Identifier: GPL-3.0-or-later
//! The control protocol against peers that misbehave, and against a real tor without a network.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod accepted;
mod access;
mod circuits;
mod fetch;
mod hostile;
mod looks;
mod measure;
mod pace;
mod peer;
mod real;
mod services;
mod trust;
