// SPDX-License-Identifier: GPL-3.0-or-later
//! When an invitation ends.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

/// The last second that RFC 3339 can write: the end of the year 9999.
const LATEST: u64 = 253_402_300_799;
/// Shorter, and it has ended before it is read.
const SHORTEST: Duration = Duration::from_secs(60);
/// Longer, and "for ever" is meant, which is said by leaving it out.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// The second at which something ends; shown as RFC 3339, in UTC.
///
/// # Examples
/// ```
/// use tails_server::invitation::Expiry;
///
/// assert_eq!(Expiry::from_unix_seconds(1_800_000_000)?.to_string(), "2027-01-15T08:00:00Z");
/// # Ok::<(), tails_server::invitation::InvalidExpiry>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(u64);

impl Expiry {
    /// That many seconds after 1970 began.
    ///
    /// # Errors
    /// After the year 9999.
    pub const fn from_unix_seconds(seconds: u64) -> Result<Self, InvalidExpiry> {
        if seconds <= LATEST { Ok(Self(seconds)) } else { Err(InvalidExpiry) }
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Whether it has come; `now` is in seconds since 1970 began.
    #[must_use]
    pub const fn has_come(self, now: u64) -> bool {
        now >= self.0
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(formatter)
    }
}

/// A second that has no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the date is after the year 9999")]
pub struct InvalidExpiry;

/// How long something is to last: `7d`, `24h`, `1h 30m`; from a minute to ten years.
///
/// # Examples
/// ```
/// use tails_server::invitation::Lifetime;
///
/// let week: Lifetime = "7d".parse()?;
/// assert_eq!(week.to_string(), "7days");
/// assert_eq!(week.from(1_800_000_000).to_string(), "2027-01-22T08:00:00Z");
/// # Ok::<(), tails_server::invitation::InvalidLifetime>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(Duration);

impl Lifetime {
    /// When it ends if it begins now; `now` is in seconds since 1970 began.
    #[must_use]
    pub fn from(self, now: u64) -> Expiry {
        // A clock that shows the year 9999 is wrong, but no reason to fail.
        Expiry(now.saturating_add(self.0.as_secs()).min(LATEST))
    }

    /// How long it is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = InvalidLifetime;

    fn from_str(text: &str) -> Result<Self, InvalidLifetime> {
        let duration = humantime::parse_duration(text.trim())?;
        if duration < SHORTEST {
            return Err(InvalidLifetime::TooShort);
        }
        if duration > LONGEST {
            return Err(InvalidLifetime::TooLong);
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(formatter)
    }
}

/// Why a text is no [`Lifetime`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidLifetime {
    /// Not a number and a unit.
    #[error("a length of time is a number and a unit, as in 7d, 24h or 30m")]
    Form(#[from] humantime::DurationError),
    /// Less than a minute.
    #[error("the time is shorter than a minute")]
    TooShort,
    /// More than ten years.
    #[error("the time is longer than ten years")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_as_people_write_them() {
        for (text, seconds) in [("7d", 604_800), ("24h", 86_400), ("90m", 5400), ("2w", 1_209_600), (" 1h 30m ", 5400)]
        {
            assert_eq!(text.parse::<Lifetime>().map(|time| time.duration().as_secs()), Ok(seconds), "{text:?}");
        }
        for text in ["", "7", "d", "-7d", "7 moons", "tomorrow", "99999999999999999999d", "18446744073709551615y"] {
            assert!(matches!(text.parse::<Lifetime>(), Err(InvalidLifetime::Form(_))), "{text:?}");
        }
        assert_eq!("59s".parse::<Lifetime>(), Err(InvalidLifetime::TooShort));
        assert_eq!("11y".parse::<Lifetime>(), Err(InvalidLifetime::TooLong));
    }

    #[test]
    fn every_expiry_has_a_date() {
        assert_eq!(Expiry::from_unix_seconds(LATEST).unwrap().to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Expiry::from_unix_seconds(LATEST + 1), Err(InvalidExpiry));
        assert_eq!("7d".parse::<Lifetime>().unwrap().from(u64::MAX).unix_seconds(), LATEST);
    }

    #[test]
    fn an_expiry_has_come_in_its_very_second() {
        let expiry = Expiry::from_unix_seconds(1000).unwrap();
        assert_eq!((expiry.has_come(999), expiry.has_come(1000), expiry.has_come(1001)), (false, true, true));
    }
}
