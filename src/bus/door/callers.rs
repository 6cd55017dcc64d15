// SPDX-License-Identifier: GPL-3.0-or-later
//! Who calls over a message bus, and how much at once.
//!
//! All callers share one connection there. So the calls are carried out beside one another, and each user has a share of
//! that: whoever floods us waits for themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::proxy::CacheProperties;

use crate::bus::api::ApiError;

/// Calls of one user that are carried out at the same time. A window and some scripts need ten.
const MOST_AT_ONCE: usize = 32;
/// Calls of one user in a second, in the long run. A call costs us less than a millisecond.
const CALLS_PER_SECOND: f64 = 100.0;
/// Calls of one user that may come at once.
const BURST: f64 = 200.0;
/// Callers whose user is remembered: a bus lets one user have 256 connections.
const MOST_KNOWN: usize = 4096;

/// Those who call over one connection to a bus.
#[derive(Debug)]
pub(super) struct Callers {
    bus: DBusProxy<'static>,
    known: Mutex<Known>,
    shares: Arc<Mutex<Shares>>,
}

/// The users behind names on the bus, which are never given twice.
type Known = HashMap<OwnedUniqueName, u32>;
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
    pub(super) async fn new(connection: &zbus::Connection) -> zbus::Result<Self> {
        let bus = DBusProxy::builder(connection).cache_properties(CacheProperties::No).build().await?;
        Ok(Self { bus, known: Mutex::default(), shares: Arc::default() })
    }

    /// The user who sent this call, once it is their turn.
    pub(super) async fn admit(&self, call: &Header<'_>) -> Result<(u32, Visit), ApiError> {
        let user = self.user(call).await?;
        let (visit, pause) = enter(&self.shares, user)?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok((user, visit))
    }

    /// Who sent this call, by the word of the bus.
    async fn user(&self, call: &Header<'_>) -> Result<u32, ApiError> {
        let nobody = || ApiError::NotAuthorized("nobody knows who you are".to_owned());
        let name: OwnedUniqueName = call.sender().ok_or_else(nobody)?.to_owned().into();
        if let Some(user) = lock(&self.known).get(&name) {
            return Ok(*user);
        }
        // Whoever is gone needs no answer.
        let user = self.bus.get_connection_unix_user(BusName::from(&name)).await.map_err(|_| nobody())?;
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(name, user);
        Ok(user)
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
