// SPDX-License-Identifier: GPL-3.0-or-later
//! Backups: all that is remembered out, and back in, on this machine or on another.
//!
//! Restoring never changes what is here in silence. What is here and in the backup with another key or other wishes is left
//! alone unless replacing it was asked for, and what is not in the backup stays in any case. What is restored is disabled, and
//! not enabled by a boot either, unless enabling it was asked for: the machine that the backup was made on may still publish
//! it, and one key on two machines makes both hard to reach, and shows to whoever watches the HSDirs that there are two.
//! What is here with the same key already adds no such risk, and stays as enabled as it is.

mod convert;
mod examine;
mod form;

use tails_server_state::{ServiceName, Store};
use zeroize::Zeroizing;

use crate::controller::error::RequestError;
use crate::controller::handle::{About, Controller};

/// The most bytes of a backup that are read: what hundreds of services with as many clients as Tor takes need, a hundred bytes
/// a client, or tens of thousands of services without.
pub const MAX_ARCHIVE_BYTES: usize = 16 * 1024 * 1024;

/// How a backup is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreMode {
    /// What becomes of what is here otherwise.
    pub existing: Existing,
    /// Whether what was enabled is enabled.
    pub wishes: Waking,
}

/// What becomes of what is here with the same name and otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays.
    #[default]
    Stays,
    /// It is replaced, its key included.
    IsReplaced,
}

/// Whether services that were enabled when the backup was made are enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waking {
    /// None is.
    #[default]
    Asleep,
    /// They are, now and, if they were to be, after a boot.
    Awake,
}

/// What sort of thing is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldKind {
    /// A service of ours.
    Service,
    /// A service of somebody else.
    Joined,
    /// A key that somebody was asked to let in.
    Request,
}

/// One thing of a backup, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// What it is.
    pub kind: HeldKind,
    /// Its name.
    pub name: String,
    /// How it compares with what is here.
    pub verdict: Verdict,
    /// What is another here: `key`, `ports`, `clients` and the like.
    pub differences: Vec<&'static str>,
    /// Whether it is added or replaced.
    pub is_done: bool,
    /// Whether it is enabled once it is done.
    pub is_enabled: bool,
    /// Whether it was enabled when the backup was made.
    pub was_enabled: bool,
    /// Why it can not be used here as it is.
    pub problem: Option<String>,
}

/// How something of a backup compares with what is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing of its name is here.
    New,
    /// It is here as it is in the backup.
    Same,
    /// Something else of its name is here, or it is otherwise.
    Different,
    /// Its key or its address is here under this name.
    Taken(ServiceName),
}

/// Why bytes are no backup that can be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArchive {
    /// Something else.
    #[error("it is no backup of Tails Server's")]
    NotOurs,
    /// A later version wrote it.
    #[error("it is a backup of a newer Tails Server: it has version {0}")]
    TooNew(u32),
    /// It is not as this program writes it.
    #[error("the backup is damaged")]
    Form,
    /// One thing in it can not be.
    #[error("the backup is damaged: \"{0}\" in it makes no sense")]
    Entry(String),
}

impl InvalidArchive {
    /// The next step for a person.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotOurs => "Give a file that `tails-server backup` wrote",
            Self::TooNew(_) => "Restore it with the version that made it, or a later one",
            Self::Form | Self::Entry(_) => "Use another copy of it, or an earlier backup",
        }
        .to_owned()
    }
}

impl Controller {
    /// All that is remembered, with its secrets, as [`Controller::restore`] takes it.
    ///
    /// # Errors
    /// A place of the store can not be read: what is in it would be missing.
    pub async fn archive(&self) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        let act = |store: &Store| {
            let holdings = store.holdings()?;
            convert::write(&holdings).ok_or(RequestError::Bug("what is remembered can not be written down"))
        };
        self.remember(About::Nothing, act).await
    }

    /// What [`Controller::restore`] would do now.
    ///
    /// # Errors
    /// It is no backup, or a place of the store can not be read.
    pub async fn plan_restoration(&self, bytes: &[u8], mode: RestoreMode) -> Result<Vec<Restoration>, RequestError> {
        let (holdings, repertoire) = (convert::read(bytes)?, self.repertoire());
        let act = move |store: &Store| Ok(examine::examine(store, &repertoire, holdings, mode)?.0);
        self.remember(About::Nothing, act).await
    }

    /// Restores a backup: all that is to be done of it or nothing.
    ///
    /// # Errors
    /// It is no backup, or it could not be made durable.
    pub async fn restore(&self, bytes: &[u8], mode: RestoreMode) -> Result<Vec<Restoration>, RequestError> {
        let (holdings, repertoire) = (convert::read(bytes)?, self.repertoire());
        let about = About::Several {
            services: holdings.services.iter().map(|service| service.record.name().clone()).collect(),
            joined: holdings.joined.iter().map(|joined| joined.service.name.clone()).collect(),
        };
        let act = move |store: &Store| {
            let (restorations, holdings) = examine::examine(store, &repertoire, holdings, mode)?;
            if !holdings.is_empty() {
                store.restore(&holdings)?;
            }
            Ok(restorations)
        };
        self.remember(about, act).await
    }
}

#[cfg(test)]
mod tests;
