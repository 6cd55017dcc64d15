// SPDX-License-Identifier: GPL-3.0-or-later
//! The file that proves to Tor that we may control it.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The size of a cookie.
pub(super) const COOKIE_BYTES: usize = 32;

/// A cookie: wiped on drop.
pub(super) type Cookie = Zeroizing<[u8; COOKIE_BYTES]>;

/// The names that distributions give to Tor's own user.
const TOR_USERS: &[&str] = &["debian-tor", "_tor", "tor", "toranon"];

/// Whose file is believed to be Tor's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Anybody's: we, or whoever may make a socket at the address, named the file.
    Anybody,
    /// Root's, our own or that of Tor's user: any local user can listen on a free TCP port and name a file of its own.
    Tor,
}

/// Reads a cookie. The path may come from the peer: nothing but a small regular file is read, and nothing blocks for ever.
pub(super) fn read(path: &Path, owner: Owner) -> Result<Cookie, CookieError> {
    if !path.is_absolute() {
        return Err(CookieError::RelativePath);
    }
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).expect("the flags of open(2) are an int");
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(CookieError::Read)?;
    let metadata = file.metadata().map_err(CookieError::Read)?;
    if !metadata.is_file() {
        return Err(CookieError::NotAFile);
    }
    if owner == Owner::Tor {
        if !is_tors(metadata.uid()) {
            return Err(CookieError::Owner { uid: metadata.uid() });
        }
        // A file that everybody may read is no secret; any of the system's that has the right size would do.
        if metadata.mode() & 0o007 != 0 {
            return Err(CookieError::Open);
        }
    }
    if metadata.len() != COOKIE_BYTES as u64 {
        return Err(CookieError::Size { bytes: metadata.len() });
    }
    let mut cookie = Zeroizing::new([0; COOKIE_BYTES]);
    file.read_exact(cookie.as_mut_slice()).map_err(CookieError::Read)?;
    Ok(cookie)
}

/// Whether this user may be the one that a Tor runs as which we speak with.
fn is_tors(uid: u32) -> bool {
    // passwd(5). What cannot be read names nobody.
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |line: &str| {
        let mut fields = line.split(':');
        fields.next().is_some_and(|name| TOR_USERS.contains(&name)) && fields.nth(1) == Some(uid.to_string().as_str())
    };
    uid == 0 || uid == rustix::process::geteuid().as_raw() || users.lines().any(named)
}

/// Why the cookie could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CookieError {
    /// Opening or reading failed.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// Relative to what?
    #[error("its path is not absolute")]
    RelativePath,
    /// A directory, a device, a pipe.
    #[error("it is not a regular file")]
    NotAFile,
    /// Somebody may have written it who only pretends to be Tor.
    #[error("it belongs to user {uid}, which is neither Tor's nor your own")]
    Owner {
        /// The user's number.
        uid: u32,
    },
    /// Everybody may read it, so whoever knows what is in it need not be Tor.
    #[error("it is open to every user")]
    Open,
    /// Something else, or Tor is writing it right now.
    #[error("it has {bytes} bytes instead of {COOKIE_BYTES}")]
    Size {
        /// The size found.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_the_right_size_is_read() {
        let place = tempfile::tempdir().unwrap();
        for bytes in [0, 31, 33, 1 << 20] {
            let path = place.path().join(bytes.to_string());
            std::fs::write(&path, vec![7; bytes]).unwrap();
            assert!(
                matches!(read(&path, Owner::Anybody), Err(CookieError::Size { bytes: found }) if found == bytes as u64)
            );
        }
        let right = place.path().join("right");
        std::fs::write(&right, [7; COOKIE_BYTES]).unwrap();
        assert_eq!(*read(&right, Owner::Anybody).unwrap(), [7; COOKIE_BYTES]);

        let fifo = place.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        assert!(matches!(read(&fifo, Owner::Anybody), Err(CookieError::NotAFile)));
        assert!(matches!(read(place.path(), Owner::Anybody), Err(CookieError::NotAFile)));
        assert!(matches!(read(Path::new("/dev/zero"), Owner::Anybody), Err(CookieError::NotAFile)));
        assert!(matches!(read(Path::new("control.authcookie"), Owner::Anybody), Err(CookieError::RelativePath)));
        assert!(matches!(read(&place.path().join("none"), Owner::Anybody), Err(CookieError::Read(_))));
    }

    #[test]
    fn a_cookie_that_any_user_may_have_written_is_not_tors() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("cookie");
        std::fs::write(&path, [7; COOKIE_BYTES]).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(matches!(read(&path, Owner::Tor), Err(CookieError::Open)), "anybody knows what is in it");
        mode(0o640);
        assert!(read(&path, Owner::Tor).is_ok(), "our own Tor is ours");
        let nobody = 65534;
        assert!(!is_tors(nobody));
        // Giving a file away takes root.
        if std::os::unix::fs::chown(&path, Some(nobody), None).is_ok() {
            assert!(matches!(read(&path, Owner::Tor), Err(CookieError::Owner { uid }) if uid == nobody));
            assert!(read(&path, Owner::Anybody).is_ok());
        }
    }
}
