// SPDX-License-Identifier: GPL-3.0-or-later
//! The host: what installs, configures, confines, starts and stops the servers of described services.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use serde::Deserialize;
use tails_server_state::ServiceName;

use crate::controller::observed::Generation;
use crate::controller::repertoire::Repertoire;
use crate::controller::wishes::Wishes;

/// The host, as far as the loop acts on it.
///
/// Whatever an act changed is told as a [`HostFact::Service`] before the act ends. Every act can be done again.
pub trait Host: Send + Sync + 'static {
    /// Does something for a service, over the connection to the host of this generation.
    fn carry_out(
        &self,
        generation: Generation,
        service: ServiceName,
        act: HostAct,
    ) -> impl Future<Output = Result<(), HostError>> + Send;

    /// These are the services that can be had from now on. How those are that are new is told as
    /// [`HostFact::Service`], on the same connection.
    fn offer(&self, repertoire: &Repertoire);
}

/// What the host can do for a service.
#[derive(Debug)]
pub enum HostAct {
    /// Install its server, without starting it.
    Install,
    /// Configure, confine and start its server as these wishes say.
    Apply(Wishes),
    /// Stop its server, and leave everything as it was before.
    Withdraw,
    /// Delete its data and the packages that were installed for it.
    Uninstall,
}

/// The kind of a [`HostAct`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// [`HostAct::Install`]
    Install,
    /// [`HostAct::Apply`]
    Apply,
    /// [`HostAct::Withdraw`]
    Withdraw,
    /// [`HostAct::Uninstall`]
    Uninstall,
}

impl ActKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Install, Self::Apply, Self::Withdraw, Self::Uninstall];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Apply => "apply",
            Self::Withdraw => "withdraw",
            Self::Uninstall => "uninstall",
        }
    }
}

impl HostAct {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ActKind {
        match self {
            Self::Install => ActKind::Install,
            Self::Apply(_) => ActKind::Apply,
            Self::Withdraw => ActKind::Withdraw,
            Self::Uninstall => ActKind::Uninstall,
        }
    }
}

/// Why the host did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The connection to the host ended; what became of the act is told by the next one.
    #[error("the connection to the system's services ended")]
    ConnectionLost,
    /// It was tried and did not work out.
    #[error("{message}")]
    Failed {
        /// What is the matter.
        message: String,
        /// What a person can do about it.
        hint: Option<String>,
    },
    /// The host does not let us.
    #[error("the system does not let the controller {} it: {why}", .act.as_str())]
    Refused {
        /// What was asked for.
        act: ActKind,
        /// Its words.
        why: String,
    },
}

/// Something observed about the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostFact {
    /// The connection is up, and what is known of each service was told: of the others, there is nothing.
    Connected,
    /// There is no connection: it ended, or one more attempt failed.
    Lost(String),
    /// How a service is.
    Service(ServiceName, HostedService),
    /// How far an act has come.
    Progress(ServiceName, Progress),
}

/// What the host knows of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedService {
    /// Whether its server is installed.
    pub installed: bool,
    /// Its unit.
    pub unit: Unit,
    /// What it was last configured for.
    pub applied: Applied,
    /// What was found out about it, by the name of the option.
    pub probes: BTreeMap<String, String>,
    /// What its server wrote before it failed, if it has when it was last configured or started.
    pub last_words: LastWords,
}

/// The last lines that a server wrote to its log before it failed, as far as the host tells them. There may be addresses
/// and passwords in them: they are for whoever asks for them, and for no log of ours.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct LastWords(Vec<String>);

impl LastWords {
    /// From lines that can be shown anywhere: without control characters, and neither many nor long.
    #[must_use]
    pub const fn new(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// The lines.
    #[must_use]
    pub fn expose_lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for LastWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LastWords({} lines)", self.0.len())
    }
}

/// The unit that runs a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// It does not run.
    Inactive,
    /// It is starting, or between two starts.
    Activating,
    /// It runs.
    Active,
    /// It ended otherwise than it was told to, with these last words.
    Failed(String),
}

/// What is in force of a service: configuration, confinement, firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Nothing of ours.
    Nothing,
    /// An act was interrupted, or failed: nobody knows.
    Unknown,
    /// These wishes, for this descriptor.
    Wishes(Digests),
}

/// What a server is configured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Of the wishes, which name the descriptor.
    pub wishes: Digest,
    /// Of the descriptor: what the server is, and where it listens.
    pub descriptor: Digest,
}

/// A SHA-256, of rendered wishes or of a descriptor with all that is beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len() == 64)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        }
        Some(Self(bytes))
    }

    /// As 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Digest {
    // A weak password could be guessed from the whole of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, ..] = self.0;
        write!(formatter, "Digest({first:02x}..)")
    }
}

/// How far an act has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100 per cent.
    pub percent: u8,
    /// What it is at, such as a package.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written_and_nothing_else_is_one() {
        let digest = Digest::from_bytes(std::array::from_fn(|at| u8::try_from(at * 7).unwrap()));
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex(&digest.hex().to_uppercase()), Some(digest));
        for wrong in ["", "0", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65), &"ü".repeat(32)] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
        assert!(!format!("{digest:?}").contains(&digest.hex()[2..6]));
    }

    #[test]
    fn what_a_server_wrote_is_not_in_what_is_written_for_us() {
        let words = LastWords::new(vec!["the password is hunter2".to_owned()]);
        assert_eq!(format!("{words:?}"), "LastWords(1 lines)");
    }
}
