// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller's D-Bus interface, spoken by a test: a request takes a fraction of a start of the command line.

use std::path::Path;

use tails_server::bus::api::{ManagerProxy, PublishOptions};
use tails_server_state::{Autostart, Persistence};
use zbus::proxy::CacheProperties;

/// Connects to the controller that listens there.
pub(crate) async fn connect(bus: &Path) -> zbus::Result<ManagerProxy<'static>> {
    let stream = std::os::unix::net::UnixStream::connect(bus)?;
    let connection = zbus::connection::Builder::unix_stream(stream).p2p().build().await?;
    ManagerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await
}

/// What to ask for when publishing under this name.
pub(crate) fn options(name: &str, place: Persistence, autostart: Autostart) -> PublishOptions {
    PublishOptions {
        name: Some(name.to_owned()),
        persistence: Some(place == Persistence::Kept),
        autostart: Some(autostart == Autostart::On),
        client_authorization: None,
        enabled: None,
    }
}

/// Runs this on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
