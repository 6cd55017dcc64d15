// SPDX-License-Identifier: GPL-3.0-or-later
//! The second form of everything: one plain file that any later program can read without the database.
//!
//! `TSexport` | version u16 | generation u64 | number of rows u32 | rows | CRC-32 of all before. Two files take turns, so
//! that one whole export is there at any time.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::defect::Defect;
use super::envelope::Row;
use super::files;

const MAGIC: &[u8; 8] = b"TSexport";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = MAGIC.len() + 2 + 8 + 4;
const CRC_BYTES: usize = 4;

/// The two files.
pub(super) const SLOTS: [&str; 2] = ["export-0", "export-1"];

/// A whole export.
pub(super) struct Export {
    pub(super) generation: u64,
    pub(super) rows: Vec<Row>,
}

/// Removes exports that a crash left unfinished.
pub(super) fn tidy(root: &Path) -> io::Result<()> {
    paths(root).iter().try_for_each(|path| files::wipe_any(&files::unfinished(path)))
}

/// Renders an export.
pub(super) fn encode(generation: u64, rows: &[Row]) -> Result<Zeroizing<Vec<u8>>, Defect> {
    let rows = rows.iter().map(Row::encode).collect::<Result<Vec<_>, _>>()?;
    let count = u32::try_from(rows.len()).map_err(|_| Defect::Form)?;
    let len = rows.iter().map(|row| row.len()).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + len + CRC_BYTES));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    for row in &rows {
        bytes.extend_from_slice(row);
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads an export.
///
/// # Errors
/// [`Defect::TooNew`] for one that a later version wrote, another defect for what nothing wrote.
pub(super) fn decode(bytes: &[u8]) -> Result<Export, Defect> {
    let (checked, checksum) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Defect::Row)?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*checksum) {
        return Err(Defect::Row);
    }
    let rest = checked.strip_prefix(MAGIC).ok_or(Defect::Form)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(Defect::Form)?;
    match u16::from_le_bytes(*version) {
        VERSION => {}
        0 => return Err(Defect::Form),
        version => return Err(Defect::TooNew { version }),
    }
    let (generation, rest) = rest.split_first_chunk::<8>().ok_or(Defect::Form)?;
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(Defect::Form)?;
    let mut rows = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let row;
        (row, rest) = Row::decode_first(rest)?;
        rows.push(row);
    }
    if rest.is_empty() { Ok(Export { generation: u64::from_le_bytes(*generation), rows }) } else { Err(Defect::Form) }
}

/// What is in one of the two files.
pub(super) enum Slot {
    /// Not there.
    Missing,
    /// There, and of no use.
    Invalid(Defect),
    /// A whole export.
    Valid(Export),
}

/// Reads both files.
pub(super) fn read(root: &Path) -> io::Result<[Slot; 2]> {
    let [one, two] = SLOTS.map(|slot| match files::read_ruin(&root.join(slot)) {
        Ok(bytes) => Ok(match decode(&bytes) {
            Ok(export) => Slot::Valid(export),
            Err(defect) => Slot::Invalid(defect),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Slot::Missing),
        Err(error) => Err(error),
    });
    Ok([one?, two?])
}

/// Which export is in which file, by generation; `None` where there is none to keep.
pub(super) type Generations = [Option<u64>; 2];

/// Puts an export in the place of the older one, or of both.
pub(super) fn write(root: &Path, known: &mut Generations, generation: u64, bytes: &[u8], turn: Turn) -> io::Result<()> {
    let [one, two] = *known;
    let older = usize::from(two < one);
    for (index, (slot, known)) in SLOTS.iter().zip(known).enumerate() {
        if turn == Turn::Both || index == older {
            files::replace(&root.join(slot), bytes)?;
            *known = Some(generation);
        }
    }
    Ok(())
}

/// Which of the two files to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The one with the older export.
    Older,
    /// Both, because neither may keep what was removed.
    Both,
}

/// Where the exports are.
pub(super) fn paths(root: &Path) -> [PathBuf; 2] {
    SLOTS.map(|slot| root.join(slot))
}

#[cfg(test)]
mod tests {
    use super::super::envelope::Tree;
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |key: &str| Row {
            tree: Tree::Services,
            key: key.to_owned(),
            generation: 3,
            payload: Zeroizing::new(b"payload".to_vec()),
        };
        vec![row("one"), row("two")]
    }

    #[test]
    fn an_export_comes_back_as_it_was_and_no_bit_of_it_can_change() {
        let bytes = encode(9, &rows()).unwrap();
        let back = decode(&bytes).unwrap();
        assert_eq!(back.generation, 9);
        assert_eq!(back.rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&wrong).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn the_newer_export_outlives_the_writing_of_the_next() {
        let root = tempfile::tempdir().unwrap();
        let mut known = [None, None];
        for generation in 1..5 {
            let bytes = encode(generation, &rows()).unwrap();
            write(root.path(), &mut known, generation, &bytes, Turn::Older).unwrap();
            assert!(generation == 1 || known.contains(&Some(generation - 1)), "{known:?}");
        }
        let bytes = encode(9, &rows()).unwrap();
        write(root.path(), &mut known, 9, &bytes, Turn::Both).unwrap();
        assert_eq!(known, [Some(9), Some(9)]);
        for slot in read(root.path()).unwrap() {
            assert!(matches!(slot, Slot::Valid(Export { generation: 9, .. })));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut begun = MAGIC.to_vec();
            begun.extend_from_slice(&bytes);
            let checksum = crc32fast::hash(&begun);
            begun.extend_from_slice(&checksum.to_le_bytes());
            let _ = decode(&bytes);
            let _ = decode(&begun);
        }
    }
}
