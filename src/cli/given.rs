// SPDX-License-Identifier: GPL-3.0-or-later
//! Opening a file that a person names: never one that has to be waited for.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, fstatfs, open as open_at};
use rustix::io::Errno;
use tr::tr;

/// The file system of pipes without a name.
// linux/magic.h, PIPEFS_MAGIC
const PIPES: u64 = 0x5049_5045;

/// Opens a file to read it: a regular one, or a pipe that a shell made for `<(command)` or `/dev/stdin`.
///
/// # Errors
/// Anything else is refused: a named pipe has nobody at its other end, a device may never end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // NONBLOCK: nobody waits for the other end of a named pipe. NOCTTY: no terminal becomes that of this program.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open_at(path, flags, Mode::empty()).map_err(|cause| match cause {
        // open(2): what only a socket, or a device that is not there, answers.
        Errno::NXIO => refused(tr!("it is no file, but a socket")),
        cause => cause.into(),
    })?;
    let about = fstat(&file)?;
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => {}
        FileType::Fifo if is_nameless(&file)? => {
            // Whoever writes into it may take their time. The flag is that of this opening alone.
            fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        }
        FileType::Directory => return Err(refused(tr!("it is no file, but a directory"))),
        FileType::Fifo => return Err(refused(tr!("it is no file, but a named pipe"))),
        FileType::CharacterDevice | FileType::BlockDevice => {
            return Err(refused(tr!("it is no file, but a device")));
        }
        FileType::Socket | FileType::Symlink | FileType::Unknown => {
            return Err(refused(tr!("it is no file, but a socket")));
        }
    }
    Ok(file.into())
}

fn is_nameless(file: &impl std::os::fd::AsFd) -> io::Result<bool> {
    Ok(u64::try_from(fstatfs(file)?.f_type).is_ok_and(|kind| kind == PIPES))
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let (pipe, socket) = (place.path().join("pipe"), place.path().join("socket"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listening = UnixListener::bind(&socket).unwrap();
        for (path, word) in [
            (pipe.as_path(), "named pipe"),
            (&socket, "socket"),
            (place.path(), "directory"),
            (Path::new("/dev/zero"), "device"),
            (Path::new("/dev/null"), "device"),
        ] {
            let refused = open(path).unwrap_err().to_string();
            assert!(refused.contains(word), "{}: {refused}", path.display());
        }
        assert_eq!(open(&place.path().join("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_pipe_of_a_shell_is_read_to_its_end_however_long_that_takes() {
        let (reading, mut writing) = io::pipe().unwrap();
        let mut file = open(Path::new(&format!("/proc/self/fd/{}", reading.as_raw_fd()))).unwrap();
        // It is empty: what does not wait would say so here, and what waits goes on once something is written.
        let writer = std::thread::spawn(move || {
            writing.write_all(b"later").unwrap();
        });
        drop(reading);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        writer.join().unwrap();
        assert_eq!(text, "later");
    }
}
