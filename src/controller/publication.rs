// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor has told of the uploads of one service's descriptors, and what that proves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tails_server_state::{DescriptorId, OnionAddress, TimePeriod};
use tokio::time::Instant;

use crate::controller::ports::HsDir;

/// How long an HSDir keeps a descriptor that is not renewed.
// rend-spec-v3, OUTERWRAPPER: descriptor-lifetime, which Tor always sets to 180 minutes
const LIFETIME: Duration = Duration::from_secs(180 * 60);

/// Time without a word of any upload before the descriptors count as not being renewed.
// Tor renews them every 60 to 120 minutes; half an hour is left before they are gone.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(150 * 60);

/// Uploads that begin later than this after the first of a round belong to the next one.
// All uploads of a descriptor begin in one turn of Tor's loop, and Tor waits a minute at least before the next.
const ROUND: Duration = Duration::from_secs(10);

/// Time that Tor has for the first circuits of a service before it counts as under way, though it sends nothing.
// Tor sends the descriptors once its introduction circuits stand: a second after it got the service, several over a slow
// bridge.
const SETTING_OUT: Duration = Duration::from_secs(10);

/// The most descriptors to remember of one service. There are two at a time, and two more after a change of period.
const DESCRIPTORS: usize = 6;

/// The most HSDirs to remember of one service. There are sixteen at a time, and their set changes a little every hour.
const HSDIRS: usize = 128;

/// How many HSDirs are to have a descriptor, and how many of those have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uploads {
    /// The HSDirs that confirmed it.
    pub confirmed: u32,
    /// The HSDirs that Tor sent it to.
    pub attempted: u32,
}

impl Uploads {
    /// Whether more than half of the HSDirs have it.
    ///
    /// Visitors ask one of them at random, and another one if that has none: with more than half of them the first or
    /// second question is answered.
    #[must_use]
    pub const fn is_quorum(self) -> bool {
        self.confirmed > 0 && self.confirmed * 2 > self.attempted
    }
}

/// What the uploads prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing yet.
    None,
    /// More than half of its HSDirs have the descriptor that visitors ask for now.
    Proven,
    /// A filter hides which service Tor speaks of: as many uploads were confirmed as this service needs, by count.
    Counted,
}

/// The uploads of one onion service's descriptors, since Tor answered on this control connection that it added the
/// service.
///
/// Tor says which descriptor it sends to which HSDir, but not which of them an HSDir confirmed. So the confirmations of
/// an HSDir prove all that was sent to it once there are as many of them, and nothing before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    address: OnionAddress,
    /// The descriptors of the present period, the next and the one before, as far as the period is known.
    known: Option<[DescriptorId; 3]>,
    descriptors: BTreeMap<DescriptorId, Descriptor>,
    under_way: BTreeMap<HsDir, UnderWay>,
    counted_at: Option<Instant>,
    added_at: Instant,
    heard_at: Instant,
    progressed_at: Instant,
    tally: Tally,
}

/// What all of it comes to: looked at far more often than anything changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tally {
    evidence: Evidence,
    current: Uploads,
    other: Uploads,
    /// When the first of the confirmations in it is too old.
    expires: Option<Instant>,
}

/// One descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Descriptor {
    /// When the newest round of uploads began, and the HSDirs in it.
    round: (Instant, BTreeSet<HsDir>),
    /// The HSDirs that have it, and since when.
    confirmed: BTreeMap<HsDir, Instant>,
}

/// What was sent to one HSDir and not answered yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct UnderWay {
    sent: BTreeSet<DescriptorId>,
    confirmations: usize,
}

impl Publication {
    /// Nothing is known yet of this service, which Tor has since now.
    #[must_use]
    pub fn new(address: OnionAddress, period: Option<TimePeriod>, now: Instant) -> Self {
        let mut publication = Self {
            address,
            known: None,
            descriptors: BTreeMap::new(),
            under_way: BTreeMap::new(),
            counted_at: None,
            added_at: now,
            heard_at: now,
            progressed_at: now,
            tally: Tally {
                evidence: Evidence::None,
                current: Uploads::default(),
                other: Uploads::default(),
                expires: None,
            },
        };
        publication.set_period(period, now);
        publication
    }

    /// Visitors look into this period from now on.
    pub fn set_period(&mut self, period: Option<TimePeriod>, now: Instant) {
        self.known = period.and_then(|period| {
            let of = |period| self.address.descriptor_id(period);
            Some([of(period)?, of(period.next())?, of(period.previous())?])
        });
        self.recount(now);
    }

    /// An upload of this descriptor to this HSDir began.
    pub fn begin(&mut self, hsdir: HsDir, id: DescriptorId, now: Instant) {
        self.heard_at = now;
        if self.under_way.len() >= HSDIRS && !self.under_way.contains_key(&hsdir) {
            self.under_way.clear();
        }
        if self.descriptors.len() >= DESCRIPTORS && !self.descriptors.contains_key(&id) {
            self.forget_oldest();
        }
        let new = || Descriptor { round: (now, BTreeSet::new()), confirmed: BTreeMap::new() };
        let descriptor = self.descriptors.entry(id).or_insert_with(new);
        if now.saturating_duration_since(descriptor.round.0) > ROUND {
            descriptor.round = (now, BTreeSet::new());
        }
        if descriptor.round.1.len() < HSDIRS {
            descriptor.round.1.insert(hsdir.clone());
        }
        // Sent again before it was answered: Tor gave the first attempt up without a word.
        self.under_way.entry(hsdir).or_default().sent.insert(id);
        self.recount(now);
    }

    /// This HSDir has one of the descriptors that were sent to it. One that nothing was sent to proves nothing: it
    /// answers to an earlier life of the service.
    // Those of an earlier life can not be mistaken for these: when Tor begins to send a descriptor, it ends whatever uploads
    // of the same descriptor are under way (hs_service.c, upload_descriptor_to_all), and it does so for both in one turn.
    pub fn confirm(&mut self, hsdir: &HsDir, now: Instant) {
        if let Some(under_way) = self.under_way.get_mut(hsdir) {
            (self.heard_at, self.progressed_at) = (now, now);
            under_way.confirmations += 1;
            self.settle(hsdir, now);
        }
    }

    /// An upload to this HSDir failed; `None` when Tor did not say which.
    pub fn fail(&mut self, hsdir: &HsDir, id: Option<DescriptorId>, now: Instant) {
        let Some(under_way) = self.under_way.get_mut(hsdir) else { return };
        self.heard_at = now;
        match id {
            Some(id) => {
                under_way.sent.remove(&id);
                // What it had before is older than what Tor wanted it to have.
                if let Some(descriptor) = self.descriptors.get_mut(&id) {
                    descriptor.confirmed.remove(hsdir);
                }
                self.settle(hsdir, now);
            }
            // It may be any of them: none is proven by what this HSDir says of the others.
            None => drop(self.under_way.remove(hsdir)),
        }
        self.recount(now);
    }

    /// As many uploads as it needs were confirmed while a filter hid which service they were of.
    pub fn count(&mut self, now: Instant) {
        self.counted_at = Some(now);
        (self.heard_at, self.progressed_at) = (now, now);
        self.recount(now);
    }

    /// Nothing that was proven before counts any more: time went on without us.
    pub fn doubt(&mut self, now: Instant) {
        self.counted_at = None;
        (self.heard_at, self.progressed_at) = (now, now);
        self.under_way.clear();
        self.descriptors.values_mut().for_each(|descriptor| descriptor.confirmed.clear());
        self.recount(now);
    }

    /// What is proven at this moment.
    #[must_use]
    pub fn evidence(&self, now: Instant) -> Evidence {
        self.tally_at(now).evidence
    }

    /// The HSDirs of the descriptor that visitors ask for now. While the period is unknown, those of the descriptor that
    /// is the worst off.
    #[must_use]
    pub fn current(&self, now: Instant) -> Uploads {
        self.tally_at(now).current
    }

    /// The HSDirs of the descriptor of the period to come, or, for visitors whose clocks are slow, of the last one.
    #[must_use]
    pub fn other(&self, now: Instant) -> Uploads {
        self.tally_at(now).other
    }

    /// The HSDirs that have the descriptor that visitors ask for now.
    #[must_use]
    pub fn hsdirs(&self, now: Instant) -> Vec<HsDir> {
        let found = self.current_id().and_then(|id| self.descriptors.get(&id));
        let found = found.or_else(|| self.descriptors.values().next());
        let fresh = |since: &Instant| now.saturating_duration_since(*since) < LIFETIME;
        let of = |found: &Descriptor| {
            let confirmed = found.confirmed.iter().filter(|(_, since)| fresh(since));
            confirmed.map(|(hsdir, _)| hsdir.clone()).collect()
        };
        found.map(of).unwrap_or_default()
    }

    /// When what is proven becomes too old, unless it is renewed.
    #[must_use]
    pub const fn expires(&self) -> Option<Instant> {
        self.tally.expires
    }

    /// Until when Tor may be at the first circuits for it; nothing once it has sent a descriptor.
    #[must_use]
    pub fn sets_out_until(&self) -> Option<Instant> {
        let has_sent = !self.descriptors.is_empty() || self.counted_at.is_some();
        (!has_sent).then(|| self.added_at + SETTING_OUT)
    }

    /// When an upload was last confirmed, what was proven was lost, or Tor was given the service: uploads that begin and
    /// fail again and again are no progress.
    #[must_use]
    pub const fn progressed_at(&self) -> Instant {
        self.progressed_at
    }

    /// When the descriptors count as not being renewed, unless something is heard before.
    #[must_use]
    pub fn renewal_due(&self) -> Instant {
        self.heard_at + RENEWAL_PATIENCE
    }

    /// The descriptor that visitors ask for, if Tor's descriptors are those of the periods that we know of.
    fn current_id(&self) -> Option<DescriptorId> {
        let known = self.known?;
        let agree = self.descriptors.is_empty() || known.iter().any(|id| self.descriptors.contains_key(id));
        let [current, ..] = known;
        agree.then_some(current)
    }

    fn tally_at(&self, now: Instant) -> Tally {
        if self.tally.expires.is_none_or(|expires| now < expires) { self.tally } else { self.tally(now) }
    }

    fn recount(&mut self, now: Instant) {
        let before = self.tally;
        self.tally = self.tally(now);
        if self.tally.evidence == Evidence::None && before.evidence != Evidence::None {
            self.progressed_at = now;
        }
    }

    fn tally(&self, now: Instant) -> Tally {
        let uploads = |id| self.descriptors.get(&id).map(|found| found.uploads(now));
        let (current, other, is_proven) = match self.current_id().zip(self.known) {
            Some((id, [_, next, previous])) => {
                let current = uploads(id).unwrap_or_default();
                (current, uploads(next).or_else(|| uploads(previous)).unwrap_or_default(), current.is_quorum())
            }
            // Which of them visitors ask for is unknown: all have to be there.
            None => {
                let all = self.descriptors.values().map(|found| found.uploads(now));
                let worst = all.min_by_key(|uploads| (uploads.is_quorum(), uploads.confirmed)).unwrap_or_default();
                (worst, Uploads::default(), worst.is_quorum())
            }
        };
        let counted = self.counted_at.filter(|counted| now.saturating_duration_since(*counted) < LIFETIME);
        let evidence = match counted {
            _ if is_proven => Evidence::Proven,
            Some(_) => Evidence::Counted,
            None => Evidence::None,
        };
        let confirmed = self.descriptors.values().flat_map(|found| found.confirmed.values()).chain(&counted);
        let fresh = confirmed.map(|since| *since + LIFETIME).filter(|end| *end > now);
        Tally { evidence, current, other, expires: fresh.min() }
    }

    /// Once an HSDir has confirmed as many descriptors as it was sent, it has them all.
    fn settle(&mut self, hsdir: &HsDir, now: Instant) {
        let Some(under_way) = self.under_way.get(hsdir) else { return };
        if under_way.confirmations < under_way.sent.len() {
            return;
        }
        for id in self.under_way.remove(hsdir).unwrap_or_default().sent {
            if let Some(descriptor) = self.descriptors.get_mut(&id) {
                descriptor.confirmed.retain(|_, since| now.saturating_duration_since(*since) < LIFETIME);
                descriptor.confirmed.insert(hsdir.clone(), now);
            }
        }
        self.recount(now);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.descriptors.iter().min_by_key(|(_, found)| found.round.0).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.descriptors.remove(&id);
            for under_way in self.under_way.values_mut() {
                under_way.sent.remove(&id);
            }
        }
    }
}

impl Descriptor {
    fn uploads(&self, now: Instant) -> Uploads {
        let is_fresh = |since: &Instant| now.saturating_duration_since(*since) < LIFETIME;
        let has_it = |hsdir: &&HsDir| self.confirmed.get(hsdir).is_some_and(is_fresh);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Uploads { confirmed: count(self.round.1.iter().filter(has_it).count()), attempted: count(self.round.1.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> OnionAddress {
        OnionAddress::parse("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid").unwrap()
    }

    fn period() -> TimePeriod {
        TimePeriod::of_consensus(1_795_608_000, 1_795_611_600).unwrap()
    }

    fn hsdirs(count: usize) -> Vec<HsDir> {
        (0..count).map(|number| HsDir::from(number.to_string())).collect()
    }

    /// Both descriptors were sent to so many HSDirs.
    fn sent(count: usize, now: Instant) -> (Publication, Vec<HsDir>, [DescriptorId; 2]) {
        let ids = [period(), period().next()].map(|period| address().descriptor_id(period).unwrap());
        let mut publication = Publication::new(address(), Some(period()), now);
        for id in ids {
            for hsdir in hsdirs(count) {
                publication.begin(hsdir, id, now);
            }
        }
        (publication, hsdirs(count), ids)
    }

    #[test]
    fn an_hsdir_that_got_both_descriptors_proves_the_current_one_with_its_second_confirmation() {
        let now = Instant::now();
        let (mut publication, hsdirs, _) = sent(6, now);
        for hsdir in &hsdirs {
            publication.confirm(hsdir, now);
        }
        assert_eq!(publication.current(now), Uploads { confirmed: 0, attempted: 6 });
        assert_eq!(publication.evidence(now), Evidence::None);
        for (count, hsdir) in (1..).zip(&hsdirs) {
            publication.confirm(hsdir, now);
            assert_eq!(publication.current(now), Uploads { confirmed: count, attempted: 6 });
            assert_eq!(publication.evidence(now) == Evidence::Proven, count > 3, "{count}");
        }
        assert_eq!(publication.other(now), Uploads { confirmed: 6, attempted: 6 });
    }

    #[test]
    fn only_the_descriptor_that_visitors_ask_for_counts() {
        let now = Instant::now();
        let ids = [period(), period().next()].map(|period| address().descriptor_id(period).unwrap());
        for (confirmed, evidence) in [(0, Evidence::Proven), (1, Evidence::None)] {
            let mut publication = Publication::new(address(), Some(period()), now);
            for (id, names) in ids.iter().zip(["AB", "CD"]) {
                names.chars().for_each(|name| publication.begin(HsDir::from(name.to_string()), *id, now));
            }
            for name in ["AB", "CD"][confirmed].chars() {
                publication.confirm(&HsDir::from(name.to_string()), now);
            }
            assert_eq!(publication.evidence(now), evidence);
            // The period changes, and what was the next descriptor is the one that counts.
            publication.set_period(Some(period().next()), now);
            let swapped = if evidence == Evidence::Proven { Evidence::None } else { Evidence::Proven };
            assert_eq!(publication.evidence(now), swapped);
        }
    }

    #[test]
    fn a_confirmation_without_its_upload_proves_nothing() {
        let now = Instant::now();
        let mut publication = Publication::new(address(), Some(period()), now);
        let hsdirs = hsdirs(2);
        publication.confirm(&hsdirs[0], now);
        publication.begin(hsdirs[1].clone(), address().descriptor_id(period()).unwrap(), now);
        publication.confirm(&hsdirs[0], now);
        assert_eq!(publication.current(now), Uploads { confirmed: 0, attempted: 1 });
    }

    #[test]
    fn a_failure_says_which_descriptor_the_other_answer_was_for() {
        let now = Instant::now();
        let (mut publication, hsdirs, [current, next]) = sent(1, now);
        publication.confirm(&hsdirs[0], now);
        publication.fail(&hsdirs[0], Some(next), now);
        assert_eq!(publication.evidence(now), Evidence::Proven);

        let (mut publication, hsdirs, _) = sent(1, now);
        publication.fail(&hsdirs[0], Some(current), now);
        publication.confirm(&hsdirs[0], now);
        assert_eq!(publication.evidence(now), Evidence::None);
        assert!(publication.other(now).is_quorum());

        let (mut publication, hsdirs, _) = sent(1, now);
        publication.confirm(&hsdirs[0], now);
        publication.fail(&hsdirs[0], None, now);
        assert_eq!(publication.evidence(now), Evidence::None);
    }

    #[test]
    fn without_the_period_every_descriptor_has_to_be_there() {
        let now = Instant::now();
        for known in [None, Some(period().next().next().next())] {
            let (mut publication, hsdirs, _) = sent(2, now);
            publication.set_period(known, now);
            assert_eq!(publication.evidence(now), Evidence::None);
            for hsdir in hsdirs {
                publication.confirm(&hsdir, now);
                publication.confirm(&hsdir, now);
            }
            assert_eq!(publication.evidence(now), Evidence::Proven);
            publication.begin(HsDir::from("new".to_owned()), DescriptorId::from_bytes([7; 32]), now);
            assert_eq!(publication.evidence(now), Evidence::None);
        }
    }

    #[test]
    fn a_proof_ends_with_the_lifetime_of_the_descriptor_and_with_a_new_set_of_hsdirs() {
        let now = Instant::now();
        let (mut publication, hsdirs, [current, _]) = sent(2, now);
        for hsdir in hsdirs.iter().chain(&hsdirs) {
            publication.confirm(hsdir, now);
        }
        assert_eq!(publication.evidence(now + LIFETIME - ROUND), Evidence::Proven);
        assert_eq!(publication.evidence(now + LIFETIME), Evidence::None);

        // Renewed at the same HSDirs: nothing was lost meanwhile.
        let later = now + Duration::from_secs(3600);
        for hsdir in &hsdirs {
            publication.begin(hsdir.clone(), current, later);
            assert_eq!(publication.evidence(later), Evidence::Proven);
        }
        for hsdir in &hsdirs {
            publication.confirm(hsdir, later);
        }
        assert_eq!(publication.evidence(later + LIFETIME - ROUND), Evidence::Proven);
        // Others are responsible now.
        let later = later + Duration::from_secs(3600);
        for name in ["A", "B", "C"] {
            publication.begin(HsDir::from(name.to_owned()), current, later);
        }
        assert_eq!(publication.current(later), Uploads { confirmed: 0, attempted: 3 });
    }

    #[test]
    fn a_doubt_voids_what_was_proven_and_what_was_under_way() {
        let now = Instant::now();
        let (mut publication, hsdirs, _) = sent(2, now);
        publication.confirm(&hsdirs[0], now);
        publication.confirm(&hsdirs[0], now);
        publication.count(now);
        publication.doubt(now);
        for _ in 0..2 {
            publication.confirm(&hsdirs[1], now);
        }
        assert_eq!(publication.evidence(now), Evidence::None);
    }

    #[test]
    fn what_tor_tells_takes_a_bounded_amount_of_memory() {
        let now = Instant::now();
        let mut publication = Publication::new(address(), Some(period()), now);
        for number in 0..200 {
            publication.begin(HsDir::from("A".to_owned()), DescriptorId::from_bytes([number; 32]), now);
        }
        assert_eq!(publication.descriptors.len(), DESCRIPTORS);
        assert!(publication.under_way.values().all(|under_way| under_way.sent.len() <= DESCRIPTORS));
    }
}
