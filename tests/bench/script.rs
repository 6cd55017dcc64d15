// SPDX-License-Identifier: GPL-3.0-or-later
//! A Tor that answers at once, and does nothing.

use std::collections::HashMap;
use std::fmt::Write;

use tails_server_state::{OnionKey, Target};

use crate::gate::READY;
use crate::services::Services;

/// How many HSDirs take the descriptors of a service. On the public network each of two goes to eight of them.
const UPLOADS: usize = 16;

/// What it knows.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    addresses: HashMap<String, String>,
    uploads: Uploads,
}

/// Whether it says that descriptors were uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploads {
    Confirmed,
    None,
}

/// One connection.
pub(crate) struct Talk<'a> {
    script: &'a Script,
}

impl Script {
    /// It knows these services before, so that no arithmetic on the curve is in its answers.
    pub(crate) fn new(services: &Services, uploads: Uploads) -> Self {
        let known = |(key, _): &(OnionKey, Target)| (base64(key.expose_expanded()), key.address().service_id());
        Self { addresses: services.all.iter().map(known).collect(), uploads }
    }

    pub(crate) const fn begin(&self) -> Talk<'_> {
        Talk { script: self }
    }
}

impl Talk<'_> {
    /// The answers to some lines, and the events after them.
    pub(crate) fn answer(&mut self, lines: &str) -> String {
        let (mut answers, mut events) = (String::new(), String::new());
        for line in lines.lines() {
            let (command, arguments) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "PROTOCOLINFO" => answers.push_str(
                    "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=HASHEDPASSWORD\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n",
                ),
                "GETINFO" => {
                    for key in arguments.split(' ') {
                        let value = if key == "status/bootstrap-phase" { READY } else { "1" };
                        // Writing to a string does not fail.
                        let _ = write!(answers, "250-{key}={value}\r\n");
                    }
                    answers.push_str("250 OK\r\n");
                }
                "ADD_ONION" => self.add(arguments, &mut answers, &mut events),
                _ => answers.push_str("250 OK\r\n"),
            }
        }
        answers + &events
    }

    fn add(&self, arguments: &str, answers: &mut String, events: &mut String) {
        let blob = arguments.split(' ').next().and_then(|key| key.strip_prefix("ED25519-V3:")).unwrap_or_default();
        let known = self.script.addresses.get(blob).cloned().or_else(|| address(blob));
        let Some(id) = known else { return answers.push_str("512 Bad key\r\n") };
        let _ = write!(answers, "250-ServiceID={id}\r\n250 OK\r\n");
        if self.script.uploads == Uploads::None {
            return;
        }
        let hsdirs: Vec<String> = (0..UPLOADS).map(|number| format!("${number:040X}~hsdir")).collect();
        for hsdir in &hsdirs {
            let descriptor = "pbfXeC6a34kHbQX3hsnhBoZayT+MPiuChN/4f3xiFMY";
            let _ = write!(events, "650 HS_DESC UPLOAD {id} UNKNOWN {hsdir} {descriptor} HSDIR_INDEX={:064X}\r\n", 1);
        }
        for hsdir in &hsdirs {
            let _ = write!(events, "650 HS_DESC UPLOADED {id} UNKNOWN {hsdir}\r\n");
        }
    }
}

/// The line that adds a service, as the controller writes it.
pub(crate) fn add_line(key: &OnionKey, target: &Target) -> String {
    format!("ADD_ONION ED25519-V3:{} Flags=DiscardPK Port=80,{target}\r\n", base64(key.expose_expanded()))
}

/// The address of a key that was not known before.
fn address(blob: &str) -> Option<String> {
    let bytes: [u8; OnionKey::BYTES] = unbase64(blob)?.try_into().ok()?;
    Some(OnionKey::from_expanded(&bytes).ok()?.address().service_id())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, with padding, as in the controller's lines.
fn base64(bytes: &[u8]) -> String {
    let digit = |number: u32| char::from(*ALPHABET.get((number & 63) as usize).expect("six bits"));
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut number = 0;
        for at in 0..3 {
            number = number << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        let digits = [18, 12, 6, 0].map(|shift| digit(number >> shift));
        text.extend(digits.iter().take(chunk.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut number, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = ALPHABET.iter().position(|candidate| *candidate == digit)?;
        number = number << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(number >> bits & 255).ok()?);
        }
    }
    Some(bytes)
}
