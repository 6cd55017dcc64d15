// SPDX-License-Identifier: GPL-3.0-or-later
//! The connection to the controller.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Uid, geteuid};
use tails_server_state::ServiceName;
use tokio::net::UnixStream;
use zbus::connection::Builder;
use zbus::proxy::CacheProperties;

use crate::bus::api::{ApiError, BusAddress, DiagnosisProxy, ManagerProxy};
use crate::cli::agent::Agent;
use crate::cli::error::Failure;
use crate::cli::whereabouts::expected;

/// Remembering takes milliseconds, on a slow and busy USB stick a few seconds.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Three HSDirs are asked, twenty seconds each, and a visit takes up to a minute.
pub(super) const CHECK_PATIENCE: Duration = Duration::from_secs(150);
/// Removing packages takes a minute, and may wait for another program that installs some.
pub(super) const UNINSTALL_PATIENCE: Duration = Duration::from_secs(900);
/// A person looks for the password, and types it twice.
const PASSWORD_PATIENCE: Duration = Duration::from_secs(310);
/// A controller that runs lets its own user in within a millisecond.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Typing errors per letters that are worth asking "did you mean": one in a name of three letters, two in one of six.
const LETTERS_PER_ERROR: usize = 3;

/// A connection to the controller.
pub(super) struct Session {
    pub(super) manager: ManagerProxy<'static>,
    bus: BusAddress,
    /// Asks for the password that polkit wants.
    agent: Option<Agent>,
}

/// What is going to be asked of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Questions {
    /// What everybody may know: it answers by itself.
    OfEverybody,
    /// What needs a right: a person may have to look for a password first.
    OfRight,
}

impl Session {
    /// Connects to the controller at this address, or where one is to be expected. Its answers may take so long.
    pub(super) async fn connect(
        bus: Option<BusAddress>,
        patience: Duration,
        questions: Questions,
    ) -> Result<Self, Failure> {
        let bus = bus.map_or_else(expected, Ok)?;
        let patience = patience_for(patience, questions, &bus, geteuid());
        let connecting = tokio::time::timeout(CONNECT_PATIENCE, connect(&bus, patience));
        let connection = connecting.await.map_err(|_| Failure::NoAnswer(CONNECT_PATIENCE))??;
        let manager = ManagerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        Ok(Self { manager, bus, agent: None })
    }

    /// Whether a person may be asked for a password before there is an answer to what not everybody may know.
    pub(super) fn may_ask_for_password(&self) -> bool {
        may_ask_for_password(&self.bus, geteuid())
    }

    /// Makes sure that a person on this terminal can be asked for a password. What everybody may know needs none.
    pub(super) async fn with_agent(self) -> Self {
        let agent = if self.bus == BusAddress::System { Agent::begin().await } else { None };
        Self { agent: agent.or(self.agent), ..self }
    }

    /// The interface for what the controller does and why.
    pub(super) async fn diagnosis(&self) -> Result<DiagnosisProxy<'static>, Failure> {
        let connection = self.manager.inner().connection();
        Ok(DiagnosisProxy::builder(connection).cache_properties(CacheProperties::No).build().await?)
    }

    /// The failure for an answer about this service: an unknown name may be a typing error.
    pub(super) async fn failure(&self, name: &ServiceName, error: ApiError) -> Failure {
        if let ApiError::UnknownService(_) = error { self.unknown(name).await } else { error.into() }
    }

    /// The failure that this service is unknown, with the most similar name that is not.
    pub(super) async fn unknown(&self, name: &ServiceName) -> Failure {
        let known = self.manager.overview().await.map(|(_, _, services)| services).unwrap_or_default();
        let had = self.manager.catalog().await.map(|(services, _)| services).unwrap_or_default();
        let names = known.into_keys().chain(had.into_keys());
        Failure::Unknown { name: name.clone(), similar: similar(name.as_str(), names) }
    }
}

/// Only over the system's bus, and never root.
fn may_ask_for_password(bus: &BusAddress, user: Uid) -> bool {
    *bus == BusAddress::System && !user.is_root()
}

/// How long an answer may take, with what a person may be asked before.
fn patience_for(patience: Duration, questions: Questions, bus: &BusAddress, user: Uid) -> Duration {
    match questions {
        Questions::OfRight if may_ask_for_password(bus, user) => patience.max(PASSWORD_PATIENCE),
        Questions::OfRight | Questions::OfEverybody => patience,
    }
}

/// The name that was most likely meant.
pub(super) fn similar(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        // A letter missing, doubled, wrong or swapped with the next one is one error.
        .map(|candidate| (strsim::osa_distance(name, &candidate), candidate))
        .filter(|(errors, candidate)| errors * LETTERS_PER_ERROR <= name.len().max(candidate.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

async fn connect(bus: &BusAddress, patience: Duration) -> Result<zbus::Connection, Failure> {
    let builder = match bus {
        BusAddress::Unix(path) => return connect_to(path, patience).await,
        BusAddress::Session => Builder::session(),
        BusAddress::System => Builder::system(),
    };
    let connection = builder.method_timeout(patience).build().await;
    connection.map_err(|cause| Failure::NoBus(bus.clone(), cause))
}

async fn connect_to(path: &Path, patience: Duration) -> Result<zbus::Connection, Failure> {
    let refused = |cause: io::Error| {
        if cause.kind() == io::ErrorKind::PermissionDenied {
            Failure::NotAllowed(cause)
        } else {
            Failure::NotRunning(path.to_owned())
        }
    };
    let stream = UnixStream::connect(path).await.and_then(UnixStream::into_std).map_err(refused)?;
    let connection = Builder::unix_stream(stream).p2p().method_timeout(patience).build();
    connection.await.map_err(|cause| {
        // It hangs up on other users without a word.
        if matches!(cause, zbus::Error::InputOutput(_)) && is_of_another_user(path) {
            Failure::NotAllowed(io::ErrorKind::PermissionDenied.into())
        } else {
            cause.into()
        }
    })
}

fn is_of_another_user(socket: &Path) -> bool {
    socket.metadata().is_ok_and(|socket| socket.uid() != geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_a_person_may_be_asked_an_answer_may_take_as_long_as_typing() {
        let person = Uid::from_raw(1000);
        let private = BusAddress::Unix("/bus".into());
        for (questions, bus, user, patience) in [
            (Questions::OfRight, &BusAddress::System, person, PASSWORD_PATIENCE),
            (Questions::OfEverybody, &BusAddress::System, person, ANSWER_PATIENCE),
            (Questions::OfRight, &BusAddress::System, Uid::ROOT, ANSWER_PATIENCE),
            (Questions::OfRight, &BusAddress::Session, person, ANSWER_PATIENCE),
            (Questions::OfRight, &private, person, ANSWER_PATIENCE),
        ] {
            assert_eq!(patience_for(ANSWER_PATIENCE, questions, bus, user), patience, "{questions:?} {bus:?} {user:?}");
        }
        let longer = patience_for(UNINSTALL_PATIENCE, Questions::OfRight, &BusAddress::System, person);
        assert_eq!(longer, UNINSTALL_PATIENCE);
    }
}
