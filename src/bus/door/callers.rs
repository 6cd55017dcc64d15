// SPDX-License-Identifier: GPL-3.0-or-later
//! Who calls over a message bus, and how much at once.
//!
//! All callers share one connection there. So the calls are carried out beside one another, and each user has a share of
//! that: whoever floods us waits for themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zbus::message::Header;

use crate::bus::api::ApiError;
use crate::bus::meter::Users;

/// Calls of one user that are carried out at the same time. A window and some scripts need ten.
const MOST_AT_ONCE: usize = 32;
/// Calls of one user in a second, in the long run. A call costs us less than a millisecond.
const CALLS_PER_SECOND: f64 = 100.0;
/// Calls of one user that may come at once.
const BURST: f64 = 200.0;
/// Those who call over one connection to a bus.
#[derive(Debug)]
pub(super) struct Callers {
    users: Arc<Users>,
    shares: Arc<Mutex<Shares>>,
}

/// What each user has of us.
type Shares = HashMap<u32, Share>;

/// What one user has of us.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Calls that are being carried out.
    inside: usize,
    /// Calls that may come at once, less than none for those that wait.
    allowance: f64,
    /// As of when.
    at: Instant,
}

/// A call that is being carried out, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(in crate::bus) struct Visit(Option<(u32, Arc<Mutex<Shares>>)>);

impl Callers {
    pub(super) fn new(users: Arc<Users>) -> Self {
        Self { users, shares: Arc::default() }
    }

    /// The user who sent this call, once it is their turn.
    pub(super) async fn admit(&self, call: &Header<'_>) -> Result<(u32, Visit), ApiError> {
        let nobody = || ApiError::NotAuthorized("nobody knows who you are".to_owned());
        // Whoever is gone needs no answer.
        let user = self.users.of(call.sender().ok_or_else(nobody)?).await.ok_or_else(nobody)?;
        let (visit, pause) = enter(&self.shares, user)?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok((user, visit))
    }
}

impl Visit {
    /// One that is no matter of shares.
    pub(super) const fn uncounted() -> Self {
        Self(None)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some((user, shares)) = &self.0
            && let Some(share) = lock(shares).get_mut(user)
        {
            share.inside = share.inside.saturating_sub(1);
        }
    }
}

/// One call more of a user: how long it has to wait, or that there are too many.
fn enter(shares: &Arc<Mutex<Shares>>, user: u32) -> Result<(Visit, Duration), ApiError> {
    let now = Instant::now();
    let mut held = lock(shares);
    held.retain(|_, share| share.inside > 0 || share.refilled(now).allowance < BURST);
    let share = held.entry(user).or_insert(Share { inside: 0, allowance: BURST, at: now });
    if share.inside >= MOST_AT_ONCE {
        let text = format!(
            "you ask for more than {MOST_AT_ONCE} things at once\nWait for the answers to what was asked before"
        );
        return Err(ApiError::TooMuch(text));
    }
    let Share { inside, allowance, at } = share.refilled(now);
    *share = Share { inside: inside + 1, allowance: allowance - 1.0, at };
    let pause = Duration::from_secs_f64((-share.allowance).max(0.0) / CALLS_PER_SECOND);
    drop(held);
    Ok((Visit(Some((user, Arc::clone(shares)))), pause))
}

impl Share {
    fn refilled(self, now: Instant) -> Self {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * CALLS_PER_SECOND;
        Self { allowance: (self.allowance + gained).min(BURST), at: now, ..self }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: u32 = 1000;
    const BOB: u32 = 1001;

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_too_much_at_once_is_refused_and_others_are_not() {
        let shares = Arc::default();
        let mut visits: Vec<Visit> = (0..MOST_AT_ONCE).map(|_| enter(&shares, ALICE).unwrap().0).collect();
        assert!(matches!(enter(&shares, ALICE), Err(ApiError::TooMuch(_))));
        assert!(enter(&shares, BOB).is_ok());
        visits.pop();
        assert!(enter(&shares, ALICE).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_often_waits_and_others_do_not() {
        let shares = Arc::default();
        for _ in 0..BURST as usize {
            assert_eq!(enter(&shares, ALICE).unwrap().1, Duration::ZERO);
        }
        let (_, pause) = enter(&shares, ALICE).unwrap();
        assert_eq!(pause, Duration::from_millis(10));
        assert_eq!(enter(&shares, BOB).unwrap().1, Duration::ZERO);
        tokio::time::advance(Duration::from_millis(20)).await;
        assert_eq!(enter(&shares, ALICE).unwrap().1, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(enter(&shares, BOB));
        assert_eq!(shares.lock().unwrap().len(), 1, "who has long been gone is forgotten");
    }
}
