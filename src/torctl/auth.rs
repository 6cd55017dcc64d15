// SPDX-License-Identifier: GPL-3.0-or-later
//! Proving to Tor that we may control it, and letting it prove that it is Tor.
//!
//! The first of these that works is used:
//!
//! 1. `SAFECOOKIE`: both sides show that they know the cookie, neither sends it. Whoever only pretends to be Tor is found
//!    out before it learns anything. On a TCP port, where any local user could listen in Tor's place and name a file of
//!    its own, the cookie has to belong to Tor's user, to root or to us, unless its file is configured.
//! 2. `HASHEDPASSWORD`, when a password is configured. Tor learns the password, and so does whoever took its place.
//! 3. `COOKIE`, when the cookie's file is configured. The cookie itself is sent: were the file the peer's choice, any
//!    program that took Tor's place could have us read any file of 32 bytes to it. No Tor since 0.2.3 offers only this.
//! 4. `NULL`: nothing is sent and nothing is proved. The filter onion-grater offers this, on a port that only root can
//!    listen on; on other TCP ports it is refused.
//!
//! All of them stay on this machine: [`ControlAddress`] is a unix socket or a loopback port.

use std::fmt;
use std::path::{Path, PathBuf};

use torut::control::{TorAuthMethod, TorPreAuthInfo};
use zeroize::ZeroizeOnDrop;

use super::address::ControlAddress;
use super::cookie::{self, Cookie, CookieError, Owner};
use super::error::ConnectError;

/// What this program may show to Tor.
#[derive(Debug, Default)]
pub struct Credentials {
    /// The cookie's file, instead of the one that Tor names.
    pub cookie_file: Option<PathBuf>,
    /// The password behind Tor's `HashedControlPassword`.
    pub password: Option<Password>,
}

/// A password: wiped on drop, hidden in `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub const fn new(password: String) -> Self {
        Self(password)
    }

    /// The secret itself.
    pub(super) const fn expose_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(secret)")
    }
}

/// A way to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Both sides prove that they know the cookie.
    SafeCookie,
    /// A password.
    HashedPassword,
    /// The cookie itself.
    Cookie,
    /// Nothing.
    Null,
}

/// What this program will show to Tor.
pub(super) enum Proof<'a> {
    SafeCookie(Cookie),
    HashedPassword(&'a Password),
    Cookie(Cookie),
    Null,
}

impl Proof<'_> {
    /// The way it is shown.
    pub(super) const fn method(&self) -> Method {
        match self {
            Self::SafeCookie(_) => Method::SafeCookie,
            Self::HashedPassword(_) => Method::HashedPassword,
            Self::Cookie(_) => Method::Cookie,
            Self::Null => Method::Null,
        }
    }
}

/// Picks the first method of the list above that both sides have.
pub(super) async fn choose<'a>(
    info: &TorPreAuthInfo<'_>,
    address: &ControlAddress,
    credentials: &'a Credentials,
) -> Result<Proof<'a>, ConnectError> {
    let offers = |method| info.auth_methods.contains(&method);
    let configured = credentials.cookie_file.as_deref();
    let mut unreadable = None;

    if offers(TorAuthMethod::SafeCookie) {
        let named = info.cookie_file.as_deref().map(Path::new);
        let owner = match (address, configured) {
            (ControlAddress::Tcp(_), None) => Owner::Tor,
            (ControlAddress::Unix(_), _) | (ControlAddress::Tcp(_), Some(_)) => Owner::Anybody,
        };
        match read_cookie(configured.or(named), owner).await {
            Some(Ok(cookie)) => return Ok(Proof::SafeCookie(cookie)),
            Some(Err(failure)) => unreadable = Some(failure),
            None => {}
        }
    }
    if let Some(password) = credentials.password.as_ref().filter(|_| offers(TorAuthMethod::HashedPassword)) {
        return Ok(Proof::HashedPassword(password));
    }
    if offers(TorAuthMethod::Cookie) && unreadable.is_none() {
        match read_cookie(configured, Owner::Anybody).await {
            Some(Ok(cookie)) => return Ok(Proof::Cookie(cookie)),
            Some(Err(failure)) => unreadable = Some(failure),
            None => {}
        }
    }
    if offers(TorAuthMethod::Null) {
        return if is_reserved(address) {
            Ok(Proof::Null)
        } else {
            Err(ConnectError::Unproven { address: address.clone() })
        };
    }
    Err(match unreadable {
        Some((path, cause)) => ConnectError::Cookie { path, cause },
        None => ConnectError::NoCommonMethod { address: address.clone(), offered: offered(info) },
    })
}

/// Whether not every local user can listen there.
fn is_reserved(address: &ControlAddress) -> bool {
    /// ip(7): ports below this one need a capability, unless the system says otherwise.
    const FIRST_FREE_PORT: u16 = 1024;
    let first_free = || {
        let said = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
        said.trim().parse::<u16>().ok()
    };
    match address {
        ControlAddress::Unix(_) => true,
        ControlAddress::Tcp(socket) => socket.port() < first_free().unwrap_or(FIRST_FREE_PORT).min(FIRST_FREE_PORT),
    }
}

/// Reads the cookie on a thread of its own: its path may lead to a file system that does not answer.
async fn read_cookie(path: Option<&Path>, owner: Owner) -> Option<Result<Cookie, (PathBuf, CookieError)>> {
    let path = path?.to_owned();
    let reading = tokio::task::spawn_blocking(move || cookie::read(&path, owner).map_err(|cause| (path, cause)));
    // It ends without a result only when the runtime is shutting down.
    reading.await.ok()
}

/// What Tor accepts, by its own names.
fn offered(info: &TorPreAuthInfo<'_>) -> String {
    let name = |method: &TorAuthMethod| match method {
        TorAuthMethod::Null => "NULL",
        TorAuthMethod::HashedPassword => "HASHEDPASSWORD",
        TorAuthMethod::Cookie => "COOKIE",
        TorAuthMethod::SafeCookie => "SAFECOOKIE",
    };
    let mut names: Vec<&str> = info.auth_methods.iter().map(name).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(methods: &[TorAuthMethod], cookie_file: Option<&Path>) -> TorPreAuthInfo<'static> {
        TorPreAuthInfo {
            tor_version: "0.4.9.11".into(),
            auth_methods: methods.iter().copied().collect(),
            cookie_file: cookie_file.map(|path| path.to_str().unwrap().to_owned().into()),
        }
    }

    #[tokio::test]
    async fn the_first_method_that_both_sides_have_is_used() {
        use TorAuthMethod as Offer;
        let place = tempfile::tempdir().unwrap();
        let (good, none) = (place.path().join("good"), place.path().join("none"));
        std::fs::write(&good, [7; 32]).unwrap();
        let address = "unix:/x".parse().unwrap();
        let all = [Offer::SafeCookie, Offer::HashedPassword, Offer::Cookie, Offer::Null];
        let tor = [Offer::SafeCookie, Offer::Cookie];
        let (good, none) = (Some(good.as_path()), Some(none.as_path()));
        for (number, (offers, named, configured, password, expected)) in [
            (&all[..], good, None, true, Some(Method::SafeCookie)),
            (&all[..], none, good, true, Some(Method::SafeCookie)),
            (&all[..], none, None, true, Some(Method::HashedPassword)),
            (&all[..], none, None, false, Some(Method::Null)),
            (&tor[..], good, None, false, Some(Method::SafeCookie)),
            (&tor[..], none, None, false, None),
            (&tor[..], good, none, false, None),
            // The cookie itself never comes from a file that the peer chose.
            (&[Offer::Cookie][..], good, None, false, None),
            (&[Offer::Cookie][..], None, good, false, Some(Method::Cookie)),
            (&[Offer::Cookie, Offer::Null][..], good, None, false, Some(Method::Null)),
            (&[Offer::HashedPassword][..], None, good, false, None),
            (&[Offer::HashedPassword][..], None, None, true, Some(Method::HashedPassword)),
        ]
        .into_iter()
        .enumerate()
        {
            let credentials = Credentials {
                cookie_file: configured.map(Path::to_owned),
                password: password.then(|| Password::new("open sesame".to_owned())),
            };
            let found = choose(&info(offers, named), &address, &credentials).await;
            assert_eq!(found.ok().map(|proof| proof.method()), expected, "row {number}");
        }
    }

    #[tokio::test]
    async fn on_a_port_that_anybody_may_take_nothing_is_no_proof() {
        let credentials = Credentials::default();
        let null = info(&[TorAuthMethod::Null], None);
        for (address, believed) in [("tcp:127.0.0.1:951", true), ("tcp:127.0.0.1:9051", false), ("unix:/x", true)] {
            let found = choose(&null, &address.parse().unwrap(), &credentials).await;
            assert_eq!(found.is_ok(), believed, "{address}");
        }
    }

    #[test]
    fn debug_has_nothing_of_the_password() {
        let credentials = Credentials { cookie_file: None, password: Some(Password::new("open sesame".to_owned())) };
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
