// SPDX-License-Identifier: GPL-3.0-or-later
//! Which descriptor of an onion service belongs to which period of time.

use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha3::{Digest, Sha3_256};

use crate::address::OnionAddress;

/// A stretch of time with descriptors and HSDirs of its own.
// rend-spec-v3, TIME-PERIODS
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimePeriod {
    number: u64,
    length_minutes: u64,
}

impl TimePeriod {
    /// Rounds of the shared random value before a period begins, and in a period.
    const ROTATION_ROUNDS: u64 = 12;
    const PERIOD_ROUNDS: u64 = 24;

    /// The period that visitors with this consensus look into. Both are seconds since 1970; `None` for a consensus that
    /// says nonsense.
    ///
    /// A period lasts 24 rounds of voting and begins 12 rounds after midnight: a day from noon to noon on the public
    /// network, as its authorities vote every hour.
    #[must_use]
    pub const fn of_consensus(valid_after: u64, fresh_until: u64) -> Option<Self> {
        let Some(round_seconds) = fresh_until.checked_sub(valid_after) else { return None };
        let length_minutes = round_seconds.saturating_mul(Self::PERIOD_ROUNDS) / 60;
        if length_minutes == 0 {
            return None;
        }
        let Some(minutes) = (valid_after / 60).checked_sub(round_seconds.saturating_mul(Self::ROTATION_ROUNDS) / 60)
        else {
            return None;
        };
        Some(Self { number: minutes / length_minutes, length_minutes })
    }

    /// The period after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// The period before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self { number: self.number.saturating_sub(1), ..self }
    }
}

/// Names one descriptor of one onion service in one period: the service's public key, blinded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DescriptorId([u8; 32]);

impl DescriptorId {
    /// From the bytes of the blinded public key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

// Who knows an address can compute it, and who knows it and the HSDirs learns something of the service.
impl fmt::Debug for DescriptorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DescriptorId({:02x}…)", self.0.first().copied().unwrap_or_default())
    }
}

impl OnionAddress {
    /// The descriptor of this service in this period. Costs one multiplication on the curve (about 50 µs).
    ///
    /// `None` for a public key that is no point of the curve; [`OnionAddress::parse`] lets none through.
    // rend-spec-v3, KEYBLIND
    #[must_use]
    pub fn descriptor_id(&self, period: TimePeriod) -> Option<DescriptorId> {
        const BASE_POINT: &[u8] = b"(15112221349535400772501151409588531511454012693041857206046113283949847762202, \
            46316835694926478169428394003475163141307993866256225615783033603165251855960)";
        let factor: [u8; 32] = Sha3_256::new()
            .chain_update(b"Derive temporary signing key\0")
            .chain_update(self.public_key())
            .chain_update(BASE_POINT)
            .chain_update(b"key-blind")
            .chain_update(period.number.to_be_bytes())
            .chain_update(period.length_minutes.to_be_bytes())
            .finalize()
            .into();
        let point = CompressedEdwardsY(*self.public_key()).decompress()?;
        let factor = Scalar::from_bytes_mod_order(clamp_integer(factor));
        // The public key has no part of small order, so reducing the factor changes nothing.
        Some(DescriptorId((point * factor).compress().to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured on a private network whose authorities vote every 30 minutes, with Tor 0.4.9.11: the ids of both
    /// descriptors in its `HS_DESC CREATED` events, current first.
    #[test]
    fn tor_names_the_same_descriptors() {
        let address = OnionAddress::parse("76utiqbpev7en5yese5vwqrknsjsle2tyvx7k27uiadsbpyohi4yp4yd").unwrap();
        let period = TimePeriod::of_consensus(1_795_533_905, 1_795_535_705).unwrap();
        let first_bytes = |period| address.descriptor_id(period).unwrap().0[..4].to_vec();
        // EAHSQd... and 65A5ZK... in base64
        assert_eq!(first_bytes(period), [0x10, 0x01, 0xd2, 0x41]);
        assert_eq!(first_bytes(period.next()), [0xeb, 0x90, 0x39, 0x64]);
    }

    #[test]
    fn a_public_period_is_a_day_from_noon() {
        let noon = 1_795_608_000;
        let at = |seconds: u64| TimePeriod::of_consensus(seconds, seconds + 3600).unwrap();
        assert_eq!(at(noon - 60).next(), at(noon));
        assert_eq!(at(noon), at(noon + 86_400 - 60));
        assert_eq!(at(noon).previous(), at(noon - 60));
        assert_eq!(TimePeriod::of_consensus(10, 5), None);
        assert_eq!(TimePeriod::of_consensus(10, 10), None);
        assert_eq!(TimePeriod::of_consensus(0, 3600), None);
    }
}
