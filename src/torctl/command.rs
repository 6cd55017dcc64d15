// SPDX-License-Identifier: GPL-3.0-or-later
//! The only file that writes a control line.
//!
//! Every word passes [`Line::word`], so none can end the line or begin another argument. The wire form is an interface:
//! onion-grater's profiles match it as text, in this order of arguments.

use std::fmt;

use tails_server_state::{ClientSecretKey, OnionAddress, PortMapping, ProofOfWork};
use zeroize::Zeroizing;

use super::add_onion::AddOnion;
use super::circuit::CircuitId;
use super::encoding::{base64, hex};
use super::event::EventKind;
use super::info::InfoKey;

/// The longest line there can be.
// Everything goes out through a buffer of this size that never grows, so no copy of a key stays behind in freed memory.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// One command line with its CRLF, wiped on drop. `Debug` shows its name only.
pub(super) struct Command {
    name: &'static str,
    bytes: Zeroizing<Vec<u8>>,
}

impl Command {
    // control-spec, ADD_ONION
    pub(super) fn add_onion(onion: &AddOnion<'_>) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("");
        line.word(&flags(onion))?;
        if let Some(most) = onion.max_streams {
            line.word(&format!("MaxStreams={most}"))?;
        }
        if let Some(defence) = onion.proof_of_work {
            line.proof_of_work(defence)?;
        }
        for PortMapping { virtual_port, target } in onion.ports {
            line.word(&format!("Port={virtual_port},{target}"))?;
        }
        // Never ClientAuth, the keyword of version 2: tor 0.4.9 gives no reply to it at all.
        for client in onion.clients.into_iter().flatten() {
            line.word(&format!("ClientAuthV3={}", client.base32()))?;
        }
        line.with_secret("ADD_ONION", "ADD_ONION ED25519-V3:", base64(onion.key.expose_expanded()))
    }

    // control-spec, DEL_ONION: without ".onion"
    pub(super) fn del_onion(address: &OnionAddress) -> Result<Self, InvalidArgument> {
        Self::about("DEL_ONION", address)
    }

    // control-spec, ONION_CLIENT_AUTH_ADD: no Flags=Permanent, which would write the key to Tor's disk; no ClientName
    pub(super) fn add_client_auth(address: &OnionAddress, key: &ClientSecretKey) -> Result<Self, InvalidArgument> {
        const NAME: &str = "ONION_CLIENT_AUTH_ADD";
        let beginning = format!("{NAME} {} x25519:", address.service_id());
        Line::new("").with_secret(NAME, &beginning, base64(key.expose_bytes()))
    }

    // control-spec, ONION_CLIENT_AUTH_REMOVE
    pub(super) fn remove_client_auth(address: &OnionAddress) -> Result<Self, InvalidArgument> {
        Self::about("ONION_CLIENT_AUTH_REMOVE", address)
    }

    // control-spec, HSFETCH: without ".onion"; without SERVER, Tor chooses the HSDirs and those not asked lately
    pub(super) fn hs_fetch(address: &OnionAddress, hsdir: Option<&str>) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("HSFETCH");
        line.word(&address.service_id())?;
        if let Some(fingerprint) = hsdir {
            line.word(&format!("SERVER=${fingerprint}"))?;
        }
        line.finish("HSFETCH")
    }

    // control-spec, CLOSECIRCUIT: without IfUnused, so its streams end with it
    pub(super) fn close_circuit(circuit: &CircuitId) -> Result<Self, InvalidArgument> {
        let mut line = Line::new("CLOSECIRCUIT");
        line.word(circuit.as_str())?;
        line.finish("CLOSECIRCUIT")
    }

    /// A command with an address and nothing else.
    fn about(name: &'static str, address: &OnionAddress) -> Result<Self, InvalidArgument> {
        let mut line = Line::new(name);
        line.word(&address.service_id())?;
        line.finish(name)
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

    // control-spec, GETCONF: of all settings this one alone, for others say where this computer is, or which bridges it uses
    pub(super) fn get_disable_network() -> Result<Self, InvalidArgument> {
        let mut line = Line::new("GETCONF");
        line.word("DisableNetwork")?;
        line.finish("GETCONF")
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

/// Flags of ADD_ONION, in the order that filters expect.
fn flags(onion: &AddOnion<'_>) -> String {
    // DiscardPK: the reply shall not bring back the key. Detach is never given: what this connection made ends with it.
    let mut flags = "Flags=DiscardPK".to_owned();
    if onion.max_streams.is_some() {
        flags.push_str(",MaxStreamsCloseCircuit");
    }
    if onion.clients.is_some() {
        flags.push_str(",V3Auth");
    }
    flags
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

    fn proof_of_work(&mut self, defence: ProofOfWork) -> Result<(), InvalidArgument> {
        self.word("PoWDefensesEnabled=1")?;
        self.word(&format!("PoWQueueRate={}", defence.rate()))?;
        self.word(&format!("PoWQueueBurst={}", defence.burst()))
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

#[cfg(test)]
mod filter_tests;

#[cfg(test)]
mod tests {
    use tails_server_state::{ClientPublicKey, MaxStreams, OnionKey, PortMap};

    use super::*;

    fn shown(command: &Command) -> &str {
        std::str::from_utf8(command.expose_bytes()).unwrap()
    }

    /// A throw-away whose bytes are almost all zero.
    fn key() -> OnionKey {
        let mut expanded = [0; OnionKey::BYTES];
        expanded[31] = 0b0100_0000;
        OnionKey::from_expanded(&expanded).unwrap()
    }

    /// That key, as it is written.
    fn blob() -> String {
        format!("{}E{}==", "A".repeat(41), "A".repeat(44))
    }

    #[test]
    fn the_arguments_come_in_the_order_that_filters_expect() {
        let key = key();
        let mappings = ["443:unix:/run/a.sock", "80:8080", "81:[::1]:81"].map(|text| text.parse().unwrap());
        let ports = PortMap::try_from(mappings.to_vec()).unwrap();
        let command = Command::add_onion(&AddOnion::new(&key, key.address(), &ports)).unwrap();
        let blob = blob();
        assert_eq!(
            shown(&command),
            format!(
                "ADD_ONION ED25519-V3:{blob} Flags=DiscardPK Port=80,127.0.0.1:8080 Port=81,[::1]:81 Port=443,unix:/run/a.sock\r\n"
            )
        );
        assert_eq!(format!("{command:?}"), "Command(ADD_ONION)");
        assert_eq!(shown(&Command::del_onion(&key.address()).unwrap()).len(), "DEL_ONION ".len() + 56 + 2);
    }

    // Public keys of RFC 7748, 6.1.
    const ALICE: &str = "QUQPACJQWRJ2OVDLP5OHDIXAGMG6DPCATWVZVNFPYO5PKJKPJJVA";
    const BOB: &str = "32PNW7L3PXA3JU23MHBOZZBVG47YGQ6ILN4GOTNN7R7BI34IFNHQ";

    #[test]
    fn limits_come_before_the_ports_and_clients_after_them() {
        let (key, ports) = (key(), PortMap::try_from(vec!["80:8080".parse().unwrap()]).unwrap());
        let clients = [ALICE, BOB].map(|text| ClientPublicKey::parse(text).unwrap());
        let most = MaxStreams::new(std::num::NonZeroU16::new(7).unwrap());
        let defence = ProofOfWork::new(25, 250).unwrap();
        let public = AddOnion::new(&key, key.address(), &ports);
        for (onion, rest) in [
            (public, "DiscardPK Port=80,127.0.0.1:8080".to_owned()),
            (
                public.with_max_streams(most),
                "DiscardPK,MaxStreamsCloseCircuit MaxStreams=7 Port=80,127.0.0.1:8080".to_owned(),
            ),
            (
                public.with_proof_of_work(defence),
                "DiscardPK PoWDefensesEnabled=1 PoWQueueRate=25 PoWQueueBurst=250 Port=80,127.0.0.1:8080".to_owned(),
            ),
            (
                public.with_clients(&clients),
                format!("DiscardPK,V3Auth Port=80,127.0.0.1:8080 ClientAuthV3={ALICE} ClientAuthV3={BOB}"),
            ),
            (
                public.with_clients(&clients[1..]).with_proof_of_work(defence).with_max_streams(most),
                format!(
                    "DiscardPK,MaxStreamsCloseCircuit,V3Auth MaxStreams=7 PoWDefensesEnabled=1 PoWQueueRate=25 \
                     PoWQueueBurst=250 Port=80,127.0.0.1:8080 ClientAuthV3={BOB}"
                ),
            ),
        ] {
            let command = Command::add_onion(&onion).unwrap();
            assert_eq!(shown(&command), format!("ADD_ONION ED25519-V3:{} Flags={rest}\r\n", blob()));
        }
    }

    #[test]
    fn the_longest_line_fits() {
        let key = key();
        let target = "x".repeat(90);
        let ports = (1..=PortMap::MAX).map(|port| format!("{port}:unix:/run/{target}").parse().unwrap());
        let ports = PortMap::try_from(ports.collect::<Vec<_>>()).unwrap();
        let clients = vec![ClientPublicKey::parse(ALICE).unwrap(); AddOnion::MOST_CLIENTS];
        let onion = AddOnion::new(&key, key.address(), &ports).with_clients(&clients);
        let length = shown(&Command::add_onion(&onion).unwrap()).len();
        assert!((17_000..MAX_LINE_BYTES).contains(&length), "{length}");
    }

    #[test]
    fn a_credential_is_secret_and_never_permanent() {
        let secret = ClientSecretKey::from_bytes(&[0xff; 32]).unwrap();
        let address = key().address();
        let command = Command::add_client_auth(&address, &secret).unwrap();
        let (id, blob) = (address.service_id(), "/".repeat(42));
        assert_eq!(shown(&command), format!("ONION_CLIENT_AUTH_ADD {id} x25519:{blob}8=\r\n"));
        assert_eq!(format!("{command:?}"), "Command(ONION_CLIENT_AUTH_ADD)");
    }

    #[test]
    fn the_other_lines() {
        let kinds = [EventKind::StatusClient, EventKind::HsDesc];
        let address = key().address();
        let id = address.service_id();
        let circuit = CircuitId::parse("317").unwrap();
        for (command, line) in [
            (Command::remove_client_auth(&address), format!("ONION_CLIENT_AUTH_REMOVE {id}\r\n").as_str()),
            (Command::hs_fetch(&address, None), format!("HSFETCH {id}\r\n").as_str()),
            (Command::hs_fetch(&address, Some("44A7CE")), format!("HSFETCH {id} SERVER=$44A7CE\r\n").as_str()),
            (Command::close_circuit(&circuit), "CLOSECIRCUIT 317\r\n"),
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
