// SPDX-License-Identifier: GPL-3.0-or-later
//! Being interrupted while waiting.

use tokio::signal::unix::{SignalKind, signal};

/// Until somebody wants this program to end: Ctrl-C, `kill`, or the end of the terminal. From the first call on they do not
/// end it by themselves, so that the last word can be said on a line of its own.
pub(super) async fn interrupted() {
    tokio::select! {
        () = received(SignalKind::interrupt()) => {}
        () = received(SignalKind::terminate()) => {}
        () = received(SignalKind::hangup()) => {}
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        // Then it ends the program by itself.
        Err(_) => std::future::pending().await,
    }
}
