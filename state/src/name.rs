// SPDX-License-Identifier: GPL-3.0-or-later
//! The name of a service.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a service: `[a-z][a-z0-9-]{0,31}`, hence safe in a path, a D-Bus path and a unit name.
///
/// # Examples
/// ```
/// use tails_server_state::ServiceName;
///
/// let name: ServiceName = "mumble".parse()?;
/// assert_eq!(name.as_str(), "mumble");
/// assert!("../etc".parse::<ServiceName>().is_err());
/// # Ok::<(), tails_server_state::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

impl ServiceName {
    /// The longest name, in bytes.
    // A D-Bus path element and a unit name both take far more; a person reads this in a table column.
    pub const MAX_BYTES: usize = 32;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// Whether a text has the form of a name.
pub(crate) fn check(text: &str) -> Result<(), InvalidName> {
    let mut bytes = text.bytes();
    let Some(first) = bytes.next() else {
        return Err(InvalidName::Empty);
    };
    if text.len() > ServiceName::MAX_BYTES {
        return Err(InvalidName::TooLong);
    }
    if !first.is_ascii_lowercase() {
        return Err(InvalidName::Start);
    }
    if !bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err(InvalidName::Character);
    }
    Ok(())
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Why a text is no [`ServiceName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing there.
    #[error("a service name is not empty")]
    Empty,
    /// More than [`ServiceName::MAX_BYTES`].
    #[error("a service name has at most {} characters", ServiceName::MAX_BYTES)]
    TooLong,
    /// Digits, capitals and hyphens do not start a name.
    #[error("a service name starts with a small letter")]
    Start,
    /// A character outside the set.
    #[error("a service name has only small letters, digits and hyphens")]
    Character,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for (text, reason) in [
            ("", InvalidName::Empty),
            ("1mumble", InvalidName::Start),
            ("-mumble", InvalidName::Start),
            ("Mumble", InvalidName::Start),
            ("mümble", InvalidName::Character),
            ("mumble/../x", InvalidName::Character),
            ("mumble@.service", InvalidName::Character),
            ("mumble\n", InvalidName::Character),
            ("mum ble", InvalidName::Character),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", InvalidName::TooLong),
        ] {
            assert_eq!(text.parse::<ServiceName>(), Err(reason), "{text:?}");
        }
        for text in ["a", "mumble", "web-8080", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(text.parse::<ServiceName>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_file_cannot_smuggle_in_what_parsing_refuses() {
        assert!(serde_json::from_str::<ServiceName>(r#""../x""#).is_err());
    }
}
