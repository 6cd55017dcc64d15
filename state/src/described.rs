// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wished of a service beyond its ports, if a descriptor says what it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// What listens on a port of this computer; a person starts the server.
    Published,
    /// What the descriptor of the same name describes.
    Described(LocalAccess),
}

impl ServiceKind {
    /// Whether a descriptor says what it is.
    #[must_use]
    pub const fn is_described(&self) -> bool {
        matches!(self, Self::Described(_))
    }
}

/// Who reaches a service without Tor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalAccess {
    /// Programs on this computer.
    pub localhost: Allow,
    /// Computers in the local network.
    pub lan: Allow,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// The name of an option: `[a-z][a-z0-9-]{0,39}`.
///
/// # Examples
/// ```
/// use tails_server_state::OptionName;
///
/// assert_eq!("welcome-message".parse::<OptionName>()?.as_str(), "welcome-message");
/// assert!("../x".parse::<OptionName>().is_err());
/// # Ok::<(), tails_server_state::InvalidOptionName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionName(String);

impl OptionName {
    /// The longest name, in bytes: as in a descriptor.
    pub const MAX_BYTES: usize = 40;

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OptionName {
    type Err = InvalidOptionName;

    fn from_str(text: &str) -> Result<Self, InvalidOptionName> {
        let fits = text.len() <= Self::MAX_BYTES
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidOptionName) }
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A text is no [`OptionName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an option has small letters, digits and hyphens in its name, at most {}", OptionName::MAX_BYTES)]
pub struct InvalidOptionName;

/// The value of an option, as people give it. It may be a password: `Debug` hides it, and there is no `Display`.
#[derive(PartialEq, Eq)]
pub struct OptionText(Zeroizing<String>);

impl OptionText {
    /// This text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OptionText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OptionText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_and_a_value_is_in_no_debug_text() {
        for right in ["a", "server-password", "x2", &"a".repeat(40)] {
            assert_eq!(right.parse::<OptionName>().unwrap().as_str(), right);
        }
        for wrong in ["", "A", "2x", "-a", "a/b", "a b", "ü", &"a".repeat(41)] {
            assert!(wrong.parse::<OptionName>().is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", OptionText::new("hunter2")), "OptionText(..)");
    }
}
