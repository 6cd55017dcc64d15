// SPDX-License-Identifier: GPL-3.0-or-later
//! XMPP (RFC 6120, XEP-0077): an account is made, and messages go from one to another.

use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tls::{Secure, secure};
use super::{hear, say};

const FEATURES: &str = "</stream:features>";

/// Somebody who is online.
pub(crate) struct Person {
    stream: Secure,
    /// The fingerprint of the server's certificate.
    pub(crate) fingerprint: String,
}

fn open(domain: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream to='{domain}' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )
}

impl Person {
    /// Makes an account over TLS and logs in.
    pub(crate) fn register(mut stream: TcpStream, domain: &str, name: &str) -> Self {
        say(&mut stream, &open(domain));
        hear(&mut stream, FEATURES);
        say(&mut stream, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        hear(&mut stream, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        let (mut stream, fingerprint) = secure(stream);
        say(&mut stream, &open(domain));
        hear(&mut stream, FEATURES);
        let account = format!("<username>{name}</username><password>secret of {name}</password>");
        say(
            &mut stream,
            &format!("<iq type='set' id='r' to='{domain}'><query xmlns='jabber:iq:register'>{account}</query></iq>"),
        );
        let answer = hear(&mut stream, ">");
        assert!(answer.contains("type='result'"), "{answer}");
        let plain = STANDARD.encode(format!("\0{name}\0secret of {name}"));
        say(&mut stream, &format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"));
        hear(&mut stream, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        say(&mut stream, &open(domain));
        hear(&mut stream, FEATURES);
        say(&mut stream, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        hear(&mut stream, "</iq>");
        say(&mut stream, "<presence/>");
        // It comes back to oneself once the server knows of it.
        hear(&mut stream, "<presence");
        Self { stream, fingerprint }
    }

    pub(crate) fn tell(&mut self, whom: &str, words: &str) {
        say(&mut self.stream, &format!("<message to='{whom}' type='chat'><body>{words}</body></message>"));
    }

    pub(crate) fn hears(&mut self, words: &str) {
        hear(&mut self.stream, &format!("<body>{words}</body>"));
    }
}
