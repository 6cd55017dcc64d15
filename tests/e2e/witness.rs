// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor says to somebody else: an independent control connection.

use std::time::{Duration, Instant};

use tornet::{Control, ControlError, Tor};

/// How long after our controller an event may reach the witness: Tor writes to both in the same breath.
const SAME_BREATH: Duration = Duration::from_millis(500);

/// A control connection that our controller knows nothing of.
pub(crate) struct Witness {
    control: Control,
    seen: Vec<String>,
}

impl Witness {
    /// A witness who sees all descriptors from here on.
    pub(crate) fn of(tor: &Tor) -> Self {
        Self::on(tor.control().expect("an independent control connection"))
    }

    /// A witness who sees all descriptors from here on, on this authenticated connection.
    pub(crate) fn on(mut control: Control) -> Self {
        control.command("SETEVENTS HS_DESC").expect("events of descriptors");
        Self { control, seen: Vec::new() }
    }

    /// Whether Tor has a service at this address, whoever added it, and made a descriptor for it.
    pub(crate) fn knows(&mut self, address: &str) -> bool {
        match self.control.info(&format!("hs/service/desc/id/{}", id(address))) {
            Ok(_) => true,
            Err(ControlError::Refused { .. }) => false,
            Err(cause) => panic_with(&cause),
        }
    }

    /// Whether an event with these words about this address came so far.
    pub(crate) fn saw(&mut self, words: &str, address: &str) -> bool {
        let deadline = Instant::now() + SAME_BREATH;
        let is_it = |event: &String| event.contains(words) && event.contains(id(address));
        while !self.seen.iter().any(is_it) {
            match self.control.next_event(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.seen.push(event),
                Err(ControlError::TimeOut | ControlError::Closed) => return false,
                Err(cause) => panic_with(&cause),
            }
        }
        true
    }

    /// Adds a service that is not ours: it leads to this port and is published with the given flags.
    pub(crate) fn add_foreign(&mut self, flags: &str, port: u16) -> String {
        let line = format!("ADD_ONION NEW:ED25519-V3 Flags={flags} Port=80,127.0.0.1:{port}");
        let reply = self.control.command(&line).expect("a foreign onion service");
        let id = reply.first().and_then(|line| line.strip_prefix("ServiceID=")).expect("a service id");
        format!("{id}.onion")
    }

    /// The addresses that belong to this connection alone.
    pub(crate) fn own(&mut self) -> Vec<String> {
        self.addresses("onions/current")
    }

    /// The addresses that belong to no connection.
    pub(crate) fn detached(&mut self) -> Vec<String> {
        self.addresses("onions/detached")
    }

    /// The value of one `GETINFO` key.
    pub(crate) fn info(&mut self, key: &str) -> String {
        self.control.info(key).expect("what Tor says")
    }

    fn addresses(&mut self, key: &str) -> Vec<String> {
        self.info(key).split_whitespace().map(|id| format!("{id}.onion")).collect()
    }
}

fn id(address: &str) -> &str {
    address.trim_end_matches(".onion")
}

#[expect(clippy::panic, reason = "a test that cannot ask its witness has failed")]
fn panic_with(cause: &ControlError) -> ! {
    panic!("the witness does not answer: {cause}")
}
