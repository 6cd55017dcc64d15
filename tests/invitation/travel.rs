// SPDX-License-Identifier: GPL-3.0-or-later
//! What arrives is what was sent, whatever programs did to it on the way.

use tails_server::invitation::{
    Access, CannotComplete, Expired, Expiry, Invitation, PasteError, Pasted, Request, Secrecy,
};
use tails_server_state::ClientSecretKey;

use crate::samples::{ADDRESS, KEY, address, key, letters, request, typical};

#[test]
fn what_is_in_an_invitation_arrives() {
    let read = Invitation::parse(&typical().expose_text()).unwrap();
    assert_eq!(*read.address(), address());
    assert_eq!(read.ports(), ["64738".parse().unwrap()]);
    assert_eq!(read.title().unwrap().as_str(), "Mumble of the chess club");
    assert_eq!(read.client().unwrap().as_str(), "alice");
    assert_eq!(read.expiry().unwrap().unix_seconds(), 1_800_000_000);
    let details: Vec<_> = read.details().iter().map(|d| (d.label(), d.expose_value(), d.secrecy())).collect();
    assert_eq!(
        details,
        [
            ("Password", "correct-horse-battery", Secrecy::Secret),
            ("Fingerprint", "8f43288ad272f3103b6fb1428485ea3014c0bcfe", Secrecy::Open)
        ]
    );
    assert_eq!(*read.into_credential().unwrap().expose_line(), format!("{ADDRESS}:descriptor:x25519:{KEY}"));
}

#[test]
fn the_text_of_today_is_read_for_ever() {
    // As written by version 0.1.0. Never change it: people have such texts in their mail.
    let released = include_str!("../../fixtures/invitations/version-1.txt");
    let block = released.split_once('\n').unwrap().1;
    assert_eq!(Invitation::parse(block).unwrap().expose_text(), typical().expose_text());
    assert_eq!(block, typical().expose_text().as_str());
}

#[test]
fn mail_and_chat_do_no_harm() {
    let block = typical().expose_text().to_string();
    let body = letters(&block);
    let uri = typical().expose_uri().to_string();
    let (end, unmarked) = (block.find("-----END").unwrap(), block.lines().collect::<Vec<_>>());
    let rewrapped: String =
        body.as_bytes().chunks(40).map(|line| format!("   {}  \n\n", std::str::from_utf8(line).unwrap())).collect();
    for (what, text) in [
        ("untouched", block.clone()),
        ("CRLF", block.replace('\n', "\r\n")),
        ("old Macintosh", block.replace('\n', "\r")),
        ("no last line break", block.trim_end().to_owned()),
        ("quoted", block.lines().map(|line| format!("> {line}\n")).collect()),
        ("quoted twice", block.lines().map(|line| format!("> > {line}\n")).collect()),
        ("indented", block.lines().map(|line| format!("\t\u{a0} {line}\n")).collect()),
        ("all in one line", block.replace('\n', " ")),
        ("in one line without spaces", block.replace('\n', "")),
        ("small letters", block.to_lowercase()),
        ("dashes made pretty", block.replace("-----", "—-—")),
        ("hyphens lost", block.replace('-', "")),
        ("wrapped markers", block.replace("SERVER INVITATION", "SERVER\n> INVITATION")),
        ("as code", format!("```\n{block}```")),
        ("in a mail", format!("Hi Alice,\nhere it is:\n\n{block}\nSee you there!\nBob")),
        ("no END", block[..end].to_owned()),
        ("no END, and a greeting", format!("{}\n\nSee you there!\nBob", &block[..end])),
        ("no BEGIN", unmarked[1..].join("\n")),
        ("the body alone", body.clone()),
        ("the body alone, small", body.to_lowercase()),
        ("the body alone, wrapped", rewrapped),
        ("the body in a sentence", format!("here: {body}, enjoy")),
        ("the body quoted, then wrapped", body.replace('B', "B\n> ")),
        ("the URI", uri.clone()),
        ("the URI, small", uri.to_lowercase()),
        ("the URI as a link", format!("Join: <{uri}>.")),
        ("twice", format!("{block}\n> {}", block.replace('\n', "\n> "))),
        ("after a broken one", format!("{}\n{block}", &block[..block.len() / 2])),
        ("marks of the order of bytes", format!("\u{feff}{block}")),
        ("invisible characters", block.replace('B', "B\u{200b}")),
    ] {
        let read = Invitation::parse(&text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
        assert_eq!(read.expose_text(), typical().expose_text(), "{what}");
    }
}

#[test]
fn lines_are_no_longer_than_mail_leaves_alone() {
    assert!(typical().expose_text().lines().all(|line| line.len() <= 64 && line.is_ascii()));
}

#[test]
fn a_request_is_answered_and_completed() {
    let asked = Request::parse(&request().to_text()).unwrap();
    assert_eq!(asked, request());
    assert_eq!(Request::parse(&request().to_uri()), Ok(request()));

    let answer = Invitation::new(address(), ["80".parse().unwrap()])
        .unwrap()
        .with_client(asked.name)
        .with_access(Access::Requested(asked.public_key));
    let text = answer.expose_text();
    let mut arrived = Invitation::parse(&text).unwrap();
    assert!(matches!(arrived.access(), Access::Requested(public) if *public == key().public_key()));
    assert_eq!(arrived.complete(ClientSecretKey::generate().unwrap()), Err(CannotComplete::AnotherKey));
    assert!(matches!(arrived.access(), Access::Requested(_)), "a wrong key changed something");
    assert_eq!(arrived.complete(key()), Ok(()));
    assert_eq!(arrived.complete(key()), Err(CannotComplete::NothingMissing));
    assert_eq!(arrived.into_credential().unwrap().key.expose_base32().as_str(), KEY);
    assert!(Invitation::parse(&text).unwrap().into_credential().is_none(), "a key has travelled");
}

#[test]
fn an_expired_invitation_says_when_it_ended() {
    let invitation = typical();
    assert_eq!(invitation.check_expiry(1_799_999_999), Ok(()));
    let expired = invitation.check_expiry(1_800_000_000).unwrap_err();
    assert_eq!(expired, Expired(Expiry::from_unix_seconds(1_800_000_000).unwrap()));
    assert_eq!(expired.to_string(), "the invitation expired at 2027-01-15T08:00:00Z");
    let endless = Invitation::new(address(), ["80".parse().unwrap()]).unwrap();
    assert_eq!(endless.check_expiry(u64::MAX), Ok(()));
}

#[test]
fn a_credential_of_tor_is_read_too() {
    let line = format!("{ADDRESS}:descriptor:x25519:{KEY}");
    let (front, back) = line.split_at(70);
    for text in [
        line.clone(),
        format!("{line}\r\n"),
        format!("> {line}"),
        format!("Your key:\n\n{line}\n\nBob"),
        line.replace(':', ".onion:").replacen(".onion:descriptor.onion:x25519.onion:", ".onion:descriptor:x25519:", 1),
        format!("{front}\n> {back}"),
    ] {
        match Pasted::read(&text) {
            Ok(Pasted::Credential(credential)) => assert_eq!(*credential.expose_line(), line),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn two_that_differ_are_one_too_many() {
    let other = typical().with_client("bob".parse().unwrap());
    let text = format!("{}\n{}", *typical().expose_text(), *other.expose_text());
    assert_eq!(Pasted::read(&text).err(), Some(PasteError::Several));
    assert_eq!(
        Pasted::read(&format!("{} {}", *typical().expose_uri(), request().to_uri())).err(),
        Some(PasteError::Several)
    );
}

#[test]
fn debug_has_no_secret_and_no_address() {
    let shown = format!("{:?} {:?}", typical(), Pasted::read(&typical().expose_text()).unwrap());
    for secret in [&ADDRESS[..6], &KEY[..6], "correct-horse", "8f43288a"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
