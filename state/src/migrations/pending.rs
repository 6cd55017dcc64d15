// SPDX-License-Identifier: GPL-3.0-or-later
//! The rows of a restoration that has begun.

use zeroize::Zeroizing;

use super::{Unreadable, v1};

/// How long the number of a restoration is, in bytes.
pub(crate) const NUMBER_BYTES: usize = 16;

/// What is still to be done to a row of the kept place: it is written, or deleted.
pub(crate) fn pending_to_payload(written: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let mut payload = Zeroizing::new(Vec::with_capacity(1 + written.map_or(0, <[u8]>::len)));
    match written {
        Some(bytes) => {
            payload.push(v1::PENDING_WRITE);
            payload.extend_from_slice(bytes);
        }
        None => payload.push(v1::PENDING_DELETE),
    }
    payload
}

/// See [`pending_to_payload`].
pub(crate) fn pending_from_payload(payload: &[u8]) -> Result<Option<&[u8]>, Unreadable> {
    match payload.split_first() {
        Some((&v1::PENDING_WRITE, bytes)) => Ok(Some(bytes)),
        Some((&v1::PENDING_DELETE, [])) => Ok(None),
        Some(_) | None => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_as_it_was_and_nothing_else_does() {
        for written in [None, Some(&b""[..]), Some(b"row")] {
            assert_eq!(pending_from_payload(&pending_to_payload(written)), Ok(written));
        }
        for wrong in [&[][..], &[0], &[3], &[2, 1]] {
            assert_eq!(pending_from_payload(wrong), Err(Unreadable));
        }
    }
}
