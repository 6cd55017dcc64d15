// SPDX-License-Identifier: GPL-3.0-or-later
//! What a system that watches Tor itself tells the controller.

use super::ApiError;

/// Have the controller look at Tor at once, seen from a client.
#[zbus::proxy(
    interface = "org.boum.tails.Server1.Hooks",
    default_service = "org.boum.tails.Server1",
    default_path = "/org/boum/tails/Server1"
)]
pub trait Hooks {
    /// Tor was started, or has bootstrapped.
    fn tor_is_up(&self) -> Result<(), ApiError>;

    /// Tor was stopped, or has lost the network.
    fn tor_is_lost(&self) -> Result<(), ApiError>;
}
