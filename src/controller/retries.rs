// SPDX-License-Identifier: GPL-3.0-or-later
//! When a step that failed is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use tails_server_state::OnionAddress;
use tokio::time::Instant;

use crate::controller::backoff::Backoff;
use crate::controller::status::Outlook;

/// The first wait after a step failed: a collision with our own earlier connection clears within a few milliseconds.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest wait: what fails for long is not mended sooner by asking more often.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The addresses whose last step failed, each with its own back-off.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<OnionAddress, Retry>);

#[derive(Debug)]
struct Retry {
    backoff: Backoff,
    failures: u32,
    /// None when only a person, or a new control connection, can mend it.
    due: Option<Instant>,
}

impl Retries {
    /// One more failure; how many there were in a row.
    pub(super) fn fail(&mut self, address: OnionAddress, outlook: Outlook) -> u32 {
        let retry = self.0.entry(address).or_insert_with(|| Retry {
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
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
    pub(super) fn forget(&mut self, address: &OnionAddress) {
        self.0.remove(address);
    }

    /// Begins anew with all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// When the next one is to be tried again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(|retry| retry.due).min()
    }

    /// The addresses whose time has come.
    pub(super) fn take_due(&mut self) -> Vec<OnionAddress> {
        let now = Instant::now();
        let is_due = |retry: &Retry| retry.due.is_some_and(|due| due <= now);
        let due = self.0.iter_mut().filter(|(_, retry)| is_due(retry));
        due.map(|(address, retry)| {
            retry.due = None;
            *address
        })
        .collect()
    }
}
