// SPDX-License-Identifier: GPL-3.0-or-later
//! How many services Tor is given to publish at a time.
//!
//! Tor builds several introduction circuits and up to sixteen uploads for each service. Given many at once, it starves them
//! all: a hundred services in one burst were not published after a quarter of an hour, and paced they took a minute and a
//! half.

use std::time::Duration;

use tokio::time::Instant;

/// The size to begin with: the best of those measured on a private network, for 30 and for 60 services.
const FIRST: u32 = 8;
/// Never less, or one service that can not be published would hold up all others.
const LEAST: u32 = 2;
/// Never more: beyond it nothing was gained anywhere.
const MOST: u32 = 24;

/// Time after which a service that is not published no longer keeps the next one waiting.
// On an idle Tor it takes 1.5 s. Circuits time out after 15 s at the most, and are then tried anew.
pub(super) const SLOT_PATIENCE: Duration = Duration::from_secs(20);

/// Bad news within this time after other bad news is part of the same.
const SAME_TROUBLE: Duration = Duration::from_secs(5);

/// A window that grows with success and shrinks on trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    size: u32,
    successes: u32,
    trouble: Option<Instant>,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: FIRST, successes: 0, trouble: None }
    }
}

impl Window {
    /// How many services may be on their way at a time.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size as usize
    }

    /// A service got published in time: one more for each window full of them.
    // Not one more for each of them: on a busy machine the window was beyond what Tor can do before the first trouble showed.
    pub const fn succeed(&mut self) {
        self.successes += 1;
        if self.successes >= self.size {
            self.successes = 0;
            if self.size < MOST {
                self.size += 1;
            }
        }
    }

    /// An upload failed, or a service took too long: a third less.
    pub fn shrink(&mut self, now: Instant) {
        if self.trouble.is_some_and(|last| now.saturating_duration_since(last) < SAME_TROUBLE) {
            return;
        }
        self.trouble = Some(now);
        self.successes = 0;
        self.size = (self.size - self.size / 3).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_by_one_a_round_and_shrinks_by_a_third() {
        let now = Instant::now();
        let mut window = Window::default();
        assert_eq!(window.size(), 8);
        (0..8).for_each(|_| window.succeed());
        assert_eq!(window.size(), 9);
        window.shrink(now);
        window.shrink(now + Duration::from_secs(1));
        assert_eq!(window.size(), 6, "one trouble counts once");
        (0..5).for_each(|_| window.succeed());
        assert_eq!(window.size(), 6);
        window.succeed();
        assert_eq!(window.size(), 7);
        for times in 1..50 {
            window.shrink(now + SAME_TROUBLE * times);
        }
        assert_eq!(window.size(), LEAST as usize);
        (0..10_000).for_each(|_| window.succeed());
        assert_eq!(window.size(), MOST as usize);
    }
}
