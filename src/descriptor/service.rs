// SPDX-License-Identifier: GPL-3.0-or-later
//! A descriptor that was checked: what a service is.

use std::collections::BTreeMap;
use std::ops::Deref;

use tails_server_state::ServiceName;

use super::common::Common;
use super::confinement::Confinement;
use super::names::{CompanionName, Documentation, Line, ProgramName, Word};
use super::option::OptionSpec;
use super::places::ServicePath;
use super::read::{At, table};
use super::tables::{Client, Connection, Directory, File, Hook, Install, KeyPair, Persist, Port, Unit, User};

table! {
    /// A service that Tails Server can install, run and publish. See contrib/services/README.md.
    pub struct Service {
        /// The version of this format: 1.
        required format: At<i64>,
        /// The name on the command line; the descriptor's directory is called the same.
        required name: At<ServiceName>,
        /// The name in the window.
        required title: Line,
        /// What it is, in some words.
        required description: Line,
        /// A page that explains it.
        required documentation: Documentation,
        /// An icon of the icon theme.
        required icon: ProgramName,
        /// The program with which people use it.
        required client: Client,
        /// What is installed.
        nested install: Install,
        /// The unit that runs it. Without one, the person starts the server.
        optional unit: Unit,
        /// The ports, at least one; the first is the main one.
        required port: At<Vec<At<Port>>>,
        /// The options, beside those that every service has.
        many option: At<OptionSpec>,
        /// Configuration files.
        many file: At<File>,
        /// Directories that have to be there.
        many directory: At<Directory>,
        /// What survives a reboot.
        many persist: At<Persist>,
        /// Keys that are made once.
        many key_pair: At<KeyPair>,
        /// Users of the system.
        many user: User,
        /// Other defaults for the options that every service has.
        nested common: At<Common>,
        /// What the server needs beyond the narrowest confinement.
        nested confinement: Confinement,
        /// A program for what a file can not say.
        optional hook: Hook,
        /// What visitors need to know.
        required connection: Connection,
    }
}

impl Service {
    /// The options, without their places in the file.
    #[must_use]
    pub fn options(&self) -> Vec<OptionSpec> {
        self.option.iter().map(|option| option.value.clone()).collect()
    }

    /// An option by its name.
    #[must_use]
    pub fn find_option(&self, name: &str) -> Option<&OptionSpec> {
        self.option.iter().map(|option| &option.value).find(|option| option.name().as_str() == name)
    }

    /// What of it only root can do, in words that follow "a service that"; `None` if it is nothing but ports and options.
    #[must_use]
    pub fn needs_root(&self) -> Option<&'static str> {
        let what = [
            (!self.install.packages.is_empty(), "installs packages"),
            (self.unit.is_some(), "runs a unit"),
            (!self.file.is_empty(), "writes configuration"),
            (!self.directory.is_empty(), "makes directories"),
            (!self.persist.is_empty(), "keeps directories"),
            (!self.key_pair.is_empty(), "makes keys"),
            (!self.user.is_empty(), "makes users"),
            (self.hook.is_some(), "calls a program"),
        ];
        what.into_iter().find(|(needs, _)| *needs).map(|(_, what)| what)
    }

    /// A key pair by its name.
    #[must_use]
    pub fn find_key_pair(&self, name: &Word) -> Option<&KeyPair> {
        self.key_pair.iter().map(|pair| &pair.value).find(|pair| pair.name.value == *name)
    }

    /// The settings that confine its unit.
    #[must_use]
    pub fn confinement_settings(&self) -> Vec<(&'static str, String)> {
        let persistent: Vec<&ServicePath> = self.persist.iter().flat_map(|persist| persist.path.iter()).collect();
        self.confinement.settings(&persistent)
    }
}

/// A descriptor that keeps all the rules, with its templates. Made by [`check`](super::check) alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDescriptor {
    service: Service,
    templates: BTreeMap<CompanionName, String>,
    digest: [u8; 32],
}

impl ServiceDescriptor {
    pub(super) const fn new(service: Service, templates: BTreeMap<CompanionName, String>, digest: [u8; 32]) -> Self {
        Self { service, templates, digest }
    }

    /// SHA-256 of all that it is made of: its text, its templates, its unit and its program. Whoever has the same has the
    /// same service.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The text of a companion: a template, or a provided unit.
    #[must_use]
    pub fn companion(&self, name: &CompanionName) -> &str {
        // Checked: what a table names is there.
        self.templates.get(name).map_or("", String::as_str)
    }
}

impl Deref for ServiceDescriptor {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
