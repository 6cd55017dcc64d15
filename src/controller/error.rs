// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a request was not carried out.

use tails_server_state::{InvalidRecord, ServiceName, StoreError};

/// Why a request was not carried out. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No service has this name.
    #[error("service \"{0}\" does not exist")]
    Unknown(ServiceName),
    /// Another service has this name.
    #[error("service \"{0}\" exists already, with other ports or options")]
    Exists(ServiceName),
    /// The wishes contradict one another.
    #[error(transparent)]
    Contradiction(#[from] InvalidRecord),
    /// It could not be made durable.
    #[error(transparent)]
    Store(StoreError),
    /// The system has no random numbers for a new key.
    #[error("the system has no random numbers for a new key")]
    Random(#[source] getrandom::Error),
    /// The controller is shutting down.
    #[error("the controller is shutting down")]
    Stopping,
    /// A mistake of ours.
    #[error("bug: {0}")]
    Bug(&'static str),
}

/// What sort of error a [`RequestError`] is, for faces that name errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// No such service.
    Unknown,
    /// The name is taken.
    Exists,
    /// The request makes no sense.
    Invalid,
    /// It could not be remembered.
    Store,
    /// Not now, or not at all.
    Failed,
}

impl RequestError {
    /// The sort of error.
    #[must_use]
    pub const fn kind(&self) -> RequestErrorKind {
        match self {
            Self::Unknown(_) => RequestErrorKind::Unknown,
            Self::Exists(_) => RequestErrorKind::Exists,
            Self::Contradiction(_) => RequestErrorKind::Invalid,
            Self::Store(_) => RequestErrorKind::Store,
            Self::Random(_) | Self::Stopping | Self::Bug(_) => RequestErrorKind::Failed,
        }
    }

    /// The next step for a person, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(_) => Some("See `tails-server list`".to_owned()),
            Self::Exists(name) => {
                Some(format!("Choose another name with --name, or remove it first: tails-server remove {name}"))
            }
            Self::Contradiction(_) => Some("Add --persistent, or leave out --autostart".to_owned()),
            Self::Store(error) => Some(error.hint()),
            Self::Stopping => Some("Try again once it has started again".to_owned()),
            Self::Random(_) | Self::Bug(_) => None,
        }
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Exists { name } = error {
            Self::Exists(name)
        } else if let StoreError::Unknown { name } = error {
            Self::Unknown(name)
        } else {
            Self::Store(error)
        }
    }
}
