// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a key can not be taken, or written.

use std::io;
use std::path::PathBuf;

use tails_server_state::InvalidClientKey;

/// Why nothing was imported. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The system says no.
    #[error("cannot read {}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Where it leads can change between looking and reading.
    #[error("{} is a symbolic link", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A device, a socket, a directory where a file belongs.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// A directory that Tor has not filled, or another one.
    #[error("there is no onion service in {}: it has no file hs_ed25519_secret_key", path.display())]
    NoKey {
        /// The directory.
        path: PathBuf,
    },
    /// A file that is not what it should be.
    #[error("cannot use {}", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: Unsuitable,
    },
}

impl ImportError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { .. } | Self::NotAFile { .. } => None,
            Self::Symlink { .. } => Some("Name the file or directory itself"),
            Self::NoKey { .. } => Some("Name the HiddenServiceDir of the torrc, or a file hs_ed25519_secret_key"),
            Self::Unsuitable { reason, .. } => reason.hint(),
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// Nothing that has a key in it.
    #[error("it is not a key file of Tor, mkp224o or OnionShare")]
    Unknown,
    /// The other half.
    #[error("it has the public key, not the secret one")]
    PublicKey,
    /// Something that begins otherwise.
    #[error("it does not begin as a key file of Tor's does")]
    Header,
    /// It stops too early.
    #[error("it is cut off: only {found} of {expected} bytes are there")]
    Truncated {
        /// Bytes that are there.
        found: usize,
        /// Bytes that should be.
        expected: usize,
    },
    /// There is more in it than there should be.
    #[error("it is larger than such a file can be")]
    TooLarge,
    /// A key of the version that Tor gave up.
    #[error("it belongs to an onion service of version 2, and those no longer work")]
    Version2,
    /// A key that Tor and this program read differently.
    #[error("the secret key is not a clamped ed25519 key; Tor would give it another address")]
    Clamping,
    /// The two halves do not belong together.
    #[error("the public key beside it belongs to another secret key")]
    PublicKeyMismatch,
    /// The address is of another key.
    #[error("the address in it belongs to another secret key")]
    HostnameMismatch,
    /// No address at all.
    #[error("there is no onion address in it")]
    Hostname,
    /// Settings of OnionShare that were made before the service first ran.
    #[error("the settings of OnionShare have no key in them yet")]
    NoKeyYet,
    /// Not the line that belongs in an `.auth` file.
    #[error("it has no client in it: such a file has one line, descriptor:x25519:KEY")]
    ClientForm,
    /// A client key that is none.
    #[error("the client key in it is wrong")]
    ClientKey(#[source] InvalidClientKey),
    /// More clients than a service can have.
    #[error("there are more than {most} clients in it")]
    TooManyClients {
        /// As many would do.
        most: usize,
    },
}

impl Unsuitable {
    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PublicKey => Some("The secret key is in the file hs_ed25519_secret_key"),
            Self::Version2 => Some("Publish the service anew: it gets an address of 56 characters"),
            Self::PublicKeyMismatch | Self::HostnameMismatch => {
                Some("If the secret key is the right one, import the file hs_ed25519_secret_key alone")
            }
            Self::ClientForm | Self::ClientKey(_) => {
                Some("Tor ignores such a file, and so its client has no access: remove the file, or mend it")
            }
            Self::NoKeyYet => Some("Start the service once in OnionShare, with its address saved"),
            Self::Unknown | Self::Header | Self::Truncated { .. } | Self::TooLarge | Self::Clamping => None,
            Self::Hostname | Self::TooManyClients { .. } => None,
        }
    }
}

/// Why nothing was exported. What had been written is gone again.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system says no.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A file or a link where the directory belongs.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// What is in it would be mixed with what is written.
    #[error("the directory {} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else could read the key.
    #[error("the directory {} belongs to another user", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
}

impl ExportError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Write { .. } => None,
            Self::NotADirectory { .. } | Self::NotEmpty { .. } | Self::Foreign { .. } => {
                Some("Name a directory that does not exist yet")
            }
        }
    }
}
