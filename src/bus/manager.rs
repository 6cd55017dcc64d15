// SPDX-License-Identifier: GPL-3.0-or-later
//! The manager object: four things a method, translate, authorise, delegate, translate.
//!
//! On a peer-to-peer connection the authorising was done when the connection was accepted: [`crate::bus::Listener`] lets
//! in nobody but the user that the controller runs as.

use tails_server_state::{Change, Wish};
use zbus::object_server::SignalEmitter;

use crate::bus::api::{ApiError, Overview, PublishOptions, ServiceProperties, TorProperties};
use crate::bus::translate;
use crate::controller::{Controller, RequestError};

/// The object at [`crate::bus::api::MANAGER_PATH`].
#[derive(Debug)]
pub(super) struct Manager {
    controller: Controller,
}

impl Manager {
    pub(super) const fn new(controller: Controller) -> Self {
        Self { controller }
    }
}

/// Start onion services, and learn how they are.
// One call of a connection after the other, in their order. With a task for each, a client that asks and does not read
// the answers would fill our memory; like this, it waits for itself.
#[zbus::interface(interface = "org.boum.tails.Server1.Manager", spawn = false)]
impl Manager {
    /// Remembers a new service and enables it; answers with its name once that is durable.
    ///
    /// `ports` are virtual ports and their targets: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`. `options` may have
    /// `Name` (s), `Persistence` (b) and `Autostart` (b).
    async fn publish(&self, ports: Vec<(u16, String)>, options: PublishOptions) -> Result<String, ApiError> {
        let request = translate::publish_request(ports, options)?;
        let (name, _) = self.controller.publish(request).await?;
        Ok(name.to_string())
    }

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable.
    async fn enable(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.set_wish(name, Wish::Enabled).await? == Change::Changed)
    }

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    async fn disable(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.set_wish(name, Wish::Disabled).await? == Change::Changed)
    }

    /// Forgets the service, its key and its address for ever; answers once that is durable.
    async fn remove(&self, name: &str) -> Result<(), ApiError> {
        let name = translate::service_name(name)?;
        self.controller.remove(name).await?;
        Ok(())
    }

    /// The whole picture but for addresses: Tor, what is wrong with the store, and the services by name.
    #[zbus(out_args("tor", "store_problems", "services"))]
    fn overview(&self) -> Result<Overview, ApiError> {
        Ok(translate::overview(&self.controller.snapshot()))
    }

    /// The onion address of a service, with `.onion`. Whoever knows it can reach the service.
    fn address(&self, name: &str) -> Result<String, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.address.display_unredacted())
    }

    /// Something about a service changed, or the service is new.
    #[zbus(signal)]
    pub(super) async fn service_changed(
        emitter: &SignalEmitter<'_>,
        name: String,
        properties: ServiceProperties,
    ) -> zbus::Result<()>;

    /// A service was removed.
    #[zbus(signal)]
    pub(super) async fn service_removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;

    /// Something about Tor changed.
    #[zbus(signal)]
    pub(super) async fn tor_changed(emitter: &SignalEmitter<'_>, properties: TorProperties) -> zbus::Result<()>;
}
