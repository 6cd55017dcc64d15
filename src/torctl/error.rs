// SPDX-License-Identifier: GPL-3.0-or-later
//! Why connecting or a command failed.

use std::io;
use std::path::PathBuf;

use super::add_onion::InvalidClients;
use super::address::ControlAddress;
use super::circuit::InvalidCircuits;
use super::cookie::CookieError;
use super::lost::ConnectionLost;
use super::refusal::Refusal;

/// Why there is no connection to Tor. [`ConnectError::hint`] says what people can do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no such socket: Tor is not running, or is configured otherwise.
    #[error("there is no control socket at {address}")]
    NoSocket {
        /// Where.
        address: ControlAddress,
    },
    /// Nobody listens: Tor is not running. The file of a unix socket outlives a Tor that was killed.
    #[error("nobody listens at {address}")]
    NobodyListens {
        /// Where.
        address: ControlAddress,
    },
    /// This program's user may not connect.
    #[error("not permitted to connect to {address}")]
    NotPermitted {
        /// Where.
        address: ControlAddress,
    },
    /// The address is not on this machine.
    #[error("{address} is not on this machine")]
    NotLocal {
        /// Where.
        address: ControlAddress,
    },
    /// Connecting failed otherwise.
    #[error("cannot connect to {address}")]
    Unreachable {
        /// Where.
        address: ControlAddress,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// What listens there does not answer as Tor does, or offers a way to authenticate that this program does not know.
    #[error("what listens at {address} does not answer as Tor's control port does")]
    NotTor {
        /// Where.
        address: ControlAddress,
        /// What was wrong with the answer.
        #[source]
        cause: ConnectionLost,
    },
    /// The connection ended while it was made: Tor is stopping, perhaps.
    #[error("the connection to {address} ended before it was of use")]
    Lost {
        /// Where.
        address: ControlAddress,
        /// Why.
        #[source]
        cause: ConnectionLost,
    },
    /// No answer, or half of one.
    #[error("what listens at {address} did not answer in time")]
    TimedOut {
        /// Where.
        address: ControlAddress,
    },
    /// The file with the cookie can not be read.
    #[error("cannot use the authentication cookie {}", path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: CookieError,
    },
    /// Tor takes nothing that we have.
    #[error("Tor at {address} accepts only other ways to authenticate: {offered}")]
    NoCommonMethod {
        /// Where.
        address: ControlAddress,
        /// What Tor accepts, by its own names.
        offered: String,
    },
    /// It asks for no proof and gives none, on a port where any local user can listen.
    #[error("whoever listens at {address} does not prove that it is Tor")]
    Unproven {
        /// Where.
        address: ControlAddress,
    },
    /// Whoever answers does not know the cookie: it is not the Tor that wrote it.
    #[error("what listens at {address} could not prove that it is Tor")]
    WrongServerHash {
        /// Where.
        address: ControlAddress,
    },
    /// Tor did not accept the cookie or the password.
    #[error("Tor at {address} refused the authentication")]
    Refused {
        /// Where.
        address: ControlAddress,
        /// What Tor said.
        #[source]
        refusal: Refusal,
    },
    /// The configured password is longer than any that Tor is given.
    #[error("the configured password is too long")]
    LongPassword,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Randomness(#[source] getrandom::Error),
}

impl ConnectError {
    /// What people can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSocket { .. } => Some("Start Tor, or name its ControlSocket or ControlPort in the configuration"),
            Self::NobodyListens { .. } => Some("Start Tor; it may have just stopped"),
            Self::NotPermitted { .. } => Some("Add the user of this program to the group debian-tor"),
            Self::NotLocal { .. } => Some("Name a control port on 127.0.0.1 or [::1]"),
            Self::NotTor { .. } => Some("Compare the address with ControlPort and ControlSocket in torrc"),
            Self::Cookie { cause: CookieError::Read(cause), .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                Some("Add the user of this program to the group debian-tor")
            }
            Self::Cookie { .. } => Some("Compare the path with CookieAuthFile in torrc"),
            Self::NoCommonMethod { .. } => Some("Set CookieAuthentication 1 in torrc, or configure the password"),
            Self::Unproven { .. } => Some("Set CookieAuthentication 1 in torrc, or use Tor's ControlSocket"),
            Self::WrongServerHash { .. } => Some("Another program may pretend to be Tor, or Tor was just restarted"),
            Self::Refused { .. } => Some("Check the configured password or cookie file"),
            Self::TimedOut { .. } => Some("Tor may be overloaded or stopped; see its log"),
            Self::LongPassword | Self::Unreachable { .. } | Self::Lost { .. } | Self::Randomness(_) => None,
        }
    }
}

/// Why a command failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The connection ended first. Whether Tor acted on the command is unknown.
    #[error("the connection to Tor was lost during {command}")]
    Lost {
        /// The command.
        command: &'static str,
        /// Why it ended.
        #[source]
        cause: ConnectionLost,
    },
    /// Tor said no.
    #[error("Tor refused {command}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What Tor said.
        #[source]
        refusal: Refusal,
    },
    /// Tor gave the service another address than its key has; what it made is deleted again.
    #[error("Tor gave the onion service another address than its key has")]
    WrongServiceId,
    /// Tor did not let in exactly the clients that were asked for; what it made is deleted again.
    #[error("Tor gave the onion service other clients than were asked for")]
    WrongClients,
    /// Tor was not asked: no such service can be made.
    #[error("Tor was not given the onion service")]
    Clients(#[from] InvalidClients),
    /// Tor's list of circuits is not understood: nobody knows what is missing in it.
    #[error("Tor's list of circuits is of no use")]
    Circuits(#[from] InvalidCircuits),
    /// There are always new circuits of visitors; is the service still there?
    #[error("visitors of the onion service come faster than they can be sent away")]
    VisitorsKeepComing {
        /// How many circuits were closed.
        closed: u32,
    },
    /// An argument that can not be on a control line; the types of the arguments should have excluded it.
    #[error("bug: an argument of {command} can not be written")]
    Argument {
        /// The command.
        command: &'static str,
    },
}

impl CommandError {
    /// What Tor said, if it is Tor that said no.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Lost { .. }
            | Self::WrongServiceId
            | Self::WrongClients
            | Self::Clients(_)
            | Self::Circuits(_)
            | Self::VisitorsKeepComing { .. }
            | Self::Argument { .. } => None,
        }
    }
}
