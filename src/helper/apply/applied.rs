// SPDX-License-Identifier: GPL-3.0-or-later
//! What was applied, in memory: to undo it, and to tell what a change costs. It has no value of an option in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::descriptor::{Cost, RenderedFile, ServiceDescriptor};
use crate::helper::error::Error;
use crate::helper::files::Directory;
use crate::helper::units::Chosen;
use crate::helper::users::Owner;
use crate::helper::wishes::Wishes;

const FILE: &str = "applied.json";
const MOST_BYTES: u64 = 1 << 20;

/// What was applied of one service.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::helper) struct Applied {
    /// The unit.
    pub(in crate::helper) unit: Option<String>,
    /// Whether the unit came with the descriptor.
    pub(in crate::helper) is_provided: bool,
    /// Whether all of it was done: what is pending says nothing of what runs.
    is_done: bool,
    /// Digest of the unit with its drop-in, and of the descriptor.
    frame: String,
    /// Digest of the files.
    files: String,
    /// Digest of all wishes that are no options.
    rest: String,
    /// Digest of each option.
    options: BTreeMap<String, String>,
}

/// What has to be done with a server that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// It is as wished.
    Nothing,
    /// It notices by itself, once it sees the files.
    Show,
    /// It reads its configuration again.
    Reload,
    /// It starts anew.
    Restart,
}

impl Applied {
    /// What is going to be applied.
    pub(super) fn pending(unit: Option<&Chosen<'_>>, descriptor: &ServiceDescriptor, wishes: &Wishes) -> Self {
        let names = descriptor.option.iter().map(|option| option.name().as_str());
        let options = names.filter_map(|name| {
            let value = wishes.values.value(name)?;
            Some((name.to_owned(), digest([value.expose().as_bytes()])))
        });
        let address = wishes.address.map(|address| address.display_unredacted()).unwrap_or_default();
        let rest = format!("{:?} {} {:?}", wishes.virtual_ports, wishes.is_kept, wishes.access);
        Self {
            unit: unit.map(|unit| unit.name.clone()),
            is_provided: unit.is_some_and(|unit| unit.provided.is_some()),
            rest: digest([address.as_bytes(), rest.as_bytes()]),
            options: options.collect(),
            ..Self::default()
        }
    }

    /// Adds what was rendered.
    pub(super) fn describe(
        &mut self,
        drop_in: &str,
        unit: Option<&Chosen<'_>>,
        descriptor: &ServiceDescriptor,
        rendered: &[RenderedFile<'_>],
    ) {
        let provided = unit.and_then(|unit| unit.provided).unwrap_or_default();
        // Of the whole descriptor: its program may do something else with the same files.
        self.frame = digest([drop_in.as_bytes(), provided.as_bytes(), &descriptor.digest()]);
        self.files = digest(rendered.iter().map(|file| file.contents.expose().as_bytes()));
    }

    /// Whether it has a unit, and it is not this one.
    pub(super) fn is_of_another(&self, unit: Option<&Chosen<'_>>) -> bool {
        let is_this =
            |unit: &Chosen<'_>| self.unit.as_ref() == Some(&unit.name) && self.is_provided == unit.provided.is_some();
        self.unit.is_some() && !unit.is_some_and(is_this)
    }

    /// What it takes to come here from what was applied before.
    pub(super) fn effort(&self, before: &Self, descriptor: &ServiceDescriptor) -> Effort {
        if !before.is_done || before.frame != self.frame {
            return Effort::Restart;
        }
        let changed = descriptor.option.iter().filter(|option| {
            let name = option.name().as_str();
            before.options.get(name) != self.options.get(name)
        });
        let costs: Vec<Effort> = changed.map(|option| effort(option.head.change)).collect();
        let most = costs.iter().copied().max();
        match most {
            // A hook may have to know of options that are in no file.
            Some(most) if before.rest == self.rest => most,
            Some(_) => Effort::Restart,
            None if before.files == self.files => Effort::Nothing,
            None => Effort::Restart,
        }
    }

    /// `None` if nothing was applied since the last boot.
    pub(in crate::helper) fn read(state: &Directory) -> Result<Option<Self>, Error> {
        let Some(text) = state.read(FILE, MOST_BYTES)? else { return Ok(None) };
        let path = state.path().join(FILE);
        serde_json::from_slice(&text).map(Some).map_err(|cause| Error::File {
            action: "read",
            path,
            cause: cause.into(),
        })
    }

    /// Forgets it.
    pub(in crate::helper) fn forget(state: &Directory) -> Result<(), Error> {
        state.remove(FILE)
    }

    pub(super) fn write(&self, state: &Directory) -> Result<(), Error> {
        let text = serde_json::to_vec(self).map_err(|_| Error::Bug("a record that can not be written"))?;
        state.write(FILE, &text, Owner::ROOT, 0o600)
    }

    pub(super) fn write_done(&mut self, state: &Directory) -> Result<(), Error> {
        self.is_done = true;
        self.write(state)
    }
}

const fn effort(cost: Cost) -> Effort {
    match cost {
        Cost::Nothing => Effort::Show,
        Cost::Reload => Effort::Reload,
        Cost::Restart | Cost::Republish => Effort::Restart,
    }
}

/// Of texts, each with its length: two in a row are not one.
fn digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
