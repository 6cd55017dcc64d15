// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server check`

use serde::Serialize;
use tails_server_state::ServiceName;

use crate::bus::api::ApiError;
use crate::cli::args::Wait;
use crate::cli::error::Failure;
use crate::cli::follow;
use crate::cli::output::{Form, print};
use crate::cli::session::{CHECK_PATIENCE, Session};
use crate::cli::talk::say;

/// A descriptor that was fetched back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Found {
    name: String,
    found: bool,
    hsdir: String,
    asked_in_vain: u32,
}

pub(super) async fn check(session: &Session, name: &ServiceName, wait: Wait, form: Form) -> Result<(), Failure> {
    if wait.wait {
        follow::until_published(session, name, wait.timeout).await?;
    }
    match session.manager.check(name.as_str()).await {
        Ok((hsdir, asked_in_vain)) => {
            print(&Found { name: name.to_string(), found: true, hsdir, asked_in_vain }, form)?;
            say(&format!("Visitors can find \"{name}\": a relay that they ask gave its descriptor back."));
            Ok(())
        }
        Err(ApiError::Bus(zbus::Error::InputOutput(cause))) if cause.kind() == std::io::ErrorKind::TimedOut => {
            Err(Failure::NoAnswer(CHECK_PATIENCE))
        }
        Err(error) => Err(session.failure(name, error).await),
    }
}
