// SPDX-License-Identifier: GPL-3.0-or-later
//! Which Tor it is.

use std::fmt;
use std::str::FromStr;

/// A version of Tor. Compared by its numbers, then by what follows them.
///
/// # Examples
/// ```
/// use tails_server::torctl::TorVersion;
///
/// let version: TorVersion = "0.4.9.11".parse()?;
/// assert!(version > "0.4.9.2-alpha".parse()?);
/// assert!(version.supports_proof_of_work());
/// # Ok::<(), tails_server::torctl::InvalidTorVersion>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorVersion {
    numbers: [u32; 4],
    status: String,
}

impl TorVersion {
    /// Whether ADD_ONION can turn the proof-of-work defence on.
    #[must_use]
    pub fn supports_proof_of_work(&self) -> bool {
        self.numbers >= [0, 4, 9, 2]
    }
}

impl FromStr for TorVersion {
    type Err = InvalidTorVersion;

    // version-spec, The New Way: MAJOR.MINOR.MICRO.PATCHLEVEL[-STATUS_TAG][ (EXTRA_INFO)]
    fn from_str(text: &str) -> Result<Self, InvalidTorVersion> {
        let version = text.split(' ').next().unwrap_or_default();
        let (numbers, status) = version.split_once('-').unwrap_or((version, ""));
        let mut parts = numbers.split('.');
        let mut numbers = [0; 4];
        for number in &mut numbers {
            let digits = parts.next().ok_or(InvalidTorVersion)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(InvalidTorVersion);
            }
            *number = digits.parse().map_err(|_| InvalidTorVersion)?;
        }
        let is_status = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if parts.next().is_some() || status.len() > 40 || !status.bytes().all(is_status) {
            return Err(InvalidTorVersion);
        }
        Ok(Self { numbers, status: status.to_owned() })
    }
}

impl fmt::Display for TorVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, micro, patch] = self.numbers;
        write!(formatter, "{major}.{minor}.{micro}.{patch}")?;
        if self.status.is_empty() { Ok(()) } else { write!(formatter, "-{}", self.status) }
    }
}

/// Why a text is no [`TorVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version of Tor has four numbers, such as 0.4.9.11")]
pub struct InvalidTorVersion;

/// What the directory authorities think of this version, from
/// [`InfoKey::VersionStatus`](super::InfoKey::VersionStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionStatus {
    /// They recommend it.
    Recommended,
    /// It is newer than those they recommend, in general or in its series.
    New,
    /// They advise against it.
    Unrecommended,
    /// It is older than all that they recommend.
    Obsolete,
    /// They recommend none, or Tor has not heard from them.
    Unknown,
}

impl VersionStatus {
    /// Reads the value. What is new to this program is [`VersionStatus::Unknown`].
    // control-spec, status/version/current; "none recommended" is from tor's directory code
    #[must_use]
    pub fn parse(value: &str) -> Self {
        match value {
            "recommended" => Self::Recommended,
            "new" | "new in series" => Self::New,
            "old" | "unrecommended" => Self::Unrecommended,
            "obsolete" => Self::Obsolete,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> TorVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let ordered =
            ["0.4.8.16", "0.4.9.1-alpha", "0.4.9.2-alpha", "0.4.9.2-alpha-dev", "0.4.9.11", "0.4.10.1", "1.0.0.0"];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for text in ordered {
            assert_eq!(version(text).to_string(), text);
            let supports = !matches!(text, "0.4.8.16" | "0.4.9.1-alpha");
            assert_eq!(version(text).supports_proof_of_work(), supports, "{text}");
        }
        assert_eq!(version("0.4.9.11 (git-0123456789abcdef)"), version("0.4.9.11"));
    }

    #[test]
    fn what_has_other_than_four_numbers_is_no_version() {
        let long = format!("0.4.9.1-{}", "a".repeat(41));
        for text in ["", "0.4.9", "0.4.9.1.1", "0.4.9.x", "0.4.9.", "0.4.9.+1", "0.4.9.4294967296", "0.4.9.1-ü", &long]
        {
            assert_eq!(text.parse::<TorVersion>(), Err(InvalidTorVersion), "{text:?}");
        }
    }

    #[test]
    fn recorded_opinions_are_understood() {
        for (value, status) in [
            ("none recommended", VersionStatus::Unknown),
            ("unknown", VersionStatus::Unknown),
            ("recommended", VersionStatus::Recommended),
            ("new in series", VersionStatus::New),
            ("obsolete", VersionStatus::Obsolete),
        ] {
            assert_eq!(VersionStatus::parse(value), status, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "[0-9]{0,3}(\\.[0-9]{0,11}){0,5}(-[a-z-]{0,5})?.{0,3}") {
            if let Ok(version) = text.parse::<TorVersion>() {
                proptest::prop_assert_eq!(version.to_string().parse::<TorVersion>(), Ok(version));
            }
        }
    }
}
