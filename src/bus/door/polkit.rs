// SPDX-License-Identifier: GPL-3.0-or-later
//! What polkit says about a caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use zbus::message::{Flags, Header};
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

use crate::bus::api::ApiError;
use crate::bus::door::Right;

/// Polkit answers within milliseconds; its first answer after a boot takes a second on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A person looks for the password, and types it twice.
const PERSON_PATIENCE: Duration = Duration::from_secs(300);

/// Questions to the persons of one user at a time: more than one nobody answers.
const MOST_QUESTIONS: usize = 2;

/// Polkit.
#[derive(Debug)]
pub(super) struct Polkit {
    authority: AuthorityProxy<'static>,
    questions: Arc<Mutex<Questions>>,
}

/// The questions to persons that are not answered yet, by user, and how many there have ever been.
#[derive(Debug, Default)]
struct Questions {
    open: HashMap<u32, usize>,
    ever: u64,
}

impl Polkit {
    pub(super) async fn new(connection: &zbus::Connection) -> zbus::Result<Self> {
        let uncached = zbus::proxy::CacheProperties::No;
        let authority = AuthorityProxy::builder(connection).cache_properties(uncached).build().await?;
        Ok(Self { authority, questions: Arc::default() })
    }

    /// Whether the caller has the right. Polkit is told who sent the call, by the name that the bus gave them: it is never
    /// asked about us. Without polkit nobody has.
    pub(super) async fn allows(&self, call: &Header<'_>, user: u32, right: Right) -> Result<bool, ApiError> {
        let Some(action) = right.action() else { return Ok(true) };
        let Ok(subject) = Subject::new_for_message_header(call) else { return Ok(false) };
        // Nobody is asked for a password who does not expect that.
        if !call.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH) {
            return self.ask(&subject, action, CheckAuthorizationFlags::empty(), "", PATIENCE).await;
        }
        let question = Question::begin(&self.questions, user)?;
        let flags = CheckAuthorizationFlags::ALLOW_USER_INTERACTION;
        let allowed = self.ask(&subject, action, flags, &question.id, PERSON_PATIENCE).await;
        if allowed.is_err() {
            // It would stay on somebody's screen.
            let _ = tokio::time::timeout(PATIENCE, self.authority.cancel_check_authorization(&question.id)).await;
        }
        allowed
    }

    async fn ask(
        &self,
        subject: &Subject,
        action: &str,
        flags: CheckAuthorizationFlags,
        question: &str,
        patience: Duration,
    ) -> Result<bool, ApiError> {
        let details = HashMap::new();
        let asking = self.authority.check_authorization(subject, action, &details, flags, question);
        match tokio::time::timeout(patience, asking).await {
            Ok(Ok(answer)) => Ok(answer.is_authorized),
            Ok(Err(cause)) => {
                warn!(%cause, "polkit can not be asked who may do what: nobody but root may");
                Err(unanswered())
            }
            Err(_) => Err(unanswered()),
        }
    }
}

/// A question to a person, until it is answered.
struct Question {
    id: String,
    user: u32,
    questions: Arc<Mutex<Questions>>,
}

impl Question {
    fn begin(questions: &Arc<Mutex<Questions>>, user: u32) -> Result<Self, ApiError> {
        let mut all = lock(questions);
        let open = all.open.entry(user).or_default();
        if *open >= MOST_QUESTIONS {
            return Err(ApiError::TooMuch(
                "somebody is being asked for a password already\nAnswer that first".to_owned(),
            ));
        }
        *open += 1;
        all.ever += 1;
        Ok(Self { id: format!("tails-server-{}", all.ever), user, questions: Arc::clone(questions) })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut all = lock(&self.questions);
        if let Some(open) = all.open.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                all.open.remove(&self.user);
            }
        }
    }
}

fn lock(questions: &Mutex<Questions>) -> MutexGuard<'_, Questions> {
    questions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unanswered() -> ApiError {
    ApiError::NotAuthorized("polkit does not say whether you may do that\nRun it as root, with sudo".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_for_many_passwords_at_once() {
        let questions = Arc::default();
        let (one, two) = (Question::begin(&questions, 1000).unwrap(), Question::begin(&questions, 1000).unwrap());
        assert!(matches!(Question::begin(&questions, 1000), Err(ApiError::TooMuch(_))));
        assert!(Question::begin(&questions, 1001).is_ok());
        assert_ne!(one.id, two.id);
        drop(one);
        assert!(Question::begin(&questions, 1000).is_ok());
        drop(two);
        assert!(questions.lock().unwrap().open.is_empty());
    }
}
