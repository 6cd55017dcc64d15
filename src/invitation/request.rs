// SPDX-License-Identifier: GPL-3.0-or-later
//! A request to be invited.

use tails_server_state::{ClientName, ClientPublicKey};

use super::armor;
use super::body::{self, Kind};
use super::error::{Artefact, PasteError};
use super::fields::{self, Fields, Tag};
use super::letter::{fields_public_key, read_text};
use super::pasted::Pasted;

/// What somebody who wants to be invited sends to the host: a name and the public half of a key. There is no secret in it.
///
/// # Examples
/// ```
/// use tails_server::invitation::Request;
/// use tails_server_state::ClientSecretKey;
///
/// let key = ClientSecretKey::generate()?;
/// let request = Request { name: "alice".parse()?, public_key: key.public_key() };
/// assert_eq!(Request::parse(&request.to_text())?, request);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What the one who asks would like to be called.
    pub name: ClientName,
    /// What the host tells to Tor.
    pub public_key: ClientPublicKey,
}

impl Request {
    /// The request as a block of text, for mail, chat and files.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::block(Kind::Request, &self.sealed()).to_string()
    }

    /// The request as a URI, for a QR code.
    #[must_use]
    pub fn to_uri(&self) -> String {
        armor::uri(&self.sealed()).to_string()
    }

    /// Reads a request out of what a person pasted.
    ///
    /// # Errors
    /// As [`Pasted::read`], and [`PasteError::Unwanted`] for what it reads and is no request.
    pub fn parse(text: &str) -> Result<Self, PasteError> {
        let unwanted = |found| Err(PasteError::Unwanted { found, wanted: Artefact::Request });
        match Pasted::read(text)? {
            Pasted::Request(request) => Ok(request),
            Pasted::Invitation(_) => unwanted(Artefact::Invitation),
            Pasted::Credential(_) => unwanted(Artefact::Credential),
        }
    }

    fn sealed(&self) -> Vec<u8> {
        let mut fields = Fields::new();
        fields.append(Tag::PublicClientKey, &self.public_key.to_bytes());
        fields.append(Tag::ClientName, self.name.as_str().as_bytes());
        body::seal(Kind::Request, fields.as_bytes()).to_vec()
    }

    /// Reads the fields of an undamaged request.
    pub(super) fn from_fields(bytes: &[u8]) -> Result<Self, PasteError> {
        let artefact = Artefact::Request;
        let malformed = |tag: Tag| PasteError::Malformed { artefact, part: tag.name() };
        let (mut public_key, mut name) = (None, None);
        for (tag, value) in fields::read(artefact, bytes)? {
            match tag {
                Tag::PublicClientKey => public_key = fields_public_key(value),
                Tag::ClientName => name = read_text(value),
                // They say something about a service, and a request is not about one.
                Tag::Address | Tag::Ports | Tag::ClientKey | Tag::Expiry | Tag::Title | Tag::Detail => {
                    return Err(malformed(tag));
                }
            }
        }
        Ok(Self {
            name: name.ok_or(malformed(Tag::ClientName))?,
            public_key: public_key.ok_or(malformed(Tag::PublicClientKey))?,
        })
    }
}
