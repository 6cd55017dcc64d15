// SPDX-License-Identifier: GPL-3.0-or-later
//! Which data go into a backup, and what becomes of those that are in one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use tails_server_state::ServiceName;
use tr::tr;

use super::data::{Accounts, Cargo, Catalogue, Contents, Delivery, Rules, Site, Trouble, Unpacking};
use super::error::{BackupError, WithData};
use super::file::{Opened, told, unpack};
use crate::bus::api::RestorationProperties;
use crate::cli::args::{Backup, Restore};
use crate::cli::error::Failure;
use crate::cli::interrupt::interrupted;
use crate::cli::meter::{Meter, Stop, size};
use crate::cli::session::Session;
use crate::cli::talk::{Progress, say};

/// What a backup of these accounts and services has of data.
pub(super) async fn collect(session: &Session, request: &Backup) -> Result<Cargo, Failure> {
    if !geteuid().is_root() {
        return Err(BackupError::NotRoot { file: request.file.clone(), what: WithData::BackUp }.into());
    }
    let (site, catalogue) = (Site::system(), Catalogue::load());
    let mut cargo = Cargo::new(accounts()?);
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let services: BTreeMap<_, _> = services.into_iter().filter(|(_, service)| service.described).collect();
    for (name, service) in services {
        let name: ServiceName = name.parse().map_err(|_| Failure::Garbled)?;
        if !catalogue.has_directories(&name) {
            continue;
        }
        if !service.persistence {
            say(&tr!(
                "The data of \"{name}\" are not kept, and not in the backup. To keep them: tails-server set-option {name} persistence on",
                name
            ));
            continue;
        }
        if site.is_marked(&name) {
            return Err(BackupError::Halfway(name).into());
        }
        let known: BTreeSet<_> = catalogue.directories(&name).into_iter().collect();
        if known.iter().any(|directory| site.is_behind(&name, directory)) {
            return Err(BackupError::Behind(name).into());
        }
        let here = known.iter().map(|directory| site.directory(&name).join(directory)).filter(|path| path.is_dir());
        let here: Vec<_> = here.collect();
        if here.is_empty() {
            say(&tr!("There are no data of \"{name}\" yet.", name));
            continue;
        }
        let may_run = service.enabled || site.is_applied(&name);
        if may_run && !request.live {
            return Err(BackupError::Running(name).into());
        }
        let added = cargo.add(name.clone(), here, may_run);
        let (things, bytes) = added.map_err(|cause| BackupError::ReadData { name: name.clone(), cause })?;
        say(&tr!(
            "The data of \"{name}\": one thing, {size}" | "The data of \"{name}\": {n} things, {size}" % things,
            name,
            size = size(bytes)
        ));
    }
    Ok(cargo)
}

/// What becomes of the data of one service in a backup.
pub(super) struct Load {
    pub(super) name: ServiceName,
    contents: Contents,
    fate: Fate,
    /// Whether its server could run when the backup was made.
    is_live: bool,
    /// Whether data are here, which are put aside.
    is_here: bool,
    needs_install: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Restored,
    /// The service is here as it is in the backup.
    Same,
    /// The service is here otherwise, or its key is.
    LeftAlone,
    /// Nobody wants them.
    Unwanted,
    /// Nobody knows here what they are.
    Unknown,
}

impl Load {
    pub(super) const fn is_restored(&self) -> bool {
        matches!(self.fate, Fate::Restored)
    }

    /// What is said of it in the plan.
    pub(super) fn lines(&self) -> Vec<String> {
        let count = usize::try_from(self.contents.files).unwrap_or(usize::MAX);
        let what = tr!("one file, {size}" | "{n} files, {size}" % count, size = size(self.contents.bytes));
        let first = match self.fate {
            Fate::Restored if self.is_here => {
                tr!("  Its data are restored: {what}. The data that are here are put aside", what)
            }
            Fate::Restored => tr!("  Its data are restored: {what}", what),
            Fate::Same => tr!("  Its data are left out: {what}. To restore them, too: --replace", what),
            Fate::LeftAlone | Fate::Unwanted => tr!("  Its data are left out: {what}", what),
            Fate::Unknown => tr!("  Its data are left out, as nothing here knows the service: {what}", what),
        };
        let mut lines = vec![first];
        if self.is_restored() && self.needs_install {
            lines.push(tr!("  Its server is installed first, as the data belong to its users"));
        }
        if self.is_restored() && self.is_live {
            lines.push(tr!("  Its server could run when they were backed up: some files may not fit together"));
        }
        lines
    }

    /// The same as data.
    pub(super) fn view(&self) -> View {
        let action = if self.is_restored() { "restore" } else { "leave" };
        View { action, files: self.contents.files, bytes: self.contents.bytes }
    }
}

/// Data in what is printed.
#[derive(Serialize)]
pub(super) struct View {
    action: &'static str,
    files: u64,
    bytes: u64,
}

/// The part of what is remembered that says which data there can be.
#[derive(Deserialize)]
struct Remembered {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    name: ServiceName,
    persistence: bool,
    #[serde(default)]
    autostart: bool,
    described: Option<serde::de::IgnoredAny>,
}

/// The services that were to start by themselves when the backup was made.
pub(super) fn starting(remembered: &[u8]) -> BTreeSet<String> {
    // What can not be read has nothing of which something could be said; the controller refuses it.
    let services = serde_json::from_slice(remembered).map_or_else(|_| Vec::new(), |all: Remembered| all.services);
    services.into_iter().filter(|service| service.autostart).map(|service| service.name.to_string()).collect()
}

/// The data of a backup on their way.
pub(super) struct Freight {
    site: Site,
    catalogue: Catalogue,
    accounts: Accounts,
    pub(super) loads: BTreeMap<String, Load>,
}

impl Freight {
    /// What becomes of the data of a backup, of which the controller has planned this.
    pub(super) fn plan(opened: Opened, planned: &[RestorationProperties], request: &Restore) -> Result<Self, Failure> {
        let damaged = || BackupError::Damaged { path: request.file.clone() };
        let Opened { manifest, remembered, data } = opened;
        let (site, catalogue, accounts) = (Site::system(), Catalogue::load(), accounts()?);
        let mut loads = BTreeMap::new();
        if !manifest.data.is_empty() {
            let remembered: Remembered = serde_json::from_slice(&remembered).map_err(|_| damaged())?;
            let (contents, _) = data.end().map_err(|trouble| told(trouble, &request.file))?;
            for declared in manifest.data {
                let name = declared.service;
                let is_kept =
                    |service: &&Service| service.name == name && service.persistence && service.described.is_some();
                let item = planned.iter().find(|item| item.kind == "service" && item.name == name.as_str());
                let item = item.filter(|_| remembered.services.iter().any(|service| is_kept(&service)));
                let item = item.ok_or_else(damaged)?;
                let fate = match (item.verdict.as_str(), item.done) {
                    _ if request.without_data => Fate::Unwanted,
                    ("same", _) if request.replace => Fate::Restored,
                    ("same", _) => Fate::Same,
                    (_, true) => Fate::Restored,
                    (_, false) => Fate::LeftAlone,
                };
                let is_known = catalogue.has_directories(&name);
                let fate = if fate == Fate::Restored && !is_known { Fate::Unknown } else { fate };
                let load = Load {
                    contents: contents.get(&name).cloned().unwrap_or_default(),
                    fate,
                    is_live: declared.live,
                    is_here: site.has_data(&name),
                    needs_install: catalogue.lacks_accounts(&name, &accounts),
                    name: name.clone(),
                };
                loads.insert(name.to_string(), load);
            }
        }
        Ok(Self { site, catalogue, accounts, loads })
    }

    pub(super) fn restored(&self) -> impl Iterator<Item = &Load> {
        self.loads.values().filter(|load| load.is_restored())
    }

    /// Whether the data of this service are restored. It was disabled for the backup, and people want it back.
    pub(super) fn has(&self, name: &str) -> bool {
        self.loads.get(name).is_some_and(Load::is_restored)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.restored().next().is_none()
    }

    /// Refuses before anybody is asked what would be refused after it.
    pub(super) fn ensure_possible(&self, request: &Restore) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        if !geteuid().is_root() {
            return Err(BackupError::NotRoot { file: request.file.clone(), what: WithData::Restore }.into());
        }
        // They are read twice: once to see whether all is whole, and once to unpack them.
        if !request.file.is_file() {
            return Err(BackupError::ReadOnce { path: request.file.clone() }.into());
        }
        if let Some(load) = self.restored().find(|load| self.site.is_applied(&load.name)) {
            return Err(BackupError::from(super::data::DeliveryError::Runs(load.name.clone())).into());
        }
        let needed = self.restored().map(|load| load.contents.bytes).fold(0, u64::saturating_add);
        let room = self.site.room().map_err(|cause| BackupError::Unpack { cause })?;
        if needed > room { Err(BackupError::NoRoom { needed, room }.into()) } else { Ok(()) }
    }

    /// Installs what the data need, and unpacks them beside where they are to be.
    pub(super) async fn unpack(
        &mut self,
        session: &Session,
        request: &Restore,
        passphrase: zeroize::Zeroizing<String>,
    ) -> Result<Vec<Delivery>, Failure> {
        let services: Vec<_> = self.restored().map(|load| (load.name.clone(), load.needs_install)).collect();
        let (_, _, known) = session.answer(session.manager.overview()).await?;
        for (name, needs_install) in &services {
            // What is still to be deleted of an earlier life would take these with it. Nothing of one that is enabled is.
            if !known.get(name.as_str()).is_some_and(|service| service.enabled)
                && let Err(error) = session.manager.await_uninstalled(name.as_str()).await
            {
                return Err(session.failure(name, error).await);
            }
            if *needs_install {
                install(session, name).await?;
            }
        }
        self.accounts = accounts()?;
        let mut deliveries = Vec::new();
        let mut targets = Vec::new();
        for (name, _) in services {
            if self.catalogue.lacks_accounts(&name, &self.accounts) {
                return Err(BackupError::NoAccounts(name).into());
            }
            let rules: Option<Rules> = self.catalogue.rules(&name, &self.accounts);
            let delivery = Delivery::begin(&self.site, &name).map_err(BackupError::from)?;
            let place = delivery.place().map_err(BackupError::from)?;
            targets.push((name, place, rules.unwrap_or_default()));
            deliveries.push(delivery);
        }
        let needed = self.loads.values().map(|load| load.contents.bytes).fold(0, u64::saturating_add);
        let mut meter = Meter::new();
        if needed > 0 {
            meter.begin(tr!("unpacking the data"), needed);
        }
        let stop = meter.stop();
        let file = request.file.clone();
        let declared: Vec<_> = self.loads.values().map(|load| load.contents.declared(&load.name)).collect();
        let work = move || -> Result<_, BackupError> {
            let mut unpacking = Unpacking::new(&declared, meter);
            for (name, place, rules) in targets {
                unpacking.put_into(name, place, rules);
            }
            let unpacking = unpack(&file, &passphrase, unpacking)?;
            unpacking.end().map_err(|trouble: Trouble| told(trouble, Path::new(&file)))
        };
        let (_, notes) = unhurried(stop, work).await??;
        notes.lines().iter().for_each(|line| say(line));
        Ok(deliveries)
    }
}

/// Work that takes long and waits for no controller; whoever wants the program to end ends it at the next piece.
pub(super) async fn unhurried<T: Send + 'static>(
    stop: Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let mut work = tokio::task::spawn_blocking(work);
    let failed = |cause: tokio::task::JoinError| Failure::System(cause.into());
    tokio::select! {
        done = &mut work => done.map_err(failed),
        () = interrupted() => {
            stop.store(true, Ordering::Relaxed);
            work.await.map_err(failed)
        }
    }
}

async fn install(session: &Session, name: &ServiceName) -> Result<(), Failure> {
    let installed = async {
        if session.answer(session.manager.install(name.as_str())).await? {
            let mut progress = Progress::begin();
            progress.show(tr!("installing the server of \"{name}\"", name));
            session.manager.await_installed(name.as_str()).await?;
        }
        Ok(())
    };
    match installed.await {
        Ok(()) => Ok(()),
        Err(error) => Err(session.failure(name, error).await),
    }
}

fn accounts() -> Result<Accounts, Failure> {
    Accounts::read().map_err(Failure::System)
}
