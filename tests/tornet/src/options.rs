// SPDX-License-Identifier: GPL-3.0-or-later
//! What one may ask of a tor.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;

/// How a tor's control port lets people in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authentication {
    /// `CookieAuthentication 1`: methods COOKIE and SAFECOOKIE.
    #[default]
    Cookie,
    /// `HashedControlPassword`: method HASHEDPASSWORD. No quotes, no backslashes.
    Password(String),
    /// Nothing is configured: method NULL.
    Nothing,
}

impl Authentication {
    /// The torrc lines for it.
    ///
    /// # Errors
    /// If `tor --hash-password` fails.
    pub(crate) fn torrc_lines(&self, cookie: &Path) -> Result<String, Error> {
        Ok(match self {
            Self::Cookie => format!("CookieAuthentication 1\nCookieAuthFile {}\n", cookie.display()),
            Self::Password(password) => format!("HashedControlPassword {}\n", hash(password)?),
            Self::Nothing => String::new(),
        })
    }
}

/// What a tor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It offers onion services.
    Host,
    /// It visits them.
    Client,
}

/// Which tor to start.
///
/// # Examples
///
/// ```
/// use tornet::{Authentication, TorOptions};
///
/// let options = TorOptions::host()
///     .authentication(Authentication::Password("secret".into()))
///     .with_control_port()
///     .line("MaxCircuitDirtiness 60");
/// # drop(options);
/// ```
#[derive(Debug, Clone)]
pub struct TorOptions {
    pub(crate) role: Role,
    pub(crate) authentication: Authentication,
    pub(crate) control_port: ControlPort,
    pub(crate) lines: String,
}

/// Whether the control port is also on TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControlPort {
    SocketOnly,
    SocketAndTcp,
}

impl TorOptions {
    /// A tor for onion services.
    pub fn host() -> Self {
        Self::new(Role::Host)
    }

    /// A tor for visitors: its `SocksPort` has `ExtendedErrors`, and it has a `ClientOnionAuthDir`.
    pub fn client() -> Self {
        Self::new(Role::Client)
    }

    /// How the control port lets people in; cookie if not said.
    #[must_use]
    pub fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// A control port on TCP besides the socket, with the same authentication.
    #[must_use]
    pub fn with_control_port(mut self) -> Self {
        self.control_port = ControlPort::SocketAndTcp;
        self
    }

    /// One more line for the torrc.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            authentication: Authentication::default(),
            control_port: ControlPort::SocketOnly,
            lines: String::new(),
        }
    }
}

/// What `HashedControlPassword` wants to see.
fn hash(password: &str) -> Result<String, Error> {
    let output = Command::new("tor")
        .args(["--quiet", "--hash-password", password])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::run("tor"))?;
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if hash.starts_with("16:") {
        Ok(hash)
    } else {
        Err(Error::Failed { program: "tor", status: output.status, output: hash })
    }
}
