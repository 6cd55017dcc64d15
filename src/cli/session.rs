// SPDX-License-Identifier: GPL-3.0-or-later
//! The connection to the controller.

use std::env;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tails_server_state::ServiceName;
use tokio::net::UnixStream;
use zbus::proxy::CacheProperties;

use crate::bus::api::{ApiError, BusAddress, ManagerProxy};
use crate::cli::error::Failure;

/// Remembering takes milliseconds, on a slow and busy USB stick a few seconds.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Three HSDirs are asked, twenty seconds each, and a visit takes up to a minute.
pub(super) const CHECK_PATIENCE: Duration = Duration::from_secs(150);
/// Removing packages takes a minute, and may wait for another program that installs some.
pub(super) const UNINSTALL_PATIENCE: Duration = Duration::from_secs(900);
/// A controller that runs lets its own user in within a millisecond.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Typing errors per letters that are worth asking "did you mean": one in a name of three letters, two in one of six.
const LETTERS_PER_ERROR: usize = 3;

/// Where the system's controller listens.
pub(super) const SYSTEM_SOCKET: &str = "/run/tails-server/bus";

/// A connection to the controller.
pub(super) struct Session {
    pub(super) manager: ManagerProxy<'static>,
}

impl Session {
    /// Connects to the controller at this address, or where one is to be expected. Its answers may take so long.
    pub(super) async fn connect(bus: Option<BusAddress>, patience: Duration) -> Result<Self, Failure> {
        let path = match bus {
            Some(BusAddress::Unix(path)) => path,
            Some(bus @ (BusAddress::Session | BusAddress::System)) => return Err(Failure::MessageBus(bus)),
            None => expected_socket(),
        };
        let connecting = tokio::time::timeout(CONNECT_PATIENCE, connect(&path, patience));
        let connection = connecting.await.map_err(|_| Failure::NoAnswer(CONNECT_PATIENCE))??;
        let manager = ManagerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        Ok(Self { manager })
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

/// The name that was most likely meant.
pub(super) fn similar(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        // A letter missing, doubled, wrong or swapped with the next one is one error.
        .map(|candidate| (strsim::osa_distance(name, &candidate), candidate))
        .filter(|(errors, candidate)| errors * LETTERS_PER_ERROR <= name.len().max(candidate.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

async fn connect(path: &Path, patience: Duration) -> Result<zbus::Connection, Failure> {
    let refused = |cause: io::Error| {
        if cause.kind() == io::ErrorKind::PermissionDenied {
            Failure::NotAllowed(cause)
        } else {
            Failure::NotRunning(path.to_owned())
        }
    };
    let stream = UnixStream::connect(path).await.and_then(UnixStream::into_std).map_err(refused)?;
    let connection = zbus::connection::Builder::unix_stream(stream).p2p().method_timeout(patience).build();
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
    socket.metadata().is_ok_and(|socket| socket.uid() != rustix::process::geteuid().as_raw())
}

/// The socket of this person's controller, or else the system's.
fn expected_socket() -> PathBuf {
    let system = PathBuf::from(SYSTEM_SOCKET);
    let own = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("tails-server/bus"));
    match own {
        Some(own) if own.exists() || !Path::exists(&system) => own,
        Some(_) | None => system,
    }
}
