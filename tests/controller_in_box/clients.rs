// SPDX-License-Identifier: GPL-3.0-or-later
//! Clients of the services that come along: as much of each protocol as shows that the service works.

pub(crate) mod files;
pub(crate) mod infinote;
pub(crate) mod irc;
pub(crate) mod mumble;
mod tls;
pub(crate) mod xmpp;

use std::io::{Read, Write};

/// Says something.
fn say(stream: &mut impl Write, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    stream.flush().unwrap();
}

/// Listens until this was said; all that was said.
// A byte at a time: what comes after belongs to whoever reads next, who may expect it to be encrypted.
fn hear(stream: &mut impl Read, expected: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(expected.as_bytes()) {
        let mut byte = [0];
        let end = stream.read_exact(&mut byte).err();
        assert!(end.is_none(), "no {expected:?}: {end:?} after {:?}", String::from_utf8_lossy(&heard));
        heard.extend(byte);
    }
    String::from_utf8(heard).unwrap()
}

/// A page of a web site.
pub(crate) fn page(mut stream: impl Read + Write, path: &str) -> String {
    say(&mut stream, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// How an SSH server introduces itself.
pub(crate) fn banner(mut stream: impl Read + Write) -> String {
    say(&mut stream, "SSH-2.0-visitor\r\n");
    hear(&mut stream, "\r\n")
}
