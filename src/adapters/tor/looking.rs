// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking a Tor that is connected how it is, beside its events.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use crate::controller::TorFact;
use crate::torctl::{Client, CommandError, InfoKey};

/// One question at a time. Nothing is learned from a Tor that does not answer: the connection ends of that by itself.
#[derive(Default)]
pub(super) struct Looking {
    asking: JoinSet<Result<BTreeMap<InfoKey, String>, CommandError>>,
    is_outdated: bool,
}

impl Looking {
    /// Whether no question is under way.
    pub(super) fn is_over(&self) -> bool {
        self.asking.is_empty()
    }

    /// Asks, in a task of its own: no reply is read while the events are not taken.
    pub(super) fn begin(&mut self, client: &Client, questions: &'static [InfoKey]) {
        let client = client.clone();
        self.is_outdated = false;
        self.asking.spawn(async move { client.get_info(questions).await });
    }

    /// An event told this. An answer that is taken after it may be older, and Tor would not say again what has changed.
    pub(super) fn heard(&mut self, fact: &TorFact) {
        self.is_outdated |= matches!(fact, TorFact::Bootstrap(_) | TorFact::EnoughDirectory(_) | TorFact::Circuits(_));
    }

    /// The answers, once they are there and if they are of use; the outer `None` if nothing was asked. Cancel-safe.
    pub(super) async fn end(&mut self) -> Option<Option<BTreeMap<InfoKey, String>>> {
        let answers = self.asking.join_next().await?;
        Some(answers.ok().and_then(Result::ok).filter(|_| !self.is_outdated))
    }
}
