// SPDX-License-Identifier: GPL-3.0-or-later
//! Threads that wait for work without looking every second whether there is some.
//!
//! sled starts seven threads for the whole process when it first needs one, and each of them wakes up every second for
//! ever, though it is told when there is work. That costs an idle machine seven wake-ups a second. A thread inherits the
//! timer slack of the one that starts it, so whatever may start them is called with a large one: prctl(2),
//! PR_SET_TIMERSLACK. They wait for nothing else with a time-out.

use std::num::NonZeroU64;

use rustix::thread::{current_timer_slack, set_current_timer_slack};

/// How late their look for work may be: an hour, in nanoseconds.
const SLACK: NonZeroU64 = NonZeroU64::new(3_600_000_000_000).expect("an hour is not zero");

/// Calls with the large slack. Nothing in the call may sleep for a time.
pub(super) fn unhurried<T>(call: impl FnOnce() -> T) -> T {
    let _restored_on_drop = Restore(current_timer_slack().ok().and_then(NonZeroU64::new));
    // Where the system does not have it, the threads wake up more often.
    let _ = set_current_timer_slack(Some(SLACK));
    call()
}

/// The slack from before, also after a panic.
struct Restore(Option<NonZeroU64>);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = set_current_timer_slack(self.0);
    }
}
