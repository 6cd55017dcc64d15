// SPDX-License-Identifier: GPL-3.0-or-later
//! What people are told of a step that failed.

use tails_server_state::{ServiceName, StoreError};

use crate::controller::ports::{AddOnionError, RemoveOnionError};
use crate::controller::status::{Outlook, Problem};
use crate::errors::with_causes;

/// Why Tor has not got a service.
pub(super) fn not_added(cause: &AddOnionError, name: Option<&ServiceName>) -> Problem {
    let name = name.map_or("NAME", ServiceName::as_str);
    let (outlook, hint) = match cause {
        // That the connection is lost comes as a fact, too, and voids this; trying before would only spin.
        AddOnionError::ConnectionLost | AddOnionError::EndedConnection(_) => (Outlook::Retrying, None),
        AddOnionError::Failed(_) | AddOnionError::Recalled => (Outlook::Retrying, None),
        AddOnionError::Refused(_) => (Outlook::Lasting, Some("See Tor's own log for why".to_owned())),
        AddOnionError::Filtered => {
            let hint = "The filter needs the profile of Tails Server, which is in contrib/onion-grater of its sources";
            (Outlook::Lasting, Some(hint.to_owned()))
        }
        AddOnionError::NoProofOfWork => {
            let hint =
                format!("Upgrade Tor to 0.4.9.2 or later, or do without: tails-server set-option {name} pow off");
            (Outlook::Lasting, Some(hint))
        }
        AddOnionError::OtherClients => {
            let hint =
                "What answers on Tor's control port does not do what it is told; enable the service to try again";
            (Outlook::Lasting, Some(hint.to_owned()))
        }
        AddOnionError::Collision => {
            let hint = "If it does not pass within a minute, end the other program that publishes this key";
            (Outlook::Retrying, Some(hint.to_owned()))
        }
    };
    Problem { message: cause.to_string(), hint, outlook }
}

/// Why Tor may still have a service, or its visitors.
pub(super) fn not_removed(cause: &RemoveOnionError) -> Problem {
    let hint = match cause {
        RemoveOnionError::ConnectionLost => None,
        RemoveOnionError::Failed(_) => Some("Ending the controller withdraws everything it has published"),
        RemoveOnionError::VisitorsStay(_) => Some(
            "It stays withdrawn until they are gone; a filter before Tor's control port needs the profile of Tails \
             Server for it",
        ),
    };
    Problem { message: cause.to_string(), hint: hint.map(str::to_owned), outlook: Outlook::Retrying }
}

/// Why the store does not give something.
pub(super) fn unreadable(cause: &StoreError) -> Problem {
    Problem { message: with_causes(cause), hint: Some(cause.hint()), outlook: outlook(cause) }
}

/// Whether time can mend what is wrong with the store.
fn outlook(cause: &StoreError) -> Outlook {
    let lasting = matches!(
        cause,
        StoreError::Damaged { .. }
            | StoreError::Crowded { .. }
            | StoreError::TooNew { .. }
            | StoreError::Unknown { .. }
    );
    if lasting { Outlook::Lasting } else { Outlook::Retrying }
}
