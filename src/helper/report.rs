// SPDX-License-Identifier: GPL-3.0-or-later
//! What the helper tells the controller: files for it alone. No secret of ours is in them; a server may have written one.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use serde::Serialize;

use super::act::Act;
use super::error::Error;
use super::files::Directory;
use super::locks;
use super::places::{CONTROLLER, STATE};
use super::users::Owner;

const OUTCOME: &str = "outcome.json";
const PROGRESS: &str = "progress.json";

/// Where one act on one service is told.
pub(super) struct Report {
    /// The directory of the service.
    pub(super) directory: Directory,
    /// What the server wrote before it failed, if it did: told whether the act goes well or not.
    pub(super) last_words: Vec<String>,
    /// Whether it has to be installed again, whatever dpkg says: told to the controller, which can not know it.
    pub(super) unfinished: bool,
    act: Act,
    /// Kept as long as the act goes on.
    _lock: OwnedFd,
}

/// What an act that went well has to tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What people should know of it, beside that it went well.
    pub(super) notes: Vec<String>,
    /// The unit that runs the server.
    pub(super) unit: Option<String>,
    /// SHA-256 of the wishes.
    pub(super) digest: Option<String>,
    /// SHA-256 of the descriptor.
    pub(super) descriptor: Option<String>,
    /// What was found out, by option.
    pub(super) probes: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    format: u32,
    act: &'a str,
    result: &'a str,
    message: String,
    hint: Option<String>,
    unit: Option<&'a str>,
    digest: Option<&'a str>,
    descriptor: Option<&'a str>,
    probes: &'a BTreeMap<String, String>,
    log: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    installed: Option<bool>,
}

#[derive(Serialize)]
struct Progress<'a> {
    act: &'a str,
    percent: u8,
    what: &'a str,
}

impl Report {
    /// For one act; waits until no other act on the same service goes on.
    pub(super) fn begin(act: Act, service: &str) -> Result<Self, Error> {
        let lock = locks::wait(service)?;
        let directory = Directory::ours(Path::new(STATE), 0o755)?.enter(service, 0o755)?;
        Ok(Self { directory, last_words: Vec::new(), unfinished: false, act, _lock: lock })
    }

    /// How far it is.
    pub(super) fn progress(&self, percent: u8, what: &str) -> Result<(), Error> {
        self.write(PROGRESS, &Progress { act: self.act.as_str(), percent, what })
    }

    /// How it ended.
    pub(super) fn end(&self, result: &Result<Told, Error>) -> Result<(), Error> {
        let nothing = Told::default();
        let (word, message, hint, told) = match result {
            Ok(told) => ("done", told.notes.join("; "), None, told),
            Err(error) => ("failed", crate::errors::with_causes(error), Some(error.hint()), &nothing),
        };
        self.tell(word, message, hint, told)?;
        self.directory.remove(PROGRESS)
    }

    /// That it has begun: what the act before has told is not so any more, however this one ends.
    pub(super) fn begun(&self) -> Result<(), Error> {
        self.tell("begun", "it has not told yet how it ended".to_owned(), None, &Told::default())
    }

    fn tell(&self, result: &str, message: String, hint: Option<String>, told: &Told) -> Result<(), Error> {
        let outcome = Outcome {
            format: 1,
            act: self.act.as_str(),
            result,
            message,
            hint,
            unit: told.unit.as_deref(),
            digest: told.digest.as_deref(),
            descriptor: told.descriptor.as_deref(),
            probes: &told.probes,
            log: &self.last_words,
            installed: self.unfinished.then_some(false),
        };
        self.write(OUTCOME, &outcome)
    }

    fn write(&self, name: &str, what: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_vec(what).map_err(|_| Error::Bug("a report that can not be written"))?;
        // For the controller alone: from the digest of the wishes a weak password could be guessed, and a server may have
        // written one to its log. Without that user nobody reads it.
        let owner = Owner::find("root", CONTROLLER).unwrap_or(Owner::ROOT);
        self.directory.write(name, &text, owner, 0o640)
    }
}
