// SPDX-License-Identifier: GPL-3.0-or-later
//! Which Tor to speak with.

use tracing::{info, warn};

use crate::adapters::managed_tor::{ManagedTor, ManagedTorError};
use crate::controller::TorProblem;
use crate::errors::with_causes;
use crate::torctl::{Client, ConnectError, ControlAddress, Credentials};

/// Where Debian, Tails and Tor itself put the control port of a system's Tor, in the order in which they are tried.
pub const SYSTEM_CONTROL_SOCKETS: &[&str] = &["unix:/run/tor/control", "tcp:127.0.0.1:9051"];

/// The Tor that the controller speaks with.
#[derive(Debug)]
pub enum ControlSource {
    /// The Tor at this address, whoever runs it.
    Fixed(ControlAddress),
    /// A Tor of our own.
    Managed(ManagedTor),
    /// The system's Tor if it answers when the controller first looks, else one of our own, until the controller ends.
    Auto(ManagedTor),
}

impl ControlSource {
    /// The address to connect to now. Starts our own Tor if it does not run.
    pub(super) async fn address(&mut self, credentials: &Credentials) -> Result<ControlAddress, TorProblem> {
        if let Self::Auto(_) = self {
            match system_tor(credentials).await {
                Some(address) => *self = Self::Fixed(address),
                None => self.fall_back(),
            }
        }
        match self {
            Self::Fixed(address) => Ok(address.clone()),
            Self::Managed(tor) | Self::Auto(tor) => tor.ensure_running().map_err(ManagedTorError::into_problem),
        }
    }

    /// Whether the Tor at the address is a child of ours, which ends with the control connection.
    pub(super) const fn owns_tor(&self) -> bool {
        matches!(self, Self::Managed(_))
    }

    /// Why it could not be connected to, in words for people.
    pub(super) fn explain(&mut self, cause: &ConnectError) -> TorProblem {
        if let Self::Managed(tor) = self
            && let Some(problem) = tor.why_not()
        {
            return problem;
        }
        TorProblem { message: with_causes(cause), hint: cause.hint().map(Into::into) }
    }

    /// Ends our own Tor.
    pub(super) async fn end(&mut self) {
        match self {
            Self::Fixed(_) => (),
            Self::Managed(tor) | Self::Auto(tor) => tor.end().await,
        }
    }

    fn fall_back(&mut self) {
        let this = std::mem::replace(self, Self::Fixed(ControlAddress::Unix("/".into())));
        *self = match this {
            Self::Auto(tor) => {
                info!("no system Tor answers; starting one of our own");
                Self::Managed(tor)
            }
            this @ (Self::Fixed(_) | Self::Managed(_)) => this,
        };
    }
}

/// The address of a system's Tor that answers and lets us in.
async fn system_tor(credentials: &Credentials) -> Option<ControlAddress> {
    for text in SYSTEM_CONTROL_SOCKETS {
        let Ok(address) = text.parse::<ControlAddress>() else { continue };
        match Client::connect(&address, credentials).await {
            Ok(_) => return Some(address),
            Err(ConnectError::NoSocket { .. } | ConnectError::NobodyListens { .. }) => (),
            Err(cause) => warn!(address = text, %cause, "the system's Tor does not let us in"),
        }
    }
    None
}
