// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller on a message bus: there as long as the bus is, and back as soon as it is back.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};
use zbus::connection::Builder;
use zbus::fdo::{DBusProxy, RequestNameFlags};
use zbus::proxy::CacheProperties;

use crate::bus::api::BUS_NAME;
use crate::bus::door::Door;
use crate::bus::face::Face;
use crate::bus::objects::Objects;
use crate::bus::signals::{self, Audience};
use crate::controller::{Backoff, Controller};

/// A bus that does not answer within this time is tried again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before the next try, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Messages that wait for their turn. A bus lets through 32 MiB each, and their memory is ours.
const QUEUE: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");

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
                (backoff, told) = (Backoff::new(PAUSES.0, PAUSES.1), None);
                tokio::select! {
                    why = presence.last() => warn!(why, "off the message bus; what is published stays so"),
                    () = controller.ended() => return,
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
    names_lost: zbus::fdo::NameLostStream,
    told: std::sync::Arc<crate::controller::Snapshot>,
    pictures: tokio::sync::watch::Receiver<std::sync::Arc<crate::controller::Snapshot>>,
}

impl Presence {
    async fn begin(bus: MessageBus, controller: &Controller) -> zbus::Result<Self> {
        let builder = match bus {
            MessageBus::System => Builder::system(),
            MessageBus::Session => Builder::session(),
        };
        let connection = builder.max_queued(QUEUE).build().await?;
        let (door, audience) = match bus {
            MessageBus::System => (Door::of_system_bus(&connection).await?, Audience::Everybody),
            MessageBus::Session => (Door::of_session_bus(&connection).await?, Audience::Owner),
        };
        let dbus = DBusProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        let names_lost = dbus.receive_name_lost().await?;
        let (pictures, told) = (controller.pictures(), controller.snapshot());
        let face = Face { controller: controller.clone(), door };
        let objects = Objects::serve(connection, face, &told).await?;
        // Who finds the name finds the objects.
        objects.connection.request_name_with_flags(BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await?;
        Ok(Self { objects, audience, names_lost, told, pictures })
    }

    /// Tells of changes as long as it lasts; then, why it is over.
    async fn last(self) -> &'static str {
        let Self { objects, audience, mut names_lost, told, pictures } = self;
        let connection = objects.connection.clone();
        let lost = async {
            while let Some(lost) = names_lost.next().await {
                if lost.args().is_ok_and(|lost| lost.name().as_str() == BUS_NAME) {
                    return;
                }
            }
        };
        let why = tokio::select! {
            _ = signals::forward(objects, audience, told, pictures) => "the bus ended the connection",
            () = lost => "the name is taken by somebody else",
            () = connection.closed() => "the bus is gone",
        };
        // Whoever still holds the old connection is not answered by two.
        let _ = connection.close().await;
        why
    }
}
