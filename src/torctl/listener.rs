// SPDX-License-Identifier: GPL-3.0-or-later
//! Where Tor listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::text::quoted;

/// Where Tor listens for something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listener {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket, by its absolute path.
    Unix(PathBuf),
}

/// Reads the value of [`InfoKey::SocksListeners`](super::InfoKey::SocksListeners): none, one or many. What is not
/// understood is left out: nobody can use it.
///
/// # Examples
/// ```
/// use tails_server::torctl::{Listener, parse_listeners};
///
/// let listeners = parse_listeners(r#""127.0.0.1:9050" "unix:/run/tor/socks""#);
/// assert_eq!(listeners[0], Listener::Tcp("127.0.0.1:9050".parse()?));
/// assert_eq!(listeners[1], Listener::Unix("/run/tor/socks".into()));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
// control-spec, net/listeners/*: quoted strings, separated by spaces
#[must_use]
pub fn parse_listeners(value: &str) -> Vec<Listener> {
    quoted(value).filter_map(|text| listener(&text)).collect()
}

fn listener(text: &str) -> Option<Listener> {
    match text.strip_prefix("unix:") {
        // Bytes outside of ASCII were escaped one by one, and are not put together again.
        Some(path) => {
            (path.starts_with('/') && path.is_ascii() && !path.contains('\0')).then(|| Listener::Unix(path.into()))
        }
        None => text.parse().ok().filter(|address: &SocketAddr| address.port() != 0).map(Listener::Tcp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_use_is_left_out() {
        let tcp = |text: &str| Listener::Tcp(text.parse().unwrap());
        let unix = |path: &str| Listener::Unix(path.into());
        for (value, expected) in [
            ("", vec![]),
            (
                r#""127.0.0.1:17394" "unix:/DIR/host/socks.sock""#,
                vec![tcp("127.0.0.1:17394"), unix("/DIR/host/socks.sock")],
            ),
            (r#""[::1]:9050""#, vec![tcp("[::1]:9050")]),
            (r#""unix:/a \"b\"""#, vec![unix("/a \"b\"")]),
            (r#""127.0.0.1:0" "unix:a" "x" "" "unix:/\303\274" "#, vec![]),
            (r#"127.0.0.1:9050 "127.0.0.1:9051"#, vec![]),
            (r#"junk "127.0.0.1:9051""#, vec![]),
        ] {
            assert_eq!(parse_listeners(value), expected, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reading_panic(text in "((\"(unix:)?[0-9.:/a\\\\]{0,9}\"?| ){0,6}|.{0,20})") {
            let _ = parse_listeners(&text);
        }
    }
}
