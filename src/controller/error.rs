// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a request was not carried out.

use tails_server_state::{InvalidRecord, ServiceName, StoreError};

use crate::controller::archive::InvalidArchive;
use crate::controller::ports::HostError;
use crate::controller::repertoire::Unavailable;
use crate::descriptor::{InvalidValue, RenderError};

/// Why a request was not carried out. Nothing was changed then, but for [`RequestError::Postponed`] and
/// [`RequestError::Host`].
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
    /// What is forgotten at shutdown can not start after a boot.
    #[error("autostart needs persistence: \"{0}\" is forgotten when this computer shuts down")]
    Forgets(ServiceName),
    /// A default that opens a service to everybody.
    #[error("by default \"{0}\" is open to everybody, and it is not now")]
    WouldOpen(ServiceName),
    /// It could not be made durable.
    #[error(transparent)]
    Store(StoreError),
    /// It is no backup that can be restored.
    #[error(transparent)]
    Archive(#[from] InvalidArchive),
    /// The system has no random numbers for a new key.
    #[error("the system has no random numbers for a new key")]
    Random(#[source] getrandom::Error),
    /// It is not among the services that can be had here.
    #[error("service \"{name}\" can not be had: {cause}")]
    Unavailable {
        /// The service.
        name: ServiceName,
        /// Why not.
        cause: Unavailable,
    },
    /// The service has no such option.
    #[error("service \"{service}\" has no option \"{option}\"")]
    UnknownOption {
        /// The service.
        service: ServiceName,
        /// What was taken for an option.
        option: String,
        /// The option that was most likely meant.
        similar: Option<String>,
    },
    /// The value does not fit the option.
    #[error("that is no value of \"{option}\"")]
    Value {
        /// The option.
        option: String,
        /// Why not.
        #[source]
        reason: InvalidValue,
    },
    /// The server could not be told of the value.
    #[error("the server could not be given this value")]
    CannotRender(#[source] RenderError),
    /// The wishes can not be told to the helper.
    #[error(transparent)]
    CannotWish(#[from] crate::controller::wishes::CannotWish),
    /// The port on the onion service is that of another port of the service.
    #[error("two ports of the service would be {0}")]
    PortTaken(tails_server_state::VirtualPort),
    /// The text is no number of a port.
    #[error(transparent)]
    Port(#[from] tails_server_state::InvalidPort),
    /// What is enabled is not uninstalled.
    #[error("service \"{0}\" is enabled")]
    StillEnabled(ServiceName),
    /// Nothing was installed for it.
    #[error("nothing is installed for service \"{0}\"")]
    NothingInstalled(ServiceName),
    /// It has no server of ours.
    #[error("service \"{0}\" has no server that Tails Server would install")]
    NothingToInstall(ServiceName),
    /// Nobody has asked for it.
    #[error("the server of \"{0}\" is not being installed")]
    NotInstalling(ServiceName),
    /// The host can not be asked. It is done once it can be.
    #[error("the server of \"{0}\" is not installed yet: the system's services can not be asked now")]
    InstalledLater(ServiceName),
    /// The host did not do it.
    #[error("the server of \"{name}\" is not installed")]
    NotInstalled {
        /// The service.
        name: ServiceName,
        /// Why not.
        #[source]
        cause: HostError,
    },
    /// The host can not be asked. It is remembered, and done once it can be.
    #[error("service \"{0}\" is not uninstalled yet: the system's services can not be asked now")]
    Postponed(ServiceName),
    /// The host did not do it. It is remembered, and tried again.
    #[error("service \"{name}\" is not uninstalled yet")]
    Host {
        /// The service.
        name: ServiceName,
        /// Why not.
        #[source]
        cause: HostError,
    },
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
    /// It is remembered, and done later.
    Postponed,
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
            Self::Contradiction(_)
            | Self::Forgets(_)
            | Self::WouldOpen(_)
            | Self::UnknownOption { .. }
            | Self::Value { .. }
            | Self::CannotRender(_)
            | Self::PortTaken(_)
            | Self::Port(_)
            | Self::StillEnabled(_)
            | Self::Archive(_)
            | Self::NothingInstalled(_)
            | Self::NothingToInstall(_)
            | Self::NotInstalling(_) => RequestErrorKind::Invalid,
            Self::Store(_) => RequestErrorKind::Store,
            Self::Postponed(_) | Self::InstalledLater(_) => RequestErrorKind::Postponed,
            Self::Random(_)
            | Self::Stopping
            | Self::Unavailable { .. }
            | Self::CannotWish(_)
            | Self::Host { .. }
            | Self::NotInstalled { .. }
            | Self::Bug(_) => RequestErrorKind::Failed,
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
            Self::Forgets(name) => Some(format!("Switch it on first: tails-server set-option {name} persistence on")),
            Self::WouldOpen(name) => {
                Some(format!("To open it: tails-server set-option {name} client-authorization off"))
            }
            Self::Archive(error) => Some(error.hint()),
            Self::Store(error) => Some(error.hint()),
            Self::Stopping => Some("Try again once it has started again".to_owned()),
            Self::Unavailable { cause, .. } => Some(cause.hint()),
            Self::UnknownOption { service, similar, .. } => {
                let all = format!("See `tails-server info {service} --details` for all of them");
                Some(similar.as_ref().map_or(all.clone(), |similar| format!("Did you mean \"{similar}\"? {all}")))
            }
            Self::Value { option, .. } => {
                Some(format!("What fits \"{option}\" is in `tails-server info NAME --details`"))
            }
            Self::CannotRender(_) => Some("Leave out quotes, backslashes and line breaks".to_owned()),
            Self::PortTaken(_) => Some("Choose another one".to_owned()),
            Self::Port(_) => Some("Give a number from 1 to 65535".to_owned()),
            Self::StillEnabled(name) => Some(format!("Disable it first: tails-server disable {name}")),
            Self::NothingInstalled(name) => Some(format!("To forget it: tails-server remove {name}")),
            Self::NothingToInstall(_) => Some("See what there is: tails-server list".to_owned()),
            Self::NotInstalling(name) => Some(format!("To install it: tails-server install {name}")),
            Self::Postponed(_) | Self::InstalledLater(_) => {
                Some("It is done by itself once they answer; see `systemctl status`".to_owned())
            }
            Self::Host { cause: HostError::Failed { hint, .. }, .. }
            | Self::NotInstalled { cause: HostError::Failed { hint, .. }, .. } => hint.clone(),
            Self::Host { .. } | Self::NotInstalled { .. } | Self::CannotWish(_) | Self::Random(_) | Self::Bug(_) => {
                None
            }
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
