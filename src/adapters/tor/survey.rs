// SPDX-License-Identifier: GPL-3.0-or-later
//! How Tor is, for a person who looks for what is wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use tails_server_state::OnionAddress;

use crate::controller::{Survey, Told};
use crate::errors::with_causes;
use crate::torctl::{Client, CommandError, InfoKey, Refusal, parse_onions};

/// Tor answers within a millisecond. Who waits longer is to be told that it does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks, without changing anything.
pub(super) async fn survey(client: &Client) -> Survey {
    let asked = async { tokio::join!(client.is_network_disabled(), onions(client)) };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok((network_disabled, onions)) => {
            let network_disabled = match told(network_disabled) {
                Told::Answer(Some(is_disabled)) => Told::Answer(is_disabled),
                Told::Answer(None) => Told::Nothing("Tor does not say".to_owned()),
                Told::Filtered => Told::Filtered,
                Told::Nothing(why) => Told::Nothing(why),
            };
            Survey { network_disabled, onions }
        }
        Err(_elapsed) => Survey::nothing("Tor does not answer"),
    }
}

async fn onions(client: &Client) -> Told<BTreeSet<OnionAddress>> {
    let asked = client.get_info(&[InfoKey::OnionsCurrent]).await;
    match told(asked.map(|mut values| values.remove(&InfoKey::OnionsCurrent).unwrap_or_default())) {
        // Of a list with a line that makes no sense nothing is believed; the line is told nobody, for it may be an address.
        Told::Answer(list) => {
            parse_onions(&list).map_or_else(|_| Told::Nothing("a garbled list".to_owned()), Told::Answer)
        }
        Told::Filtered => Told::Filtered,
        Told::Nothing(why) => Told::Nothing(why),
    }
}

fn told<T>(answer: Result<T, CommandError>) -> Told<T> {
    match answer {
        Ok(answer) => Told::Answer(answer),
        Err(error) if matches!(error.refusal(), Some(Refusal::Filtered)) => Told::Filtered,
        Err(error) => Told::Nothing(with_causes(&error)),
    }
}
