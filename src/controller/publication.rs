// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor has told of the uploads of one service's descriptors.

use std::collections::BTreeMap;

use crate::controller::ports::HsDir;

/// The uploads of one onion service's descriptors, counted on one control connection since Tor answered that it added the
/// service.
///
/// An upload counts once it was seen to begin *and* to be confirmed by the same HSDir: a late confirmation that belongs
/// to an earlier life of the same address proves nothing about this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    begun: BTreeMap<HsDir, u32>,
    confirmed: u32,
    failed: u32,
}

impl Publication {
    /// An upload to this HSDir began.
    pub fn begin(&mut self, hsdir: HsDir) {
        *self.begun.entry(hsdir).or_default() += 1;
    }

    /// This HSDir has the descriptor.
    pub fn confirm(&mut self, hsdir: &HsDir) {
        if self.end(hsdir) {
            self.confirmed += 1;
        }
    }

    /// The upload to this HSDir failed.
    pub fn fail(&mut self, hsdir: &HsDir) {
        if self.end(hsdir) {
            self.failed += 1;
        }
    }

    /// How many uploads were confirmed.
    #[must_use]
    pub const fn confirmed(&self) -> u32 {
        self.confirmed
    }

    /// How many uploads were begun, whatever became of them.
    #[must_use]
    pub fn attempted(&self) -> u32 {
        self.confirmed + self.failed + self.begun.values().sum::<u32>()
    }

    fn end(&mut self, hsdir: &HsDir) -> bool {
        match self.begun.get_mut(hsdir) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(self.begun.remove(hsdir)),
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_without_its_upload_proves_nothing() {
        let (one, two) = (HsDir::from("ONE".to_owned()), HsDir::from("TWO".to_owned()));
        let mut publication = Publication::default();
        publication.confirm(&one);
        assert_eq!((publication.confirmed(), publication.attempted()), (0, 0));
        publication.begin(one.clone());
        publication.confirm(&two);
        assert_eq!((publication.confirmed(), publication.attempted()), (0, 1));
        publication.confirm(&one);
        publication.confirm(&one);
        assert_eq!((publication.confirmed(), publication.attempted()), (1, 1));
    }

    #[test]
    fn an_hsdir_that_got_both_descriptors_counts_twice() {
        let one = HsDir::from("ONE".to_owned());
        let mut publication = Publication::default();
        publication.begin(one.clone());
        publication.begin(one.clone());
        publication.confirm(&one);
        publication.fail(&one);
        assert_eq!((publication.confirmed(), publication.attempted()), (1, 2));
    }
}
