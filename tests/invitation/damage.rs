// SPDX-License-Identifier: GPL-3.0-or-later
//! What is damaged, cut off or newer is noticed, and told apart.

use sha2::{Digest, Sha256};
use tails_server::invitation::{Artefact, Invitation, PasteError, Pasted, Request};

use crate::samples::{letters, request, typical};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The error that every text has to give.
fn error(text: &str) -> PasteError {
    Pasted::read(text).err().unwrap_or_else(|| panic!("was read: {text}"))
}

/// A block with fields, version and a right checksum.
fn framed(magic: &[u8; 5], version: u8, fields: &[u8]) -> String {
    let mut bytes = magic.to_vec();
    bytes.push(version);
    bytes.extend(u16::try_from(fields.len()).unwrap().to_be_bytes());
    bytes.extend(fields);
    let sum = Sha256::digest(&bytes);
    bytes.extend(&sum[..8]);
    base32::encode(base32::Alphabet::Rfc4648 { padding: false }, &bytes)
}

const INVITATION: &[u8; 5] = &[0x98, 0x10, 0xb9, 0x21, 0xb5];
const REQUEST: &[u8; 5] = &[0x98, 0x10, 0xb9, 0x44, 0x90];

#[test]
fn every_wrong_character_is_noticed() {
    for (block, artefact) in
        [(typical().expose_text().to_string(), Artefact::Invitation), (request().to_text(), Artefact::Request)]
    {
        let begin = block.find('\n').unwrap() + 1;
        let end = block.find("\n-----END").unwrap();
        for index in (begin..end).filter(|index| block.as_bytes()[*index] != b'\n') {
            for wrong in ALPHABET.chars().chain("0189-+/=?é".chars()) {
                if block[index..].starts_with(wrong) {
                    continue;
                }
                let text = format!("{}{wrong}{}", &block[..index], &block[index + 1..]);
                assert_eq!(error(&text), PasteError::Damaged(artefact), "{wrong} at {index}");
            }
        }
    }
}

#[test]
fn every_wrong_character_is_noticed_without_markers() {
    for whole in [typical().expose_uri().to_string(), letters(&typical().expose_text())] {
        let begin = whole.find("TAILSINV").unwrap();
        for index in begin..whole.len() {
            for wrong in ALPHABET.chars().chain("01?".chars()).filter(|wrong| !whole[index..].starts_with(*wrong)) {
                let text = format!("{}{wrong}{}", &whole[..index], &whole[index + 1..]);
                error(&text);
            }
        }
    }
}

#[test]
fn every_missing_doubled_and_swapped_character_is_noticed() {
    let block = typical().expose_text().to_string();
    let begin = block.find('\n').unwrap() + 1;
    let end = block.find("\n-----END").unwrap();
    let body: Vec<char> = block[begin..end].chars().filter(|c| *c != '\n').collect();
    let with_body =
        |body: Vec<char>| format!("{}{}{}", &block[..begin], body.into_iter().collect::<String>(), &block[end..]);
    for index in 0..body.len() {
        let mut missing = body.clone();
        missing.remove(index);
        let mut doubled = body.clone();
        doubled.insert(index, body[index]);
        let mut swapped = body.clone();
        swapped.swap(index, (index + 1).min(body.len() - 1));
        for wrong in [missing, doubled, swapped].into_iter().filter(|wrong| *wrong != body) {
            assert_eq!(error(&with_body(wrong)), PasteError::Damaged(Artefact::Invitation), "{index}");
        }
    }
}

#[test]
fn what_is_cut_off_says_how_much_is_there() {
    let uri = typical().expose_uri().to_string();
    let body = uri.strip_prefix("TAILS-SERVER:").unwrap();
    for found in 13..body.len() {
        let cut = PasteError::Truncated { artefact: Artefact::Invitation, found, expected: body.len() };
        assert_eq!(error(&body[..found]), cut);
        assert_eq!(error(&uri[..uri.len() - body.len() + found]), cut);
        assert_eq!(error(&format!("-----BEGIN TAILS SERVER INVITATION-----\n{}", &body[..found])), cut);
    }
    for found in 8..13 {
        assert_eq!(error(&body[..found]), PasteError::Damaged(Artefact::Invitation));
    }
    // The beginning can be lost, too.
    let block = typical().expose_text();
    assert_eq!(error(&block[100..]), PasteError::Damaged(Artefact::Invitation));
    assert_eq!(
        error(&body[..20]).to_string(),
        format!("the invitation is cut off: only 20 of {} characters are there", body.len())
    );
}

#[test]
fn newer_ones_ask_for_a_newer_program() {
    for (text, artefact) in [
        (framed(INVITATION, 2, b"whatever"), Artefact::Invitation),
        (framed(REQUEST, 255, b""), Artefact::Request),
        (framed(INVITATION, 1, &[100, 0, 1, 7]), Artefact::Invitation),
    ] {
        assert_eq!(error(&text), PasteError::Newer(artefact));
    }
    assert_eq!(error(&framed(INVITATION, 2, b"")).to_string(), "the invitation needs a newer Tails Server");
}

#[test]
fn optional_fields_of_a_newer_program_are_skipped() {
    let uri = typical().expose_uri();
    let bytes = base32::decode(base32::Alphabet::Rfc4648 { padding: false }, &uri["TAILS-SERVER:".len()..]).unwrap();
    let fields = [&bytes[8..bytes.len() - 8], &[250, 0, 3, 1, 2, 3]].concat();
    let read = Invitation::parse(&framed(INVITATION, 1, &fields)).unwrap();
    assert_eq!(read.expose_uri(), uri);
}

#[test]
fn fields_of_a_faulty_program_are_named() {
    let field = |tag: u8, value: &[u8]| [&[tag, 0, u8::try_from(value.len()).unwrap()], value].concat();
    let good = [field(1, crate::samples::address().public_key()), field(2, &[0, 80])].concat();
    assert!(Invitation::parse(&framed(INVITATION, 1, &good)).is_ok());
    let key = field(3, &[9; 32]);
    for (fields, part) in [
        (vec![], "address"),
        (field(1, &[0; 32]), "address"),
        (field(1, crate::samples::address().public_key()), "list of ports"),
        ([&good[..35], &field(2, &[0, 80, 0])].concat(), "list of ports"),
        ([&good[..35], &field(2, &[0, 0])].concat(), "list of ports"),
        ([&good[..35], &field(2, &[0, 80, 0, 80])].concat(), "list of ports"),
        ([&good[..35], &field(2, &[])].concat(), "list of ports"),
        ([&good[..], &field(3, &[0; 32])].concat(), "client key"),
        ([&good[..], &field(4, &[0; 32])].concat(), "client key"),
        ([&good[..], &key, &field(4, &[9; 32])].concat(), "client key"),
        ([&good[..], &field(5, b"Not A Name")].concat(), "client name"),
        ([&good[..], &field(6, &[0xff; 8])].concat(), "expiry"),
        ([&good[..], &field(6, &[1])].concat(), "expiry"),
        ([&good[..], &field(128, "\u{202e}x".as_bytes())].concat(), "title"),
        ([&good[..], &field(128, b"\xff")].concat(), "title"),
        ([&good[..], &field(128, b"a"), &field(128, b"b")].concat(), "title"),
        ([&good[..], &field(129, &[2, 1, b'a', b'b'])].concat(), "connection information"),
        ([&good[..], &field(129, &[0, 9, b'a', b'b'])].concat(), "connection information"),
        ([&good[..], &[129, 0][..]].concat(), "structure"),
    ] {
        let malformed = PasteError::Malformed { artefact: Artefact::Invitation, part };
        assert_eq!(error(&framed(INVITATION, 1, &fields)), malformed, "{fields:?}");
    }
    let address = [field(1, crate::samples::address().public_key())].concat();
    assert!(matches!(
        Request::parse(&framed(REQUEST, 1, &address)),
        Err(PasteError::Malformed { part: "address", .. })
    ));
}

#[test]
fn a_text_full_of_beginnings_takes_no_time() {
    for beginning in ["TAILSINV ", "TAILS-SERVER:", "BEGIN TAILS SERVER REQUEST ", "TAILSINVAEANGAIA "] {
        error(&beginning.repeat(250_000 / beginning.len()));
    }
}
