// SPDX-License-Identifier: GPL-3.0-or-later
//! A private Tor network on 127.0.0.1, for the tests and the demonstration.
//!
//! [`Network::start`] brings up three directory authorities and three relays and waits for their
//! consensus; [`Network::tor`] adds a tor in the role of an onion service host or of a client.
//! Everything is a real `tor`, and none of them can leave the machine. The interface is blocking:
//! from async code use it in `spawn_blocking`.
//!
//! What is started here also ends here: on drop, and, because a guard process watches over each
//! directory, when the owner exits without a drop or is killed.
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//! use tornet::{Network, TorOptions, Website, socks};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::start()?;
//! let host = network.tor(TorOptions::host())?;
//! let client = network.tor(TorOptions::client())?;
//! host.wait_bootstrapped(Duration::from_secs(30))?;
//!
//! let website = Website::start("hello")?;
//! let mut control = host.control()?;
//! let reply = control.command(&format!(
//!     "ADD_ONION NEW:ED25519-V3 Flags=DiscardPK Port=80,127.0.0.1:{}",
//!     website.port()
//! ))?;
//! let address = format!("{}.onion", reply[0].trim_start_matches("ServiceID="));
//! let page = socks::fetch_until(client.socks_port(), &address, 80, "/", Duration::from_secs(60))?;
//! assert_eq!(page, "hello");
//! # Ok(())
//! # }
//! ```

mod authority;
mod consensus;
mod control;
mod diagnosis;
mod error;
mod filter;
mod guard;
mod network;
mod node;
mod observer;
mod options;
mod ports;
pub mod socks;
mod tor;
mod torrc;
mod uploads;
mod wait;
mod website;

pub use control::{Control, ControlError};
pub use error::Error;
pub use filter::{Filter, Profile, ProfileError};
pub use network::Network;
pub use observer::Observer;
pub use options::{Authentication, TorOptions};
pub use tor::Tor;
pub use wait::wait_until;
pub use website::Website;
