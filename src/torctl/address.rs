// SPDX-License-Identifier: GPL-3.0-or-later
//! Where Tor's control port is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where Tor's control port is: a unix socket, or a TCP port on this machine.
///
/// # Examples
/// ```
/// use tails_server::torctl::ControlAddress;
///
/// let address: ControlAddress = "unix:/run/tor/control".parse()?;
/// assert_eq!(address.to_string(), "unix:/run/tor/control");
/// assert!("tcp:127.0.0.1:9051".parse::<ControlAddress>().is_ok());
/// assert!("tcp:192.0.2.1:9051".parse::<ControlAddress>().is_err());
/// # Ok::<(), tails_server::torctl::InvalidControlAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ControlAddress {
    /// A unix socket, by its absolute path.
    Unix(PathBuf),
    /// A TCP port; [`Client::connect`](super::Client::connect) refuses addresses that are not loopback ones.
    Tcp(SocketAddr),
}

// unix(7): sun_path has 108 bytes with the terminating NUL.
const MAX_PATH_BYTES: usize = 107;

impl FromStr for ControlAddress {
    type Err = InvalidControlAddress;

    fn from_str(text: &str) -> Result<Self, InvalidControlAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(InvalidControlAddress::RelativePath);
            }
            if path.len() > MAX_PATH_BYTES {
                return Err(InvalidControlAddress::LongPath);
            }
            if path.chars().any(char::is_control) {
                return Err(InvalidControlAddress::Form);
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let address = text.strip_prefix("tcp:").ok_or(InvalidControlAddress::Form)?;
        let address: SocketAddr = address.parse().map_err(|_| InvalidControlAddress::Form)?;
        if address.port() == 0 {
            return Err(InvalidControlAddress::Form);
        }
        // Beyond this machine a raw password or an onion service's key would cross the network unencrypted.
        if !address.ip().is_loopback() {
            return Err(InvalidControlAddress::NotLoopback);
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp:{address}"),
        }
    }
}

/// Why a text is no [`ControlAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidControlAddress {
    /// Neither of the two forms.
    #[error("a control address is unix:/PATH or tcp:127.0.0.1:PORT")]
    Form,
    /// A path that starts anywhere else than at the root.
    #[error("the path of the control socket is absolute")]
    RelativePath,
    /// Longer than the kernel takes.
    #[error("the path of the control socket has at most {MAX_PATH_BYTES} bytes")]
    LongPath,
    /// Another machine.
    #[error("the control port is on this machine: 127.0.0.1 or [::1]")]
    NotLoopback,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_round_trip() {
        for text in ["unix:/run/tor/control", "tcp:127.0.0.1:9051", "tcp:[::1]:951"] {
            assert_eq!(text.parse::<ControlAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_machines_and_other_forms_are_refused() {
        let long = format!("unix:/{}", "x".repeat(MAX_PATH_BYTES));
        for (text, reason) in [
            ("", InvalidControlAddress::Form),
            ("/run/tor/control", InvalidControlAddress::Form),
            ("127.0.0.1:9051", InvalidControlAddress::Form),
            ("tcp:localhost:9051", InvalidControlAddress::Form),
            ("tcp:127.0.0.1:0", InvalidControlAddress::Form),
            ("tcp:0.0.0.0:9051", InvalidControlAddress::NotLoopback),
            ("tcp:192.0.2.1:9051", InvalidControlAddress::NotLoopback),
            ("tcp:[::ffff:127.0.0.1]:9051", InvalidControlAddress::NotLoopback),
            ("unix:control", InvalidControlAddress::RelativePath),
            ("unix:/run/\0", InvalidControlAddress::Form),
            (&long, InvalidControlAddress::LongPath),
        ] {
            assert_eq!(text.parse::<ControlAddress>(), Err(reason), "{text:?}");
        }
    }
}
