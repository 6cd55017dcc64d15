// SPDX-License-Identifier: GPL-3.0-or-later
//! The frame of the bytes, the same in all versions: what they are, how many there are, and that none has changed.

use base32::Alphabet;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::{Artefact, PasteError};

/// The version that is written, and the newest that is read.
const VERSION: u8 = 1;
/// Magic, version, length.
const HEAD: usize = 5 + 1 + 2;
/// Bytes of the checksum.
// A text with errors passes once in 2^64; and base32 has letters for 8 bytes more.
const CHECKSUM: usize = 8;
/// The most bytes in all.
// 3277 letters, and the largest QR code has room for 3391 at level M.
pub(super) const MAX_BYTES: usize = 2048;
/// The most bytes of fields.
pub(super) const MAX_FIELDS: usize = MAX_BYTES - HEAD - CHECKSUM;
/// Letters that hold the head.
pub(super) const HEAD_LETTERS: usize = letters(HEAD);

const ALPHABET: Alphabet = Alphabet::Rfc4648 { padding: false };

/// What has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invitation,
    Request,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Invitation, Self::Request];

    /// The first letters of every body of this kind.
    pub(super) const fn magic_letters(self) -> &'static str {
        match self {
            Self::Invitation => "TAILSINV",
            Self::Request => "TAILSREQ",
        }
    }

    /// The same, as bytes.
    const fn magic(self) -> [u8; 5] {
        match self {
            Self::Invitation => [0x98, 0x10, 0xb9, 0x21, 0xb5],
            Self::Request => [0x98, 0x10, 0xb9, 0x44, 0x90],
        }
    }

    pub(super) const fn artefact(self) -> Artefact {
        match self {
            Self::Invitation => Artefact::Invitation,
            Self::Request => Artefact::Request,
        }
    }
}

/// Frames fields.
pub(super) fn seal(kind: Kind, fields: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u16::try_from(fields.len()).expect("fields are bounded far below 64 KiB where they are made");
    // Room for all of it at once: bytes that grow leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + fields.len() + CHECKSUM));
    bytes.extend_from_slice(&kind.magic());
    bytes.push(VERSION);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(fields);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// The kind and the fields of a frame, for callers that know from [`expected_letters`] that the length is right.
pub(super) fn open(bytes: &[u8]) -> Option<Result<(Kind, &[u8]), PasteError>> {
    let (framed, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if checksum(framed) != *sum {
        return None;
    }
    let (magic, rest) = framed.split_first_chunk::<5>()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.magic() == *magic)?;
    let (&[version, high, low], fields) = rest.split_first_chunk::<3>()?;
    if usize::from(u16::from_be_bytes([high, low])) != fields.len() {
        return None;
    }
    if version > VERSION {
        return Some(Err(PasteError::Newer(kind.artefact())));
    }
    if version == 0 {
        return Some(Err(PasteError::Malformed { artefact: kind.artefact(), part: "version" }));
    }
    Some(Ok((kind, fields)))
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let (sum, _) = digest.split_first_chunk().expect("8 bytes are fewer than 32");
    *sum
}

/// Letters of that many bytes.
const fn letters(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// How many letters there should be, by what the first of them say. `None` if they are not those of a body.
pub(super) fn expected_letters(head: &str) -> Option<(Kind, usize)> {
    let kind = Kind::ALL.into_iter().find(|kind| head.starts_with(kind.magic_letters()))?;
    let bytes = Zeroizing::new(base32::decode(ALPHABET, head.get(..HEAD_LETTERS)?)?);
    let &[_, _, _, _, _, _, high, low] = bytes.as_slice() else { return None };
    let length = HEAD + usize::from(u16::from_be_bytes([high, low])) + CHECKSUM;
    (length <= MAX_BYTES).then(|| (kind, letters(length)))
}

/// Bytes as letters.
pub(super) fn to_letters(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(letters(bytes.len())));
    // In pieces, because the buffer of base32 is too small at first for all of it, and would leave a copy behind.
    for chunk in bytes.chunks(5) {
        text.push_str(&Zeroizing::new(base32::encode(ALPHABET, chunk)));
    }
    text
}

/// Letters, all of them capitals, as bytes; only if they are the one true spelling.
pub(super) fn from_letters(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(base32::decode(ALPHABET, text)?);
    // base32 lets aliases through: re-encoding shows whether this is the one.
    (to_letters(&bytes).as_str() == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letters_say_what_it_is() {
        for kind in Kind::ALL {
            let sealed = seal(kind, b"abc");
            let letters = to_letters(&sealed);
            assert!(letters.starts_with(kind.magic_letters()), "{}", *letters);
            assert_eq!(expected_letters(&letters), Some((kind, letters.len())));
            assert_eq!(from_letters(&letters).as_deref(), Some(&*sealed));
            assert!(matches!(open(&sealed), Some(Ok((opened, b"abc"))) if opened == kind));
        }
    }

    #[test]
    fn the_limits_fit_together() {
        // ISO 18004, table 7: 40-M, alphanumeric.
        assert!("TAILS-SERVER:".len() + letters(MAX_BYTES) <= 3391);
        let sealed = seal(Kind::Invitation, &[7; MAX_FIELDS]);
        assert_eq!(sealed.len(), MAX_BYTES);
        assert!(expected_letters(&to_letters(&sealed)).is_some());
        assert!(expected_letters(&to_letters(&seal(Kind::Invitation, &[7; MAX_FIELDS + 1]))).is_none());
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = seal(Kind::Request, b"from the future");
        bytes[5] = 2;
        assert!(open(&bytes).is_none());
        let end = bytes.len() - CHECKSUM;
        let sum = checksum(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum);
        assert!(matches!(open(&bytes), Some(Err(PasteError::Newer(Artefact::Request)))));
    }
}
