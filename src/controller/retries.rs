// SPDX-License-Identifier: GPL-3.0-or-later
//! When a step that failed is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::controller::backoff::Backoff;
use crate::controller::status::Outlook;

/// The first wait after a step with Tor failed: a collision with our own earlier connection clears within a few milliseconds.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest wait: what fails for long is not mended sooner by asking more often.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Those whose last step failed, each with its own back-off.
#[derive(Debug)]
pub(super) struct Retries<K> {
    waiting: BTreeMap<K, Retry>,
    first: Duration,
    longest: Duration,
}

#[derive(Debug)]
struct Retry {
    backoff: Backoff,
    failures: u32,
    /// None when only a person, or a new control connection, can mend it.
    due: Option<Instant>,
}

impl<K: Ord + Clone> Retries<K> {
    /// Waiting times from `first` to `longest`.
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { waiting: BTreeMap::new(), first, longest }
    }

    /// One more failure; how many there were in a row.
    pub(super) fn fail(&mut self, key: K, outlook: Outlook) -> u32 {
        let (first, longest) = (self.first, self.longest);
        let retry = self.waiting.entry(key).or_insert_with(|| Retry {
            backoff: Backoff::new(first, longest),
            failures: 0,
            due: None,
        });
        retry.failures += 1;
        retry.due = match outlook {
            Outlook::Retrying => Some(Instant::now() + retry.backoff.next()),
            Outlook::Lasting => None,
        };
        retry.failures
    }

    /// A success, or another reason to begin anew.
    pub(super) fn forget(&mut self, key: &K) {
        self.waiting.remove(key);
    }

    /// Begins anew with all of them.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// When the next one is to be tried again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|retry| retry.due).min()
    }

    /// When each of them is to be tried again, those that only a person can mend left out.
    pub(super) fn due(&self) -> BTreeMap<K, Instant> {
        self.waiting.iter().filter_map(|(key, retry)| Some((key.clone(), retry.due?))).collect()
    }

    /// Those whose time has come.
    pub(super) fn take_due(&mut self) -> Vec<K> {
        let now = Instant::now();
        let is_due = |retry: &Retry| retry.due.is_some_and(|due| due <= now);
        let due = self.waiting.iter_mut().filter(|(_, retry)| is_due(retry));
        due.map(|(key, retry)| {
            retry.due = None;
            key.clone()
        })
        .collect()
    }
}
