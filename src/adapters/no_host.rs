// SPDX-License-Identifier: GPL-3.0-or-later
//! The host of a controller that runs for one person: there is none.

use tails_server_state::ServiceName;

use crate::controller::{Generation, Host, HostAct, HostError, Repertoire};

/// No host: nothing can be installed, and nothing is told.
#[derive(Debug, Clone, Copy)]
pub struct NoHost;

impl Host for NoHost {
    async fn carry_out(&self, _: Generation, _: ServiceName, act: HostAct) -> Result<(), HostError> {
        Err(HostError::Refused { act: act.kind(), why: "it runs for one person alone".to_owned() })
    }

    fn offer(&self, _: &Repertoire) {}
}
