// SPDX-License-Identifier: GPL-3.0-or-later
//! The simulated ports: a machine with a Tor that behaves, or misbehaves as told, and tells nobody outside.
//!
//! It serves speed and fault injection in the tests, and `tails-serverd --sim` for whoever builds a face. It proves
//! nothing about Tor.

mod faults;
mod host;
mod listening;
mod machine;
mod tor;

pub use faults::Faults;
pub use host::SimulatedHost;
pub use listening::SimulatedListening;
pub use machine::Machine;
pub use tor::SimulatedTor;
