// SPDX-License-Identifier: GPL-3.0-or-later
//! Uploads of which a filter hides the service.
//!
//! Whonix' profile of onion-grater passes `HS_DESC` events without addresses, HSDirs and descriptors. Then the uploads can
//! only be counted.

use tokio::time::Instant;

use crate::controller::ports::HiddenUpload;
use crate::controller::publication::{Evidence, Publication};

/// Each service has two descriptors, and each of those goes to one HSDir at least.
const LEAST_UPLOADS: usize = 2;

/// Uploads since something was last unpublished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HiddenUploads {
    begun: usize,
    confirmed: usize,
    is_hiding: bool,
}

impl HiddenUploads {
    /// Whether there is such a filter.
    #[must_use]
    pub const fn is_hiding(&self) -> bool {
        self.is_hiding
    }

    /// Tor has one more service. If it is the only one that is not published, counting begins anew.
    pub(super) fn expect<'a>(&mut self, publications: impl Iterator<Item = &'a Publication>, now: Instant) {
        if publications.filter(|heard| heard.evidence(now) == Evidence::None).count() <= 1 {
            (self.begun, self.confirmed) = (0, 0);
        }
    }

    /// Counts; whether so many services as wait are published by now, as far as counting can tell.
    pub(super) fn count(&mut self, upload: HiddenUpload, waiting: usize) -> bool {
        self.is_hiding = true;
        match upload {
            HiddenUpload::Begun => self.begun += 1,
            HiddenUpload::Confirmed => self.confirmed += 1,
        }
        let enough = waiting > 0 && self.begun >= waiting * LEAST_UPLOADS && self.confirmed * 2 > self.begun;
        if enough {
            (self.begun, self.confirmed) = (0, 0);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_the_uploads_of_all_that_wait_have_to_be_confirmed() {
        let mut hidden = HiddenUploads::default();
        for _ in 0..6 {
            assert!(!hidden.count(HiddenUpload::Begun, 2));
        }
        for _ in 0..3 {
            assert!(!hidden.count(HiddenUpload::Confirmed, 2));
        }
        assert!(hidden.count(HiddenUpload::Confirmed, 2) && hidden.is_hiding());
        assert!(!hidden.count(HiddenUpload::Confirmed, 2), "counted from the beginning");
        assert!(!HiddenUploads::default().count(HiddenUpload::Confirmed, 0));
    }
}
