// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading a tar as it comes, in little memory whatever is in it: the crate `tar` takes names of any length into memory, and
//! knows sorts of entries that no backup has.

use std::io::{self, Read};

use tr::tr;

/// The size of a block of a tar.
const BLOCK: usize = 512;
/// The longest name and the longest link. PATH_MAX of Linux
const MOST_NAME_BYTES: u64 = 4096;
/// The most bytes after the end: `tar` fills the last 20 blocks.
const MOST_FILLING_BYTES: u64 = 1 << 16;

/// What sort of thing an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::backup) enum Kind {
    File,
    Directory,
    /// With what it leads to.
    Link(Vec<u8>),
}

/// One thing in a tar.
#[derive(Debug)]
pub(in crate::cli::backup) struct Entry {
    pub(in crate::cli::backup) path: Vec<u8>,
    pub(in crate::cli::backup) kind: Kind,
    pub(in crate::cli::backup) size: u64,
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) changed: u64,
    pub(super) user: String,
    pub(super) group: String,
}

/// A tar that is read from the beginning to the end.
pub(in crate::cli::backup) struct Entries<R> {
    reader: R,
    /// What of the entry was not read yet.
    body: u64,
    /// What fills its last block.
    filling: u64,
}

impl<R: Read> Entries<R> {
    pub(in crate::cli::backup) const fn new(reader: R) -> Self {
        Self { reader, body: 0, filling: 0 }
    }

    /// The next thing; nothing after the last, when all was read. What is in no backup is an error: links to other entries,
    /// devices, and all that only some programs write.
    pub(in crate::cli::backup) fn next(&mut self) -> io::Result<Option<Entry>> {
        let (mut long_path, mut long_link) = (None, None);
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = header.entry_size().map_err(|_| malformed())?;
            self.body = size;
            self.filling = size.checked_next_multiple_of(BLOCK as u64).ok_or_else(malformed)? - size;
            let kind = header.entry_type();
            if kind.is_gnu_longname() || kind.is_gnu_longlink() {
                let slot = if kind.is_gnu_longname() { &mut long_path } else { &mut long_link };
                if slot.is_some() || size > MOST_NAME_BYTES {
                    return Err(malformed());
                }
                *slot = Some(self.name()?);
                continue;
            }
            let path = long_path.take().unwrap_or_else(|| header.path_bytes().into_owned());
            let link = || long_link.take().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
            let kind = if kind.is_file() {
                Kind::File
            } else if kind.is_dir() && size == 0 {
                Kind::Directory
            } else if kind.is_symlink() && size == 0 {
                Kind::Link({ link }().ok_or_else(malformed)?)
            } else {
                return Err(malformed());
            };
            let name = |name: Option<&[u8]>| {
                name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default().to_owned()
            };
            let (user, group) = (name(header.username_bytes()), name(header.groupname_bytes()));
            // What makes no sense gives nobody any rights.
            let (mode, changed) = (header.mode().unwrap_or(0), header.mtime().unwrap_or(0));
            return Ok(Some(Entry { path, kind, size, mode, changed, user, group }));
        }
    }

    fn name(&mut self) -> io::Result<Vec<u8>> {
        let mut name = Vec::new();
        self.read_to_end(&mut name)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    /// Reads over what is left of an entry.
    fn skip(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink())?;
        let filling = std::mem::take(&mut self.filling);
        if io::copy(&mut (&mut self.reader).take(filling), &mut io::sink())? == filling {
            Ok(())
        } else {
            Err(malformed())
        }
    }

    fn header(&mut self) -> io::Result<Option<tar::Header>> {
        let (mut header, mut block) = (tar::Header::new_old(), Vec::with_capacity(BLOCK));
        // By hand: that there is no more is another failure than one of whoever it is read from.
        if (&mut self.reader).take(BLOCK as u64).read_to_end(&mut block)? < BLOCK {
            return Err(malformed());
        }
        header.as_mut_bytes().copy_from_slice(&block);
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            // To the end, or nobody knows that it was not cut off.
            let mut filling = Vec::new();
            (&mut self.reader).take(MOST_FILLING_BYTES + 1).read_to_end(&mut filling)?;
            let is_filling = filling.len() as u64 <= MOST_FILLING_BYTES && filling.iter().all(|byte| *byte == 0);
            return if is_filling { Ok(None) } else { Err(malformed()) };
        }
        let bytes = header.as_bytes();
        // pax(1): with spaces where it is itself.
        let counted = |(at, byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
        let sum: u32 = bytes.iter().enumerate().map(counted).sum();
        if header.cksum().is_ok_and(|told| told == sum) { Ok(Some(header)) } else { Err(malformed()) }
    }
}

/// What is in the entry.
impl<R: Read> Read for Entries<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.reader).take(self.body).read(bytes)?;
        if read == 0 && self.body > 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.body -= read as u64;
        Ok(read)
    }
}

/// It is no tar, or none that a backup has in it.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("it is no backup of Tails Server's"))]
struct Malformed;

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Malformed)
}

/// Whether it is the tar itself that is wrong, and not what it is read from.
pub(in crate::cli::backup) fn is_malformed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Malformed>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(kind: tar::EntryType, name: &str, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(size);
        header.set_mode(0o640);
        header.set_mtime(7);
        header.set_cksum();
        header
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(String, Kind, Vec<u8>)>> {
        let mut entries = Entries::new(bytes);
        let mut all = Vec::new();
        while let Some(entry) = entries.next()? {
            let mut body = Vec::new();
            entries.read_to_end(&mut body)?;
            all.push((String::from_utf8_lossy(&entry.path).into_owned(), entry.kind, body));
        }
        Ok(all)
    }

    #[test]
    fn what_the_crate_writes_is_read_with_long_names_and_links() {
        let mut builder = tar::Builder::new(Vec::new());
        let long = format!("data/{}/file", "long/".repeat(60));
        builder.append_data(&mut header(tar::EntryType::Regular, "", 600), &long, &[7; 600][..]).unwrap();
        let target = "../".repeat(70);
        builder.append_link(&mut header(tar::EntryType::Symlink, "", 0), "data/link", &target).unwrap();
        builder.append_data(&mut header(tar::EntryType::Directory, "", 0), "data/directory", &[][..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        let all = read(&bytes).unwrap();
        assert_eq!(all[0], (long, Kind::File, vec![7; 600]));
        assert_eq!(all[1].1, Kind::Link(target.into_bytes()));
        assert_eq!(all[2].1, Kind::Directory);
        for end in 0..bytes.len() {
            // Of the blocks at the end, the second is of no use.
            assert_eq!(read(&bytes[..end]).is_ok(), end >= bytes.len() - BLOCK, "cut off at {end}");
        }
    }

    #[test]
    fn what_is_in_no_backup_is_refused_and_nothing_of_it_is_taken_into_memory() {
        use tar::EntryType as T;
        let huge = 1 << 60;
        for (what, header) in [
            ("a hard link", header(T::Link, "a", 0)),
            ("a device", header(T::Char, "a", 0)),
            ("a disk", header(T::Block, "a", 0)),
            ("a pipe", header(T::Fifo, "a", 0)),
            ("a sparse file of GNU's", header(T::GNUSparse, "a", 0)),
            ("more than ustar", header(T::XHeader, "a", 0)),
            ("the same for all", header(T::XGlobalHeader, "a", huge)),
            ("a name without end", header(T::GNULongName, "a", huge)),
            ("a link without end", header(T::GNULongLink, "a", huge)),
            ("a directory with a body", header(T::Directory, "a", 512)),
            ("a file without end", header(T::Regular, "a", u64::MAX)),
            ("a file that is cut off", header(T::Regular, "a", huge)),
        ] {
            let bytes = [header.as_bytes().as_slice(), &[0; 1024]].concat();
            assert!(read(&bytes).is_err(), "{what}");
        }
        let mut wrong = header(T::Regular, "a", 0);
        wrong.as_mut_bytes()[0] = b'b';
        assert!(read(&[wrong.as_bytes().as_slice(), &[0; 1024]].concat()).is_err());
        assert!(read(&[&[0; 1024][..], b"more"].concat()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = read(&bytes);
        }
    }
}
