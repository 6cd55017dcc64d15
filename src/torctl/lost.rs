// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a connection ended.

use std::io;
use std::sync::Arc;

use torut::control::ConnError;

/// Why a connection to Tor ended. Every pending and every later command fails with it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionLost {
    /// Tor closed it: it is stopping, was killed, or did not like a line.
    #[error("Tor closed the control connection")]
    Closed,
    /// Reading or writing failed.
    #[error("the control connection broke")]
    Broken(#[source] Arc<io::Error>),
    /// A command had no complete reply in time.
    #[error("Tor did not answer {command} in time")]
    TimedOut {
        /// The oldest command without a reply.
        command: &'static str,
    },
    /// A command had no reply in time because the events before it were not taken from [`Events`](super::Events).
    #[error("bug: the events before the answer to {command} were not read")]
    EventsNotRead {
        /// The oldest command without a reply.
        command: &'static str,
    },
    /// What came is not the control protocol, or lacks what a reply of its kind always has.
    #[error("what came over the control connection can not be understood")]
    Garbled,
    /// A byte outside ASCII, which torut's framing refuses: perhaps a configuration value in an event.
    #[error("the control connection carried text outside of ASCII")]
    NotAscii,
    /// One reply or event of more than torut's 1 MiB.
    #[error("a reply over the control connection was too long")]
    TooLong,
    /// A reply that belongs to no command: from here on no reply could be matched.
    #[error("Tor sent a reply {code} that nobody asked for")]
    Unasked {
        /// Its code.
        code: u16,
    },
    /// This program let go of it.
    #[error("the control connection was given up")]
    GivenUp,
}

impl From<io::Error> for ConnectionLost {
    fn from(cause: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        if matches!(cause.kind(), UnexpectedEof | BrokenPipe | ConnectionReset) {
            Self::Closed
        } else {
            Self::Broken(Arc::new(cause))
        }
    }
}

impl From<ConnError> for ConnectionLost {
    fn from(cause: ConnError) -> Self {
        match cause {
            ConnError::IOError(cause) => cause.into(),
            ConnError::NonAsciiByteFound => Self::NotAscii,
            ConnError::TooManyBytesRead => Self::TooLong,
            ConnError::Utf8Error(_)
            | ConnError::FromUtf8Error(_)
            | ConnError::ParseIntError(_)
            | ConnError::UnauthenticatedConnError(_)
            | ConnError::AuthenticatedConnError(_)
            | ConnError::InvalidResponseCode(_)
            | ConnError::InvalidFormat
            | ConnError::InvalidCharacterFound
            | ConnError::ResponseCodeMismatch => Self::Garbled,
        }
    }
}
