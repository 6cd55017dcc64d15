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
    /// How long an answer may take.
    patience: Duration,
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
        Ok(Self { manager, bus, patience, agent: None })
    }

    /// The answer to what is asked of the controller, unless it takes too long. All that is asked goes through here, but for
    /// what is meant to take as long as it takes.
    // What allows polkit to ask somebody is not subject to the connection's own time-out: zbus, Proxy::call_with_flags.
    pub(super) async fn answer<T>(&self, asked: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        tokio::time::timeout(self.patience, asked).await.unwrap_or_else(|_| Err(unanswered(self.patience)))
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
        let known = self.answer(self.manager.overview()).await.map(|(_, _, services)| services).unwrap_or_default();
        let had = self.answer(self.manager.catalog()).await.map(|(services, _)| services).unwrap_or_default();
        let names = known.into_keys().chain(had.into_keys());
        Failure::Unknown { name: name.clone(), similar: similar(name.as_str(), names) }
    }
}

/// The error of a controller that did not answer within this time.
fn unanswered(patience: Duration) -> ApiError {
    let cause = io::Error::new(io::ErrorKind::TimedOut, Unanswered(patience));
    ApiError::Bus(zbus::Error::InputOutput(cause.into()))
}

/// How long it was waited for an answer that did not come.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{}", Failure::NoAnswer(*.0))]
pub(super) struct Unanswered(pub(super) Duration);

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
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    /// Lets one client in, and answers nothing that it asks.
    // D-Bus specification, "Authentication Protocol"
    fn be_mute(listener: &UnixListener) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut line = Vec::new();
            lines.read_until(b'\n', &mut line).unwrap();
            let line = String::from_utf8_lossy(&line);
            let answer = if line.contains("AUTH") {
                format!("OK {}\r\n", "0".repeat(32))
            } else if line.contains("NEGOTIATE") {
                "AGREE_UNIX_FD\r\n".to_owned()
            } else {
                break;
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
        // Until it hangs up.
        let _ = std::io::copy(&mut lines, &mut std::io::sink());
    }

    #[tokio::test]
    async fn a_controller_that_lets_in_and_never_answers_is_given_up() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("bus");
        let listener = UnixListener::bind(&socket).unwrap();
        // It ends with the connection.
        std::thread::spawn(move || be_mute(&listener));
        let patience = Duration::from_millis(100);
        let session = Session::connect(Some(BusAddress::Unix(socket)), patience, Questions::OfEverybody).await.unwrap();
        let given_up = Failure::from(session.answer(session.manager.overview()).await.unwrap_err());
        assert!(matches!(given_up, Failure::NoAnswer(waited) if waited == patience), "{given_up:?}");
    }

    #[test]
    fn whatever_is_asked_of_the_controller_has_to_be_answered_in_time() {
        let mut places = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli"))];
        let mut asked = 0;
        while let Some(place) = places.pop() {
            if place.is_dir() {
                places.extend(std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            // The time that completion takes is limited as a whole.
            if place.ends_with("session.rs") || place.components().any(|part| part.as_os_str() == "complete") {
                continue;
            }
            let text = std::fs::read_to_string(&place).unwrap_or_default().replace(['\n', ' '], "");
            for call in ["session.manager.", "diagnosis.", "archive.", "?.export()", "diagnosis().await?."] {
                for (at, _) in text.match_indices(call) {
                    let (before, rest) = (&text[..at], &text[at + call.len()..]);
                    let is_meant_to_be_long =
                        ["receive_", "inner()", "await_"].iter().any(|name| rest.starts_with(name));
                    let is_call = rest.starts_with(|first: char| first.is_ascii_lowercase());
                    let is_in_words =
                        before.ends_with(|last: char| last.is_ascii_alphanumeric() || "\".`/*".contains(last));
                    if is_meant_to_be_long || !is_call || is_in_words {
                        continue;
                    }
                    asked += 1;
                    assert!(before.ends_with("answer("), "{}: {call}{:.20}", place.display(), rest);
                }
            }
        }
        assert!(asked > 50, "{asked}");
    }

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
