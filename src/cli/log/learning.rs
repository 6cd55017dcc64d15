// SPDX-License-Identifier: GPL-3.0-or-later
//! Secrets that a service gets while its log is followed.
//!
//! A server writes with a new secret once it runs with it. Before that the controller says that its options are not applied: so
//! nobody has to be asked for the secrets, which may need a password, but when they may have changed.

use futures_util::StreamExt;
use tails_server_state::ServiceName;
use zeroize::Zeroizing;

use super::redact::Redactor;
use super::{Line, known_secrets};
use crate::bus::api::ServiceChangedStream;
use crate::cli::args::Log;
use crate::cli::error::Failure;
use crate::cli::output::Form;
use crate::cli::session::Session;

/// Keeps a redactor up to date.
pub(super) struct Learning {
    session: Session,
    changes: ServiceChangedStream,
    name: ServiceName,
    /// Whether its server runs with all that was set, where it runs and somebody knows.
    is_applied: Option<bool>,
    /// Whether there may be secrets that the redactor does not know.
    is_stale: bool,
}

impl Learning {
    /// From before the secrets are read for the first time, so that no change falls in between.
    pub(super) async fn begin(session: Session, name: &ServiceName) -> Result<Self, Failure> {
        let changes = session.manager.receive_service_changed().await?;
        let (_, _, services) = session.answer(session.manager.overview()).await?;
        let is_applied = services.get(name.as_str()).and_then(|service| service.options_applied);
        Ok(Self { session, changes, name: name.clone(), is_applied, is_stale: true })
    }

    /// Takes the changes, for as long as it is waited for.
    ///
    /// # Errors
    /// The controller ended. The next one may be given other secrets, and nobody would tell.
    pub(super) async fn listen(&mut self) -> Failure {
        while let Some(change) = self.changes.next().await {
            let Ok(told) = change.args() else { return Failure::Garbled };
            if told.name == self.name.as_str() && told.properties.options_applied != self.is_applied {
                self.is_applied = told.properties.options_applied;
                self.is_stale = true;
            }
        }
        Failure::ControllerEnded
    }

    /// Prints a line without the secrets that there are now, and without those that there were.
    pub(super) async fn print(
        &mut self,
        line: &Line,
        redactor: &mut Redactor,
        request: &Log,
        form: Form,
    ) -> Result<(), Failure> {
        self.learn(redactor, request).await?;
        line.print(redactor, form)
    }

    /// Has the redactor know what may be in the next line.
    pub(super) async fn learn(&mut self, redactor: &mut Redactor, request: &Log) -> Result<(), Failure> {
        // While it is being applied, more may be set at any time.
        if self.is_stale || self.is_applied == Some(false) {
            let secrets: Vec<Zeroizing<String>> = known_secrets(&self.session, request).await?;
            redactor.learn(secrets.iter().map(|secret| secret.as_str()));
            self.is_stale = false;
        }
        Ok(())
    }
}
