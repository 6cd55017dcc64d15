// SPDX-License-Identifier: GPL-3.0-or-later
//! Who may ask for what: every method passes here first.

mod callers;
mod polkit;

use std::sync::Arc;

use rustix::process::geteuid;
use zbus::message::Header;

use crate::bus::api::ApiError;
use crate::bus::door::callers::Callers;
pub(super) use crate::bus::door::callers::Visit;
use crate::bus::door::polkit::Polkit;
use crate::bus::meter::Users;

/// Nothing can be kept from root anyway.
const ROOT: u32 = 0;

/// What a method needs its caller to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Nothing: everybody who reaches the object may know.
    Anybody,
    /// To see addresses, and what only those need who connect.
    Inspect,
    /// To change what is wished.
    Manage,
    /// To see passwords and secret keys.
    Reveal,
}

impl Right {
    /// The action that polkit is asked about.
    const fn action(self) -> Option<&'static str> {
        match self {
            Self::Anybody => None,
            Self::Inspect => Some("org.boum.tails.Server1.inspect"),
            Self::Manage => Some("org.boum.tails.Server1.manage"),
            Self::Reveal => Some("org.boum.tails.Server1.reveal"),
        }
    }
}

/// The door of one connection.
#[derive(Debug, Clone)]
pub(super) struct Door(Arc<Guard>);

/// Who decides.
#[derive(Debug)]
enum Guard {
    /// Whoever accepted the connection has: peer to peer, where nobody is let in but this user and root.
    Accepted,
    /// The bus knows who calls: this user and root may do everything, nobody else anything.
    OwnUser(Callers),
    /// Polkit, but for this user and root.
    Polkit(Callers, Polkit),
}

impl Door {
    /// The door of a connection whose peer was let in when it was accepted.
    pub(super) fn accepted() -> Self {
        Self(Arc::new(Guard::Accepted))
    }

    /// The door to the bus of one person.
    pub(super) fn of_session_bus(users: Arc<Users>) -> Self {
        Self(Arc::new(Guard::OwnUser(Callers::new(users))))
    }

    /// The door to the bus of all people; polkit is asked over this connection.
    pub(super) async fn of_system_bus(users: Arc<Users>, asking: &zbus::Connection) -> zbus::Result<Self> {
        Ok(Self(Arc::new(Guard::Polkit(Callers::new(users), Polkit::new(asking).await?))))
    }

    /// Lets in whoever sent this call, if they have the right. Its carrying out counts as one of their calls until the
    /// visit is dropped.
    pub(super) async fn enter(&self, call: &Header<'_>, right: Right) -> Result<Visit, ApiError> {
        match &*self.0 {
            Guard::Accepted => Ok(Visit::uncounted()),
            Guard::OwnUser(callers) => {
                let (user, visit) = callers.admit(call).await?;
                if is_ours(user) { Ok(visit) } else { Err(refused()) }
            }
            Guard::Polkit(callers, polkit) => {
                let (user, visit) = callers.admit(call).await?;
                let is_free = right.action().is_none() || is_ours(user);
                if is_free || polkit.allows(call, user, right).await? { Ok(visit) } else { Err(refused()) }
            }
        }
    }
}

/// Whether a user is root or the one that the controller runs as.
pub(super) fn is_ours(user: u32) -> bool {
    user == ROOT || user == geteuid().as_raw()
}

fn refused() -> ApiError {
    ApiError::NotAuthorized(
        "you are not allowed to do that\nRun it as root, with sudo, or have yourself put into the group tails-server-admin"
            .to_owned(),
    )
}
