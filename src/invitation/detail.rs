// SPDX-License-Identifier: GPL-3.0-or-later
//! What else it takes to connect: a password, a fingerprint.

use std::fmt;

use zeroize::Zeroizing;

use super::line::{self, InvalidLine};

/// One thing that a person needs to know to connect: `Password: correct horse`.
///
/// `Debug` hides the value, whether it is a secret or not.
pub struct Detail {
    label: String,
    value: Zeroizing<String>,
    secrecy: Secrecy,
}

/// Whether a value may be shown without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secrecy {
    /// A password, for example.
    Secret,
    /// A fingerprint, for example.
    Open,
}

impl Detail {
    /// The longest label.
    pub const MAX_LABEL_CHARACTERS: usize = 40;
    /// The longest value.
    pub const MAX_VALUE_CHARACTERS: usize = 512;

    /// A label, and the value under it.
    ///
    /// # Errors
    /// Which of the two can not be shown to a person, and why, is in [`InvalidLine`].
    pub fn new(label: &str, value: &str, secrecy: Secrecy) -> Result<Self, InvalidLine> {
        line::check(label, Self::MAX_LABEL_CHARACTERS)?;
        line::check(value, Self::MAX_VALUE_CHARACTERS)?;
        Ok(Self { label: label.to_owned(), value: Zeroizing::new(value.to_owned()), secrecy })
    }

    /// What it is.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether to show it.
    #[must_use]
    pub const fn secrecy(&self) -> Secrecy {
        self.secrecy
    }

    /// The value itself.
    #[must_use]
    pub fn expose_value(&self) -> &str {
        &self.value
    }

    /// The bytes that [`Detail::append_to`] appends.
    pub(super) fn encoded_bytes(&self) -> usize {
        2 + self.label.len() + self.value.len()
    }

    /// Flags (1), the length of the label (1), the label, the value.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(match self.secrecy {
            Secrecy::Open => 0,
            Secrecy::Secret => 1,
        });
        bytes.push(u8::try_from(self.label.len()).expect("40 characters have at most 160 bytes"));
        bytes.extend_from_slice(self.label.as_bytes());
        bytes.extend_from_slice(self.value.as_bytes());
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[flags, length], rest) = bytes.split_first_chunk()?;
        let secrecy = match flags {
            0 => Secrecy::Open,
            1 => Secrecy::Secret,
            2.. => return None,
        };
        let (label, value) = rest.split_at_checked(length.into())?;
        Self::new(std::str::from_utf8(label).ok()?, std::str::from_utf8(value).ok()?, secrecy).ok()
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, value: _, secrecy } = self;
        formatter.debug_struct("Detail").field("label", label).field("secrecy", secrecy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_has_no_value() {
        for secrecy in [Secrecy::Secret, Secrecy::Open] {
            let shown = format!("{:?}", Detail::new("Password", "hunter2", secrecy).unwrap());
            assert!(shown.contains("Password") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn labels_and_values_are_lines() {
        assert_eq!(Detail::new("", "x", Secrecy::Open).err(), Some(InvalidLine::Empty));
        assert_eq!(Detail::new("x", "a\nb", Secrecy::Open).err(), Some(InvalidLine::Character));
        assert_eq!(Detail::new("x", &"a".repeat(513), Secrecy::Open).err(), Some(InvalidLine::TooLong { most: 512 }));
    }
}
