// SPDX-License-Identifier: GPL-3.0-or-later
//! Pictures become signals: each difference between two pictures is one.

use std::sync::Arc;

use tokio::sync::watch;
use zbus::object_server::SignalEmitter;

use crate::bus::api::MANAGER_PATH;
use crate::bus::manager::Manager;
use crate::bus::objects::Objects;
use crate::bus::translate;
use crate::controller::Snapshot;

/// Who hears the signals of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever may do everything.
    Owner,
    /// Everybody. What was joined is nobody's business.
    Everybody,
}

/// Tells one connection of changes since `told`, until it or the controller ends.
///
/// A peer that does not read holds up nobody but this task: pictures that come meanwhile fold into one.
pub(super) async fn forward(
    objects: Objects,
    audience: Audience,
    mut told: Arc<Snapshot>,
    mut pictures: watch::Receiver<Arc<Snapshot>>,
) -> zbus::Result<()> {
    loop {
        tokio::select! {
            changed = pictures.changed() => if changed.is_err() { return Ok(()) },
            () = objects.connection.closed() => return Ok(()),
        }
        let picture = pictures.borrow_and_update().clone();
        objects.show(&picture);
        tell_difference(&objects, audience, &told, &picture).await?;
        told = picture;
    }
}

async fn tell_difference(
    objects: &Objects,
    audience: Audience,
    told: &Arc<Snapshot>,
    picture: &Arc<Snapshot>,
) -> zbus::Result<()> {
    let emitter = &SignalEmitter::new(&objects.connection, MANAGER_PATH)?;
    if told.tor != picture.tor {
        Manager::tor_changed(emitter, translate::tor(&picture.tor)).await?;
    }
    if (&told.tor, &told.store_problems, &told.uninstalling)
        != (&picture.tor, &picture.store_problems, &picture.uninstalling)
    {
        objects.tell_manager(told, picture).await?;
    }
    for (name, status) in &picture.services {
        match told.services.get(name) {
            Some(before) if before == status => continue,
            Some(_) => objects.tell_service(name, told, picture).await?,
            None => objects.add(name).await?,
        }
        Manager::service_changed(emitter, name.to_string(), translate::service(status)).await?;
    }
    for name in told.services.keys().filter(|name| !picture.services.contains_key(*name)) {
        objects.remove(name).await?;
        Manager::service_removed(emitter, name.to_string()).await?;
    }
    if audience == Audience::Owner {
        tell_joined(emitter, told, picture).await?;
    }
    Ok(())
}

async fn tell_joined(emitter: &SignalEmitter<'_>, told: &Snapshot, picture: &Snapshot) -> zbus::Result<()> {
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
