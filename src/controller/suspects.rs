// SPDX-License-Identifier: GPL-3.0-or-later
//! Services that may have ended the control connection: a filter closes it on a line that is too long for it, and some
//! keys crash a Tor. All other services go with it, so such a service must not be tried again and again.

use std::collections::BTreeMap;

use tails_server_state::OnionAddress;

use crate::controller::status::{Outlook, Problem};

/// So many connections may end in a row while a service is added; then it is its fault.
// The first time others may have been added in the same breath. From then on it is added alone: twice it was this one or a
// Tor that was stopped within the millisecond that adding takes.
const ENDS: u32 = 3;

/// The services that were being added when a control connection ended, and in how many in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects(BTreeMap<OnionAddress, u32>);

impl Suspects {
    /// One more connection ended while this one was added. Whether that was once too often.
    pub(super) fn accuse(&mut self, address: OnionAddress) -> bool {
        *self.0.entry(address).and_modify(|ends| *ends += 1).or_insert(1) >= ENDS
    }

    /// A person changed something, so it is worth one more try.
    // One and no more: who removes fifty clients one by one shall not end fifty connections three times each.
    pub(super) fn pardon(&mut self, address: &OnionAddress) {
        if let Some(ends) = self.0.get_mut(address) {
            *ends = (*ends).min(ENDS - 1);
        }
    }

    /// It was added.
    pub(super) fn acquit(&mut self, address: &OnionAddress) {
        self.0.remove(address);
    }

    /// Whether it is added only when nothing else is under way.
    #[must_use]
    pub fn contains(&self, address: &OnionAddress) -> bool {
        self.0.contains_key(address)
    }

    /// Whether it stays withdrawn over the ends of connections.
    #[must_use]
    pub(super) fn is_guilty(&self, address: &OnionAddress) -> bool {
        self.0.get(address).is_some_and(|ends| *ends >= ENDS)
    }
}

/// What a person is told of it.
pub(super) fn ends_connections(cause: String) -> Problem {
    let hint = "A filter of onion-grater's kind takes about 150 clients a service: disable it, remove some, and enable it \
                again";
    Problem {
        message: format!("{cause}, time and again: it stays withdrawn, as all others go with the connection"),
        hint: Some(hint.to_owned()),
        outlook: Outlook::Lasting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ends_in_a_row_are_too_many_and_success_makes_good_for_all() {
        let address = OnionAddress::parse("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid").unwrap();
        let mut suspects = Suspects::default();
        assert!(!suspects.contains(&address));
        for _ in 0..2 {
            assert!(!suspects.accuse(address) && suspects.contains(&address));
            assert!(!suspects.accuse(address) && !suspects.is_guilty(&address));
            suspects.acquit(&address);
            assert!(!suspects.contains(&address));
        }
        let verdicts = [(); 3].map(|()| suspects.accuse(address));
        assert_eq!(verdicts, [false, false, true]);
        assert!(suspects.is_guilty(&address));
        suspects.pardon(&address);
        assert!(suspects.contains(&address) && !suspects.is_guilty(&address) && suspects.accuse(address));
    }
}
