// SPDX-License-Identifier: GPL-3.0-or-later
//! What people paste instead is called by its name, with a word on what to do.

use tails_server::invitation::{Artefact, Invitation, PasteError, Pasted, Request, Stray};
use tails_server_state::{InvalidAddress, InvalidClientKey, InvalidCredential};

use crate::samples::{ADDRESS, KEY, request, typical};

#[test]
fn what_is_pasted_instead_is_named() {
    let wrong_key = format!("{ADDRESS}:descriptor:x25519:{}", &KEY[1..]);
    for (text, error) in [
        (String::new(), PasteError::Empty),
        (" \r\n\u{200b}> \n".to_owned(), PasteError::Empty),
        ("hello".to_owned(), PasteError::Unknown),
        ("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----".to_owned(), PasteError::Unknown),
        ("https://tails.net/".to_owned(), PasteError::Unknown),
        // Sixteen letters are not yet an address.
        ("the word characteristics has many letters".to_owned(), PasteError::Unknown),
        (ADDRESS.to_owned(), PasteError::Stray(Stray::Address)),
        (format!("{ADDRESS}.onion"), PasteError::Stray(Stray::Address)),
        (
            format!("My page is at http://www.{}.onion:8080/x?y, have a look", ADDRESS.to_uppercase()),
            PasteError::Stray(Stray::Address),
        ),
        ("expyuzz4wqqyqhjn.onion".to_owned(), PasteError::Version2),
        ("http://expyuzz4wqqyqhjn.onion/ is where".to_owned(), PasteError::Version2),
        ("expyuzz4wqqyqhjn".to_owned(), PasteError::Version2),
        (format!("expyuzz4wqqyqhjn:descriptor:x25519:{KEY}"), PasteError::Version2),
        (format!("descriptor:x25519:{}", request().public_key.base32()), PasteError::Stray(Stray::PublicClientKey)),
        (KEY.to_owned(), PasteError::Stray(Stray::ClientKey)),
        ("ED25519-V3:AAAA".to_owned(), PasteError::Stray(Stray::ServiceKey)),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIC".to_owned(), PasteError::Stray(Stray::ServiceKey)),
        (wrong_key, PasteError::Credential(InvalidCredential::Key(InvalidClientKey::Form))),
        (
            format!("{}a:descriptor:x25519:{KEY}", &ADDRESS[1..]),
            PasteError::Credential(InvalidCredential::Address(InvalidAddress::Version(40))),
        ),
        ("x".repeat(300_000), PasteError::TooLong),
    ] {
        let found = Pasted::read(&text).err();
        match (&found, &error) {
            // Which of the checks of an address fails first is not ours to say.
            (
                Some(PasteError::Credential(InvalidCredential::Address(_))),
                PasteError::Credential(InvalidCredential::Address(_)),
            ) => {}
            _ => assert_eq!(found.as_ref(), Some(&error), "{text:.100}"),
        }
        assert!(error.hint().is_some() || matches!(error, PasteError::Credential(_)), "{error}");
    }
}

#[test]
fn one_in_place_of_the_other_is_named() {
    let credential = format!("{ADDRESS}:descriptor:x25519:{KEY}");
    for (found, text) in [(Artefact::Request, request().to_text()), (Artefact::Credential, credential.clone())] {
        let wanted = Artefact::Invitation;
        assert_eq!(Invitation::parse(&text).err(), Some(PasteError::Unwanted { found, wanted }));
    }
    for (found, text) in
        [(Artefact::Invitation, typical().expose_text().to_string()), (Artefact::Credential, credential)]
    {
        let error = Request::parse(&text).unwrap_err();
        assert_eq!(error, PasteError::Unwanted { found, wanted: Artefact::Request });
    }
    assert_eq!(
        Invitation::parse(&request().to_text()).unwrap_err().to_string(),
        "the text is a request to be invited, not an invitation"
    );
}
