// SPDX-License-Identifier: GPL-3.0-or-later
//! Where a virtual port leads.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::port::{InvalidPort, parse_port};

/// Where a virtual port leads on this machine: a TCP port on a loopback address, or a unix socket.
///
/// # Examples
/// ```
/// use tails_server_state::Target;
///
/// let target: Target = "8080".parse()?;
/// assert_eq!(target.to_string(), "127.0.0.1:8080");
/// assert!("unix:/run/user/1000/pad.sock".parse::<Target>().is_ok());
/// assert!("example.org:80".parse::<Target>().is_err());
/// # Ok::<(), tails_server_state::InvalidTarget>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A TCP port; the address is a loopback address and the port is not 0.
    Tcp(SocketAddr),
    /// A unix socket: absolute, normalised, at most [`Target::MAX_PATH_BYTES`] of printable ASCII without quotes.
    Unix(PathBuf),
}

impl Target {
    /// The longest path of a unix socket, in bytes.
    // unix(7): sun_path has 108 bytes with the terminating NUL. Tor accepts longer ones and never connects.
    pub const MAX_PATH_BYTES: usize = 107;
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(Self::Unix);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = parse_port(text)?;
            return Ok(Self::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.get())));
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidTarget::Form)?;
        let port = parse_port(port)?;
        let address: IpAddr = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().map(IpAddr::from),
            None => host.parse::<Ipv4Addr>().map(IpAddr::from),
        }
        .map_err(|_| InvalidTarget::HostName)?;
        if !address.is_loopback() {
            return Err(InvalidTarget::NotLoopback);
        }
        Ok(Self::Tcp(SocketAddr::new(address, port.get())))
    }
}

/// Tor takes relative, empty and over-long paths and then never connects; it refuses spaces and quotes in any form.
fn unix_path(path: &str) -> Result<PathBuf, InvalidTarget> {
    if !path.starts_with('/') {
        return Err(InvalidTarget::RelativePath);
    }
    if path.len() > Target::MAX_PATH_BYTES {
        return Err(InvalidTarget::LongPath);
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\')) {
        return Err(InvalidTarget::PathCharacter);
    }
    let normal = Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // Path::components folds `//` and `/./` silently; the kernel's table shows the path as it was bound.
    if !normal
        || path == "/"
        || path.ends_with('/')
        || path.contains("//")
        || path.contains("/./")
        || path.ends_with("/.")
    {
        return Err(InvalidTarget::PathForm);
    }
    Ok(PathBuf::from(path))
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;

    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Why a text is no [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Neither a port, nor an address with a port, nor `unix:` and a path.
    #[error("a target is a port, a loopback address with a port, or unix: and a path")]
    Form,
    /// The port is not one.
    #[error(transparent)]
    Port(#[from] InvalidPort),
    /// A name where an address is needed: what it means could change under us.
    #[error("a target is an IP address, not a host name")]
    HostName,
    /// The target is not on this machine.
    #[error("a target is on this machine: 127.0.0.1 or [::1]")]
    NotLoopback,
    /// A path that starts anywhere else than at the root.
    #[error("the path of a unix socket is absolute")]
    RelativePath,
    /// More than [`Target::MAX_PATH_BYTES`].
    #[error("the path of a unix socket has at most {} bytes", Target::MAX_PATH_BYTES)]
    LongPath,
    /// Tor refuses spaces and quotes.
    #[error("the path of a unix socket has no spaces, quotes, backslashes or letters outside ASCII")]
    PathCharacter,
    /// `.`, `..`, doubled or trailing slashes.
    #[error("the path of a unix socket is written out, without \".\", \"..\" or doubled slashes")]
    PathForm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tor_would_accept_and_never_reach_is_refused() {
        for (text, reason) in [
            ("", InvalidTarget::Form),
            ("localhost", InvalidTarget::Form),
            ("localhost:81", InvalidTarget::HostName),
            ("127.1:81", InvalidTarget::HostName),
            ("::1:81", InvalidTarget::HostName),
            ("0.0.0.0:81", InvalidTarget::NotLoopback),
            ("192.0.2.1:81", InvalidTarget::NotLoopback),
            ("[::ffff:127.0.0.1]:81", InvalidTarget::NotLoopback),
            ("0", InvalidTarget::Port(InvalidPort::Zero)),
            ("65536", InvalidTarget::Port(InvalidPort::Range)),
            ("127.0.0.1:0", InvalidTarget::Port(InvalidPort::Zero)),
            ("127.0.0.1:", InvalidTarget::Port(InvalidPort::NotANumber)),
            ("127.0.0.1:+80", InvalidTarget::Port(InvalidPort::NotANumber)),
            ("unix:", InvalidTarget::RelativePath),
            ("unix:sock", InvalidTarget::RelativePath),
            ("unix:/", InvalidTarget::PathForm),
            ("unix:/run/../x", InvalidTarget::PathForm),
            ("unix:/run/./x", InvalidTarget::PathForm),
            ("unix:/run//x", InvalidTarget::PathForm),
            ("unix:/run/x/", InvalidTarget::PathForm),
            ("unix:/run/a b", InvalidTarget::PathCharacter),
            ("unix:/run/\"x", InvalidTarget::PathCharacter),
            ("unix:/run/x\r\nSIGNAL HALT", InvalidTarget::PathCharacter),
            ("unix:/run/ü", InvalidTarget::PathCharacter),
        ] {
            assert_eq!(text.parse::<Target>(), Err(reason), "{text:?}");
        }
        let long = format!("unix:/{}", "x".repeat(Target::MAX_PATH_BYTES));
        assert_eq!(long.parse::<Target>(), Err(InvalidTarget::LongPath));
    }

    #[test]
    fn text_survives_the_round_trip() {
        for text in ["127.0.0.1:80", "127.0.0.2:65535", "[::1]:8080", "unix:/run/user/1000/a.sock"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }
}
