// SPDX-License-Identifier: GPL-3.0-or-later
//! Secrets that the controller hands over, or is handed.

use std::collections::VecDeque;

use tails_server_state::ServiceName;
use zbus::OwnedFd;
use zeroize::Zeroizing;

use crate::bus::api::{self, ApiError, ConnectionProperties, MAX_SECRET, OptionProperties, Secrets};
use crate::cli::error::Failure;
use crate::cli::session::Session;

/// What was handed over.
pub(super) async fn take(handed: OwnedFd) -> Result<Zeroizing<Vec<u8>>, Failure> {
    api::take(handed.into(), MAX_SECRET).await.map_err(|_| Failure::Garbled)
}

/// The text that was handed over.
pub(super) async fn take_text(handed: OwnedFd) -> Result<Zeroizing<String>, Failure> {
    let bytes = take(handed).await?;
    std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Failure::Garbled)
}

/// Hands something over.
pub(super) fn hand_over(secret: &[u8]) -> Result<OwnedFd, Failure> {
    api::hand_over(secret).map(Into::into).map_err(Failure::System)
}

/// The options of a service, with those that are secret if so wished.
pub(super) async fn options(
    session: &Session,
    name: &ServiceName,
    with_secrets: bool,
) -> Result<Vec<OptionProperties>, Failure> {
    let mut options = known(session, name, session.answer(session.manager.options(name.as_str())).await).await?;
    if with_secrets && options.iter().any(|option| option.secret) {
        let mut secrets = secrets(session, name).await?;
        for option in options.iter_mut().filter(|option| option.secret) {
            option.value = secrets.options.remove(&option.name);
        }
    }
    Ok(options)
}

/// What visitors of a service need to know, with what is secret if so wished.
pub(super) async fn connection(
    session: &Session,
    name: &ServiceName,
    with_secrets: bool,
) -> Result<ConnectionProperties, Failure> {
    let mut connection =
        known(session, name, session.answer(session.manager.connection_info(name.as_str())).await).await?;
    if with_secrets {
        let secrets = secrets(session, name).await?;
        // They come in the order of the lines that they belong to.
        let mut values: VecDeque<_> = secrets.lines.into();
        for (label, value, _) in connection.lines.iter_mut().filter(|(_, _, is_secret)| *is_secret) {
            if values.front().is_some_and(|(of, _)| of == label) {
                *value = values.pop_front().map(|(_, value)| value).unwrap_or_default();
            }
        }
        connection.link = connection.link.or(secrets.link);
    }
    Ok(connection)
}

/// What is secret about a service and can be shown.
pub(super) async fn secrets(session: &Session, name: &ServiceName) -> Result<Secrets, Failure> {
    let handed = known(session, name, session.answer(session.manager.secrets(name.as_str())).await).await?;
    serde_json::from_slice(&take(handed).await?).map_err(|_| Failure::Garbled)
}

async fn known<T>(session: &Session, name: &ServiceName, answer: Result<T, ApiError>) -> Result<T, Failure> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(error) => Err(session.failure(name, error).await),
    }
}
