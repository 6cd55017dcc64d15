// SPDX-License-Identifier: GPL-3.0-or-later
//! The thread that writes the exports.
//!
//! An export costs as much as several commits, so it is not made in each: publishing a service stays as fast with a
//! thousand stored as with one. A short while after the first change everything up to then is exported at once. Without
//! changes the thread sleeps without a time-out, and when it is dropped it exports what is left. Only while a removed key
//! is not yet overwritten it tries again by itself, ever more rarely.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long to wait for further changes after the first.
// What is younger is in the database alone, so not long; long enough for a person's changes to come together.
const GATHERING: Duration = Duration::from_secs(1);

/// Time until the first attempt to finish what could not be.
// Whoever was told that the disk is full may free some room at once.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest time between two attempts.
// Each rewrites all that is stored; a key that should be gone should not stay for hours after there is room.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What is left to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nothing, or nothing that will not wait for the next change.
    Nothing,
    /// A removed key is still to be overwritten.
    Scrubbing,
}

/// Owns the thread.
pub(super) struct Exporter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    is_due: bool,
    is_ending: bool,
}

impl Exporter {
    /// Starts the thread; it calls `export` when there is something to do.
    pub(super) fn start(export: impl Fn() -> Pending + Send + 'static) -> Self {
        Self::start_pausing(export, FIRST_PAUSE)
    }

    fn start_pausing(export: impl Fn() -> Pending + Send + 'static, first: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let run = move || {
            let mut pause: Option<Duration> = None;
            while theirs.wait_until_due(pause) {
                pause = match export() {
                    Pending::Nothing => None,
                    Pending::Scrubbing => Some(pause.map_or(first, |pause| (pause * 2).min(LONGEST_PAUSE))),
                };
            }
        };
        let thread = std::thread::Builder::new().name("store-export".to_owned()).spawn(run);
        if let Err(error) = &thread {
            // The database is durable without; only the second form of it is missing.
            tracing::warn!(error = %error.kind(), "no thread for the exports of the store");
        }
        Self { shared, thread: thread.ok() }
    }

    /// Something has changed.
    pub(super) fn wake(&self) {
        let mut state = self.shared.lock();
        // While it is due already, the thread waits for its time and need not wake up.
        if !state.is_due {
            state.is_due = true;
            self.shared.woken.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true when an export is due, at the latest after the pause if there is one; false at the end.
    fn wait_until_due(&self, pause: Option<Duration>) -> bool {
        let idle = |state: &mut State| !state.is_due && !state.is_ending;
        let state = if let Some(pause) = pause {
            let waited = self.woken.wait_timeout_while(self.lock(), pause, idle);
            let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return true;
            }
            state
        } else {
            self.woken.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner)
        };
        let gathering = |state: &mut State| !state.is_ending;
        let waited = self.woken.wait_timeout_while(state, GATHERING, gathering);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.is_due)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.woken.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_pending_is_tried_again_until_it_is_done_and_then_no_more() {
        let (called, calls) = mpsc::channel();
        let left = Mutex::new(3);
        let export = move || {
            let _ = called.send(());
            let mut left = left.lock().unwrap();
            *left -= 1;
            if *left > 0 { Pending::Scrubbing } else { Pending::Nothing }
        };
        let exporter = Exporter::start_pausing(export, Duration::from_millis(1));
        exporter.wake();
        for _ in 0..3 {
            calls.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert_eq!(calls.recv_timeout(Duration::from_millis(200)), Err(mpsc::RecvTimeoutError::Timeout));
        // It still does what it is woken for.
        exporter.wake();
        calls.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn the_end_does_not_wait_for_what_is_pending() {
        let (called, calls) = mpsc::channel();
        let export = move || {
            let _ = called.send(());
            Pending::Scrubbing
        };
        let exporter = Exporter::start(export);
        exporter.wake();
        calls.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(exporter);
        assert!(calls.try_recv().is_err());
    }
}
