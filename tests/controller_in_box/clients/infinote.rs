// SPDX-License-Identifier: GPL-3.0-or-later
//! Gobby's protocol: XMPP's stream with TLS, and a password in it.

use std::net::TcpStream;

use super::tls::secure;
use super::{hear, say};

const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
                    xmlns='jabber:client' version='1.0' to='server'>";

/// Shakes hands up to the question for the password; the fingerprint of the certificate, and what is offered.
pub(crate) fn handshake(mut stream: TcpStream) -> (String, String) {
    say(&mut stream, OPEN);
    hear(&mut stream, "</stream:features>");
    say(&mut stream, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    hear(&mut stream, "<proceed xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"/>");
    let (mut stream, fingerprint) = secure(stream);
    say(&mut stream, OPEN);
    (fingerprint, hear(&mut stream, "</stream:features>"))
}
