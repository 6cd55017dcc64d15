// SPDX-License-Identifier: GPL-3.0-or-later
//! An invitation.

use tails_server_state::{
    ClientCredential, ClientName, ClientPublicKey, ClientSecretKey, OnionAddress, PortMap, VirtualPort,
};
use zeroize::Zeroizing;

use super::armor;
use super::body::{self, Kind, MAX_FIELDS};
use super::detail::Detail;
use super::error::{Artefact, CannotComplete, Expired, InvalidInvitation, PasteError};
use super::expiry::Expiry;
use super::fields::{self, Fields, Tag};
use super::line::Title;
use super::pasted::Pasted;

/// Bytes before the value of a field.
const FIELD_HEAD: usize = 3;
/// The most bytes of all details.
const MAX_DETAILS: usize = 1500;
/// The most bytes of everything else.
const MAX_OTHERS: usize = 6 * FIELD_HEAD
    + 32 // address
    + 2 * PortMap::MAX
    + 32 // key
    + ClientName::MAX_BYTES
    + 8 // expiry
    + 4 * Title::MAX_CHARACTERS;
const _: () = assert!(MAX_DETAILS + MAX_OTHERS <= MAX_FIELDS, "every invitation fits in a QR code");

/// All that somebody needs to reach a service.
///
/// # Examples
/// ```
/// use tails_server::invitation::{Access, Invitation};
/// use tails_server_state::{ClientSecretKey, OnionAddress};
///
/// let address = OnionAddress::parse("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion")?;
/// let invitation = Invitation::new(address, ["80".parse()?])?
///     .with_title("Chess club".parse()?)
///     .with_access(Access::Key(ClientSecretKey::generate()?));
/// let text = invitation.expose_text();
/// assert!(text.starts_with("-----BEGIN TAILS SERVER INVITATION-----\nTAILSINV"));
///
/// let read = Invitation::parse(&text)?;
/// assert_eq!(read.title(), invitation.title());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Invitation {
    address: OnionAddress,
    ports: Vec<VirtualPort>,
    access: Access,
    client: Option<ClientName>,
    title: Option<Title>,
    details: Vec<Detail>,
    expiry: Option<Expiry>,
}

/// What opens the service.
#[derive(Debug)]
pub enum Access {
    /// Nothing: everybody who knows the address is let in.
    Open,
    /// This key. Whoever reads the invitation has it.
    Key(ClientSecretKey),
    /// The key that belongs to this one: only who made the request has it.
    Requested(ClientPublicKey),
}

impl Invitation {
    /// An invitation to a service that lets everybody in.
    ///
    /// # Errors
    /// No port, or more than a service can have.
    pub fn new(address: OnionAddress, ports: impl IntoIterator<Item = VirtualPort>) -> Result<Self, InvalidInvitation> {
        let mut ports: Vec<VirtualPort> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() {
            return Err(InvalidInvitation::NoPort);
        }
        if ports.len() > PortMap::MAX {
            return Err(InvalidInvitation::TooManyPorts { most: PortMap::MAX });
        }
        Ok(Self { address, ports, access: Access::Open, client: None, title: None, details: Vec::new(), expiry: None })
    }

    /// What opens the service.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// What the host calls the one who is invited. It is in the invitation.
    #[must_use]
    pub fn with_client(self, client: ClientName) -> Self {
        Self { client: Some(client), ..self }
    }

    /// What the host calls the service.
    #[must_use]
    pub fn with_title(self, title: Title) -> Self {
        Self { title: Some(title), ..self }
    }

    /// When it ends.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { expiry: Some(expiry), ..self }
    }

    /// What else it takes to connect, in the order in which it is shown.
    ///
    /// # Errors
    /// [`InvalidInvitation::TooLong`]: all of it together has to fit in a QR code.
    pub fn with_details(self, details: Vec<Detail>) -> Result<Self, InvalidInvitation> {
        let found = details.iter().map(|detail| FIELD_HEAD + detail.encoded_bytes()).sum();
        if found > MAX_DETAILS {
            return Err(InvalidInvitation::TooLong { found, most: MAX_DETAILS });
        }
        Ok(Self { details, ..self })
    }

    /// Where the service is.
    #[must_use]
    pub const fn address(&self) -> &OnionAddress {
        &self.address
    }

    /// Where to connect to: at least one, ascending.
    #[must_use]
    pub fn ports(&self) -> &[VirtualPort] {
        &self.ports
    }

    /// What opens the service.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// What the host calls the one who is invited.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientName> {
        self.client.as_ref()
    }

    /// What the host calls the service.
    #[must_use]
    pub const fn title(&self) -> Option<&Title> {
        self.title.as_ref()
    }

    /// What else it takes to connect.
    #[must_use]
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// When it ends.
    #[must_use]
    pub const fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }

    /// Whether it can still be used; `now` is in seconds since 1970 began.
    ///
    /// # Errors
    /// It has ended.
    pub fn check_expiry(&self, now: u64) -> Result<(), Expired> {
        match self.expiry {
            Some(expiry) if expiry.has_come(now) => Err(Expired(expiry)),
            Some(_) | None => Ok(()),
        }
    }

    /// Adds the key of the request that this answers.
    ///
    /// # Errors
    /// It answers none, or another one; then nothing has changed.
    pub fn complete(&mut self, key: ClientSecretKey) -> Result<(), CannotComplete> {
        match self.access {
            Access::Open | Access::Key(_) => Err(CannotComplete::NothingMissing),
            Access::Requested(public_key) if public_key == key.public_key() => {
                self.access = Access::Key(key);
                Ok(())
            }
            Access::Requested(_) => Err(CannotComplete::AnotherKey),
        }
    }

    /// Takes out what opens the service, for Tor; `None` where it is open, or where the key of the request is missing.
    #[must_use]
    pub fn into_credential(self) -> Option<ClientCredential> {
        match self.access {
            Access::Key(key) => Some(ClientCredential { address: self.address, key }),
            Access::Open | Access::Requested(_) => None,
        }
    }

    /// The invitation as a block of text, for mail, chat and files. It may have secrets in it.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        armor::block(Kind::Invitation, &self.sealed())
    }

    /// The invitation as a URI, for a QR code. It may have secrets in it.
    #[must_use]
    pub fn expose_uri(&self) -> Zeroizing<String> {
        armor::uri(&self.sealed())
    }

    /// Reads an invitation out of what a person pasted: a block of text or a URI, as mail and chat programs leave it.
    ///
    /// # Errors
    /// As [`Pasted::read`], and [`PasteError::Unwanted`] for what it reads and is no invitation.
    pub fn parse(text: &str) -> Result<Self, PasteError> {
        let unwanted = |found| Err(PasteError::Unwanted { found, wanted: Artefact::Invitation });
        match Pasted::read(text)? {
            Pasted::Invitation(invitation) => Ok(*invitation),
            Pasted::Request(_) => unwanted(Artefact::Request),
            Pasted::Credential(_) => unwanted(Artefact::Credential),
        }
    }

    fn sealed(&self) -> Zeroizing<Vec<u8>> {
        let Self { address, ports, access, client, title, details, expiry } = self;
        let mut fields = Fields::new();
        fields.append(Tag::Address, address.public_key());
        fields.append_with(Tag::Ports, 2 * ports.len(), |bytes| {
            bytes.extend(ports.iter().flat_map(|port| port.number().to_be_bytes()));
        });
        match access {
            Access::Open => {}
            Access::Key(key) => fields.append(Tag::ClientKey, key.expose_bytes()),
            Access::Requested(key) => fields.append(Tag::PublicClientKey, &key.to_bytes()),
        }
        if let Some(client) = client {
            fields.append(Tag::ClientName, client.as_str().as_bytes());
        }
        if let Some(expiry) = expiry {
            fields.append(Tag::Expiry, &expiry.unix_seconds().to_be_bytes());
        }
        if let Some(title) = title {
            fields.append(Tag::Title, title.as_str().as_bytes());
        }
        for detail in details {
            fields.append_with(Tag::Detail, detail.encoded_bytes(), |bytes| detail.append_to(bytes));
        }
        body::seal(Kind::Invitation, fields.as_bytes())
    }

    /// Reads the fields of an undamaged invitation.
    pub(super) fn from_fields(bytes: &[u8]) -> Result<Self, PasteError> {
        let artefact = Artefact::Invitation;
        let malformed = |tag: Tag| PasteError::Malformed { artefact, part: tag.name() };
        let (mut address, mut ports, mut client, mut title, mut expiry) = (None, None, None, None, None);
        let mut access = Access::Open;
        let mut details = Vec::new();
        for (tag, value) in fields::read(artefact, bytes)? {
            // A value that is read is `Some`; what is `None` at the end was wrong, or came twice.
            let read = match tag {
                Tag::Address => read_address(value).map(|read| address = Some(read)),
                Tag::Ports => read_ports(value).map(|read| ports = Some(read)),
                Tag::ClientKey => read_key(value).map(|read| access = Access::Key(read)),
                Tag::PublicClientKey if matches!(access, Access::Key(_)) => None,
                Tag::PublicClientKey => fields_public_key(value).map(|read| access = Access::Requested(read)),
                Tag::ClientName => read_text(value).map(|read| client = Some(read)),
                Tag::Expiry => read_expiry(value).map(|read| expiry = Some(read)),
                Tag::Title if title.is_some() => None,
                Tag::Title => read_text(value).map(|read| title = Some(read)),
                Tag::Detail => Detail::from_bytes(value).map(|read| details.push(read)),
            };
            read.ok_or(malformed(tag))?;
        }
        let address = address.ok_or(malformed(Tag::Address))?;
        let ports = ports.ok_or(malformed(Tag::Ports))?;
        let invitation =
            Self { access, client, title, expiry, ..Self::new(address, ports).map_err(|_| malformed(Tag::Ports))? };
        invitation.with_details(details).map_err(|_| malformed(Tag::Detail))
    }
}

fn read_address(value: &[u8]) -> Option<OnionAddress> {
    OnionAddress::from_public_key(value.try_into().ok()?).ok()
}

fn read_ports(value: &[u8]) -> Option<Vec<VirtualPort>> {
    let (pairs, rest) = value.as_chunks::<2>();
    let ports = pairs.iter().map(|pair| u16::from_be_bytes(*pair).try_into().ok().map(VirtualPort::new));
    let ports: Vec<VirtualPort> = ports.collect::<Option<_>>()?;
    (rest.is_empty() && ports.is_sorted_by(|one, two| one < two)).then_some(ports)
}

fn read_key(value: &[u8]) -> Option<ClientSecretKey> {
    ClientSecretKey::from_bytes(value.try_into().ok()?).ok()
}

/// The public key of a client, from its field.
pub(super) fn fields_public_key(value: &[u8]) -> Option<ClientPublicKey> {
    ClientPublicKey::from_bytes(value.try_into().ok()?).ok()
}

/// Text that has a type, from its field.
pub(super) fn read_text<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn read_expiry(value: &[u8]) -> Option<Expiry> {
    Expiry::from_unix_seconds(u64::from_be_bytes(value.try_into().ok()?)).ok()
}
