// SPDX-License-Identifier: GPL-3.0-or-later
//! One row as it lies on the disk: self-describing, self-checking, recognisable among other bytes.
//!
//! `TSrow` | version u16 | tree u8 | length of the key u8 | key | generation u64 | length of the payload u32 | payload |
//! CRC-32 of all before. Numbers are little-endian. All of it but the payload is the same in every version, so that an old
//! program can tell "newer" from "damaged".

use zeroize::Zeroizing;

use super::defect::Defect;
use crate::migrations;

/// How a row begins.
pub(super) const MAGIC: &[u8; 5] = b"TSrow";
const CRC_BYTES: usize = 4;

/// The trees of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tree {
    /// One row for each service, by name.
    Services,
    /// One row for each service, by name: address and secret key.
    Keys,
    /// In the amnesic place only: what is wanted in this session, by `kept/NAME` or `amnesic/NAME`.
    Wishes,
    /// What was deleted since the database was last written anew, by `tree/key`: without it, a salvage from the raw bytes
    /// would bring it back.
    Removed,
    /// One row: the generation and the census.
    Meta,
    /// One row for each client, by `SERVICE/CLIENT`: its public key, and its secret key if that was made here.
    Clients,
    /// One row for each service of somebody else, by name: its address, our secret key, what we were told of it.
    Joined,
    /// One row for each request of ours, by name: both keys.
    Requests,
    /// In the amnesic place only: one row for each [`Farewell`](crate::Farewell), by a digest of its address.
    Farewells,
    /// One row for each option of a service that has a value of its own, by `SERVICE/OPTION`: the text.
    Options,
    /// One row for each service whose server and data are to go, by name: why.
    Uninstalls,
    /// In the amnesic place: what a restoration that has begun is still to do in the kept one, and its number. In the kept
    /// place: the number of the last one that was carried out there.
    Pending,
}

impl Tree {
    pub(super) const ALL: [Self; 12] = [
        Self::Services,
        Self::Keys,
        Self::Wishes,
        Self::Removed,
        Self::Meta,
        Self::Clients,
        Self::Joined,
        Self::Requests,
        Self::Farewells,
        Self::Options,
        Self::Uninstalls,
        Self::Pending,
    ];

    /// Those with secrets in them, or with what was forgotten: what is removed from these has to be overwritten.
    pub(super) const SECRET: [Self; 8] = [
        Self::Keys,
        Self::Clients,
        Self::Joined,
        Self::Requests,
        Self::Farewells,
        Self::Options,
        Self::Uninstalls,
        Self::Pending,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Keys => "keys",
            Self::Wishes => "wishes",
            Self::Removed => "removed",
            Self::Meta => "meta",
            Self::Clients => "clients",
            Self::Joined => "joined",
            Self::Requests => "requests",
            Self::Farewells => "farewells",
            Self::Options => "options",
            Self::Uninstalls => "uninstalls",
            Self::Pending => "pending",
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Services => 1,
            Self::Keys => 2,
            Self::Wishes => 3,
            Self::Removed => 4,
            Self::Meta => 5,
            Self::Clients => 6,
            Self::Joined => 7,
            Self::Requests => 8,
            Self::Farewells => 9,
            Self::Options => 10,
            Self::Uninstalls => 11,
            Self::Pending => 12,
        }
    }
}

/// One row. The payload may be a secret.
pub(super) struct Row {
    pub(super) tree: Tree,
    pub(super) key: String,
    /// The commit that wrote it.
    pub(super) generation: u64,
    pub(super) payload: Zeroizing<Vec<u8>>,
}

impl Row {
    /// The bytes of the row.
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Defect> {
        let key_len = u8::try_from(self.key.len()).map_err(|_| Defect::Row)?;
        let payload_len = u32::try_from(self.payload.len()).map_err(|_| Defect::Row)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.key.len() + self.payload.len() + 25));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&migrations::CURRENT.to_le_bytes());
        bytes.push(self.tree.tag());
        bytes.push(key_len);
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&payload_len.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// Reads a row that fills `bytes`.
    ///
    /// # Errors
    /// [`Defect::Row`] for anything that was not written by [`Self::encode`], [`Defect::TooNew`] for what a later version
    /// wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let (row, rest) = Self::decode_first(bytes)?;
        if rest.is_empty() { Ok(row) } else { Err(Defect::Row) }
    }

    /// Reads a row that `bytes` begins with, and returns what follows it.
    pub(super) fn decode_first(bytes: &[u8]) -> Result<(Self, &[u8]), Defect> {
        Self::split(bytes).ok_or(Defect::Row).and_then(|(parts, rest)| Ok((parts.into_row()?, rest)))
    }

    fn split(bytes: &[u8]) -> Option<(Parts<'_>, &[u8])> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (&[tag, key_len], rest) = rest.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(key_len))?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (payload_len, rest) = rest.split_first_chunk::<4>()?;
        let payload_len = usize::try_from(u32::from_le_bytes(*payload_len)).ok()?;
        let (payload, rest) = rest.split_at_checked(payload_len)?;
        let checked = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        let (checksum, rest) = rest.split_first_chunk::<CRC_BYTES>()?;
        if crc32fast::hash(checked) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let version = u16::from_le_bytes(*version);
        Some((Parts { version, tag, key, generation: u64::from_le_bytes(*generation), payload }, rest))
    }

    /// A number that stands for this row in the census.
    // FNV-1a, 64 bits: it has to notice a row that is missing or old, not to withstand an enemy.
    pub(super) fn mark(&self) -> u64 {
        let number = crc32fast::hash(&self.payload).to_le_bytes();
        let generation = self.generation.to_le_bytes();
        let bytes = [self.tree.tag()].into_iter().chain(self.key.bytes()).chain(generation).chain(number);
        bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// A row whose checksum is right.
struct Parts<'a> {
    version: u16,
    tag: u8,
    key: &'a [u8],
    generation: u64,
    payload: &'a [u8],
}

impl Parts<'_> {
    fn into_row(self) -> Result<Row, Defect> {
        if self.version > migrations::CURRENT {
            return Err(Defect::TooNew { version: self.version });
        }
        if self.version == 0 {
            return Err(Defect::Row);
        }
        let tree = Tree::ALL.into_iter().find(|tree| tree.tag() == self.tag).ok_or(Defect::Row)?;
        let key = std::str::from_utf8(self.key).map_err(|_| Defect::Row)?.to_owned();
        Ok(Row { tree, key, generation: self.generation, payload: Zeroizing::new(self.payload.to_vec()) })
    }
}

/// Finds every whole row among other bytes.
///
/// It knows nothing of the database's own format: this is what is left when the database no longer opens.
pub(super) fn carve(mut bytes: &[u8]) -> Vec<Result<Row, Defect>> {
    let mut found = Vec::new();
    while let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) {
        let (_, candidate) = bytes.split_at(start);
        match Row::decode_first(candidate) {
            Ok((row, rest)) => {
                found.push(Ok(row));
                bytes = rest;
            }
            Err(defect) => {
                if let Defect::TooNew { .. } = defect {
                    found.push(Err(defect));
                }
                bytes = candidate.get(1..).unwrap_or_default();
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, generation: u64, payload: &[u8]) -> Row {
        Row { tree: Tree::Services, key: key.to_owned(), generation, payload: Zeroizing::new(payload.to_vec()) }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        let bytes = row("web", 7, b"payload").encode().unwrap();
        let back = Row::decode(&bytes).unwrap();
        assert_eq!((back.tree, back.key.as_str(), back.generation), (Tree::Services, "web", 7));
        assert_eq!(back.payload.as_slice(), b"payload");
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let bytes = row("web", 7, b"payload").encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(Row::decode(&wrong).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(Row::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_row_of_a_later_version_is_newer_not_damaged() {
        let mut bytes = row("web", 7, b"payload").encode().unwrap().to_vec();
        bytes.truncate(bytes.len() - CRC_BYTES);
        bytes[MAGIC.len()] = 2;
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        assert_eq!(Row::decode(&bytes).err(), Some(Defect::TooNew { version: 2 }));
    }

    #[test]
    fn rows_are_found_among_other_bytes() {
        let mut bytes = b"TSroTSrowTSrow".to_vec();
        bytes.extend_from_slice(&row("one", 1, b"1").encode().unwrap());
        bytes.extend_from_slice(&row("half", 1, b"2").encode().unwrap()[..20]);
        bytes.extend_from_slice(&row("two", 2, b"3").encode().unwrap());
        bytes.push(0);
        let keys: Vec<_> = carve(&bytes).into_iter().map(|row| row.unwrap().key).collect();
        assert_eq!(keys, ["one", "two"]);
    }

    #[test]
    fn the_mark_depends_on_all_that_counts() {
        let marks = [row("a", 1, b"x"), row("b", 1, b"x"), row("a", 2, b"x"), row("a", 1, b"y")].map(|row| row.mark());
        for (index, mark) in marks.iter().enumerate() {
            assert!(!marks[..index].contains(mark), "{index}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut begun = MAGIC.to_vec();
            begun.extend_from_slice(&bytes);
            let _ = Row::decode(&bytes);
            let _ = Row::decode(&begun);
            let _ = carve(&begun);
        }
    }
}
