// SPDX-License-Identifier: GPL-3.0-or-later
//! The rows of farewells.

use super::{Unreadable, v1};
use crate::address::OnionAddress;
use crate::farewell::Farewell;

pub(crate) fn farewell_to_payload(farewell: &Farewell) -> Vec<u8> {
    let kind = match farewell {
        Farewell::Service(_) => v1::FAREWELL_TO_SERVICE,
        Farewell::Joined(_) => v1::FAREWELL_TO_JOINED,
    };
    [&[kind], farewell.address().public_key().as_slice()].concat()
}

pub(crate) fn farewell_from_payload(payload: &[u8]) -> Result<Farewell, Unreadable> {
    let (kind, public_key) = v1::split_farewell(payload).ok_or(Unreadable)?;
    let address = OnionAddress::from_known_public_key(*public_key);
    match kind {
        v1::FAREWELL_TO_SERVICE => Ok(Farewell::Service(address)),
        v1::FAREWELL_TO_JOINED => Ok(Farewell::Joined(address)),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::OnionKey;

    #[test]
    fn what_is_stored_comes_back_as_it_was_and_nothing_else_does() {
        let address = OnionKey::generate().unwrap().address();
        for farewell in [Farewell::Service(address), Farewell::Joined(address)] {
            let payload = farewell_to_payload(&farewell);
            assert_eq!(farewell_from_payload(&payload), Ok(farewell));
            let (shorter, longer) = (&payload[..32], [payload.as_slice(), b"x"].concat());
            let other = [b"\x07", &payload[1..]].concat();
            for wrong in [shorter, &longer, &other, &[]] {
                assert_eq!(farewell_from_payload(wrong), Err(Unreadable));
            }
            assert!(!farewell.key().contains(&address.service_id()[..8]));
        }
        assert_ne!(Farewell::Service(address).key(), Farewell::Joined(address).key());
    }
}
