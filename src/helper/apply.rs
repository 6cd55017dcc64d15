// SPDX-License-Identifier: GPL-3.0-or-later
//! `apply`: the server runs as people wish, confined, and listens on loopback. Doing it twice changes nothing.

mod applied;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tails_server_state::OnionAddress;

pub(super) use self::applied::Applied;
use self::applied::Effort;
use super::act::Work;
use super::error::Error;
use super::files::Directory;
use super::hook::Hook;
use super::ledger::Kind;
use super::mounts::{self, Layout};
use super::places::{CONTROLLER, WISHES};
use super::report::Told;
use super::units::{self, Chosen, State};
use super::users::{Owner, user_number};
use super::wishes::{self, Wishes};
use super::withdraw::withdraw;
use super::{firewall, keys, last_words, packages};
use crate::descriptor::{Debian, Moment, OptionKind, RenderedFile, Scope, ServiceDescriptor};

/// The rendered files, in the directory of the service. systemd alone goes there.
pub(super) const FILES: &str = "files";

pub(super) fn apply(work: &mut Work) -> Result<Told, Error> {
    let (descriptor, hook) = work.known()?;
    if work.ledger.entries.unfinished {
        return Err(Error::Unfinished);
    }
    mounts::ensure_whole(work.name.as_str())?;
    let wishes = read_wishes(&descriptor)?;
    packages::require(&descriptor.install)?;
    firewall::require(&descriptor, wishes.access)?;
    let unit = units::choose(&descriptor)?;
    let is_running = match &unit {
        Some(unit) => check_ours(unit, work)?,
        None => false,
    };
    // All that can be refused is refused before anything changes.
    let (address, scope_ports) = (address(&descriptor, &wishes)?, &wishes.virtual_ports);
    let mut scope = Scope::new(&wishes.values, &address, debian());
    for (port, number) in scope_ports {
        scope = scope.with_virtual_port(port, *number);
    }
    let rendered = descriptor.render(&scope)?;
    let layout = Layout::new(&descriptor, wishes.is_kept)?;
    let folders = descriptor.folder_mounts(&wishes.values);

    let before = match Applied::read(&work.report.directory)? {
        // Nobody would remember the other one.
        Some(before) if before.is_of_another(unit.as_ref()) => {
            withdraw(work)?;
            None
        }
        before => before,
    };
    let mut after = Applied::pending(unit.as_ref(), &descriptor, &wishes);
    let moves = layout.moves()?;
    if moves && let Some(unit) = unit.as_ref().filter(|_| is_running) {
        // Data is copied while nobody changes it.
        units::stop(&unit.name)?;
    }
    // From here on nobody may think that what runs is what was wished.
    after.write(&work.report.directory)?;
    let mut notes = prepare(work, &descriptor, &layout)?;
    announce(work, hook.as_ref(), &descriptor, &wishes)?;
    for mount in &folders {
        Directory::open(mount.folder.as_path())?;
        work.ledger.make_directory(mount.mount.as_path(), Owner::ROOT, 0o755, Kind::Scaffold)?;
    }
    let files = lay_files(work, &rendered)?;
    let lan = wishes.access.lan.then(|| firewall::LAN.join(" "));
    let drop_in = mounts::drop_in(&descriptor, &files, &folders, &layout, lan.as_deref());
    after.describe(&drop_in, unit.as_ref(), &descriptor, &rendered);
    if let Some(unit) = &unit {
        units::lay(unit, &drop_in, &work.report.directory)?;
    }
    notes.extend(firewall::open(&work.report.directory, &descriptor, wishes.access)?);
    let effort = match &before {
        Some(before) if is_running && !moves => after.effort(before, &descriptor),
        Some(_) | None => Effort::Restart,
    };
    if effort != Effort::Nothing {
        bring_up(work, unit.as_ref(), hook.as_ref(), &descriptor, &wishes, effort, &files)?;
    }
    after.write_done(&work.report.directory)?;
    let unit = unit.map(|unit| unit.name);
    let (digest, digest_of_descriptor) = (wishes.digest.clone(), wishes::hex(&descriptor.digest()));
    let probes = probes(&descriptor, &layout)?;
    Ok(Told { notes, unit, digest: Some(digest), descriptor: Some(digest_of_descriptor), probes })
}

fn read_wishes(descriptor: &ServiceDescriptor) -> Result<Wishes, Error> {
    let controller = user_number(CONTROLLER)?;
    wishes::read(Path::new(WISHES), controller, descriptor)
        .map_err(|cause| Error::Wishes { service: descriptor.name.to_string(), cause })
}

/// Whether the unit runs, which it may only by our doing. One of ours that has failed has its last words kept: when it is
/// started again, nobody finds them any more.
fn check_ours(unit: &Chosen<'_>, work: &mut Work) -> Result<bool, Error> {
    let (state, is_ours) = (State::of(&unit.name)?, units::is_ours(&unit.name)?);
    if state.is_running() && !is_ours {
        return Err(Error::Foreign(unit.name.clone()));
    }
    if state.has_failed() && is_ours {
        work.report.last_words = last_words::of(&unit.name);
    }
    Ok(state.is_running())
}

/// The address, or any other where no file has it in it.
fn address(descriptor: &ServiceDescriptor, wishes: &Wishes) -> Result<OnionAddress, Error> {
    if let Some(address) = wishes.address {
        return Ok(address);
    }
    let has_it = descriptor.file.iter().any(|file| descriptor.companion(&file.template).contains("address"));
    if has_it {
        return Err(Error::NoAddress);
    }
    // The base point of the curve: RFC 8032, 5.1
    let mut base = [0x66; 32];
    base[0] = 0x58;
    OnionAddress::from_public_key(base).map_err(|_| Error::Bug("the base point is no point"))
}

fn debian() -> Debian {
    Debian::from_version(&std::fs::read_to_string("/etc/debian_version").unwrap_or_default())
}

/// Directories and key pairs; what people should know of them.
fn prepare(work: &mut Work, descriptor: &ServiceDescriptor, layout: &Layout<'_>) -> Result<Vec<String>, Error> {
    let notes = layout.prepare(work.name.as_str(), &mut work.ledger)?;
    for directory in &descriptor.directory {
        let owner = Owner::find(directory.owner.as_str(), directory.group.as_str())?;
        let path = layout.place(directory.path.as_path());
        work.ledger.make_directory(&path, owner, u32::from(directory.mode.bits()), Kind::Scaffold)?;
    }
    for pair in &descriptor.key_pair {
        let owner = Owner::find(pair.owner.as_str(), pair.group.as_str())?;
        let [secret, public] = [&pair.secret, &pair.public].map(|path| layout.place(path.as_path()));
        for path in [&secret, &public] {
            work.ledger.note(path, Kind::Data)?;
        }
        let places = keys::Places { secret, public };
        keys::ensure(pair.name.as_str(), pair.kind, &places, owner, &work.report.directory)?;
    }
    Ok(notes)
}

/// Tells the hook, once, that all is there.
fn announce(
    work: &mut Work,
    hook: Option<&Hook>,
    descriptor: &Arc<ServiceDescriptor>,
    wishes: &Wishes,
) -> Result<(), Error> {
    let Some(hook) = hook.filter(|_| !work.ledger.entries.announced) else { return Ok(()) };
    hook.call(Moment::Installed, &work.report.directory, Some((&descriptor.options(), &wishes.values)))?;
    // It is called once: what it has done has to outlast that it was.
    rustix::fs::sync();
    work.ledger.entries.announced = true;
    work.ledger.save()
}

/// Writes the rendered files; from where to where each is laid.
fn lay_files(work: &mut Work, rendered: &[RenderedFile<'_>]) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let directory = work.report.directory.enter(FILES, 0o700)?;
    let mut files = Vec::new();
    for (number, RenderedFile { file, contents }) in rendered.iter().enumerate() {
        let path = mounts::existing(&file.path)?.as_path();
        work.ledger.make_file(path)?;
        let owner = Owner::find(file.owner.as_str(), file.group.as_str())?;
        let name = format!("{number}-{}", file.template.as_str());
        directory.supersede(&name, contents.expose().as_bytes(), owner, u32::from(file.mode.bits()))?;
        files.push((directory.path().join(&name), path.to_owned()));
    }
    Ok(files)
}

fn bring_up(
    work: &mut Work,
    unit: Option<&Chosen<'_>>,
    hook: Option<&Hook>,
    descriptor: &ServiceDescriptor,
    wishes: &Wishes,
    effort: Effort,
    files: &[(PathBuf, PathBuf)],
) -> Result<(), Error> {
    let state = &work.report.directory;
    let options = (&*descriptor.options(), &wishes.values);
    if let Some(hook) = hook {
        hook.call(Moment::Configured, state, Some(options))?;
    }
    let Some(unit) = unit else { return Ok(()) };
    let is_refreshed = match effort {
        Effort::Nothing | Effort::Restart => false,
        Effort::Show => units::refresh(&unit.name, files, false)?,
        Effort::Reload => State::of(&unit.name)?.can_reload && units::refresh(&unit.name, files, true)?,
    };
    if !is_refreshed {
        if let Err(error) = units::restart(&unit.name) {
            work.report.last_words = last_words::of(&unit.name);
            return Err(error);
        }
        state.enter(FILES, 0o700)?.forget()?;
        if let Some(hook) = hook {
            hook.call(Moment::Started, state, Some(options))?;
        }
    }
    Ok(())
}

/// What people compare when they connect.
fn probes(
    descriptor: &ServiceDescriptor,
    layout: &Layout<'_>,
) -> Result<std::collections::BTreeMap<String, String>, Error> {
    let mut probes = std::collections::BTreeMap::new();
    for option in &descriptor.option {
        let (OptionKind::TlsFingerprint(keys) | OptionKind::SshHostKey(keys)) = &option.kind else { continue };
        let Some(pair) = descriptor.find_key_pair(&keys.key_pair) else { continue };
        let found = keys::probe(pair.kind, &layout.place(pair.public.as_path()))?;
        probes.insert(option.name().to_string(), found);
    }
    Ok(probes)
}
