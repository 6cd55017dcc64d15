// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller on a message bus: there as long as the bus is, and back as soon as it is back.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Notify, oneshot, watch};
use tracing::{debug, info, warn};
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::fdo::{DBusProxy, NameLostStream, RequestNameFlags};
use zbus::proxy::CacheProperties;
use zbus::{Address, Connection};

use crate::bus::api::BUS_NAME;
use crate::bus::door::Door;
use crate::bus::face::Face;
use crate::bus::listener::LAST_WORDS;
use crate::bus::meter::{Meter, Users};
use crate::bus::objects::Objects;
use crate::bus::signals::{self, Audience};
use crate::bus::socket::BusSocket;
use crate::controller::{Backoff, Controller, Snapshot};

/// A bus that does not answer within this time is tried again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before the next try, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// How long a connection has to say goodbye. It may be what does not work any more.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Which bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageBus {
    /// The one of all people: polkit decides who may do what.
    System,
    /// The one of one person, who may do everything.
    Session,
}

/// Serves a message bus until the controller ends. `settled` hears when the first try is over, whatever came of it.
pub async fn serve(bus: MessageBus, controller: Controller, settled: oneshot::Sender<()>) {
    let mut settled = Some(settled);
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    let mut told = None;
    loop {
        match tokio::time::timeout(CONNECT_PATIENCE, Presence::begin(bus, &controller)).await {
            Ok(Ok(presence)) => {
                info!(name = BUS_NAME, "on the message bus");
                drop(settled.take());
                told = None;
                backoff.reset();
                let mut last = pin!(presence.last());
                tokio::select! {
                    why = &mut last => warn!(why, "off the message bus; what is published stays so"),
                    () = controller.ended() => {
                        // No event tells when zbus has written what it was given.
                        let _ = tokio::time::timeout(LAST_WORDS, last).await;
                        return;
                    }
                }
            }
            Ok(Err(cause)) => {
                // It may be missing for good: once is enough.
                let cause = cause.to_string();
                if told.as_ref() == Some(&cause) {
                    debug!(%cause, "still not on the message bus");
                } else {
                    warn!(%cause, "not on the message bus; it is tried again");
                }
                told = Some(cause);
            }
            Err(_) => debug!("the message bus does not answer"),
        }
        drop(settled.take());
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = controller.ended() => return,
        }
    }
}

/// A connection that has the name, and serves all objects.
struct Presence {
    objects: Objects,
    audience: Audience,
    names_lost: NameLostStream,
    stalled: Arc<Notify>,
    told: Arc<Snapshot>,
    pictures: watch::Receiver<Arc<Snapshot>>,
}

impl Presence {
    // Whichever way it ends early, its connections are dropped, and end by that: nothing they serve holds them.
    async fn begin(bus: MessageBus, controller: &Controller) -> zbus::Result<Self> {
        let address = match bus {
            MessageBus::System => Address::system()?,
            MessageBus::Session => Address::session()?,
        };
        // What the door asks goes another way than what it is asked: neither waits for the other.
        let asking = Builder::address(address.clone()).build().await?;
        let users = Arc::new(Users::new(&asking).await?);
        let stalled = Arc::new(Notify::new());
        let meter = Arc::new(Meter::new(Arc::clone(&users)));
        let socket = BusSocket::connect(&path(&address)?, meter, Arc::clone(&stalled)).await?;
        let connection: Connection = Builder::socket(socket).build().await?;
        let (door, audience) = match bus {
            MessageBus::System => (Door::of_system_bus(users, &asking).await?, Audience::Everybody),
            MessageBus::Session => (Door::of_session_bus(users), Audience::Owner),
        };
        let dbus = DBusProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        let names_lost = dbus.receive_name_lost().await?;
        let (pictures, told) = (controller.pictures(), controller.snapshot());
        let face = Face { controller: controller.clone(), door };
        let objects = Objects::serve(connection, face, &told).await?;
        // Who finds the name finds the objects.
        let name = objects.connection.request_name_with_flags(BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await;
        if let Err(cause) = name {
            close(&objects.connection).await;
            return Err(cause);
        }
        Ok(Self { objects, audience, names_lost, stalled, told, pictures })
    }

    /// Tells of changes as long as it lasts; then, why it is over.
    async fn last(self) -> &'static str {
        let Self { objects, audience, mut names_lost, stalled, told, pictures } = self;
        let connection = objects.connection.clone();
        let lost = async {
            while let Some(lost) = names_lost.next().await {
                if lost.args().is_ok_and(|lost| lost.name().as_str() == BUS_NAME) {
                    return "the name is somebody else's";
                }
            }
            "the bus is gone"
        };
        let why = tokio::select! {
            why = lost => why,
            _ = signals::forward(objects, audience, told, pictures) => "the bus is gone",
            () = connection.closed() => "the bus is gone",
            () = stalled.notified() => "the bus takes nothing any more, as if somebody did not read what they asked for",
        };
        close(&connection).await;
        why
    }
}

/// Whoever still holds the old connection is not answered by two.
async fn close(connection: &Connection) {
    let _ = tokio::time::timeout(CLOSE_PATIENCE, connection.clone().close()).await;
}

/// The socket of a bus.
fn path(address: &Address) -> zbus::Result<PathBuf> {
    // A bus somewhere else is none that anybody needs us on, and a directory is where a server puts its own socket.
    let Transport::Unix(socket) = address.transport() else { return Err(zbus::Error::Unsupported) };
    if let UnixSocket::File(path) = socket.path() {
        Ok(path.clone())
    } else if let UnixSocket::Abstract(name) = socket.path() {
        Ok(abstract_path(name))
    } else {
        Err(zbus::Error::Unsupported)
    }
}

/// A socket without a file, as the kernel names it: unix(7).
fn abstract_path(name: &std::ffi::OsStr) -> PathBuf {
    let mut path = std::ffi::OsString::from("\0");
    path.push(name);
    path.into()
}
