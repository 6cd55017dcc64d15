// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor answers when it does not do what it was told.

use super::text::presentable;

/// What Tor, or a filter before it, answered instead of doing it.
///
/// The texts are Tor's, cut short, and without anything as long as a key or an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 510 from onion-grater: its profile for this program has no such line.
    #[error("the filter before Tor's control port does not let this command through")]
    Filtered,
    /// 510: no such command.
    #[error("Tor does not know the command: {0}")]
    UnknownCommand(String),
    /// 512: the secret key is not one.
    #[error("Tor can not read the secret key")]
    Key,
    /// 512: a virtual port or a target that Tor does not take.
    #[error("Tor does not take the ports")]
    Ports,
    /// 512: the flags.
    #[error("Tor does not take the flags: {0}")]
    Flags(String),
    /// 512: limits of streams, or of the proof-of-work defence.
    #[error("Tor does not take the limits: {0}")]
    Limits(String),
    /// 512: this Tor has no proof-of-work defence for services that are added over the control port.
    #[error("this Tor does not know the proof-of-work defence")]
    NoProofOfWork,
    /// 512, 552, 553: a client's key, public or secret, is not one.
    #[error("Tor can not read the key of a client")]
    ClientKey,
    /// 512: restricted to clients, and not one is given.
    #[error("Tor does not restrict a service to nobody")]
    NoClients,
    /// 512: clients are given, and the service is not restricted to them.
    #[error("Tor was given clients for a service that everybody may reach")]
    NotRestricted,
    /// 512, 513: the address of an onion service is not one.
    #[error("Tor can not read the onion address")]
    Address,
    /// 512: another argument.
    #[error("Tor does not take an argument: {0}")]
    Argument(String),
    /// 513: an argument that Tor does not know.
    #[error("Tor does not know an argument: {0}")]
    UnknownArgument(String),
    /// 514: not authenticated.
    #[error("Tor wants authentication first")]
    AuthenticationRequired,
    /// 515: authentication failed.
    #[error("Tor refused the authentication: {0}")]
    Authentication(String),
    /// 550: a service with this address is there already; it may belong to another connection and be invisible here.
    #[error("Tor already has an onion service with this address")]
    Collision,
    /// 550, any other reason.
    #[error("Tor could not do it: {0}")]
    Failed(String),
    /// 551: Tor's own failure.
    #[error("Tor failed: {0}")]
    Internal(String),
    /// 552: no onion service with this address belongs to this connection, nor is detached.
    #[error("Tor has no such onion service")]
    UnknownService,
    /// 552: no circuit has this name any more.
    #[error("Tor has no such circuit")]
    UnknownCircuit,
    /// 552: no such key of GETINFO.
    #[error("Tor does not know how to answer a question: {0}")]
    UnknownKey(String),
    /// 552: no such event, option, signal or HSDir.
    #[error("Tor does not know: {0}")]
    Unknown(String),
    /// 553: a value that can not be set.
    #[error("Tor does not take a value: {0}")]
    Value(String),
    /// A code that this program does not know, or not here.
    #[error("Tor gave the unexpected answer {code}: {text}")]
    Unexpected {
        /// The code.
        code: u16,
        /// What Tor said.
        text: String,
    },
}

impl Refusal {
    /// Reads the last line of a reply that is no success.
    pub(super) fn new(code: u16, text: &str) -> Self {
        let shown = || presentable(text);
        match code {
            510 if text.starts_with("Command filtered") => Self::Filtered,
            510 => Self::UnknownCommand(shown()),
            512 => Self::argument(text),
            // HSFETCH
            513 if text.starts_with("Invalid argument \"") => Self::Address,
            513 => Self::UnknownArgument(shown()),
            514 => Self::AuthenticationRequired,
            515 => Self::Authentication(shown()),
            550 if text.starts_with("Onion address collision") => Self::Collision,
            550 => Self::Failed(shown()),
            551 => Self::Internal(shown()),
            552 if text.starts_with("Unknown Onion Service id") => Self::UnknownService,
            552 if text.starts_with("Unknown circuit ") => Self::UnknownCircuit,
            552 if text.starts_with("Unrecognized key type ") => Self::ClientKey,
            552 if text.starts_with("Unrecognized key ") => Self::UnknownKey(shown()),
            552 => Self::Unknown(shown()),
            553 if text.starts_with("Invalid private key ") => Self::ClientKey,
            553 => Self::Value(shown()),
            code => Self::Unexpected { code, text: shown() },
        }
    }

    /// The many meanings of 512.
    fn argument(text: &str) -> Self {
        let starts = |beginning: &str| text.starts_with(beginning);
        if starts("Failed to decode ED25519-V3 key") || starts("Invalid key type") {
            Self::Key
        } else if starts("Invalid VIRTPORT/TARGET") || starts("Missing 'Port' argument") {
            Self::Ports
        } else if starts("Invalid 'Flags' argument") || starts("Tor is in ") {
            Self::Flags(presentable(text))
        } else if starts("Invalid MaxStreams") || starts("Invalid PoW") {
            Self::Limits(presentable(text))
        } else if starts("Bad arguments to ADD_ONION: Unrecognized keyword argument \"PoW") {
            Self::NoProofOfWork
        } else if starts("Cannot decode v3 client auth key") || starts("Failed to decode x25519 private key") {
            Self::ClientKey
        } else if starts("No auth clients specified") {
            Self::NoClients
        } else if starts("No auth type specified") {
            Self::NotRestricted
        } else if starts("Malformed Onion Service id") || starts("Invalid v3 address") {
            Self::Address
        } else {
            Self::Argument(presentable(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every refusal in the fixture becomes the variant that stands before it.
    #[test]
    fn recorded_refusals_have_their_own_variants() {
        let fixture = include_str!("../../fixtures/control-port/refusals.txt");
        let mut seen = 0;
        for line in fixture.lines().filter(|line| !line.starts_with('#')) {
            let (variant, reply) = line.split_once('\t').unwrap();
            let (code, text) = reply.split_at(3);
            let found = Refusal::new(code.parse().unwrap(), text.get(1..).unwrap_or_default());
            let debug = format!("{found:?}");
            let name = debug.split(['(', ' ']).next().unwrap();
            assert_eq!(name, variant, "{reply}");
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn what_tor_says_is_cut_short() {
        let Refusal::Unexpected { code, text } = Refusal::new(999, &"word ".repeat(100_000)) else { panic!() };
        assert_eq!(code, 999);
        assert!(text.len() <= 200);
    }
}
