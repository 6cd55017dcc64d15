// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be wrong with what people paste, in words that say what to do.

use std::fmt;

use tails_server_state::InvalidCredential;

use super::expiry::Expiry;

/// What this program reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Artefact {
    /// From the host of a service.
    Invitation,
    /// From somebody who wants to be invited.
    Request,
    /// A line of Tor's `.auth_private` files.
    Credential,
}

impl fmt::Display for Artefact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Invitation => "an invitation",
            Self::Request => "a request to be invited",
            Self::Credential => "a client credential (a line of an .auth_private file)",
        })
    }
}

/// What people have in the clipboard instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stray {
    /// An onion address, alone or in a link.
    Address,
    /// A line of an `.auth` file: the public key of a client.
    PublicClientKey,
    /// The key of a client without an address.
    ClientKey,
    /// The key of a service, which nobody should send to anybody.
    ServiceKey,
}

impl fmt::Display for Stray {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Address => "a bare onion address",
            Self::PublicClientKey => "the public key of a client (a line of an .auth file)",
            Self::ClientKey => "a client key without an address",
            Self::ServiceKey => "the secret key of an onion service",
        })
    }
}

/// Why what was pasted can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// Nothing but white space.
    #[error("there is nothing to read")]
    Empty,
    /// Far more than any invitation.
    #[error("the text is too long to be an invitation or a request")]
    TooLong,
    /// Nothing that anybody here has heard of.
    #[error("the text is neither an invitation nor a request")]
    Unknown,
    /// Something else that is known.
    #[error("the text is {0}, not an invitation")]
    Stray(Stray),
    /// One artefact where another belongs.
    #[error("the text is {found}, not {wanted}")]
    Unwanted {
        /// What it is.
        found: Artefact,
        /// What it should be.
        wanted: Artefact,
    },
    /// An address of the version that Tor gave up.
    #[error("the text has an onion address of version 2 (16 characters), and those no longer work")]
    Version2,
    /// Two that differ.
    #[error("the text has more than one invitation or request in it")]
    Several,
    /// The checksum says so.
    #[error("the {} is damaged: a character is wrong or missing", noun(*.0))]
    Damaged(Artefact),
    /// It stops too early.
    #[error("the {} is cut off: only {found} of {expected} characters are there", noun(*.artefact))]
    Truncated {
        /// What it began as.
        artefact: Artefact,
        /// Characters that are there.
        found: usize,
        /// Characters that should be.
        expected: usize,
    },
    /// Undamaged, and yet not understood.
    #[error("the {} needs a newer Tails Server", noun(*.0))]
    Newer(Artefact),
    /// Undamaged, and yet wrong.
    #[error("the {} was made by a faulty program: the {part} in it is wrong", noun(*.artefact))]
    Malformed {
        /// What it is.
        artefact: Artefact,
        /// The field.
        part: &'static str,
    },
    /// A bad line of an `.auth_private` file.
    #[error("the client credential is wrong")]
    Credential(#[source] InvalidCredential),
}

impl PasteError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => "Paste the whole text that you were sent, from BEGIN to END",
            Self::TooLong | Self::Unknown | Self::Several => {
                "Paste only the text from BEGIN TAILS SERVER to END TAILS SERVER"
            }
            Self::Stray(Stray::Address) => "A public service needs no invitation: open its address in Tor Browser",
            Self::Stray(Stray::PublicClientKey) => {
                "The host of a service takes it: `tails-server client add NAME CLIENT --public-key KEY`"
            }
            Self::Stray(Stray::ClientKey) => "Tor Browser asks for such a key when it opens the address",
            Self::Stray(Stray::ServiceKey) => {
                "Whoever has this key is the service. If it was sent to you, its owner should renew it"
            }
            Self::Unwanted { found: Artefact::Request, .. } => {
                "The host of a service answers it: `tails-server invite NAME --for CLIENT --request FILE`"
            }
            Self::Unwanted { found: Artefact::Invitation | Artefact::Credential, .. } => {
                "To use it: `tails-server join FILE`"
            }
            Self::Version2 => "Ask for the new address, which has 56 characters",
            Self::Damaged(_) | Self::Truncated { .. } => "Copy it once more, from BEGIN to END, or have it sent again",
            Self::Newer(_) => "Update Tails Server, or Tails",
            Self::Malformed { .. } => "Ask for another one",
            Self::Credential(_) => return None,
        })
    }
}

const fn noun(artefact: Artefact) -> &'static str {
    match artefact {
        Artefact::Invitation => "invitation",
        Artefact::Request => "request",
        Artefact::Credential => "client credential",
    }
}

/// An invitation that was good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invitation expired at {0}")]
pub struct Expired(pub Expiry);

/// Why a key does not complete an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotComplete {
    /// The answer to the request of somebody else, or to an older one.
    #[error("the invitation answers another request than this one")]
    AnotherKey,
    /// It has its key, or needs none.
    #[error("the invitation does not answer a request")]
    NothingMissing,
}

/// Why there can be no such invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInvitation {
    /// Nothing to connect to.
    #[error("an invitation has at least one port")]
    NoPort,
    /// More than a service can have.
    #[error("an invitation has at most {most} ports")]
    TooManyPorts {
        /// As many would do.
        most: usize,
    },
    /// More than fits in a QR code.
    #[error("the connection information of an invitation has at most {most} bytes, and this has {found}")]
    TooLong {
        /// Bytes that there are.
        found: usize,
        /// Bytes that there may be.
        most: usize,
    },
}
