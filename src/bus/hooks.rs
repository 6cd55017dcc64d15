// SPDX-License-Identifier: GPL-3.0-or-later
//! What a system that watches Tor itself tells the controller, at the manager's path.

use tracing::info;
use zbus::message::Header;

use crate::bus::api::ApiError;
use crate::bus::door::Right;
use crate::bus::face::Face;

/// One more interface of the object at [`crate::bus::api::MANAGER_PATH`].
#[derive(Debug)]
pub(super) struct Hooks {
    face: Face,
}

impl Hooks {
    pub(super) const fn new(face: Face) -> Self {
        Self { face }
    }

    // Both are the same to the controller: it believes nobody, and looks.
    async fn look(&self, call: &Header<'_>, told: &str) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(call, Right::Manage).await?;
        info!(told, "a hook tells of Tor");
        Ok(self.face.controller.look_at_tor().await?)
    }
}

/// Make the controller look at Tor at once. It looks by itself, too: what is told is not believed, and may be told twice, late
/// or in the wrong order.
#[zbus::interface(interface = "org.boum.tails.Server1.Hooks")]
impl Hooks {
    /// Says that Tor was started, or has bootstrapped. Answered before it was looked. Needs `manage`.
    async fn tor_is_up(&self, #[zbus(header)] call: Header<'_>) -> Result<(), ApiError> {
        self.look(&call, "tor-is-up").await
    }

    /// Says that Tor was stopped, or has lost the network. Answered before it was looked. Needs `manage`.
    async fn tor_is_lost(&self, #[zbus(header)] call: Header<'_>) -> Result<(), ApiError> {
        self.look(&call, "tor-is-lost").await
    }
}
