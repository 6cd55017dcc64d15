// SPDX-License-Identifier: GPL-3.0-or-later
//! `install`: packages and users. Nothing of what is installed starts, not even at the next boot.

use super::act::Work;
use super::error::Error;
use super::packages;
use super::program::{SYSUSERS, feed};
use super::report::Told;
use super::units::{self, State};
use crate::descriptor::ServiceDescriptor;

pub(super) fn install(work: &mut Work) -> Result<Told, Error> {
    let (descriptor, _) = work.known()?;
    work.report.progress(0, "preparing")?;
    let needs = packages::choose(&descriptor.install, &work.report)?;
    work.ledger.entries.needs.clone_from(&needs);
    let absent = packages::absent(&needs)?;
    let half = match bring(work, &descriptor, &needs) {
        Ok(half) => half,
        Err(error) => {
            // What it failed with is what is told.
            if let Err(other) = relent(work, &absent) {
                crate::errors::report(&other, None);
            }
            return Err(error);
        }
    };
    release(work, &descriptor)?;
    for user in &descriptor.user {
        feed(SYSUSERS, &["-"], &user.sysusers_line())?;
    }
    finish(work)?;
    let note = || format!("only half installed, by no doing of ours: {}", half.join(", "));
    let notes = if half.is_empty() { Vec::new() } else { vec![note()] };
    Ok(Told { notes, ..Told::default() })
}

/// Installs what is missing; what else is only half installed.
fn bring(work: &mut Work, descriptor: &ServiceDescriptor, needs: &[String]) -> Result<Vec<String>, Error> {
    let was_cut = work.ledger.entries.unfinished;
    if was_cut || !packages::absent(needs)?.is_empty() {
        // Before anything is repaired: it may be the half of one of these that is then configured, and would start.
        guard(work, descriptor)?;
    }
    packages::repair(&work.report)?;
    let half = install_absent(work, descriptor, &packages::absent(needs)?)?;
    if was_cut {
        // By power, perhaps: dpkg calls a package installed whose files the disk has never seen.
        packages::make_whole(&work.ledger.entries.brought, &work.report)?;
    }
    Ok(half)
}

fn install_absent(work: &mut Work, descriptor: &ServiceDescriptor, absent: &[String]) -> Result<Vec<String>, Error> {
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    for name in packages::would_bring(absent, &descriptor.install)? {
        if !work.ledger.entries.brought.contains(&name) {
            work.ledger.entries.brought.push(name);
        }
    }
    // It has to be known before it is done, or nobody would remove it.
    work.ledger.entries.unfinished = true;
    work.ledger.save()?;
    packages::install(absent, &descriptor.install, &work.report)
}

/// What is installed is as good as its files are on the disk.
fn finish(work: &mut Work) -> Result<(), Error> {
    work.report.progress(100, "writing to the disk")?;
    // All file systems: packages write where they like, and so do the programs that were run for units and users.
    rustix::fs::sync();
    work.ledger.entries.unfinished = false;
    work.ledger.save()
}

/// After a failure: where nothing of the packages is there, nothing has to be kept from starting. Whoever has them installed
/// in another way would find them masked, and nothing that is not installed can be uninstalled.
fn relent(work: &mut Work, absent: &[String]) -> Result<(), Error> {
    let entries = &work.ledger.entries;
    if packages::has_some_of(absent)? || packages::has_some_of(&entries.brought)? {
        return Ok(());
    }
    for unit in &entries.guarded {
        if !work.ledger.is_guarded_elsewhere(unit)? {
            units::unguard(unit)?;
            units::unmask(unit)?;
        }
    }
    let entries = &mut work.ledger.entries;
    (entries.needs, entries.brought, entries.guarded, entries.unfinished) = Default::default();
    // What was masked has to be open before nobody remembers that it was.
    rustix::fs::sync();
    work.ledger.save_unless_empty()
}

/// Masks the units that the packages bring. One that runs is somebody else's, and stays as it is. One that is only there is
/// not: the init script of a package that was removed stays, and would start with the package.
fn guard(work: &mut Work, descriptor: &ServiceDescriptor) -> Result<(), Error> {
    let provided = descriptor.unit.as_ref().is_some_and(|unit| unit.provided.is_some());
    let own = descriptor.unit.iter().filter(|_| !provided).flat_map(|unit| unit.name.iter());
    let units: Vec<String> = own.chain(&descriptor.install.quiet).map(ToString::to_string).collect();
    for unit in units {
        let is_known = work.ledger.entries.guarded.contains(&unit);
        if !is_known && State::of(&unit)?.is_running() {
            continue;
        }
        if !is_known {
            work.ledger.entries.guarded.push(unit.clone());
            work.ledger.save()?;
        }
        units::mask(&unit)?;
    }
    Ok(())
}

/// Lets the unit of the service be started, once nothing starts it by itself. What the service does not use stays masked.
fn release(work: &mut Work, descriptor: &ServiceDescriptor) -> Result<(), Error> {
    for unit in work.ledger.entries.guarded.clone() {
        // Disabled while it is masked: there is no moment at which a power cut would leave it open.
        units::disable(&unit)?;
        if !descriptor.install.quiet.iter().any(|quiet| quiet.as_str() == unit) {
            units::guard(&unit, work.name.as_str())?;
            units::unmask(&unit)?;
        }
    }
    Ok(())
}
