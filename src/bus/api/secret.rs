// SPDX-License-Identifier: GPL-3.0-or-later
//! Secrets on their way over D-Bus: in a file descriptor beside the message, which whoever monitors a bus does not read.
//!
//! That goes as far as this: a monitor is handed the descriptor, too, if it asks for descriptors, and may then read it. On
//! the system bus that is root alone. No message, and so no recording of messages, has the secret in it.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use zeroize::Zeroizing;

/// The most bytes of a secret that is taken from somebody.
pub const MAX_SECRET: usize = 64 * 1024;
/// Whoever hands over a pipe has the secret at hand, and writes it at once.
const PIPE_PATIENCE: Duration = Duration::from_secs(5);
/// What makes sure that memory stays as it is while it is read.
const FIXED: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// Puts a secret where whoever gets the file descriptor can read it: sealed memory, read from its beginning to its end.
///
/// # Errors
/// The system has no memory or no file descriptors left.
pub fn hand_over(secret: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create("tails-server-secret", flags)?;
    let mut rest = secret;
    while !rest.is_empty() {
        let written = rustix::io::write(&memory, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fcntl_add_seals(&memory, FIXED | SealFlags::SEAL)?;
    rustix::fs::seek(&memory, rustix::fs::SeekFrom::Start(0))?;
    Ok(memory)
}

/// Reads a secret of at most so many bytes: from sealed memory, or from a pipe to its end.
///
/// # Errors
/// It is something else, such as a file, whose reading may never end; it is longer; or the pipe has no end within seconds.
pub async fn take(from: OwnedFd, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let refused = |why| io::Error::new(ErrorKind::InvalidInput, why);
    // Neither question reaches a file system: one that hangs would hang us, and it is asked whatever the file is by fstat.
    let seals = rustix::fs::fcntl_get_seals(&from).unwrap_or(SealFlags::empty());
    let secret = if seals.contains(FIXED) {
        read_memory(&from, most)?
    } else if rustix::pipe::fcntl_getpipe_size(&from).is_ok() {
        let flags = rustix::fs::fcntl_getfl(&from)?;
        if flags & OFlags::ACCMODE == OFlags::WRONLY {
            return Err(refused("it is the writing end of a pipe"));
        }
        rustix::fs::fcntl_setfl(&from, flags | OFlags::NONBLOCK)?;
        let read = read_pipe(pipe::Receiver::from_owned_fd_unchecked(from)?, most);
        tokio::time::timeout(PIPE_PATIENCE, read).await.map_err(|_| refused("the pipe has no end"))??
    } else {
        // What is no memory has no seals, and what is not sealed may change while it is read.
        return Err(refused("it is neither a pipe nor sealed memory"));
    };
    secret.ok_or_else(|| refused("it is too long"))
}

/// All of it, from its beginning wherever others have read it to; nothing if it is longer.
fn read_memory(memory: impl AsFd, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let size = usize::try_from(rustix::fs::fstat(&memory)?.st_size).unwrap_or(usize::MAX);
    if size > most {
        return Ok(None);
    }
    let mut secret = Zeroizing::new(vec![0; size]);
    let mut read = 0;
    while let Some(rest) = secret.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let count = rustix::io::pread(&memory, rest, read as u64)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        read += count;
    }
    Ok(Some(secret))
}

/// All of it; nothing if it is longer.
async fn read_pipe(mut pipe: pipe::Receiver, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Of its final size at once: memory that has to grow leaves copies behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(most + 1));
    while secret.len() <= most {
        if pipe.read_buf(&mut *secret).await? == 0 {
            return Ok(Some(secret));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_handed_over_is_taken_as_often_as_it_is_read() {
        for secret in [&b""[..], b"key", &[7; 5000]] {
            let handed = hand_over(secret).unwrap();
            for _ in 0..2 {
                assert_eq!(*take(handed.try_clone().unwrap(), 5000).await.unwrap(), secret);
            }
            assert!(secret.is_empty() || take(handed.try_clone().unwrap(), secret.len() - 1).await.is_err());
            assert!(rustix::io::write(&handed, b"other").is_err(), "it stays as it is");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_is_read_to_its_end_and_not_for_ever() {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writing, b"secret").unwrap();
        drop(writing);
        assert_eq!(*take(reading, 6).await.unwrap(), b"secret");
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writing, b"secrets").unwrap();
        assert!(take(reading, 6).await.is_err(), "it is too long");
        let (reading, _open) = rustix::pipe::pipe().unwrap();
        assert!(take(reading, 6).await.is_err(), "it has no end");
        drop(writing);
    }

    #[tokio::test]
    async fn nothing_is_read_that_may_never_end_or_change_meanwhile() {
        let file = tempfile::tempfile().unwrap();
        assert!(take(file.into(), 6).await.is_err());
        assert!(take(std::fs::File::open("/dev/zero").unwrap().into(), 6).await.is_err());
        let open = rustix::fs::memfd_create("open", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(take(open, 6).await.is_err());
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(take(socket.into(), 6).await.is_err());
        let (_reading, writing) = rustix::pipe::pipe().unwrap();
        assert!(take(writing, 6).await.is_err());
        assert!(take(std::fs::File::open("/").unwrap().into(), 6).await.is_err());
    }
}
