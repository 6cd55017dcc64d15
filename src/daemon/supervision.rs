// SPDX-License-Identifier: GPL-3.0-or-later
//! What systemd is told, where there is one: that we are ready, alive, reading our files anew, ending.

use std::convert::Infallible;
use std::future;
use std::io;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::controller::{Controller, HostReach};
use crate::daemon::repertoire::{self, ServicesSetting};

/// Of the time that systemd's watchdog gives, how often it hears of us: once may be late.
const BEATS: u32 = 3;

/// Clients can come.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// We are on our way out.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Says that we are alive for as long as the loop comes round. systemd ends, and starts again, whoever does not.
pub(super) async fn keep_alive(controller: Controller) -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled() else { return future::pending().await };
    let mut ticks = tokio::time::interval(patience / BEATS);
    while controller.beats().await {
        notify(&[NotifyState::Watchdog]);
        ticks.tick().await;
    }
    // The loop has ended; whoever waits for that does what is to be done.
    future::pending().await
}

/// SIGHUP asks us to read the descriptors anew.
pub(super) struct Reloading {
    hangups: Signal,
}

impl Reloading {
    /// From here on, SIGHUP ends nobody.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { hangups: signal(SignalKind::hangup())? })
    }

    /// Reads them whenever that is asked for.
    pub(super) async fn keep(
        mut self,
        controller: Controller,
        setting: ServicesSetting,
        reach: HostReach,
    ) -> Infallible {
        while self.hangups.recv().await.is_some() {
            // systemd.service(5), Type=notify-reload: whoever asked waits for the second word, by the clock of the first.
            match NotifyState::monotonic_usec_now() {
                Ok(now) => notify(&[NotifyState::Reloading, now]),
                Err(cause) => warn!(%cause, "cannot tell systemd"),
            }
            let setting = setting.clone();
            let loaded = tokio::task::spawn_blocking(move || Arc::new(repertoire::load(&setting, reach))).await;
            let offered = match loaded {
                Ok(loaded) => controller.offer(loaded).await.map_err(|cause| cause.to_string()),
                Err(cause) => Err(format!("bug: {cause}")),
            };
            match offered {
                Ok(()) => info!("descriptors read anew"),
                Err(cause) => warn!(%cause, "the descriptors are as before"),
            }
            ready();
        }
        future::pending().await
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        warn!(%cause, "cannot tell systemd");
    }
}
