// SPDX-License-Identifier: GPL-3.0-or-later
//! The only file that writes a control line.
//!
//! Every word passes [`Line::word`], so none can end the line or begin another argument. The wire form is an interface:
//! onion-grater's profiles match it as text, in this order of arguments.

use std::fmt;

use tails_server_state::{OnionAddress, OnionKey, PortMap, PortMapping};
use zeroize::Zeroizing;

use super::event::EventKind;
use super::info::InfoKey;

/// The longest line there can be.
// Everything goes out through a buffer of this size that never grows, so no copy of a key stays behind in freed memory.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// An onion service for Tor: its key and its ports. Always with `DiscardPK`, never with `Detach`.
///
/// # Examples
/// ```
/// use tails_server::torctl::AddOnion;
/// use tails_server_state::{OnionKey, PortMap};
///
/// let key = OnionKey::generate()?;
/// let ports = PortMap::try_from(vec!["80:127.0.0.1:8080".parse()?])?;
/// let onion = AddOnion::new(&key, key.address(), &ports);
/// assert!(format!("{onion:?}").contains("OnionKey(secret)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AddOnion<'a> {
    /// The secret key.
    pub key: &'a OnionKey,
    /// The address that Tor has to give it.
    pub address: OnionAddress,
    /// Its ports.
    pub ports: &'a PortMap,
}

impl<'a> AddOnion<'a> {
    /// A service that everybody with the address may reach.
    #[must_use]
    pub const fn new(key: &'a OnionKey, address: OnionAddress, ports: &'a PortMap) -> Self {
        Self { key, address, ports }
    }
}

/// One command line with its CRLF, wiped on drop. `Debug` shows its name only.
pub(super) struct Command {
    name: &'static str,
    bytes: Zeroizing<Vec<u8>>,
}

impl Command {
    // control-spec, ADD_ONION
    pub(super) fn add_onion(onion: &AddOnion<'_>) -> Result<Self, InvalidArgument> {
        let AddOnion { key, address: _, ports } = onion;
        let mut line = Line::new("");
        // DiscardPK: the reply shall not bring back the key. Detach is never given: what this connection made ends with it.
        line.word("Flags=DiscardPK")?;
        for PortMapping { virtual_port, target } in *ports {
            line.word(&format!("Port={virtual_port},{target}"))?;
        }
        line.with_secret("ADD_ONION", "ADD_ONION ED25519-V3:", base64(key.expose_expanded()))
    }

    // control-spec, DEL_ONION: without ".onion"
    pub(super) fn del_onion(address: &OnionAddress) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("DEL_ONION");
        line.word(&address.service_id())?;
        line.finish("DEL_ONION")
    }

    // control-spec, SETEVENTS: replaces the earlier set
    pub(super) fn set_events(kinds: &[EventKind]) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("SETEVENTS");
        for kind in kinds {
            line.word(kind.keyword())?;
        }
        line.finish("SETEVENTS")
    }

    // control-spec, GETINFO
    pub(super) fn get_info(keys: &[InfoKey]) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("GETINFO");
        for key in keys {
            line.word(&key.keyword())?;
        }
        line.finish("GETINFO")
    }

    // control-spec, TAKEOWNERSHIP
    pub(super) fn take_ownership() -> Result<Self, InvalidArgument> {
        Line::new("TAKEOWNERSHIP").finish("TAKEOWNERSHIP")
    }

    // control-spec, AUTHCHALLENGE
    pub(super) fn challenge(client_nonce: &[u8]) -> Result<Self, InvalidArgument> {
        Line::new("").with_secret("AUTHCHALLENGE", "AUTHCHALLENGE SAFECOOKIE ", hex(client_nonce))
    }

    /// AUTHENTICATE with a hash, a cookie or a password; without any of them for the method NULL.
    // control-spec, AUTHENTICATE: hexadecimal digits stand for any bytes, also for those of a password: no quoting.
    pub(super) fn authenticate(proof: Option<&[u8]>) -> Result<Self, InvalidArgument> {
        match proof {
            Some(proof) => Line::new("").with_secret("AUTHENTICATE", "AUTHENTICATE ", hex(proof)),
            None => Line::new("AUTHENTICATE").finish("AUTHENTICATE"),
        }
    }

    /// The command's name, for errors.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The line, with whatever secret is in it.
    pub(super) fn expose_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Command({})", self.name)
    }
}

/// A line in the making; nothing in it is secret.
struct Line(String);

impl Line {
    fn new(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// Adds a space and a word of printable ASCII without quotes and backslashes.
    fn word(&mut self, word: &str) -> Result<(), InvalidArgument> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if word.is_empty() || !word.bytes().all(fits) {
            return Err(InvalidArgument);
        }
        self.0.push(' ');
        self.0.push_str(word);
        Ok(())
    }

    fn finish(self, name: &'static str) -> Result<Command, InvalidArgument> {
        self.with_secret(name, "", std::iter::empty())
    }

    /// `beginning`, the secret, and what was gathered, in one allocation that never moves.
    fn with_secret(
        self,
        name: &'static str,
        beginning: &str,
        secret: impl Iterator<Item = u8>,
    ) -> Result<Command, InvalidArgument> {
        const SECRET_BYTES: usize = 4 * 1024;
        let Self(rest) = self;
        let mut bytes = Zeroizing::new(Vec::with_capacity(beginning.len() + SECRET_BYTES + rest.len() + 2));
        bytes.extend_from_slice(beginning.as_bytes());
        for byte in secret {
            if bytes.len() == beginning.len() + SECRET_BYTES {
                return Err(InvalidArgument);
            }
            bytes.push(byte);
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        if bytes.len() > MAX_LINE_BYTES { Err(InvalidArgument) } else { Ok(Command { name, bytes }) }
    }
}

/// An argument that can not be written: a bug of ours, for every type that goes into a line excludes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an argument can not be written on a control line")]
pub(super) struct InvalidArgument;

/// Upper-case hexadecimal digits.
fn hex(bytes: &[u8]) -> impl Iterator<Item = u8> {
    // Without a table: which memory is read shall not depend on a secret.
    let digit = |value: u8| value + b'0' + (b'A' - b'9' - 1) * u8::from(value > 9);
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 15)])
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks(3).flat_map(|chunk| {
        let at = |index: usize| chunk.get(index).copied().unwrap_or(0);
        let sextets = [at(0) >> 2, (at(0) & 3) << 4 | at(1) >> 4, (at(1) & 15) << 2 | at(2) >> 6, at(2) & 63];
        let written = chunk.len() + 1;
        std::array::from_fn::<u8, 4, _>(|index| match sextets.get(index) {
            Some(&sextet) if index < written => base64_character(sextet),
            Some(_) | None => b'=',
        })
    })
}

/// A to Z, a to z, 0 to 9, + and /, without a table and without a branch.
fn base64_character(sextet: u8) -> u8 {
    let from = |first: u8| u8::from(sextet >= first);
    // Each step is the gap between where the range before would go on and where this one begins.
    (b'A' + sextet)
        .wrapping_add(from(26) * (b'a' - b'Z' - 1))
        .wrapping_sub(from(52) * (b'z' + 1 - b'0'))
        .wrapping_sub(from(62) * (b'9' + 1 - b'+'))
        .wrapping_add(from(63) * (b'/' - b'+' - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &Command) -> &str {
        std::str::from_utf8(command.expose_bytes()).unwrap()
    }

    #[test]
    fn base64_and_hex_as_everybody_else_writes_them() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(String::from_utf8(base64(bytes.as_bytes()).collect()).unwrap(), expected);
        }
        let alphabet: Vec<u8> = (0..64).map(base64_character).collect();
        assert_eq!(alphabet, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        assert_eq!(String::from_utf8(hex(&[0x00, 0x9a, 0xf0, 0xff]).collect()).unwrap(), "009AF0FF");
    }

    #[test]
    fn the_arguments_come_in_the_order_that_filters_expect() {
        let mut expanded = [0; OnionKey::BYTES];
        expanded[31] = 0b0100_0000;
        let key = OnionKey::from_expanded(&expanded).unwrap();
        let mappings = ["443:unix:/run/a.sock", "80:8080", "81:[::1]:81"].map(|text| text.parse().unwrap());
        let ports = PortMap::try_from(mappings.to_vec()).unwrap();
        let command = Command::add_onion(&AddOnion::new(&key, key.address(), &ports)).unwrap();
        let blob = format!("{}E{}==", "A".repeat(41), "A".repeat(44));
        assert_eq!(
            shown(&command),
            format!(
                "ADD_ONION ED25519-V3:{blob} Flags=DiscardPK Port=80,127.0.0.1:8080 Port=81,[::1]:81 Port=443,unix:/run/a.sock\r\n"
            )
        );
        assert_eq!(format!("{command:?}"), "Command(ADD_ONION)");
        assert_eq!(shown(&Command::del_onion(&key.address()).unwrap()).len(), "DEL_ONION ".len() + 56 + 2);
    }

    #[test]
    fn the_other_lines() {
        let kinds = [EventKind::StatusClient, EventKind::HsDesc];
        for (command, line) in [
            (Command::set_events(&[]), "SETEVENTS\r\n"),
            (Command::set_events(&kinds), "SETEVENTS STATUS_CLIENT HS_DESC\r\n"),
            (Command::get_info(&[InfoKey::Version, InfoKey::OnionsCurrent]), "GETINFO version onions/current\r\n"),
            (Command::take_ownership(), "TAKEOWNERSHIP\r\n"),
            (Command::challenge(&[1, 2]), "AUTHCHALLENGE SAFECOOKIE 0102\r\n"),
            (Command::authenticate(Some(b"\"\r\n")), "AUTHENTICATE 220D0A\r\n"),
            (Command::authenticate(None), "AUTHENTICATE\r\n"),
        ] {
            assert_eq!(shown(&command.unwrap()), line);
        }
    }

    #[test]
    fn nothing_that_ends_a_word_gets_into_one() {
        for word in ["", " ", "a b", "a\r\nSIGNAL HALT", "a\n", "a\0", "\"a\"", "a\\", "ü", "a\t"] {
            assert_eq!(Line::new("GETINFO").word(word), Err(InvalidArgument), "{word:?}");
        }
        assert!(Command::authenticate(Some(&[0; 100_000])).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_line_has_one_end(words in proptest::collection::vec(".{0,20}", 0..8)) {
            let mut line = Line::new("X");
            let taken = words.iter().filter(|word| line.word(word).is_ok()).count();
            let command = line.finish("X").unwrap();
            let text = shown(&command);
            proptest::prop_assert_eq!(text.find('\r'), Some(text.len() - 2));
            proptest::prop_assert_eq!(text.matches(' ').count(), taken);
        }
    }
}
