// SPDX-License-Identifier: GPL-3.0-or-later
//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a condition.
// Short against everything that a tor does, long against the cost of one look.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until the condition gives a value; `None` when the time is over.
///
/// For conditions that nobody announces; where there is an event, wait for the event.
pub fn wait_until<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}
