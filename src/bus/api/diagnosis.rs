// SPDX-License-Identifier: GPL-3.0-or-later
//! What the controller does and why, and what is wrong: the second interface of the manager's object.

use zbus::{DeserializeDict, SerializeDict, Type};

use super::ApiError;

/// Something that is done, is next, or is waited for.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct PlanProperties {
    /// The service, ours or joined; missing for one that is forgotten.
    pub service: Option<String>,
    /// How near it is: `under-way`, `next`, `waits`, `held` until a person changes something, or `settled`.
    pub stage: String,
    /// The step: `add-to-tor`, `remove-from-tor`, `send-visitors-away`, `renew-in-tor`, `give-key`, `take-key`, `install`,
    /// `apply`, `withdraw` or `uninstall`; missing where none is near.
    pub act: Option<String>,
    /// What is to be done, in words.
    pub what: String,
    /// Why, or why not yet.
    pub why: String,
    /// What a person can do.
    pub hint: Option<String>,
    /// When it is tried, or tried again, in seconds since 1970.
    pub until: Option<u64>,
}

/// One thing that was looked at for what is wrong. Neither address nor secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct FindingProperties {
    /// What sort of finding it is, in kebab-case.
    pub id: String,
    /// `ok`, `note`, `warning` or `error`.
    pub severity: String,
    /// The service that it is about, if it is about one.
    pub service: Option<String>,
    /// What was looked at.
    pub looked_at: String,
    /// What was found there.
    pub found: String,
    /// Why it is so, where that is known.
    pub cause: Option<String>,
    /// What a person can do.
    pub next_step: Option<String>,
}

/// What is known of the controller itself.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct ControllerProperties {
    /// Its version.
    pub version: String,
    /// The number of its process.
    pub process: u32,
    /// Whether it runs for one person, without installing anything.
    pub personal: bool,
    /// Whether Tor and the computer are simulated.
    pub simulated: bool,
    /// Whether what it logs goes to the journal.
    pub journal: bool,
}

/// What a described service is made of on this computer.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct PartsProperties {
    /// The units that may run its server: of alternatives, one does.
    pub units: Vec<String>,
    /// The packages that may be installed for it: of alternatives, one is.
    pub packages: Vec<String>,
}

/// What the controller does and why, seen from a client.
#[zbus::proxy(
    interface = "org.boum.tails.Server1.Diagnosis",
    default_service = "org.boum.tails.Server1",
    default_path = "/org/boum/tails/Server1"
)]
pub trait Diagnosis {
    /// What is under way, what is next and what is waited for, and why. Changes nothing.
    #[zbus(allow_interactive_auth)]
    fn plan(&self) -> Result<Vec<PlanProperties>, ApiError>;

    /// What the controller finds when it looks at itself, the store, Tor and the services. Changes nothing.
    #[zbus(allow_interactive_auth)]
    fn examine(&self) -> Result<Vec<FindingProperties>, ApiError>;

    /// What is known of the controller itself.
    #[zbus(allow_interactive_auth)]
    fn about(&self) -> Result<ControllerProperties, ApiError>;

    /// What a described service is made of on this computer; nothing for a port that is published as it is.
    #[zbus(allow_interactive_auth)]
    fn parts(&self, name: &str) -> Result<PartsProperties, ApiError>;
}
