// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor's control protocol, typed.
//!
//! torut reads PROTOCOLINFO and cuts the stream into replies; what a reply means, every command
//! line, the authentication and the errors are here. One [`Client`] is one authenticated connection: commands are
//! answered in the order in which they are given, many may be under way at once, and what Tor tells unasked comes out of
//! [`Events`]. A connection that misbehaves is dropped with a typed reason, never resynchronised: whoever needs Tor
//! connects again and looks afresh.
//!
//! Nothing else in this program writes a control line, and `command.rs` is the only file that builds one.

mod add_onion;
mod address;
mod auth;
mod bootstrap;
mod circuit;
mod client;
mod command;
mod connection;
mod cookie;
mod encoding;
mod error;
mod event;
mod fetch;
mod handshake;
mod hs_desc;
mod info;
mod listener;
mod lost;
mod refusal;
mod reply;
mod text;
mod time;
mod version;

pub use add_onion::{AddOnion, InvalidClients};
pub use address::{ControlAddress, InvalidControlAddress};
pub use auth::{Credentials, Method, Password};
pub use bootstrap::{Bootstrap, BootstrapProblem, parse_bootstrap_phase};
pub use circuit::{Circuit, CircuitId, CircuitPurpose, InvalidCircuits, parse_circuits};
pub use client::{Client, ClientAuthAdded, Events};
pub use cookie::CookieError;
pub use error::{CommandError, ConnectError};
pub use event::{ClockSource, Event, EventKind, Liveness, parse_event};
pub use fetch::{FetchOutcome, fetch_descriptor, fetch_descriptor_from};
pub use hs_desc::{HsDescAction, HsDescEvent};
pub use info::{InfoKey, parse_onions};
pub use listener::{Listener, parse_listeners};
pub use lost::ConnectionLost;
pub use refusal::Refusal;
pub use time::parse_time;
pub use version::{InvalidTorVersion, TorVersion, VersionStatus};
