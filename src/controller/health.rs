// SPDX-License-Identifier: GPL-3.0-or-later
//! Services that do not get published, and when to give them a new life in Tor.

use std::collections::BTreeMap;
use std::time::Duration;

use tails_server_state::OnionAddress;
use tokio::time::Instant;

use crate::controller::pacing::SLOT_PATIENCE;
use crate::controller::publication::{Evidence, Publication};

/// Time without a confirmed upload before an unpublished service counts as wedged.
// Tor tries each HSDir anew within a minute; over a slow bridge an upload takes half of that.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(90);

/// How often the patience doubles: up to 48 minutes. What did not help ten times is not mended sooner by asking more often.
const DOUBLINGS: u32 = 5;

/// What is known of services that are on their way or were given a new life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health(BTreeMap<OnionAddress, Course>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Course {
    set_out: Instant,
    healed: u32,
}

impl Health {
    /// A service was given to Tor, or Tor could only now begin with it.
    pub(super) fn set_out(&mut self, address: OnionAddress, now: Instant) {
        self.0.entry(address).or_insert(Course { set_out: now, healed: 0 }).set_out = now;
    }

    /// When a service no longer keeps others waiting.
    pub(super) fn late_at(&self, address: &OnionAddress) -> Option<Instant> {
        self.0.get(address).map(|course| course.set_out + SLOT_PATIENCE)
    }

    pub(super) fn is_late(&self, address: &OnionAddress, now: Instant) -> bool {
        self.late_at(address).is_some_and(|late| late <= now)
    }

    /// A service is given a new life, because it was wedged.
    pub(super) fn heal(&mut self, address: OnionAddress, now: Instant) {
        self.0.entry(address).or_insert(Course { set_out: now, healed: 0 }).healed += 1;
    }

    /// How often a service was given a new life since it was last published.
    #[must_use]
    pub fn healed(&self, address: &OnionAddress) -> u32 {
        self.0.get(address).map_or(0, |course| course.healed)
    }

    /// A service is published.
    pub(super) fn recovered(&mut self, address: &OnionAddress) {
        self.0.remove(address);
    }

    /// When a service counts as wedged, unless Tor tells something of it before.
    pub(super) fn wedged_at(
        &self,
        address: &OnionAddress,
        publication: &Publication,
        now: Instant,
        online_since: Instant,
    ) -> Option<Instant> {
        let patience = PUBLISH_PATIENCE * 2_u32.pow(self.healed(address).min(DOUBLINGS));
        Some(match publication.evidence(now) {
            Evidence::None => publication.progressed_at().max(online_since) + patience,
            Evidence::Proven | Evidence::Counted => publication.renewal_due().max(online_since + patience),
        })
    }
}
