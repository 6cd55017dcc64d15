// SPDX-License-Identifier: GPL-3.0-or-later
//! How much strangers on a bus may send: whatever is more is dropped unread and unanswered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zbus::fdo::DBusProxy;
use zbus::message::Type;
use zbus::names::{BusName, OwnedUniqueName, UniqueName};
use zbus::proxy::CacheProperties;
use zbus::{Connection, Message};

use crate::bus::door::is_ours;

/// The longest call. The longest options of services have some thousand characters.
const MOST_BYTES: usize = 128 * 1024;
/// The most that a call of ours has to hand over: the key and the note of a service that is joined.
const MOST_DESCRIPTORS: usize = 2;
/// Points of one user in a second, in the long run. A call costs one.
const POINTS_PER_SECOND: f64 = 400.0;
/// Points of one user that may be spent at once.
const MOST_POINTS: f64 = 2000.0;
/// What a call costs that is answered with all services.
const ALL_SERVICES: f64 = 25.0;
/// Members that are answered with much.
const LARGE: [&str; 5] = ["GetManagedObjects", "GetAll", "Introspect", "Overview", "Catalog"];
/// A bus says within a millisecond who sent something.
const PATIENCE: Duration = Duration::from_secs(2);
/// Callers whose user is remembered: a bus lets one user have 256 connections.
const MOST_KNOWN: usize = 4096;

/// Who is behind a name on the bus.
#[derive(Debug)]
pub(super) struct Users {
    /// Over a connection of its own: the other one may wait for the answer.
    bus: DBusProxy<'static>,
    /// Names are never given twice.
    known: Mutex<HashMap<OwnedUniqueName, u32>>,
}

impl Users {
    pub(super) async fn new(connection: &Connection) -> zbus::Result<Self> {
        let bus = DBusProxy::builder(connection).cache_properties(CacheProperties::No).build().await?;
        Ok(Self { bus, known: Mutex::default() })
    }

    /// The user with this name, by the word of the bus; nobody if they are gone.
    pub(super) async fn of(&self, name: &UniqueName<'_>) -> Option<u32> {
        if let Some(user) = lock(&self.known).get(name.as_str()) {
            return Some(*user);
        }
        let asking = self.bus.get_connection_unix_user(BusName::from(name));
        let user = tokio::time::timeout(PATIENCE, asking).await.ok()?.ok()?;
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(name.to_owned().into(), user);
        Some(user)
    }
}

/// What is left to each user.
#[derive(Debug)]
pub(super) struct Meter {
    users: Arc<Users>,
    left: Mutex<HashMap<u32, Budget>>,
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    points: f64,
    at: Instant,
}

impl Meter {
    pub(super) fn new(users: Arc<Users>) -> Self {
        Self { users, left: Mutex::default() }
    }

    /// Whether a message is to be read.
    pub(super) async fn lets_in(&self, message: &Message) -> bool {
        // Answers and signals come from the bus, and from those that were asked.
        if message.message_type() != Type::MethodCall {
            return true;
        }
        let header = message.header();
        let Some(sender) = header.sender() else { return true };
        let Some(user) = self.users.of(sender).await else { return false };
        if is_ours(user) {
            return true;
        }
        let is_too_much = message.data().len() > MOST_BYTES || message.data().fds().len() > MOST_DESCRIPTORS;
        let is_large = header.member().is_some_and(|member| LARGE.contains(&member.as_str()));
        !is_too_much && spend(&mut lock(&self.left), user, if is_large { ALL_SERVICES } else { 1.0 })
    }
}

/// Takes this from what is left to a user; whether there was as much.
fn spend(left: &mut HashMap<u32, Budget>, user: u32, cost: f64) -> bool {
    let now = Instant::now();
    left.retain(|_, budget| budget.refilled(now).points < MOST_POINTS);
    let budget = left.entry(user).or_insert(Budget { points: MOST_POINTS, at: now });
    let refilled = budget.refilled(now);
    let is_enough = refilled.points >= cost;
    *budget = Budget { points: if is_enough { refilled.points - cost } else { refilled.points }, ..refilled };
    is_enough
}

impl Budget {
    fn refilled(self, now: Instant) -> Self {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * POINTS_PER_SECOND;
        Self { points: (self.points + gained).min(MOST_POINTS), at: now }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_spent_all_waits_and_others_do_not() {
        let (alice, bob) = (1000, 1001);
        let mut left = HashMap::new();
        let large = (0..).take_while(|_| spend(&mut left, alice, ALL_SERVICES)).count();
        assert_eq!(large, 80);
        assert!(!spend(&mut left, alice, 1.0) && spend(&mut left, bob, 1.0));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(spend(&mut left, alice, 1.0) && !spend(&mut left, alice, ALL_SERVICES));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(spend(&mut left, bob, 1.0));
        assert_eq!(left.len(), 1, "who has long been gone is forgotten");
    }
}
