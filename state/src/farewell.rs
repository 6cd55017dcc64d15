// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor may still have of something that is forgotten.

use sha3::{Digest, Sha3_256};

use crate::address::OnionAddress;

/// What Tor may still have of something that is forgotten, to be taken from it. Remembered until that is done, since the
/// controller may end on the way; forgotten with a reboot, as Tor's memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Farewell {
    /// Visitors of a service of ours that had this address.
    Service(OnionAddress),
    /// The key for a service of somebody else.
    Joined(OnionAddress),
}

impl Farewell {
    /// The address that it is about.
    #[must_use]
    pub const fn address(&self) -> &OnionAddress {
        match self {
            Self::Service(address) | Self::Joined(address) => address,
        }
    }

    /// What it is called in the store: the same for the same one, and not the address, which is to be forgotten.
    pub(crate) fn key(&self) -> String {
        const BYTES: usize = 16;
        let kind = match self {
            Self::Service(_) => "service",
            Self::Joined(_) => "joined",
        };
        let digest = Sha3_256::digest(self.address().public_key());
        let digits = digest.iter().take(BYTES).map(|byte| format!("{byte:02x}"));
        format!("{kind}/{}", digits.collect::<String>())
    }
}
