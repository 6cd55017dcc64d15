// SPDX-License-Identifier: GPL-3.0-or-later
//! Who listens on the simulated machine: somebody on every target, unless silenced.

use std::collections::BTreeSet;

use tails_server_state::Target;

use crate::controller::Listening;
use crate::sim::machine::Machine;

/// The simulated listeners, as the loop's port.
#[derive(Debug)]
pub struct SimulatedListening(pub(super) Machine);

impl Listening for SimulatedListening {
    fn watch(&mut self, targets: BTreeSet<Target>) {
        self.0.lock().watched = targets;
        let machine = self.0.clone();
        tokio::spawn(async move { machine.tell_listening().await });
    }
}
