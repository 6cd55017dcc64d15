// SPDX-License-Identifier: GPL-3.0-or-later
//! What goes wrong, when told to.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tails_server_state::OnionAddress;

use crate::controller::{AddOnionError, HostError, RemoveOnionError};

/// Errors that the simulated Tor answers with, each once and in order, before it behaves again.
#[derive(Debug, Default)]
pub struct Faults {
    /// Answers to the next requests to add a service.
    pub add: VecDeque<AddOnionError>,
    /// Services that end the control connection when they are added, always.
    pub fatal: BTreeSet<OnionAddress>,
    /// Answers to the next requests to remove a service.
    pub remove: VecDeque<RemoveOnionError>,
    /// Whether uploads of descriptors are never confirmed.
    pub uploads_hang: bool,
    /// Answers to the next acts of the host.
    pub host: VecDeque<HostError>,
    /// How long Tor takes to take a key for the service of somebody else.
    pub slow_keys: Duration,
}
