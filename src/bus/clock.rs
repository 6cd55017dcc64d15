// SPDX-License-Identifier: GPL-3.0-or-later
//! Moments of the loop as times of day.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A difference between the two clocks that is no jitter: somebody set one of them, or the machine slept.
const JUMP: Duration = Duration::from_secs(2);

/// One moment by both clocks.
#[derive(Clone, Copy)]
struct Epoch {
    instant: Instant,
    time: SystemTime,
}

/// The one that moments are compared with.
// Fixed, so that the same moment is the same second each time; anew when the clock was set, as on Tails after each start.
static EPOCH: Mutex<Option<Epoch>> = Mutex::new(None);

/// When this moment was, in seconds since 1970.
pub(super) fn seconds_since_1970(instant: Instant) -> u64 {
    let now = Epoch { instant: Instant::now(), time: SystemTime::now() };
    let mut fixed = EPOCH.lock().unwrap_or_else(PoisonError::into_inner);
    let epoch = fixed.filter(|epoch| epoch.is_right(now)).unwrap_or(now);
    *fixed = Some(epoch);
    epoch.time(instant).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Epoch {
    /// When a moment was, as far as such a time can be told.
    fn time(self, instant: Instant) -> SystemTime {
        let time = match instant.checked_duration_since(self.instant) {
            Some(later) => self.time.checked_add(later),
            None => self.time.checked_sub(self.instant.duration_since(instant)),
        };
        time.unwrap_or(self.time)
    }

    /// Whether it says the same of the present as the clocks do.
    fn is_right(self, now: Self) -> bool {
        let expected = self.time(now.instant);
        let off = expected.duration_since(now.time).or_else(|_| now.time.duration_since(expected));
        off.is_ok_and(|off| off < JUMP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_the_same_second_until_the_clock_is_set() {
        let start = Epoch { instant: Instant::now(), time: SystemTime::UNIX_EPOCH + Duration::from_millis(5_999) };
        let second = Duration::from_secs(1);
        for (ahead, jitter, right) in [(0, 0, true), (60, 900, true), (60, 2_000, false), (7_200, 3_600_000, false)] {
            let (ahead, jitter) = (Duration::from_secs(ahead), Duration::from_millis(jitter));
            let now = Epoch { instant: start.instant + ahead, time: start.time + ahead + jitter };
            assert_eq!(start.is_right(now), right, "{ahead:?} {jitter:?}");
        }
        assert_eq!(start.time(start.instant + second), start.time + second);
        assert_eq!(start.time(start.instant), start.time);
    }

    #[test]
    fn the_present_is_the_present() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(seconds_since_1970(Instant::now()).abs_diff(now) <= 3);
    }
}
