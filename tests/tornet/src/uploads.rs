// SPDX-License-Identifier: GPL-3.0-or-later
//! A judge of which onion services are published, by what Tor tells of its uploads.
//!
//! It shares no code with the product, so that the two cannot be wrong in the same way. The product computes the
//! descriptor that visitors ask for; here the order in which Tor made its two descriptors tells which one it is.

use std::collections::{BTreeMap, BTreeSet};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Rounds of voting from one shared random value to the next. A time period begins in the middle between them.
// rend-spec-v3, TIME-PERIODS
const ROUNDS: u64 = 24;

/// Which of the two descriptors that Tor makes for each service visitors ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    First,
    Second,
}

impl Asked {
    /// By a consensus with these times, as Tor tells them: `2026-11-21 12:00:00`. `None` without a consensus.
    // Until a new period begins (noon on the public network), Tor's first descriptor is that of the present period. From
    // then to the next shared random value, the first is that of the period before, for visitors who are behind.
    pub(crate) fn of_consensus(valid_after: &str, fresh_until: &str) -> Option<Self> {
        let (begin, end) = (second_of_day(valid_after)?, second_of_day(fresh_until)?);
        let round = (end + DAY - begin) % DAY;
        // Only then does the second of the day tell the number of the round.
        if round == 0 || !DAY.is_multiple_of(round * ROUNDS) {
            return None;
        }
        Some(if begin / round % ROUNDS < ROUNDS / 2 { Self::First } else { Self::Second })
    }
}

/// What Tor has told of the uploads of all services in one life of that Tor.
#[derive(Debug, Default)]
pub(crate) struct Uploads(BTreeMap<String, Service>);

/// One service.
#[derive(Debug, Default)]
struct Service {
    /// In the order in which Tor made them, and at most two.
    descriptors: Vec<Descriptor>,
    /// What was sent to each HSDir and not answered, with the answers so far.
    unanswered: BTreeMap<String, Unanswered>,
}

#[derive(Debug, Default)]
struct Descriptor {
    id: String,
    sent_to: BTreeSet<String>,
    had_by: BTreeSet<String>,
}

/// An HSDir does not say which descriptor it confirms: only when it has confirmed all is known what it has.
#[derive(Debug, Default)]
struct Unanswered {
    ids: BTreeSet<String>,
    /// Uploads of an earlier life of the service. Their answers may come yet, and prove nothing of this life.
    earlier: usize,
    confirmations: usize,
}

impl Uploads {
    /// Takes in an event; what is not `HS_DESC` says nothing here.
    // control-spec, HS_DESC: Action HSAddress AuthType HsDir [DescriptorID] ["REASON=" Reason] [...]
    pub(crate) fn hear(&mut self, event: &str) {
        let mut words = event.split(' ');
        let (Some("HS_DESC"), Some(action), Some(address), Some(_), Some(hsdir)) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return;
        };
        let id = words.next().filter(|word| !word.starts_with("REASON="));
        let service = self.0.entry(address.to_owned()).or_default();
        match (action, id) {
            ("CREATED", Some(id)) => service.created(id),
            ("UPLOAD", Some(id)) => service.sent(hsdir, id),
            ("UPLOADED", _) => service.confirmed(hsdir),
            ("FAILED", id) => service.failed(hsdir, id),
            _ => (),
        }
    }

    /// Tor has no service any more: nothing of what was said of them counts.
    pub(crate) fn forget(&mut self) {
        self.0.values_mut().for_each(Service::end);
    }

    /// The descriptor of this service that visitors ask for.
    pub(crate) fn asked(&self, address: &str, asked: Asked) -> Option<&str> {
        self.descriptor(address, asked).map(|descriptor| descriptor.id.as_str())
    }

    /// Whether more than half of the HSDirs that the descriptor was sent to have it.
    ///
    /// That is the one that visitors ask for. To demand both would call true claims false: on a network of more than a few
    /// HSDirs the other one is elsewhere, and nobody asks for it yet or any more. To demand any would believe a claim that
    /// rests on the one that nobody asks for.
    pub(crate) fn is_published(&self, address: &str, asked: Asked) -> bool {
        self.descriptor(address, asked).is_some_and(|found| found.had_by.len() * 2 > found.sent_to.len())
    }

    fn descriptor(&self, address: &str, asked: Asked) -> Option<&Descriptor> {
        let descriptors = &self.0.get(address)?.descriptors;
        // Between the two CREATED it is not known which is which.
        let [first, second] = descriptors.as_slice() else { return None };
        Some(match asked {
            Asked::First => first,
            Asked::Second => second,
        })
    }
}

impl Service {
    fn created(&mut self, id: &str) {
        if self.descriptors.iter().any(|known| known.id == id) {
            // Tor makes each once in the life of a service: this is the next life.
            self.end();
        }
        self.descriptors.push(Descriptor { id: id.to_owned(), ..Descriptor::default() });
        if self.descriptors.len() > 2 {
            // A new time period, and the oldest one is over.
            self.descriptors.remove(0);
        }
    }

    fn sent(&mut self, hsdir: &str, id: &str) {
        self.unanswered.entry(hsdir.to_owned()).or_default().ids.insert(id.to_owned());
        for descriptor in self.descriptors.iter_mut().filter(|descriptor| descriptor.id == id) {
            descriptor.sent_to.insert(hsdir.to_owned());
        }
    }

    fn confirmed(&mut self, hsdir: &str) {
        if let Some(unanswered) = self.unanswered.get_mut(hsdir) {
            unanswered.confirmations += 1;
            self.settle(hsdir);
        }
    }

    fn failed(&mut self, hsdir: &str, id: Option<&str>) {
        let Some(unanswered) = self.unanswered.get_mut(hsdir) else { return };
        match id {
            Some(id) if unanswered.ids.remove(id) => {
                for descriptor in self.descriptors.iter_mut().filter(|descriptor| descriptor.id == id) {
                    descriptor.had_by.remove(hsdir);
                }
            }
            Some(_) => unanswered.earlier = unanswered.earlier.saturating_sub(1),
            None => drop(self.unanswered.remove(hsdir)),
        }
        self.settle(hsdir);
    }

    fn settle(&mut self, hsdir: &str) {
        let Some(unanswered) = self.unanswered.get(hsdir) else { return };
        if unanswered.confirmations < unanswered.ids.len() + unanswered.earlier {
            return;
        }
        let ids = self.unanswered.remove(hsdir).unwrap_or_default().ids;
        for descriptor in self.descriptors.iter_mut().filter(|descriptor| ids.contains(&descriptor.id)) {
            descriptor.had_by.insert(hsdir.to_owned());
        }
    }

    /// A life of the service is over.
    fn end(&mut self) {
        self.descriptors.clear();
        for unanswered in self.unanswered.values_mut() {
            unanswered.earlier += unanswered.ids.len();
            unanswered.ids.clear();
        }
    }
}

/// The seconds since midnight.
fn second_of_day(time: &str) -> Option<u64> {
    let (_, clock) = time.split_once(' ')?;
    clock.split(':').try_fold(0, |seconds, part| Some(seconds * 60 + part.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with two descriptors, each sent to HSDirs `0` to `5`.
    fn sent() -> Uploads {
        let mut uploads = Uploads::default();
        tell(&mut uploads, &["CREATED x UNKNOWN UNKNOWN one", "CREATED x UNKNOWN UNKNOWN two"]);
        for id in ["one", "two"] {
            (0..6).for_each(|number| uploads.hear(&format!("HS_DESC UPLOAD x UNKNOWN {number} {id} HSDIR_INDEX=0")));
        }
        uploads
    }

    fn tell(uploads: &mut Uploads, events: &[&str]) {
        events.iter().for_each(|event| uploads.hear(&format!("HS_DESC {event}")));
    }

    fn confirm(uploads: &mut Uploads, count: usize) {
        (0..count).for_each(|number| uploads.hear(&format!("HS_DESC UPLOADED x UNKNOWN {number}")));
    }

    #[test]
    fn more_than_half_of_the_hsdirs_have_to_confirm_all_that_they_got() {
        let mut uploads = sent();
        confirm(&mut uploads, 6);
        assert!(!uploads.is_published("x", Asked::First), "each has one of two, and nobody knows which");
        confirm(&mut uploads, 3);
        assert!(!uploads.is_published("x", Asked::First), "three of six");
        tell(&mut uploads, &["UPLOADED x UNKNOWN 3"]);
        assert!(uploads.is_published("x", Asked::First) && uploads.is_published("x", Asked::Second));
        assert!(!uploads.is_published("y", Asked::First));
    }

    #[test]
    fn only_the_descriptor_that_visitors_ask_for_counts() {
        let mut uploads = sent();
        for number in 0..4 {
            let failed = format!("FAILED x UNKNOWN {number} two REASON=UPLOAD_REJECTED");
            tell(&mut uploads, &[&failed]);
        }
        confirm(&mut uploads, 4);
        assert!(uploads.is_published("x", Asked::First) && !uploads.is_published("x", Asked::Second));
        assert_eq!(uploads.asked("x", Asked::Second), Some("two"));
    }

    #[test]
    fn a_new_life_of_a_service_or_of_all_has_nothing_of_the_one_before() {
        for all in [false, true] {
            let mut uploads = sent();
            confirm(&mut uploads, 6);
            confirm(&mut uploads, 4);
            if all {
                uploads.forget();
            }
            tell(&mut uploads, &["CREATED x UNKNOWN UNKNOWN one", "CREATED x UNKNOWN UNKNOWN two"]);
            assert!(!uploads.is_published("x", Asked::First));
            // The two HSDirs that have answered to one upload of two owe an answer to the earlier life.
            for number in [0, 4, 5] {
                tell(&mut uploads, &[&format!("UPLOAD x UNKNOWN {number} one HSDIR_INDEX=0")]);
            }
            tell(&mut uploads, &["UPLOADED x UNKNOWN 0", "UPLOADED x UNKNOWN 4", "UPLOADED x UNKNOWN 5"]);
            assert!(!uploads.is_published("x", Asked::First));
            tell(&mut uploads, &["UPLOADED x UNKNOWN 4"]);
            assert!(uploads.is_published("x", Asked::First));
        }
    }

    #[test]
    fn the_consensus_says_which_descriptor_visitors_ask_for() {
        for (valid_after, fresh_until, asked) in [
            ("2026-11-21 11:00:00", "2026-11-21 12:00:00", Some(Asked::First)),
            ("2026-11-21 12:00:00", "2026-11-21 13:00:00", Some(Asked::Second)),
            ("2026-11-21 23:00:00", "2026-11-22 00:00:00", Some(Asked::Second)),
            // A private network: a run of 24 rounds takes half a day.
            ("2026-11-21 05:59:59", "2026-11-21 06:29:59", Some(Asked::First)),
            ("2026-11-21 06:00:00", "2026-11-21 06:30:00", Some(Asked::Second)),
            ("2026-11-21 12:00:01", "2026-11-21 12:30:01", Some(Asked::First)),
            ("", "", None),
        ] {
            assert_eq!(Asked::of_consensus(valid_after, fresh_until), asked, "{valid_after}");
        }
    }
}
