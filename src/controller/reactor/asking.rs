// SPDX-License-Identifier: GPL-3.0-or-later
//! Questions that people ask of the loop. None of them changes anything.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinError;
use tracing::error;

use super::Reactor;
use crate::controller::diagnosis::{Asked, Finding, Looked, examine};
use crate::controller::explain::{Intention, Schedule, Stage, Subject, explain, intention};
use crate::controller::plan::Step;
use crate::controller::ports::{Host, Listening, Survey, Tor};

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    /// Notes why steps begin: once they have, the facts are others.
    pub(super) fn note_begun(&mut self, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        self.begun.retain(|subject, _| subject.is_busy(&self.observed));
        for step in steps {
            if let Some(subject) = Subject::of(step, &self.desired) {
                let next = intention(step, &self.desired, &self.observed);
                self.begun.insert(subject, Intention { stage: Stage::UnderWay, ..next });
            }
        }
    }

    pub(super) fn explain(&self) -> Vec<Intention> {
        let schedule =
            Schedule { begun: self.begun.clone(), retries: self.retries.due(), host_retries: self.host_retries.due() };
        explain(&self.desired, &self.observed, &schedule)
    }

    /// Asks Tor, and answers whoever asked.
    pub(super) fn survey(&mut self, reply: oneshot::Sender<Asked>) {
        let (tor, generation) = (Arc::clone(&self.tor), self.observed.tor.generation);
        let before = Asked::about(&self.observed, Survey::nothing("it was not asked"));
        self.surveys.spawn(async move {
            let survey = tor.survey(generation).await;
            // Who asked may have gone.
            let _ = reply.send(Asked { survey, ..before });
        });
    }

    pub(super) fn surveyed(ended: Result<(), JoinError>) -> bool {
        if let Err(cause) = &ended {
            error!(%cause, "bug: a question to Tor died");
        }
        ended.is_ok()
    }

    pub(super) fn examine(&self, looked: &Looked) -> Vec<Finding> {
        examine(&self.desired, &self.observed, looked)
    }
}
