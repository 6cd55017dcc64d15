// SPDX-License-Identifier: GPL-3.0-or-later
//! To whom a service is open, and how much it takes of them.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether only authorised clients can reach a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthorization {
    /// Whoever knows the address can.
    #[default]
    Off,
    /// Only those clients that were added; nobody if there is none.
    On,
}

/// The most streams that one circuit of a client may have open at a time, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaxStreams(NonZeroU16);

impl MaxStreams {
    /// A limit from its number.
    #[must_use]
    pub const fn new(number: NonZeroU16) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for MaxStreams {
    type Err = InvalidMaxStreams;

    fn from_str(text: &str) -> Result<Self, InvalidMaxStreams> {
        // Plain decimal digits: no sign, no spaces.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidMaxStreams);
        }
        text.parse().map(Self).map_err(|_| InvalidMaxStreams)
    }
}

impl fmt::Display for MaxStreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a text is no [`MaxStreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the most streams of a client are a number from 1 to 65535")]
pub struct InvalidMaxStreams;

/// The proof-of-work defence: how many rendezvous requests a second are taken from the queue.
///
/// # Examples
/// ```
/// use tails_server_state::ProofOfWork;
///
/// assert_eq!(ProofOfWork::default(), ProofOfWork::new(250, 2500)?);
/// assert!(ProofOfWork::new(250, 100).is_err());
/// # Ok::<(), tails_server_state::InvalidProofOfWork>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ProofOfWork {
    rate: u32,
    burst: u32,
}

/// The form of [`ProofOfWork`] that may be anything.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    rate: u32,
    burst: u32,
}

impl ProofOfWork {
    /// The largest rate and burst.
    // tor's config.c: a signed 32-bit number.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// A defence with these limits.
    ///
    /// # Errors
    /// [`InvalidProofOfWork`]: a rate of nothing, a burst below the rate, or more than Tor takes.
    pub const fn new(rate: u32, burst: u32) -> Result<Self, InvalidProofOfWork> {
        if rate == 0 {
            return Err(InvalidProofOfWork::Rate);
        }
        if burst < rate {
            return Err(InvalidProofOfWork::Burst);
        }
        if burst > Self::MAX {
            return Err(InvalidProofOfWork::TooMany);
        }
        Ok(Self { rate, burst })
    }

    /// Requests a second.
    #[must_use]
    pub const fn rate(self) -> u32 {
        self.rate
    }

    /// Requests at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

impl Default for ProofOfWork {
    /// Tor's own.
    // HiddenServicePoWQueueRate and HiddenServicePoWQueueBurst
    fn default() -> Self {
        Self { rate: 250, burst: 2500 }
    }
}

impl TryFrom<Fields> for ProofOfWork {
    type Error = InvalidProofOfWork;

    fn try_from(Fields { rate, burst }: Fields) -> Result<Self, InvalidProofOfWork> {
        Self::new(rate, burst)
    }
}

impl From<ProofOfWork> for Fields {
    fn from(ProofOfWork { rate, burst }: ProofOfWork) -> Self {
        Self { rate, burst }
    }
}

/// Why numbers are no [`ProofOfWork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProofOfWork {
    /// Nobody would get through.
    #[error("the rate of the proof-of-work defence is at least 1")]
    Rate,
    /// What comes at once is at least what comes in a second.
    #[error("the burst of the proof-of-work defence is at least its rate")]
    Burst,
    /// Beyond what Tor takes.
    #[error("the rate and the burst of the proof-of-work defence are at most {}", ProofOfWork::MAX)]
    TooMany,
}

/// To whom a service is open, and how much it takes of them. By default: to everybody, and as much as Tor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// Whether only authorised clients can reach it.
    pub client_authorization: ClientAuthorization,
    /// The most streams of one circuit; the circuit is closed beyond them.
    pub max_streams: Option<MaxStreams>,
    /// The proof-of-work defence, if it is on.
    pub proof_of_work: Option<ProofOfWork>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tor_takes_is_a_limit_of_streams() {
        assert_eq!("65535".parse::<MaxStreams>().map(MaxStreams::number), Ok(65535));
        for wrong in ["", "0", "65536", "+1", " 1", "1 ", "-1", "0x1", "x"] {
            assert_eq!(wrong.parse::<MaxStreams>(), Err(InvalidMaxStreams), "{wrong:?}");
        }
    }

    #[test]
    fn a_defence_that_lets_nobody_through_is_refused() {
        assert_eq!(ProofOfWork::new(0, 0), Err(InvalidProofOfWork::Rate));
        assert_eq!(ProofOfWork::new(2, 1), Err(InvalidProofOfWork::Burst));
        assert_eq!(ProofOfWork::new(1, u32::MAX), Err(InvalidProofOfWork::TooMany));
        assert!(ProofOfWork::new(1, 1).is_ok() && ProofOfWork::new(1, ProofOfWork::MAX).is_ok());
    }

    #[test]
    fn a_file_cannot_smuggle_in_what_is_refused() {
        assert!(serde_json::from_str::<ProofOfWork>(r#"{"rate":1,"burst":1}"#).is_ok());
        assert!(serde_json::from_str::<ProofOfWork>(r#"{"rate":2,"burst":1}"#).is_err());
        assert!(serde_json::from_str::<MaxStreams>("0").is_err());
    }
}
