// SPDX-License-Identifier: GPL-3.0-or-later
//! Who visits what, asked once for all who ask at the same time.
//!
//! On a new control connection the visitors of every disabled and every private service are in question at once, and Tor's
//! list has all circuits in it. One list for each service would keep Tor, and all that waits behind the questions, busy for
//! minutes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tails_server_state::OnionAddress;
use tokio::sync::Mutex;

use crate::controller::Generation;
use crate::torctl::{Client, CommandError};

/// The looks at Tor's list of circuits.
#[derive(Debug, Default)]
pub(super) struct Visited {
    begun: AtomicU64,
    last: Mutex<Option<Look>>,
}

#[derive(Debug)]
struct Look {
    generation: Generation,
    number: u64,
    found: BTreeSet<OnionAddress>,
}

impl Visited {
    /// Sends the visitors of this service away, if it has any. On an error some may still be there.
    pub(super) async fn send_away(
        &self,
        client: &Client,
        generation: Generation,
        address: &OnionAddress,
    ) -> Result<(), CommandError> {
        if self.has_visitors(client, generation, address).await? {
            client.close_visitors(address).await?;
        }
        Ok(())
    }

    /// As a look shows that began after this was asked: what was done before is seen by it.
    async fn has_visitors(
        &self,
        client: &Client,
        generation: Generation,
        address: &OnionAddress,
    ) -> Result<bool, CommandError> {
        let asked = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(look) = last.as_ref().filter(|look| look.generation == generation && look.number > asked) {
            return Ok(look.found.contains(address));
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let found = client.visited().await?;
        let is_visited = found.contains(address);
        *last = Some(Look { generation, number, found });
        Ok(is_visited)
    }
}
