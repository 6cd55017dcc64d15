// SPDX-License-Identifier: GPL-3.0-or-later
//! Passphrases: asked for on the terminal without showing them, read from a file, or made up. Never from the command line or
//! the environment, where other programs see them.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use tr::tr;
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::cli::args::Passphrase;
use crate::cli::given;
use crate::cli::keyboard::{Echo, Keyboard, Typed};

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
pub(super) async fn for_new(from: &Passphrase) -> Result<Text, BackupError> {
    let passphrase = match from.passphrase_file.as_ref().filter(|_| !is_typed(from)) {
        Some(path) => read(path)?,
        None => {
            let keyboard = keyboard()?;
            let passphrase = ask(&keyboard, &tr!("Passphrase for the backup: ")).await?;
            ensure_long(&passphrase)?;
            if *ask(&keyboard, &tr!("The same once more: ")).await? != *passphrase {
                return Err(BackupError::Differ);
            }
            passphrase
        }
    };
    ensure_long(&passphrase)?;
    Ok(passphrase)
}

/// The passphrase of a backup that is there.
pub(super) async fn for_known(from: &Passphrase) -> Result<Text, BackupError> {
    match from.passphrase_file.as_ref().filter(|_| !is_typed(from)) {
        Some(path) => read(path),
        None => ask(&keyboard()?, &tr!("Passphrase of the backup: ")).await,
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
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        given::open(path).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|cause| failed(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
    // What is cut off, or can not be typed, nobody finds again when it is to be restored.
    if line.len() > MOST_BYTES || text.chars().any(char::is_control) {
        let why = tr!("its first line is longer than {most} bytes, or has control characters", most = MOST_BYTES);
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    if text.is_empty() { Err(BackupError::NoPassphrase) } else { Ok(Zeroizing::new(text.to_owned())) }
}

/// Asks on the terminal, which shows nothing of what is typed.
async fn ask(keyboard: &Keyboard, question: &str) -> Result<Text, BackupError> {
    let failed = |cause| BackupError::Read { path: "/dev/tty".into(), cause };
    let line = match keyboard.ask(question).await.map_err(failed)? {
        Typed::Line(line) => line,
        Typed::End => return Err(BackupError::NoPassphrase),
        Typed::Interrupted => return Err(BackupError::GivenUp),
    };
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = std::str::from_utf8(line).map_err(|cause| failed(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn keyboard() -> Result<Keyboard, BackupError> {
    Keyboard::open(Echo::Hidden).map_err(|_| BackupError::NoTerminal)
}

/// Whether it is to be typed: where nobody says where else it is, or that is a terminal, too.
fn is_typed(from: &Passphrase) -> bool {
    from.passphrase_file.as_ref().is_none_or(|path| path == Path::new("-") && io::stdin().is_terminal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_made_up_is_long_and_never_the_same() {
        let [one, other] = [make_up().unwrap(), make_up().unwrap()];
        assert_ne!(one, other);
        assert_eq!(one.len(), GROUPS * GROUP + GROUPS - 1);
        assert!(one.split('-').all(|group| group.len() == GROUP) && ensure_long(&one).is_ok());
    }

    #[test]
    fn a_line_that_would_be_cut_or_can_not_be_typed_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |content: Vec<u8>| {
            std::fs::write(file.path(), content).unwrap();
            super::read(file.path())
        };
        assert_eq!(with(vec![b'x'; MOST_BYTES]).unwrap().len(), MOST_BYTES);
        assert!(with(vec![b'x'; MOST_BYTES + 1]).is_err() && with(b"a\x1bb".to_vec()).is_err());
    }

    #[test]
    fn what_is_short_is_refused() {
        assert!(matches!(ensure_long(""), Err(BackupError::NoPassphrase)));
        assert!(matches!(ensure_long("1234567"), Err(BackupError::TooShort)));
        assert!(ensure_long("12345678").is_ok());
    }
}
