// SPDX-License-Identifier: GPL-3.0-or-later
//! Circuits: what is open, and closing it.

use std::collections::BTreeSet;

use futures_util::future;
use tails_server_state::{Change, OnionAddress};

use super::Client;
use crate::torctl::circuit::{Circuit, CircuitId, CircuitPurpose, parse_circuits};
use crate::torctl::command::Command;
use crate::torctl::error::CommandError;
use crate::torctl::info::InfoKey;
use crate::torctl::refusal::Refusal;

/// How often visitors are looked for before we say that they keep coming.
// Closing a circuit that is still being built makes Tor build another one, at most ten times (param-spec,
// hs_service_max_rdv_failures, by default twice). Two looks more see that none is left.
const MOST_LOOKS: usize = 16;

impl Client {
    /// The circuits that begin at this Tor.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn circuits(&self) -> Result<Vec<Circuit>, CommandError> {
        let mut values = self.get_info(&[InfoKey::CircuitStatus]).await?;
        Ok(parse_circuits(&values.remove(&InfoKey::CircuitStatus).unwrap_or_default())?)
    }

    /// The onion services of this Tor that somebody visits.
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn visited(&self) -> Result<BTreeSet<OnionAddress>, CommandError> {
        let circuits = self.circuits().await?.into_iter();
        let visits = circuits.filter(|circuit| circuit.purpose == CircuitPurpose::ServiceRendezvous);
        Ok(visits.filter_map(|circuit| circuit.rend_query).collect())
    }

    /// Closes a circuit and the streams on it.
    ///
    /// # Errors
    /// [`CommandError`]; that there is no such circuit is [`Change::Unchanged`].
    pub async fn close_circuit(&self, circuit: &CircuitId) -> Result<Change, CommandError> {
        match self.ask(Command::close_circuit(circuit), "CLOSECIRCUIT").await {
            Ok(_) => Ok(Change::Changed),
            Err(error) if error.refusal() == Some(&Refusal::UnknownCircuit) => Ok(Change::Unchanged),
            Err(error) => Err(error),
        }
    }

    /// Sends away everybody who visits an onion service of this Tor, and says how many circuits were closed.
    ///
    /// For a service that is deleted, or that lets in others than before: deleting it ends no circuit, and on a circuit
    /// that is there a visitor can open new streams. Those who may come in do so again by themselves.
    ///
    /// # Errors
    /// [`CommandError::Circuits`] when Tor's list is not understood; [`CommandError::VisitorsKeepComing`] when there are
    /// always new ones. On any error some may still be there.
    pub async fn close_visitors(&self, address: &OnionAddress) -> Result<u32, CommandError> {
        let (mut closed, mut found_any) = (0, false);
        for _ in 0..MOST_LOOKS {
            let circuits = self.circuits().await?;
            let visits = |circuit: &&Circuit| {
                circuit.purpose == CircuitPurpose::ServiceRendezvous && circuit.rend_query.as_ref() == Some(address)
            };
            let visitors: Vec<_> = circuits.iter().filter(visits).collect();
            if visitors.is_empty() {
                // After one was closed, a second look: Tor may replace it between the reply and the list.
                if !found_any {
                    return Ok(closed);
                }
                found_any = false;
                continue;
            }
            found_any = true;
            let closing = visitors.into_iter().map(|visitor| self.close_circuit(&visitor.id));
            let changes = future::try_join_all(closing).await?;
            let count = changes.into_iter().filter(|change| *change == Change::Changed).count();
            closed += u32::try_from(count).unwrap_or(u32::MAX);
        }
        Err(CommandError::VisitorsKeepComing { closed })
    }

    /// Makes Tor fetch the descriptor of an onion service, from this HSDir or from those of its choice; what comes of it
    /// is told as events. See [`fetch_descriptor`](crate::torctl::fetch_descriptor).
    ///
    /// # Errors
    /// [`CommandError`]
    pub async fn hs_fetch(&self, address: &OnionAddress, hsdir: Option<&str>) -> Result<(), CommandError> {
        self.ask(Command::hs_fetch(address, hsdir), "HSFETCH").await.map(drop)
    }
}
