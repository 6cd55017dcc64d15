// SPDX-License-Identifier: GPL-3.0-or-later
//! The real ports: Tor over its control port, and who listens on this machine.

mod check;
mod control_source;
mod listening;
mod managed_tor;
mod no_host;
mod tor;
mod units;

pub use control_source::{ControlSource, SYSTEM_CONTROL_SOCKETS};
pub use listening::SocketTables;
pub use managed_tor::{ManagedTor, ManagedTorSettings};
pub use no_host::NoHost;
pub use tor::ControlPort;
pub use units::{Units, UnitsPlaces};
