// SPDX-License-Identifier: GPL-3.0-or-later
//! D-Bus without a bus: each client connects to a unix socket of ours.

use std::collections::VecDeque;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, error, warn};

use crate::bus::door::{self, Door};
use crate::bus::face::Face;
use crate::bus::objects::Objects;
use crate::bus::signals::{self, Audience};
use crate::controller::{Controller, Snapshot};

/// Clients at a time. One more is turned away: each holds a file descriptor, of which a process has 1,024.
const MAX_CLIENTS: usize = 256;
/// Clients at a time that have not authenticated yet.
const MAX_SILENT: usize = 64;
/// A client authenticates at once: it is a program on this machine.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the answers to the last requests may take on their way, once the controller has ended.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);
/// The pause after a failed accept: file descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The socket that clients connect to. Its file is removed on drop.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

/// Why clients can not be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another controller answers there.
    #[error("another controller listens on {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The socket can not be made.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// Where the socket was to be.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

impl Listener {
    /// Listens at this path, for nobody but this user and root. A socket file that nobody answers on is replaced.
    ///
    /// # Errors
    /// Another controller listens there, or the socket can not be made.
    pub async fn bind(path: &Path) -> Result<Self, ListenError> {
        let io = |cause| ListenError::Io { path: path.to_owned(), cause };
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
            Ok(_) => match UnixStream::connect(path).await {
                Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(io)?,
                // Somebody answers, or is too busy to.
                Ok(_) | Err(_) => return Err(ListenError::InUse(path.to_owned())),
            },
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => (),
            Err(cause) => return Err(io(cause)),
        }
        let socket = UnixListener::bind(path).map_err(io)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
        let identity = identity(&fs::symlink_metadata(path).map_err(io)?);
        Ok(Self { socket, path: path.to_owned(), identity })
    }

    /// Serves clients until the controller ends.
    pub async fn serve(self, controller: Controller) {
        let mut silent = Silent::default();
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) if is_allowed(&stream) => silent.begin(stream, controller.clone()),
                    Ok(_) => (),
                    Err(cause) => {
                        warn!(%cause, "cannot accept a client");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(introduced) = silent.handshakes.join_next() => match introduced {
                    Ok(Ok(_)) if clients.len() >= MAX_CLIENTS => warn!(most = MAX_CLIENTS, "refused one client more"),
                    Ok(Ok(client)) => drop(clients.spawn(client.tell())),
                    Ok(Err(cause)) => debug!(%cause, "a client went away"),
                    Err(died) if died.is_cancelled() => debug!("a silent client had to make room"),
                    Err(cause) => error!(%cause, "bug: a handshake died"),
                },
                Some(ended) = clients.join_next() => match ended {
                    Ok(Ok(())) => (),
                    Ok(Err(cause)) => debug!(%cause, "a client went away"),
                    Err(cause) => error!(%cause, "bug: the service of a client died"),
                },
                () = controller.ended() => break,
            }
        }
        // No event tells when zbus has written what it was given.
        tokio::time::sleep(LAST_WORDS).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another controller may have put its own socket there.
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if is_ours && let Err(cause) = fs::remove_file(&self.path) {
            debug!(%cause, "the socket is gone already");
        }
    }
}

/// Which file this is, whatever its name.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether this client is of our own user, or root: nothing can be kept from root anyway.
fn is_allowed(stream: &UnixStream) -> bool {
    // D-Bus authenticates the user too, but zbus then lets everybody in: the kernel's word decides.
    match stream.peer_cred() {
        Ok(peer) if door::is_ours(peer.uid()) => return true,
        Ok(peer) => warn!(uid = peer.uid(), "refused a client of another user"),
        Err(cause) => warn!(%cause, "refused a client that the kernel does not know"),
    }
    false
}

/// Clients that have not authenticated yet. One that never does holds up nobody: the oldest makes room for the newest.
#[derive(Default)]
struct Silent {
    handshakes: JoinSet<zbus::Result<Client>>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Silent {
    fn begin(&mut self, stream: UnixStream, controller: Controller) {
        self.oldest_first.retain(|handshake| !handshake.is_finished());
        if self.oldest_first.len() >= MAX_SILENT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        self.oldest_first.push_back(self.handshakes.spawn(Client::introduce(stream, controller)));
    }
}

/// A client that has authenticated.
struct Client {
    objects: Objects,
    told: Arc<Snapshot>,
    pictures: watch::Receiver<Arc<Snapshot>>,
}

impl Client {
    async fn introduce(stream: UnixStream, controller: Controller) -> zbus::Result<Self> {
        let (pictures, told) = (controller.pictures(), controller.snapshot());
        let builder = zbus::connection::Builder::unix_stream(stream.into_std()?).server(zbus::Guid::generate()).p2p();
        let face = Face { controller, door: Door::accepted() };
        let shown = watch::Sender::new(Arc::clone(&told));
        let builder = Objects::build(builder, &face, &shown);
        let connection = tokio::time::timeout(HANDSHAKE_PATIENCE, builder.build())
            .await
            .map_err(|elapsed| zbus::Error::from(io::Error::from(elapsed)))??;
        Ok(Self { objects: Objects::built(connection, face, shown), told, pictures })
    }

    /// Tells it of changes until it goes.
    async fn tell(self) -> zbus::Result<()> {
        signals::forward(self.objects, Audience::Owner, self.told, self.pictures).await
    }
}
