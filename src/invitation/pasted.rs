// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person pasted.

use tails_server_state::{ClientCredential, InvalidCredential};
use zeroize::Zeroizing;

use super::armor;
use super::body::{self, Kind};
use super::error::{Artefact, PasteError};
use super::letter::Invitation;
use super::request::Request;
use super::stray;

/// The most text that is looked at.
// An invitation of full size in a mail with its headers and some quoting; nobody pastes more by hand.
const MAX_TEXT: usize = 256 * 1024;

/// What a person pasted, read.
#[derive(Debug)]
pub enum Pasted {
    /// From the host of a service.
    Invitation(Box<Invitation>),
    /// From somebody who wants to be invited.
    Request(Request),
    /// A line of Tor's `.auth_private` files.
    Credential(ClientCredential),
}

impl Pasted {
    /// Reads what there is in a text, among greetings, signatures and marks of quoting.
    ///
    /// Lost markers, lost or added line breaks and spaces, CRLF, and another case of letters do not matter.
    ///
    /// # Errors
    /// What is wrong with it, or what it is instead.
    pub fn read(text: &str) -> Result<Self, PasteError> {
        if text.len() > MAX_TEXT {
            return Err(PasteError::TooLong);
        }
        let flat = armor::flatten(text);
        if flat.is_empty() {
            return Err(PasteError::Empty);
        }
        let mut capitals = flat.clone();
        capitals.make_ascii_uppercase();
        match one_of(armor::bodies(&capitals)) {
            Some(letters) => Self::from_letters(&letters?),
            None => credential(&flat).unwrap_or_else(|| Err(stray::name(&flat))).map(Self::Credential),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn artefact(&self) -> Artefact {
        match self {
            Self::Invitation(_) => Artefact::Invitation,
            Self::Request(_) => Artefact::Request,
            Self::Credential(_) => Artefact::Credential,
        }
    }

    fn from_letters(letters: &str) -> Result<Self, PasteError> {
        let kind = body::expected_letters(letters).map_or(Kind::Invitation, |(kind, _)| kind);
        let damaged = PasteError::Damaged(kind.artefact());
        let bytes = body::from_letters(letters).ok_or(damaged.clone())?;
        let (kind, fields) = body::open(&bytes).ok_or(damaged)??;
        match kind {
            Kind::Invitation => Invitation::from_fields(fields).map(Box::new).map(Self::Invitation),
            Kind::Request => Request::from_fields(fields).map(Self::Request),
        }
    }
}

/// The one body of a text: the same one twice is one, and beside a whole one a broken one does not count.
fn one_of(found: Vec<Result<Zeroizing<String>, PasteError>>) -> Option<Result<Zeroizing<String>, PasteError>> {
    let mut one: Option<Result<Zeroizing<String>, PasteError>> = None;
    for body in found {
        one = Some(match (one, body) {
            (None | Some(Err(_)), Ok(body)) => Ok(body),
            (None, Err(error)) | (Some(Err(error)), Err(_)) => Err(error),
            (Some(Ok(one)), Ok(other)) if *one != *other => return Some(Err(PasteError::Several)),
            (Some(Ok(one)), Ok(_) | Err(_)) => Ok(one),
        });
    }
    one
}

/// The line of an `.auth_private` file, if there is something like it.
fn credential(flat: &str) -> Option<Result<ClientCredential, PasteError>> {
    const TYPE: &str = ":descriptor:";
    let word = flat.split(' ').find(|word| word.contains(TYPE) && !word.starts_with(':'));
    let read = ClientCredential::parse(word?);
    // Long as it is, it may have been wrapped; then the pieces make one.
    let mended = || {
        let mut whole = Zeroizing::new(String::with_capacity(flat.len()));
        whole.extend(flat.split(' '));
        ClientCredential::parse(&whole).ok()
    };
    Some(match read {
        Ok(read) => Ok(read),
        Err(InvalidCredential::Version2) => Err(PasteError::Version2),
        Err(error) => mended().ok_or(PasteError::Credential(error)),
    })
}
