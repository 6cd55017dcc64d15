// SPDX-License-Identifier: GPL-3.0-or-later
//! The rows of what is to be uninstalled.

use super::{Unreadable, v1};
use crate::uninstall::Uninstall;

pub(crate) fn uninstall_to_payload(uninstall: Uninstall) -> Vec<u8> {
    let kind = match uninstall {
        Uninstall::Asked => v1::UNINSTALL_ASKED,
        Uninstall::Removed => v1::UNINSTALL_REMOVED,
    };
    vec![kind]
}

pub(crate) const fn uninstall_from_payload(payload: &[u8]) -> Result<Uninstall, Unreadable> {
    match payload {
        [v1::UNINSTALL_ASKED] => Ok(Uninstall::Asked),
        [v1::UNINSTALL_REMOVED] => Ok(Uninstall::Removed),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_as_it_was_and_nothing_else_does() {
        for uninstall in [Uninstall::Asked, Uninstall::Removed] {
            assert_eq!(uninstall_from_payload(&uninstall_to_payload(uninstall)), Ok(uninstall));
        }
        for wrong in [&[][..], &[0], &[3], &[1, 1]] {
            assert_eq!(uninstall_from_payload(wrong), Err(Unreadable));
        }
    }
}
