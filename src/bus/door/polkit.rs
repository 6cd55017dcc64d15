// SPDX-License-Identifier: GPL-3.0-or-later
//! What polkit says about a caller.

use std::collections::HashMap;
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

/// Polkit.
#[derive(Debug)]
pub(super) struct Polkit(AuthorityProxy<'static>);

impl Polkit {
    pub(super) async fn new(connection: &zbus::Connection) -> zbus::Result<Self> {
        let uncached = zbus::proxy::CacheProperties::No;
        Ok(Self(AuthorityProxy::builder(connection).cache_properties(uncached).build().await?))
    }

    /// Whether the caller has the right. Polkit is told who sent the call, by the name that the bus gave them: it is never
    /// asked about us. Without polkit nobody has.
    pub(super) async fn allows(&self, call: &Header<'_>, right: Right) -> Result<bool, ApiError> {
        let Some(action) = right.action() else { return Ok(true) };
        let Ok(subject) = Subject::new_for_message_header(call) else { return Ok(false) };
        // Nobody is asked for a password who does not expect that.
        let (flags, patience) = if call.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH) {
            (CheckAuthorizationFlags::ALLOW_USER_INTERACTION, PERSON_PATIENCE)
        } else {
            (CheckAuthorizationFlags::empty(), PATIENCE)
        };
        let details = HashMap::new();
        let asking = self.0.check_authorization(&subject, action, &details, flags, "");
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

fn unanswered() -> ApiError {
    ApiError::NotAuthorized("polkit does not say whether you may do that\nRun it as root, with sudo".to_owned())
}
