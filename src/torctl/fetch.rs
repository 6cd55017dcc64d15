// SPDX-License-Identifier: GPL-3.0-or-later
//! Fetching the descriptor of an onion service back from the network, as proof that it is there.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tails_server_state::OnionAddress;
use tokio::time::Instant;

use super::client::{Client, Events};
use super::error::CommandError;
use super::event::{Event, EventKind};
use super::hs_desc::{HsDescAction, HsDescEvent};

/// Time in which Tor asks the next HSDir after one had nothing, or gives up without a word.
// It asks within a millisecond; the rest is for a machine that is busy.
const NEXT_HSDIR: Duration = Duration::from_secs(2);

/// What came of [`fetch_descriptor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// An HSDir gave the descriptor.
    Received {
        /// Which one: its fingerprint, 40 upper-case hexadecimal digits.
        hsdir: String,
        /// Which descriptor, to be compared with that of the `UPLOAD` events; `None` where a filter hides it.
        descriptor_id: Option<String>,
    },
    /// Every HSDir that Tor asked failed.
    Failed {
        /// Those HSDirs, and Tor's name for why, such as `NOT_FOUND`. Empty when Tor knows of none to ask.
        hsdirs: BTreeMap<String, String>,
    },
    /// No answer in time. With nobody asked, Tor has asked all of them lately and does not do so again for some minutes,
    /// has no consensus, or a filter hides what it does.
    TimedOut {
        /// How many HSDirs were asked.
        asked: usize,
        /// Those of them that failed.
        failed: usize,
    },
}

/// Makes Tor fetch the descriptor of an onion service from one HSDir after the other, until one has it.
///
/// `client` and `events` are a connection of its own, for it asks for events of its own. It works for services of the
/// same Tor, and for those that only authorised clients reach: fetching needs no key. Tor asks each HSDir once in some
/// minutes, so when this is repeated soon it ends with [`FetchOutcome::TimedOut`] and nobody asked;
/// [`fetch_descriptor_from`] has no such limit.
///
/// # Errors
/// [`CommandError`]
// control-spec, HSFETCH; the events REQUESTED, then RECEIVED or FAILED, for each HSDir
pub async fn fetch_descriptor(
    client: &Client,
    events: &mut Events,
    address: &OnionAddress,
    patience: Duration,
) -> Result<FetchOutcome, CommandError> {
    fetch(client, events, address, None, patience).await
}

/// Makes Tor fetch the descriptor of an onion service from this HSDir, named by its fingerprint as events do. As
/// [`fetch_descriptor`] otherwise.
///
/// # Errors
/// [`CommandError`]; [`Refusal::Unknown`](super::Refusal::Unknown) when Tor knows no such relay.
pub async fn fetch_descriptor_from(
    client: &Client,
    events: &mut Events,
    address: &OnionAddress,
    hsdir: &str,
    patience: Duration,
) -> Result<FetchOutcome, CommandError> {
    fetch(client, events, address, Some(hsdir), patience).await
}

async fn fetch(
    client: &Client,
    events: &mut Events,
    address: &OnionAddress,
    from: Option<&str>,
    patience: Duration,
) -> Result<FetchOutcome, CommandError> {
    let end = Instant::now() + patience;
    let mut fetch = Fetch::default();
    let mut asking = pin!(async {
        client.set_events(&[EventKind::HsDesc]).await?;
        client.hs_fetch(address, from).await
    });
    let mut is_asked = false;
    let mut deadline = end;
    loop {
        // Events are taken while the replies are awaited: Tor is not read from while they wait.
        tokio::select! {
            biased;
            asked = &mut asking, if !is_asked => {
                asked?;
                is_asked = true;
            }
            event = events.next() => match event {
                Some(Event::HsDesc(event)) if event.address.as_ref() == Some(address) => {
                    // What other HSDirs say to others is no answer of this one.
                    if from.is_some() && event.hsdir.as_deref() != from {
                        continue;
                    }
                    if let Some(received) = fetch.observe(event) {
                        return Ok(received);
                    }
                    let has_more = fetch.waiting() > 0 || fetch.failed.is_empty();
                    if !has_more && from.is_some() {
                        return Ok(fetch.outcome());
                    }
                    deadline = if has_more { end } else { end.min(Instant::now() + NEXT_HSDIR) };
                }
                Some(_) => {}
                None => return Err(CommandError::Lost { command: "HSFETCH", cause: client.closed().await }),
            },
            () = tokio::time::sleep_until(deadline) => return Ok(fetch.outcome()),
        }
    }
}

/// What the HSDirs said so far.
#[derive(Default)]
struct Fetch {
    /// HSDirs that were asked, and how often they have not answered yet.
    asked: BTreeMap<String, u32>,
    /// Why they failed. The key is empty for a fetch that came to no HSDir.
    failed: BTreeMap<String, String>,
}

impl Fetch {
    /// Takes an event about the address; the outcome, when it is the descriptor.
    fn observe(&mut self, event: HsDescEvent) -> Option<FetchOutcome> {
        let HsDescEvent { action, hsdir, descriptor_id, reason, address: _ } = event;
        match (action, hsdir) {
            (HsDescAction::Requested, Some(hsdir)) => {
                *self.asked.entry(hsdir).or_default() += 1;
                None
            }
            // Only what was asked for while we looked: an answer to an older question is older proof.
            (HsDescAction::Received, Some(hsdir)) if self.asked.contains_key(&hsdir) => {
                Some(FetchOutcome::Received { hsdir, descriptor_id })
            }
            (HsDescAction::Failed, Some(hsdir)) => {
                // Uploads fail by the same event.
                if let Some(unanswered) = self.asked.get_mut(&hsdir) {
                    *unanswered = unanswered.saturating_sub(1);
                    self.failed.insert(hsdir, reason.unwrap_or_default());
                }
                None
            }
            // QUERY_NO_HSDIR, QUERY_RATE_LIMITED
            (HsDescAction::Failed, None) => {
                self.failed.insert(String::new(), reason.unwrap_or_default());
                None
            }
            (
                HsDescAction::Requested
                | HsDescAction::Received
                | HsDescAction::Created
                | HsDescAction::Upload
                | HsDescAction::Uploaded
                | HsDescAction::Other,
                Some(_) | None,
            ) => None,
        }
    }

    /// How many questions have no answer yet.
    fn waiting(&self) -> u32 {
        self.asked.values().sum()
    }

    /// What there is to say when no more time is left.
    fn outcome(mut self) -> FetchOutcome {
        if self.waiting() > 0 || self.failed.is_empty() {
            self.failed.remove("");
            FetchOutcome::TimedOut { asked: self.asked.len(), failed: self.failed.len() }
        } else {
            self.failed.remove("");
            FetchOutcome::Failed { hsdirs: self.failed }
        }
    }
}
