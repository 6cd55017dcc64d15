// SPDX-License-Identifier: GPL-3.0-or-later
//! What goes wrong, when told to.

use std::collections::VecDeque;
use std::time::Duration;

use crate::controller::{AddOnionError, RemoveOnionError};

/// Errors that the simulated Tor answers with, each once and in order, before it behaves again.
#[derive(Debug, Default)]
pub struct Faults {
    /// Answers to the next requests to add a service.
    pub add: VecDeque<AddOnionError>,
    /// Answers to the next requests to remove a service.
    pub remove: VecDeque<RemoveOnionError>,
    /// Whether uploads of descriptors are never confirmed.
    pub uploads_hang: bool,
    /// How long Tor takes to take a key for the service of somebody else.
    pub slow_keys: Duration,
}
