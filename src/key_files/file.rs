// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading a small file that may be a secret: not through a link, not a device, not without bound.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::{ImportError, Unsuitable};

/// The largest file that is read.
// Settings of OnionShare list the files to share, and a path has up to 4 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// What was in a file.
pub(super) struct Contents {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Whether others than the owner may read it.
    pub(super) is_exposed: bool,
}

/// Reads a file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Contents>, ImportError> {
    let failed = |cause: io::Error| ImportError::Read { path: path.to_owned(), cause };
    // NONBLOCK: nobody shall wait for the other end of a named pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(ImportError::Symlink { path: path.to_owned() }),
        Err(Errno::NXIO) => return Err(ImportError::NotAFile { path: path.to_owned() }),
        Err(cause) => return Err(failed(cause.into())),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(ImportError::NotAFile { path: path.to_owned() });
    }
    let too_large = || ImportError::Unsuitable { path: path.to_owned(), reason: Unsuitable::TooLarge };
    if about.len() > MAX_BYTES {
        return Err(too_large());
    }
    // Room for all of it and one byte more, so that nothing grows: bytes that grow leave copies behind.
    let room = usize::try_from(about.len()).map_err(|_| too_large())? + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match (&file).read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed(cause)),
        }
    }
    if filled == room {
        // It has grown meanwhile.
        return Err(too_large());
    }
    bytes.truncate(filled);
    Ok(Some(Contents { bytes, is_exposed: about.permissions().mode() & 0o077 != 0 }))
}
