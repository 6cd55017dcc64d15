// SPDX-License-Identifier: GPL-3.0-or-later
//! One act on one service, from the command line to what is told.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tails_server_state::ServiceName;

use super::error::Error;
use super::files::is_missing;
use super::hook::Hook;
use super::ledger::Ledger;
use super::places::{DESCRIPTORS, KEPT, LEDGERS, STATE};
use super::report::Report;
use super::{apply, install, leavings, uninstall, withdraw};
use crate::descriptor::{Catalog, Origin, ServiceDescriptor, Source, Trust};

/// Do one of the few things that need root, for one service. Started by systemd for the controller.
#[derive(Debug, clap::Parser)]
#[command(name = "tails-server-helper", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked for.
#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// Install what the service needs; nothing of it starts
    Install {
        /// The service
        name: ServiceName,
    },
    /// Configure, confine and start the server as people wish
    Apply {
        /// The service
        name: ServiceName,
    },
    /// Stop the server and undo all that apply did
    Withdraw {
        /// The service
        name: ServiceName,
    },
    /// Withdraw, delete the data and remove the packages that install brought
    Uninstall {
        /// The service
        name: ServiceName,
    },
    /// Print what is to be deleted when Tails Server is purged, which has no helper any more
    Leavings,
}

/// What can be done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Install,
    Apply,
    Withdraw,
    Uninstall,
}

impl Act {
    /// The word of the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Apply => "apply",
            Self::Withdraw => "withdraw",
            Self::Uninstall => "uninstall",
        }
    }
}

/// All that an act works with.
pub(super) struct Work {
    pub(super) name: ServiceName,
    pub(super) report: Report,
    pub(super) ledger: Ledger,
    /// What the service is, or why nobody knows: it can be withdrawn all the same.
    known: Result<Known, Option<Error>>,
}

/// A service that can be used.
pub(super) struct Known {
    pub(super) descriptor: Arc<ServiceDescriptor>,
    pub(super) hook: Option<Hook>,
}

impl Work {
    /// What the service is.
    pub(super) fn known(&mut self) -> Result<(Arc<ServiceDescriptor>, Option<Hook>), Error> {
        match &mut self.known {
            Ok(known) => Ok((Arc::clone(&known.descriptor), known.hook.clone())),
            Err(error) => Err(error.take().unwrap_or(Error::Bug("the same error twice"))),
        }
    }

    /// The hook, if the descriptor can be used and has one.
    pub(super) fn hook(&self) -> Option<&Hook> {
        self.known.as_ref().ok()?.hook.as_ref()
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    match &arguments.verb {
        Verb::Install { name } => act(Act::Install, name),
        Verb::Apply { name } => act(Act::Apply, name),
        Verb::Withdraw { name } => act(Act::Withdraw, name),
        Verb::Uninstall { name } => act(Act::Uninstall, name),
        Verb::Leavings => leavings::tell(),
    }
}

fn act(act: Act, name: &ServiceName) -> Result<(), Error> {
    let service = name.as_str();
    // Without a trace: whoever has acts done could fill the memory with names.
    if !is_known(service)? {
        return match act {
            Act::Install | Act::Apply => Err(Error::Unknown(service.to_owned())),
            // It is so already.
            Act::Withdraw | Act::Uninstall => Ok(()),
        };
    }
    let report = Report::begin(act, service)?;
    let begun = report.begun();
    // What closes goes on even where nothing can be written.
    if matches!(act, Act::Install | Act::Apply) {
        begun?;
    }
    let begun = Ledger::open(service);
    let ledger = match begun {
        Ok(ledger) => ledger,
        Err(error) => return tell(&report, Err(error)),
    };
    let known = find(service).map_err(Some);
    let mut work = Work { name: name.clone(), report, ledger, known };
    let result = match act {
        Act::Install => install::install(&mut work),
        Act::Apply => apply::apply(&mut work),
        Act::Withdraw => withdraw::withdraw(&mut work),
        Act::Uninstall => uninstall::uninstall(&mut work),
    };
    // Of the others nothing follows for what is installed: what can be uninstalled has to be there.
    work.report.unfinished = matches!(act, Act::Install | Act::Apply) && work.ledger.entries.unfinished;
    tell(&work.report, result)
}

fn tell(report: &Report, result: Result<super::report::Told, Error>) -> Result<(), Error> {
    report.end(&result)?;
    for note in result.iter().flat_map(|told| &told.notes) {
        // The controller has no place for them. Where standard error is gone, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    result.map(drop)
}

/// Whether there is a service of this name, or something is left of one.
fn is_known(service: &str) -> Result<bool, Error> {
    let directories = DESCRIPTORS.into_iter().chain([STATE, KEPT]).map(|place| Path::new(place).join(service));
    for path in directories.chain([Path::new(LEDGERS).join(format!("{service}.json"))]) {
        if !is_missing(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks for the descriptor where only root can have put it.
fn find(service: &str) -> Result<Known, Error> {
    let origins = [Origin::Vendor, Origin::Admin];
    let sources = DESCRIPTORS.map(PathBuf::from).into_iter().zip(origins);
    let sources: Vec<Source> = sources.map(|(path, origin)| Source { path, origin }).collect();
    let catalog = Catalog::load(&sources, Trust::Root);
    let Some(entry) = catalog.get(service) else {
        return match catalog.problems() {
            [] => Err(Error::Unknown(service.to_owned())),
            // It may be in there.
            [problem, ..] => Err(Error::descriptor(service, problem)),
        };
    };
    let descriptor = match &entry.descriptor {
        Ok(descriptor) => Arc::clone(descriptor),
        Err(broken) => return Err(Error::descriptor(service, broken)),
    };
    let source = sources.iter().find(|source| source.origin == entry.origin);
    let directory = source.map(|source| source.path.join(service)).ok_or(Error::Bug("a descriptor from nowhere"))?;
    let hook = descriptor.hook.as_ref().map(|hook| Hook::new(hook, &directory));
    Ok(Known { descriptor, hook })
}
