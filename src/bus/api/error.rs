// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a request was not carried out.

use zbus::DBusError;

/// Why a request was not carried out. The description is one line, and a hint for people may follow on a second.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.boum.tails.Server1.Error")]
pub enum ApiError {
    /// Something between the two ends.
    #[zbus(error)]
    Bus(zbus::Error),
    /// There is no such service.
    UnknownService(String),
    /// The caller may not do this, or may once somebody has typed a password: ask again, and allow interactive
    /// authorization.
    NotAuthorized(String),
    /// The caller asks for more at once than anybody may.
    TooMuch(String),
    /// There is no such client, request or joined service.
    Unknown(String),
    /// The name, the address or the key is taken.
    Exists(String),
    /// The request makes no sense.
    Invalid(String),
    /// It could not be made durable.
    Store(String),
    /// Tor can not be asked.
    NoTor(String),
    /// No HSDir has the descriptor of the service.
    NotFound(String),
    /// It took too long.
    TimedOut(String),
    /// It is remembered, and done as soon as it can be.
    Postponed(String),
    /// It did not work out.
    Failed(String),
}
