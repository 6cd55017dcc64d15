// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server hook`, for units of the system.

use std::time::Duration;

use zbus::proxy::CacheProperties;

use crate::bus::api::{BusAddress, HooksProxy};
use crate::cli::args::Event;
use crate::cli::error::Failure;
use crate::cli::session::{Questions, Session};

/// Whoever starts Tor waits for this: the controller learns of it by itself, so it is not worth more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells the controller, if it runs and answers soon.
pub(super) async fn tell(bus: Option<BusAddress>, event: Event) -> Result<(), Failure> {
    let telling = async {
        let session = Session::connect(bus, PATIENCE, Questions::OfEverybody).await?;
        let connection = session.manager.inner().connection();
        let hooks = HooksProxy::builder(connection).cache_properties(CacheProperties::No).build().await?;
        match event {
            Event::TorIsUp => session.answer(hooks.tor_is_up()).await?,
            Event::TorIsLost => session.answer(hooks.tor_is_lost()).await?,
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, telling).await.unwrap_or(Err(Failure::NoAnswer(PATIENCE)))
}
