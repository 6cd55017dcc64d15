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

mod address;
mod auth;
mod bootstrap;
mod client;
mod command;
mod connection;
mod cookie;
mod error;
mod event;
mod handshake;
mod hs_desc;
mod info;
mod lost;
mod refusal;
mod reply;
mod text;

pub use address::{ControlAddress, InvalidControlAddress};
pub use auth::{Credentials, Method, Password};
pub use bootstrap::{Bootstrap, BootstrapProblem, parse_bootstrap_phase};
pub use client::{Client, Events};
pub use command::AddOnion;
pub use cookie::CookieError;
pub use error::{CommandError, ConnectError};
pub use event::{Event, EventKind, Liveness, parse_event};
pub use hs_desc::{HsDescAction, HsDescEvent};
pub use info::{InfoKey, parse_onions};
pub use lost::ConnectionLost;
pub use refusal::Refusal;
