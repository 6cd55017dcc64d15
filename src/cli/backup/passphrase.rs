// SPDX-License-Identifier: GPL-3.0-or-later
//! Passphrases: asked for on the terminal without showing them, read from a file, or made up. Never from the command line or
//! the environment, where other programs see them.
//!
//! The terminal is switched with rustix, which is here already; a crate for it would do the same in as many lines, and leave
//! the terminal silent when Ctrl-C is pressed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tr::tr;
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::cli::args::Passphrase;

/// The fewest characters of a passphrase that is set.
// Whoever has the file can try one a second on each of many computers: what is shorter is found.
pub(super) const SHORTEST: usize = 8;
/// The most bytes of one.
const MOST_BYTES: usize = 1024;
/// Random bytes of one that is made up: 125 bits are in 25 characters of base32.
const RANDOM_BYTES: usize = 16;
const GROUP: usize = 5;
const GROUPS: usize = 5;

type Text = Zeroizing<String>;

/// The passphrase for a new backup.
pub(super) fn for_new(from: &Passphrase) -> Result<Text, BackupError> {
    let passphrase = match &from.passphrase_file {
        Some(path) => read(path)?,
        None => {
            let mut terminal = Terminal::open()?;
            let passphrase = terminal.ask(&tr!("Passphrase for the backup: "))?;
            ensure_long(&passphrase)?;
            if *terminal.ask(&tr!("The same once more: "))? != *passphrase {
                return Err(BackupError::Differ);
            }
            passphrase
        }
    };
    ensure_long(&passphrase)?;
    Ok(passphrase)
}

/// The passphrase of a backup that is there.
pub(super) fn for_known(from: &Passphrase) -> Result<Text, BackupError> {
    match &from.passphrase_file {
        Some(path) => read(path),
        None => Terminal::open()?.ask(&tr!("Passphrase of the backup: ")),
    }
}

/// A new one, such as `k3v7q-...`: five groups of letters and digits that are hard to mix up.
pub(super) fn make_up() -> io::Result<Text> {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(&mut *random).map_err(io::Error::other)?;
    let letters = Zeroizing::new(base32::encode(base32::Alphabet::Rfc4648Lower { padding: false }, &*random));
    let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
    for (at, letter) in letters.chars().take(GROUP * GROUPS).enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    Ok(text)
}

fn ensure_long(passphrase: &str) -> Result<(), BackupError> {
    match passphrase.chars().count() {
        0 => Err(BackupError::NoPassphrase),
        count if count < SHORTEST => Err(BackupError::TooShort),
        _ => Ok(()),
    }
}

/// The first line of a file, or of standard input.
fn read(path: &Path) -> Result<Text, BackupError> {
    let failed = |cause| BackupError::ReadPassphrase { path: path.to_owned(), cause };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    let most = MOST_BYTES as u64;
    if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|cause| failed(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
    if text.is_empty() { Err(BackupError::NoPassphrase) } else { Ok(Zeroizing::new(text.to_owned())) }
}

/// The terminal, showing nothing of what is typed. It is as it was before on drop.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> Result<Self, BackupError> {
        let file = File::options().read(true).write(true).open("/dev/tty").map_err(|_| BackupError::NoTerminal)?;
        let before = tcgetattr(&file).map_err(|_| BackupError::NoTerminal)?;
        let mut silent = before.clone();
        // Keys one by one, Ctrl-C among them: a program that ends at it would leave the terminal silent.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&file, OptionalActions::Flush, &silent).map_err(|_| BackupError::NoTerminal)?;
        Ok(Self { file, before })
    }

    fn ask(&mut self, question: &str) -> Result<Text, BackupError> {
        let failed = |cause| BackupError::Read { path: "/dev/tty".into(), cause };
        write!(self.file, "{question}").and_then(|()| self.file.flush()).map_err(failed)?;
        let answer = line(Keys(&self.file)).map_err(failed)?;
        writeln!(self.file).map_err(failed)?;
        answer.ok_or(BackupError::NoPassphrase)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nothing to make good.
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
    }
}

/// The keys of a terminal. Nothing is read ahead: what is typed after Enter is not for us.
struct Keys<'a>(&'a File);

impl Iterator for Keys<'_> {
    type Item = io::Result<u8>;

    fn next(&mut self) -> Option<io::Result<u8>> {
        let mut key = [0];
        match self.0.read(&mut key) {
            Ok(0) => None,
            Ok(_) => Some(Ok(u8::from_ne_bytes(key))),
            Err(cause) => Some(Err(cause)),
        }
    }
}

/// What is typed until Enter; nothing if it is given up.
fn line(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Option<Text>> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    // Of its final size at once: text that grows leaves copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    for key in keys {
        match key? {
            b'\n' | b'\r' => {
                let text = std::str::from_utf8(&typed);
                let text = text.map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
                return Ok(Some(Zeroizing::new(text.to_owned())));
            }
            CTRL_C => return Ok(None),
            CTRL_D if typed.is_empty() => return Ok(None),
            BACKSPACE | DELETE => {
                // All bytes of a letter.
                while typed.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            CTRL_U => typed.clear(),
            key if typed.len() < MOST_BYTES => typed.push(key),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        line(keys.iter().copied().map(Ok)).unwrap().map(|text| text.to_string())
    }

    #[test]
    fn keys_are_taken_as_a_terminal_takes_them() {
        for (keys, text) in [
            (&b"secret\n"[..], Some("secret")),
            (b"secrex\x7ft\r", Some("secret")),
            ("sü\x7fecret\n".as_bytes(), Some("secret")),
            (b"other\x15secret\n", Some("secret")),
            (b"sec\x03ret\n", None),
            (b"\x04", None),
            (b"\x7f\x7f\n", Some("")),
            (b"no end", None),
        ] {
            assert_eq!(typed(keys).as_deref(), text, "{keys:?}");
        }
    }

    #[test]
    fn one_that_is_made_up_is_long_and_never_the_same() {
        let [one, other] = [make_up().unwrap(), make_up().unwrap()];
        assert_ne!(one, other);
        assert_eq!(one.len(), GROUPS * GROUP + GROUPS - 1);
        assert!(one.split('-').all(|group| group.len() == GROUP) && ensure_long(&one).is_ok());
    }

    #[test]
    fn what_is_short_is_refused() {
        assert!(matches!(ensure_long(""), Err(BackupError::NoPassphrase)));
        assert!(matches!(ensure_long("1234567"), Err(BackupError::TooShort)));
        assert!(ensure_long("12345678").is_ok());
    }
}
