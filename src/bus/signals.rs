// SPDX-License-Identifier: GPL-3.0-or-later
//! Pictures become signals: each difference between two pictures is one.

use std::sync::Arc;

use tokio::sync::watch;
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::bus::api::MANAGER_PATH;
use crate::bus::manager::Manager;
use crate::bus::translate;
use crate::controller::Snapshot;

/// Tells one connection of changes since `told`, until it or the controller ends.
///
/// A peer that does not read holds up nobody but this task: pictures that come meanwhile fold into one.
pub(super) async fn forward(
    connection: &Connection,
    mut told: Arc<Snapshot>,
    mut pictures: watch::Receiver<Arc<Snapshot>>,
) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, MANAGER_PATH)?;
    loop {
        tokio::select! {
            changed = pictures.changed() => if changed.is_err() { return Ok(()) },
            _ = connection.closed() => return Ok(()),
        }
        let picture = pictures.borrow_and_update().clone();
        tell_difference(&emitter, &told, &picture).await?;
        told = picture;
    }
}

async fn tell_difference(emitter: &SignalEmitter<'_>, told: &Snapshot, picture: &Snapshot) -> zbus::Result<()> {
    if told.tor != picture.tor {
        Manager::tor_changed(emitter, translate::tor(&picture.tor)).await?;
    }
    for (name, status) in &picture.services {
        if told.services.get(name) != Some(status) {
            Manager::service_changed(emitter, name.to_string(), translate::service(status)).await?;
        }
    }
    for name in told.services.keys().filter(|name| !picture.services.contains_key(*name)) {
        Manager::service_removed(emitter, name.to_string()).await?;
    }
    for (name, status) in &picture.joined {
        if told.joined.get(name) != Some(status) {
            Manager::joined_changed(emitter, name.to_string(), translate::joined(status)).await?;
        }
    }
    for name in told.joined.keys().filter(|name| !picture.joined.contains_key(*name)) {
        Manager::joined_removed(emitter, name.to_string()).await?;
    }
    Ok(())
}
