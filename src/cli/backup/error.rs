// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a backup was not made or not restored.

use std::io;
use std::path::PathBuf;

use tr::tr;

use crate::cli::exit::Exit;

use tails_server_state::ServiceName;

use super::data::DeliveryError;
use super::passphrase::SHORTEST;
use crate::cli::meter::size;

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
    #[error("{}", tr!("interrupted: nothing was done"))]
    GivenUp,
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
    #[error("{}", tr!("the data of the servers are root's, and you are not root"))]
    NotRoot { file: PathBuf, what: WithData },
    #[error("{}", tr!("the server of \"{name}\" may run, and changes its data while they are read", name = .0))]
    Running(ServiceName),
    #[error("{}", tr!("the data of \"{name}\" that its server works with are not kept yet", name = .0))]
    Behind(ServiceName),
    #[error("{}", tr!("the data of \"{name}\" come out of a backup that was not restored to its end", name = .0))]
    Halfway(ServiceName),
    #[error("{}", tr!("cannot read the data of \"{name}\"", name))]
    ReadData {
        name: ServiceName,
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("the data need {needed}, and there is room for {room}", needed = size(*.needed), room = size(*.room)))]
    NoRoom { needed: u64, room: u64 },
    #[error("{}", tr!("data of servers are read twice, and {path} is a pipe", path = path.display()))]
    ReadOnce { path: PathBuf },
    #[error("{}", tr!("the users of \"{name}\" are missing on this computer", name = .0))]
    NoAccounts(ServiceName),
    #[error("{}", tr!("cannot unpack the data"))]
    Unpack {
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("something has changed here meanwhile"))]
    ChangedMeanwhile,
    #[error("{}", tr!("the data can not be put in place"))]
    Delivery(#[from] DeliveryError),
}

/// What is done with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum WithData {
    BackUp,
    Restore,
}

impl BackupError {
    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self {
            Self::Exists { .. } | Self::NoPassphrase | Self::TooShort | Self::Differ => Exit::Senseless,
            Self::NoTerminal | Self::GivenUp => Exit::NotConfirmed,
            Self::Write { .. }
            | Self::Read { .. }
            | Self::ReadPassphrase { .. }
            | Self::WrongPassphrase
            | Self::NotOurs { .. }
            | Self::TooLarge { .. }
            | Self::TooMuchWork { .. }
            | Self::TooNew { .. }
            | Self::Damaged { .. }
            | Self::NotRoot { .. }
            | Self::Running(_)
            | Self::Behind(_)
            | Self::Halfway(_)
            | Self::ReadData { .. }
            | Self::NoRoom { .. }
            | Self::NoAccounts(_)
            | Self::ReadOnce { .. }
            | Self::Unpack { .. }
            | Self::ChangedMeanwhile
            | Self::Delivery(_) => Exit::Failed,
        }
    }

    pub(in crate::cli) fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some(tr!("Name a file that does not exist yet: none is overwritten")),
            Self::Write { cause, .. }
                if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Some(tr!("Nothing is left of it. Make room there, or name a file on another disk"))
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Name a file in a directory that exists"))
            }
            Self::Read { cause, .. } | Self::ReadPassphrase { cause, .. }
                if cause.kind() == io::ErrorKind::InvalidInput =>
            {
                Some(tr!("Give a file, or a pipe as <(COMMAND) makes one in a shell"))
            }
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a file that `tails-server backup` wrote"))
            }
            Self::ReadPassphrase { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a file whose first line is the passphrase"))
            }
            Self::GivenUp => None,
            Self::Write { .. } | Self::Read { .. } | Self::ReadPassphrase { .. } | Self::ReadData { .. } => None,
            Self::NotRoot { file, what: WithData::BackUp } => {
                Some(tr!("As root: sudo tails-server backup {path} --with-data", path = file.display()))
            }
            Self::NotRoot { file, what: WithData::Restore } => Some(tr!(
                "As root: sudo tails-server restore {path}; or add --without-data, to restore all but the data",
                path = file.display()
            )),
            Self::Running(name) => Some(tr!(
                "Disable it for the time being: tails-server disable {name}; or add --live, if it does not matter that some files may \
                 not fit together",
                name
            )),
            Self::Behind(name) => Some(tr!("Have them kept: tails-server enable {name}, then disable it again", name)),
            Self::Halfway(_) => Some(tr!("Restore that backup once more")),
            Self::NoRoom { .. } => Some(tr!("Make room in /var/lib/tails-server-data, or add --without-data")),
            Self::ReadOnce { .. } => Some(tr!("Write the backup into a file first, or add --without-data")),
            Self::NoAccounts(name) => Some(tr!("Install its server first: tails-server install {name}", name)),
            Self::Unpack { .. } | Self::ChangedMeanwhile => Some(tr!("Nothing was restored; try again")),
            Self::Delivery(DeliveryError::Runs(name)) => {
                Some(tr!("Disable it first: tails-server disable {name}. Nothing was restored", name))
            }
            Self::Delivery(DeliveryError::Place { .. }) => {
                Some(tr!("See whether the disk is there, writable and not full, and restore it once more"))
            }
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
