// SPDX-License-Identifier: GPL-3.0-or-later
//! Being interrupted while waiting.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Until somebody wants this program to end: Ctrl-C, `kill`, or the end of the terminal. From this call on, not only from the
/// first poll, they do not end it by themselves, so that the last word can be said on a line of its own.
pub(super) fn interrupted() -> impl Future<Output = ()> {
    let [one, two, three] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    async move {
        tokio::select! {
            () = received(one) => {}
            () = received(two) => {}
            () = received(three) => {}
        }
    }
}

async fn received(signals: io::Result<Signal>) {
    match signals {
        Ok(mut signals) => {
            signals.recv().await;
        }
        // Then it ends the program by itself.
        Err(_) => std::future::pending().await,
    }
}
