// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor refuses, as the loop's errors.

use crate::controller::{AddOnionError, CredentialError};
use crate::errors::with_causes;
use crate::torctl::{CommandError, ConnectionLost, Refusal};

pub(super) fn why_no_credential(cause: &CommandError) -> CredentialError {
    if let CommandError::Lost { .. } = cause {
        return CredentialError::ConnectionLost;
    }
    CredentialError::Refused(with_causes(cause))
}

/// The service may be why the connection ended, unless we closed it ourselves.
pub(super) fn ended(cause: &ConnectionLost) -> AddOnionError {
    match cause {
        ConnectionLost::GivenUp => AddOnionError::ConnectionLost,
        ConnectionLost::Closed
        | ConnectionLost::Broken(_)
        | ConnectionLost::TimedOut { .. }
        | ConnectionLost::EventsNotRead { .. }
        | ConnectionLost::Garbled
        | ConnectionLost::NotAscii
        | ConnectionLost::TooLong
        | ConnectionLost::Unasked { .. } => AddOnionError::EndedConnection(cause.to_string()),
    }
}

pub(super) fn why_not_added(cause: &CommandError) -> AddOnionError {
    let refusal = match cause {
        CommandError::Lost { cause, .. } => return ended(cause),
        CommandError::Refused { refusal, .. } => refusal,
        CommandError::WrongClients => return AddOnionError::OtherClients,
        CommandError::WrongServiceId
        | CommandError::Clients(_)
        | CommandError::Circuits(_)
        | CommandError::VisitorsKeepComing { .. }
        | CommandError::Argument { .. } => {
            return AddOnionError::Refused(cause.to_string());
        }
    };
    match refusal {
        Refusal::Collision => AddOnionError::Collision,
        Refusal::Filtered => AddOnionError::Filtered,
        Refusal::NoProofOfWork => AddOnionError::NoProofOfWork,
        Refusal::UnknownCommand(_)
        | Refusal::Key
        | Refusal::Ports
        | Refusal::Flags(_)
        | Refusal::Limits(_)
        | Refusal::ClientKey
        | Refusal::NoClients
        | Refusal::NotRestricted
        | Refusal::Address
        | Refusal::Argument(_)
        | Refusal::UnknownArgument(_)
        | Refusal::Value(_) => AddOnionError::Refused(refusal.to_string()),
        Refusal::AuthenticationRequired
        | Refusal::Authentication(_)
        | Refusal::Failed(_)
        | Refusal::Internal(_)
        | Refusal::UnknownService
        | Refusal::UnknownCircuit
        | Refusal::UnknownKey(_)
        | Refusal::Unknown(_)
        | Refusal::Unexpected { .. } => AddOnionError::Failed(refusal.to_string()),
    }
}
