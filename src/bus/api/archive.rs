// SPDX-License-Identifier: GPL-3.0-or-later
//! Backups, at the manager's path.

use zbus::OwnedFd;
use zbus::{DeserializeDict, SerializeDict, Type};

use super::ApiError;

/// How a backup is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase", deny_unknown_fields)]
pub struct RestoreOptions {
    /// Whether what is here with the same name and otherwise is replaced; no by default.
    pub replace: Option<bool>,
    /// Whether services that were enabled when the backup was made are enabled; no by default.
    pub enable: Option<bool>,
}

/// One thing of a backup, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct RestorationProperties {
    /// `service`, `joined` or `request`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `new`, `same`, `different`, or `taken`: its key or its address is here under another name.
    pub verdict: String,
    /// That name.
    pub taken_by: Option<String>,
    /// What is another here: `key`, `address`, `ports`, `persistence`, `autostart`, `client-authorization`, `max-streams`,
    /// `pow`, `local-access`, `clients`, `options`, `enabled`, `title`, `note`, `expires`.
    pub differences: Vec<String>,
    /// Whether it is added or replaced.
    pub done: bool,
    /// Whether it is enabled after that.
    pub enabled: bool,
    /// Whether it was enabled when the backup was made.
    pub was_enabled: bool,
    /// Why it can not be used here as it is.
    pub problem: Option<String>,
}

/// Backups, seen from a client.
#[zbus::proxy(
    interface = "org.boum.tails.Server1.Archive",
    default_service = "org.boum.tails.Server1",
    default_path = "/org/boum/tails/Server1"
)]
pub trait Archive {
    /// All that is remembered, with all secrets.
    #[zbus(allow_interactive_auth)]
    fn export(&self) -> Result<OwnedFd, ApiError>;

    /// What `Restore` would do now.
    #[zbus(allow_interactive_auth)]
    fn plan(&self, archive: zbus::Fd<'_>, options: RestoreOptions) -> Result<Vec<RestorationProperties>, ApiError>;

    /// Restores what `Export` gave, all that is to be done of it or nothing; answers with what was done, once that is durable.
    #[zbus(allow_interactive_auth)]
    fn restore(&self, archive: zbus::Fd<'_>, options: RestoreOptions) -> Result<Vec<RestorationProperties>, ApiError>;
}
