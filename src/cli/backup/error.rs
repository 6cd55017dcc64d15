// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a backup was not made or not restored.

use std::io;
use std::path::PathBuf;

use tr::tr;

use crate::cli::exit::Exit;

use super::passphrase::SHORTEST;

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum BackupError {
    #[error("{}", tr!("the file {path} exists already", path = path.display()))]
    Exists { path: PathBuf },
    #[error("{}", tr!("cannot write {path}", path = path.display()))]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("cannot read {path}", path = path.display()))]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("cannot read {path}", path = path.display()))]
    ReadPassphrase {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("there is no terminal to ask for the passphrase on"))]
    NoTerminal,
    #[error("{}", tr!("no passphrase was given"))]
    NoPassphrase,
    #[error("{}", tr!("the passphrase is too short: it has less than {least} characters", least = SHORTEST))]
    TooShort,
    #[error("{}", tr!("the two passphrases are not the same"))]
    Differ,
    #[error("{}", tr!("the passphrase is wrong, or the beginning of the file is damaged"))]
    WrongPassphrase,
    #[error("{}", tr!("the file {path} is no backup of Tails Server's", path = path.display()))]
    NotOurs { path: PathBuf },
    #[error("{}", tr!("the file {path} is larger than any backup", path = path.display()))]
    TooLarge { path: PathBuf },
    #[error("{}", tr!("to open {path} would take more time and memory than for any backup of Tails Server's", path = path.display()))]
    TooMuchWork { path: PathBuf },
    #[error("{}", tr!("the file {path} is a backup of a newer Tails Server: it has version {version}", path = path.display(), version))]
    TooNew { path: PathBuf, version: u32 },
    #[error("{}", tr!("the backup {path} is damaged", path = path.display()))]
    Damaged { path: PathBuf },
}

impl BackupError {
    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self {
            Self::Exists { .. } | Self::NoPassphrase | Self::TooShort | Self::Differ => Exit::Senseless,
            Self::NoTerminal => Exit::NotConfirmed,
            Self::Write { .. }
            | Self::Read { .. }
            | Self::ReadPassphrase { .. }
            | Self::WrongPassphrase
            | Self::NotOurs { .. }
            | Self::TooLarge { .. }
            | Self::TooMuchWork { .. }
            | Self::TooNew { .. }
            | Self::Damaged { .. } => Exit::Failed,
        }
    }

    pub(in crate::cli) fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some(tr!("Name a file that does not exist yet: no backup is overwritten")),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Name a file in a directory that exists"))
            }
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a file that `tails-server backup` wrote"))
            }
            Self::ReadPassphrase { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a file whose first line is the passphrase"))
            }
            Self::Write { .. } | Self::Read { .. } | Self::ReadPassphrase { .. } => None,
            Self::NoTerminal => Some(tr!("Put the passphrase into a file, and add --passphrase-file FILE")),
            Self::NoPassphrase | Self::TooShort => {
                Some(tr!("Take several words that nobody would guess, or add --generate-passphrase"))
            }
            Self::Differ => Some(tr!("Nothing was written; try again")),
            Self::WrongPassphrase => Some(tr!(
                "Try again, and mind capitals and the layout of the keyboard; or use another copy of the file"
            )),
            Self::NotOurs { .. } | Self::TooLarge { .. } | Self::TooMuchWork { .. } => {
                Some(tr!("Give a file that `tails-server backup` wrote"))
            }
            Self::TooNew { .. } => Some(tr!("Restore it with the version that made it, or a later one")),
            Self::Damaged { .. } => Some(tr!("Nothing was restored. Use another copy of it, or an earlier backup")),
        }
    }
}
