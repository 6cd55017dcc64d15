// SPDX-License-Identifier: GPL-3.0-or-later
//! Mumble: messages in TLS, each with its type, its length and a protocol buffer (Mumble.proto).

use std::io::{Read, Write};
use std::net::TcpStream;

use super::tls::{Secure, secure};

const VERSION: u16 = 0;
const AUTHENTICATE: u16 = 2;
const REJECT: u16 = 4;
const SERVER_SYNC: u16 = 5;
/// Version 1.4.0, as `version_v1`.
const OUR_VERSION: &[u8] = &[0x08, 0x80, 0x88, 0x04];
/// `opus` is true.
const OPUS: &[u8] = &[0x28, 0x01];

/// What a server says to somebody who comes.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// The fingerprint of its certificate.
    pub(crate) fingerprint: String,
    /// Whether the password was right.
    pub(crate) is_in: bool,
    /// The welcome text, or why not.
    pub(crate) text: String,
}

/// Exchanges versions and comes in.
pub(crate) fn enter(stream: TcpStream, user: &str, password: &str) -> Welcome {
    let (mut stream, fingerprint) = secure(stream);
    send(&mut stream, VERSION, OUR_VERSION);
    let authenticate = [&text(1, user)[..], &text(2, password), OPUS].concat();
    send(&mut stream, AUTHENTICATE, &authenticate);
    assert_eq!(receive(&mut stream).0, VERSION, "the first message of either side");
    loop {
        let (kind, message) = receive(&mut stream);
        if matches!(kind, REJECT | SERVER_SYNC) {
            let text = String::from_utf8_lossy(&message).into_owned();
            return Welcome { fingerprint, is_in: kind == SERVER_SYNC, text };
        }
    }
}

/// A field with a string of less than 128 bytes.
fn text(field: u8, value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[field << 3 | 2, length], value.as_bytes()].concat()
}

fn send(stream: &mut Secure, kind: u16, message: &[u8]) {
    let length = u32::try_from(message.len()).unwrap();
    stream.write_all(&[&kind.to_be_bytes()[..], &length.to_be_bytes(), message].concat()).unwrap();
    stream.flush().unwrap();
}

fn receive(stream: &mut Secure) -> (u16, Vec<u8>) {
    let (mut kind, mut length) = ([0; 2], [0; 4]);
    stream.read_exact(&mut kind).unwrap();
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut message).unwrap();
    (u16::from_be_bytes(kind), message)
}
