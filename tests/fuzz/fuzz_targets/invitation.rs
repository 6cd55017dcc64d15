// SPDX-License-Identifier: GPL-3.0-or-later
//! Invitations and requests: as text, and as fields behind a right checksum, which random changes would never meet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use tails_server::invitation::{Invitation, Pasted, Request};

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 3 {
        0 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                read(text);
            }
        }
        1 => framed([0x98, 0x10, 0xb9, 0x21, 0xb5], rest),
        _ => framed([0x98, 0x10, 0xb9, 0x44, 0x90], rest),
    }
});

fn framed(magic: [u8; 5], fields: &[u8]) {
    let Ok(length) = u16::try_from(fields.len()) else { return };
    let mut bytes = [&magic[..], &[1], &length.to_be_bytes(), fields].concat();
    let sum = Sha256::digest(&bytes);
    bytes.extend(&sum[..8]);
    read(&base32::encode(base32::Alphabet::Rfc4648 { padding: false }, &bytes));
}

/// Whatever is read is written so that it is read again.
fn read(text: &str) {
    match Pasted::read(text) {
        Ok(Pasted::Invitation(read)) => {
            for text in [read.expose_text(), read.expose_uri()] {
                let again = Invitation::parse(&text).expect("what was written is read");
                assert_eq!(again.expose_text(), read.expose_text());
            }
        }
        Ok(Pasted::Request(read)) => assert_eq!(Request::parse(&read.to_text()), Ok(read)),
        Ok(Pasted::Credential(read)) => assert!(Pasted::read(&read.expose_line()).is_ok()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
