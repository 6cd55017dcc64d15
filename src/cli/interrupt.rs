// SPDX-License-Identifier: GPL-3.0-or-later
//! Being interrupted.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The last words take no longer, unless something is waited for that does not end.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

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

/// What the work comes to. Whoever interrupts it gets its last words; twice, or where it has none to say, the end at once:
/// then it is nothing.
pub(super) async fn heard<T>(mut work: oneshot::Receiver<T>) -> Option<T> {
    tokio::select! {
        biased;
        ended = &mut work => return ended.ok(),
        () = interrupted() => {}
    }
    tokio::select! {
        biased;
        ended = &mut work => ended.ok(),
        () = interrupted() => None,
        () = tokio::time::sleep(LAST_WORDS_PATIENCE) => None,
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
