// SPDX-License-Identifier: GPL-3.0-or-later
//! The name of a client.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{self, InvalidName, ServiceName};

/// What a client of a service is called here: `[a-z][a-z0-9-]{0,31}`, as a [`ServiceName`]. Nobody else learns it.
///
/// # Examples
/// ```
/// use tails_server_state::ClientName;
///
/// let name: ClientName = "alice".parse()?;
/// assert_eq!(name.as_str(), "alice");
/// assert!("Alice & Bob".parse::<ClientName>().is_err());
/// # Ok::<(), tails_server_state::InvalidClientName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientName(String);

impl ClientName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = ServiceName::MAX_BYTES;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidClientName;

    fn from_str(text: &str) -> Result<Self, InvalidClientName> {
        name::check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ClientName {
    type Error = InvalidClientName;

    fn try_from(text: String) -> Result<Self, InvalidClientName> {
        text.parse()
    }
}

impl From<ClientName> for String {
    fn from(name: ClientName) -> Self {
        name.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Why a text is no [`ClientName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientName {
    /// Nothing there.
    #[error("a client name is not empty")]
    Empty,
    /// More than [`ClientName::MAX_BYTES`].
    #[error("a client name has at most {} characters", ClientName::MAX_BYTES)]
    TooLong,
    /// Digits, capitals and hyphens do not start a name.
    #[error("a client name starts with a small letter")]
    Start,
    /// A character outside the set.
    #[error("a client name has only small letters, digits and hyphens")]
    Character,
}

impl From<InvalidName> for InvalidClientName {
    fn from(reason: InvalidName) -> Self {
        match reason {
            InvalidName::Empty => Self::Empty,
            InvalidName::TooLong => Self::TooLong,
            InvalidName::Start => Self::Start,
            InvalidName::Character => Self::Character,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_that_of_services() {
        for (text, reason) in [
            ("", InvalidClientName::Empty),
            ("Alice", InvalidClientName::Start),
            ("alice/../x", InvalidClientName::Character),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", InvalidClientName::TooLong),
        ] {
            assert_eq!(text.parse::<ClientName>(), Err(reason), "{text:?}");
        }
        assert_eq!("alice-2".parse::<ClientName>().unwrap().to_string(), "alice-2");
        assert!(serde_json::from_str::<ClientName>(r#""../x""#).is_err());
    }
}
