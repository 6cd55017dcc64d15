// SPDX-License-Identifier: GPL-3.0-or-later
//! The objects of one connection, kept as the pictures are.

use std::collections::HashMap;
use std::sync::Arc;

use tails_server_state::ServiceName;
use tokio::sync::watch;
use zbus::connection::Builder;
use zbus::fdo::ObjectManager;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, OwnedVariant};

use crate::bus::api::{MANAGER_PATH, service_path};
use crate::bus::archive::Archive;
use crate::bus::diagnosis::Diagnosis;
use crate::bus::face::Face;
use crate::bus::hooks::Hooks;
use crate::bus::inline::Inline;
use crate::bus::manager::Manager;
use crate::bus::service::Service;
use crate::controller::Snapshot;

/// How the calls of a connection are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// One after the other: a single client has the connection.
    Inline,
    /// Beside one another: all clients share the connection.
    Spawned,
}

/// The objects of a connection.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) connection: Connection,
    face: Face,
    pace: Pace,
    /// The picture that properties are read from: the one that was told last, so that what is read and what is told fit.
    shown: watch::Sender<Arc<Snapshot>>,
}

impl Objects {
    /// Has a connection peer to peer, which is about to be built, serve all objects of this picture from its first call on.
    pub(super) fn build<'a>(
        mut builder: Builder<'a>,
        face: &Face,
        shown: &watch::Sender<Arc<Snapshot>>,
    ) -> Builder<'a> {
        builder = builder.serve_at(MANAGER_PATH, Inline(Manager::new(face.clone(), shown.subscribe())));
        builder = builder.serve_at(MANAGER_PATH, Inline(Archive::new(face.clone())));
        builder = builder.serve_at(MANAGER_PATH, Inline(Diagnosis::new(face.clone())));
        builder = builder.serve_at(MANAGER_PATH, Inline(Hooks::new(face.clone())));
        let picture = shown.borrow().clone();
        for name in picture.services.keys() {
            let service = Service::new(face.clone(), name.clone(), shown.subscribe());
            builder = builder.serve_at(service_path(name), Inline(service));
        }
        // The last one, as it tells of all others that come after it.
        builder.serve_at(MANAGER_PATH, Inline(ObjectManager))
    }

    /// The objects of a connection that serves them already.
    pub(super) const fn built(connection: Connection, face: Face, shown: watch::Sender<Arc<Snapshot>>) -> Self {
        Self { connection, face, pace: Pace::Inline, shown }
    }

    /// Serves all objects of this picture on a connection to a bus, before it has a name there.
    pub(super) async fn serve(connection: Connection, face: Face, picture: &Arc<Snapshot>) -> zbus::Result<Self> {
        let shown = watch::Sender::new(Arc::clone(picture));
        let objects = Self { connection, face, pace: Pace::Spawned, shown };
        let server = objects.connection.object_server();
        server.at(MANAGER_PATH, Manager::new(objects.face.clone(), objects.shown.subscribe())).await?;
        server.at(MANAGER_PATH, Archive::new(objects.face.clone())).await?;
        server.at(MANAGER_PATH, Diagnosis::new(objects.face.clone())).await?;
        server.at(MANAGER_PATH, Hooks::new(objects.face.clone())).await?;
        for name in picture.services.keys() {
            objects.add(name).await?;
        }
        server.at(MANAGER_PATH, ObjectManager).await?;
        Ok(objects)
    }

    /// From now on properties are those of this picture.
    pub(super) fn show(&self, picture: &Arc<Snapshot>) {
        self.shown.send_replace(Arc::clone(picture));
    }

    /// A service is there. `InterfacesAdded` is told by that.
    pub(super) async fn add(&self, name: &ServiceName) -> zbus::Result<()> {
        let (server, path) = (self.connection.object_server(), service_path(name));
        let service = Service::new(self.face.clone(), name.clone(), self.shown.subscribe());
        match self.pace {
            Pace::Inline => drop(server.at(path, Inline(service)).await?),
            Pace::Spawned => drop(server.at(path, service).await?),
        }
        Ok(())
    }

    /// A service is gone. `InterfacesRemoved` is told by that.
    pub(super) async fn remove(&self, name: &ServiceName) -> zbus::Result<()> {
        match self.connection.object_server().remove::<Service, _>(service_path(name)).await {
            Ok(_) | Err(zbus::Error::InterfaceNotFound) => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Tells which properties of the manager are others than before.
    pub(super) async fn tell_manager(&self, told: &Arc<Snapshot>, picture: &Arc<Snapshot>) -> zbus::Result<()> {
        let of = |picture: &Arc<Snapshot>| Manager::new(self.face.clone(), fixed(picture));
        let emitter = SignalEmitter::new(&self.connection, MANAGER_PATH)?;
        self.tell(&emitter, &of(told), &of(picture)).await
    }

    /// Tells which properties of a service are others than before.
    pub(super) async fn tell_service(
        &self,
        name: &ServiceName,
        told: &Arc<Snapshot>,
        picture: &Arc<Snapshot>,
    ) -> zbus::Result<()> {
        let of = |picture: &Arc<Snapshot>| Service::new(self.face.clone(), name.clone(), fixed(picture));
        let emitter = SignalEmitter::new(&self.connection, service_path(name))?;
        self.tell(&emitter, &of(told), &of(picture)).await
    }

    async fn tell<I: Interface>(&self, emitter: &SignalEmitter<'_>, told: &I, is: &I) -> zbus::Result<()> {
        let server = self.connection.object_server();
        let told = told.get_all(server, &self.connection, None, emitter).await?;
        let is = is.get_all(server, &self.connection, None, emitter).await?;
        let changed: HashMap<&str, &OwnedVariant> = is
            .iter()
            .filter(|(name, value)| told.get(*name) != Some(value))
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        // D-Bus specification, org.freedesktop.DBus.Properties: the interface, what changed, and what has to be asked for.
        let body = (I::name(), changed, Vec::<&str>::new());
        emitter.emit("org.freedesktop.DBus.Properties", "PropertiesChanged", &body).await
    }
}

/// A picture that stays.
fn fixed(picture: &Arc<Snapshot>) -> watch::Receiver<Arc<Snapshot>> {
    watch::Sender::new(Arc::clone(picture)).subscribe()
}
