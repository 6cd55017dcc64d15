// SPDX-License-Identifier: GPL-3.0-or-later
//! Where the controller is to be found.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the controller is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// Directly, over this unix socket.
    Unix(PathBuf),
    /// On the session bus.
    Session,
    /// On the system bus.
    System,
}

impl FromStr for BusAddress {
    type Err = InvalidBusAddress;

    fn from_str(text: &str) -> Result<Self, InvalidBusAddress> {
        match text {
            "session" => Ok(Self::Session),
            "system" => Ok(Self::System),
            _ => match text.strip_prefix("unix:").map(PathBuf::from) {
                Some(path) if path.is_absolute() => Ok(Self::Unix(path)),
                Some(_) => Err(InvalidBusAddress::Relative),
                None => Err(InvalidBusAddress::Form),
            },
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Session => formatter.write_str("session"),
            Self::System => formatter.write_str("system"),
        }
    }
}

/// Why a text is no [`BusAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBusAddress {
    /// None of the three forms.
    #[error("a bus is unix:PATH, session or system")]
    Form,
    /// A path that depends on where the program was started.
    #[error("the path of the socket is absolute")]
    Relative,
}
