// SPDX-License-Identifier: GPL-3.0-or-later
//! How long to wait before trying again.

use std::time::Duration;

/// Waiting times that double from a first one up to a longest one, each shortened at random by up to a quarter.
///
/// The randomness keeps several programs that lost the same Tor from returning in step.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tails_server::controller::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
/// assert!(backoff.next() <= Duration::from_millis(100));
/// assert!(backoff.next() <= Duration::from_millis(200));
/// backoff.reset();
/// assert!(backoff.next() <= Duration::from_millis(100));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    upcoming: Duration,
}

impl Backoff {
    /// Waiting times from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, upcoming: first }
    }

    /// The time to wait now; the one after it is twice as long.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and an endless Iterator invites collect()")]
    pub fn next(&mut self) -> Duration {
        let whole = self.upcoming.min(self.longest);
        self.upcoming = (whole * 2).min(self.longest);
        // 0 to 255 of 1024 parts; without random numbers the whole time is as good.
        let part = getrandom::u32().unwrap_or(0) % 256;
        whole - whole / 1024 * part
    }

    /// Starts from the first waiting time again, after a success.
    pub const fn reset(&mut self) {
        self.upcoming = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_longest_and_keeps_three_quarters() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for whole in [100, 200, 350, 350, 350] {
            let waited = backoff.next();
            let whole = Duration::from_millis(whole);
            assert!(waited <= whole && waited >= whole * 3 / 4, "{waited:?} of {whole:?}");
        }
    }
}
