// SPDX-License-Identifier: GPL-3.0-or-later
//! The fields between the frame: tag, length, value; tags ascend.

use zeroize::Zeroizing;

use super::body::MAX_FIELDS;
use super::error::{Artefact, PasteError};

/// Tags from here on can be skipped by whoever does not know them.
const OPTIONAL: u8 = 128;

/// The fields of all artefacts.
// Each has one meaning for ever: a tag that is given up is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Tag {
    Address = 1,
    Ports = 2,
    ClientKey = 3,
    PublicClientKey = 4,
    ClientName = 5,
    Expiry = 6,
    Title = OPTIONAL,
    Detail = OPTIONAL + 1,
}

impl Tag {
    const ALL: [Self; 8] = [
        Self::Address,
        Self::Ports,
        Self::ClientKey,
        Self::PublicClientKey,
        Self::ClientName,
        Self::Expiry,
        Self::Title,
        Self::Detail,
    ];

    /// What people read where the field is wrong.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Ports => "list of ports",
            Self::ClientKey | Self::PublicClientKey => "client key",
            Self::ClientName => "client name",
            Self::Expiry => "expiry",
            Self::Title => "title",
            Self::Detail => "connection information",
        }
    }
}

/// Fields being written, in the order of their tags.
pub(super) struct Fields(Zeroizing<Vec<u8>>);

impl Fields {
    pub(super) fn new() -> Self {
        // Room for all there can be: bytes that grow leave copies behind.
        Self(Zeroizing::new(Vec::with_capacity(MAX_FIELDS)))
    }

    pub(super) fn append(&mut self, tag: Tag, value: &[u8]) {
        self.append_with(tag, value.len(), |bytes| bytes.extend_from_slice(value));
    }

    /// For values that are not in one piece.
    pub(super) fn append_with(&mut self, tag: Tag, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let length = u16::try_from(length).expect("values are bounded far below 64 KiB where they are made");
        self.0.push(tag as u8);
        self.0.extend_from_slice(&length.to_be_bytes());
        write(&mut self.0);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads fields: those that this version knows.
///
/// # Errors
/// A field that had to be known and is not, no order, an end that comes too early.
pub(super) fn read(artefact: Artefact, mut bytes: &[u8]) -> Result<Vec<(Tag, &[u8])>, PasteError> {
    const PART: &str = "structure";
    let mut found = Vec::new();
    let mut previous = 0;
    while let Some((&tag, rest)) = bytes.split_first() {
        // Only what is optional may come several times; for the optional ones that we know, their reader decides.
        if tag < previous || (tag == previous && tag < OPTIONAL) || tag == 0 {
            return Err(PasteError::Malformed { artefact, part: PART });
        }
        previous = tag;
        let (value, rest) = value(rest).ok_or(PasteError::Malformed { artefact, part: PART })?;
        bytes = rest;
        match Tag::ALL.into_iter().find(|known| *known as u8 == tag) {
            Some(known) => found.push((known, value)),
            None if tag < OPTIONAL => return Err(PasteError::Newer(artefact)),
            None => {}
        }
    }
    Ok(found)
}

fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, 0, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn what_is_unknown_is_skipped_only_where_it_may_be() {
        let known = field(5, b"alice");
        let read_tags = |bytes: &[u8]| {
            read(Artefact::Invitation, bytes).map(|fields| fields.iter().map(|field| field.0).collect::<Vec<_>>())
        };
        assert_eq!(
            read_tags(&[known.clone(), field(200, b"new"), field(200, b"newer")].concat()),
            Ok(vec![Tag::ClientName])
        );
        assert_eq!(
            read_tags(&[known.clone(), field(127, b"new")].concat()),
            Err(PasteError::Newer(Artefact::Invitation))
        );
        let malformed = Err(PasteError::Malformed { artefact: Artefact::Invitation, part: "structure" });
        for wrong in [
            [field(128, b"title"), known.clone()].concat(),
            [known.clone(), known.clone()].concat(),
            field(0, b""),
            [known.clone(), vec![6]].concat(),
            [known, vec![6, 0, 1]].concat(),
        ] {
            assert_eq!(read_tags(&wrong), malformed, "{wrong:?}");
        }
    }
}
