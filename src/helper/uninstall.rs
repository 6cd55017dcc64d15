// SPDX-License-Identifier: GPL-3.0-or-later
//! `uninstall`: nothing is left of the service but the users of the system, whose numbers nobody else shall get.

use std::path::Path;

use super::act::Work;
use super::error::Error;
use super::files::{Directory, is_missing};
use super::packages;
use super::places::KEPT;
use super::report::Told;
use super::units;
use super::withdraw::withdraw;
use crate::descriptor::Moment;

pub(super) fn uninstall(work: &mut Work) -> Result<Told, Error> {
    let told = withdraw(work)?;
    if let Some(hook) = work.hook() {
        hook.call(Moment::Uninstalling, &work.report.directory, None)?;
    }
    let notes = remove_packages(work)?;
    work.ledger.strike_scaffold()?;
    for path in work.ledger.entries.data.iter().rev() {
        if !is_missing(path)? {
            remove(path)?;
        }
    }
    if !is_missing(Path::new(KEPT))? {
        let kept = Directory::ours(Path::new(KEPT), 0o700)?;
        kept.remove_all(work.name.as_str())?;
        // What an interrupted restoration has left.
        kept.remove_all(&format!(".{}.new", work.name))?;
    }
    // A mask that the power brings back has to be known.
    rustix::fs::sync();
    work.ledger.remove()?;
    Ok(Told { notes, ..told })
}

/// What was installed for this service and is of no use to another of ours.
fn remove_packages(work: &mut Work) -> Result<Vec<String>, Error> {
    packages::repair(&work.report)?;
    if work.ledger.hand_over()? {
        return Ok(vec!["packages stay, because another service needs them".to_owned()]);
    }
    let mut brought = Vec::new();
    for name in &work.ledger.entries.brought {
        if packages::is_there_at_all(name)? {
            brought.push(name.clone());
        }
    }
    let left = packages::purge(&brought, &work.report)?;
    work.ledger.bequeath(&left)?;
    if work.ledger.entries.needs.iter().any(|name| left.contains(name)) {
        // With Debian's own configuration most servers listen on every address.
        let note =
            "packages stay, because others depend on them; their server is kept from starting (systemctl unmask)";
        return Ok(vec![note.to_owned()]);
    }
    for unit in &work.ledger.entries.guarded {
        units::unguard(unit)?;
        units::unmask(unit)?;
    }
    Ok(Vec::new())
}

fn remove(path: &Path) -> Result<(), Error> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("data without a name"))?;
    let parent = Directory::parent(path)?;
    let is_directory = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
    if is_directory { parent.remove_all(name) } else { parent.remove(name) }
}
