// SPDX-License-Identifier: GPL-3.0-or-later
//! Units of systemd, by systemctl.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::files::{Directory, is_missing};
use super::places::{RUNTIME_UNITS, STATE, SYSTEM_UNITS};
use super::program::{SYSTEMCTL, SYSV_INSTALL, attempt, run};
use super::users::Owner;
use crate::descriptor::ServiceDescriptor;

/// The drop-in that makes a unit ours.
const DROP_IN: &str = "50-tails-server.conf";

/// The drop-in without which a unit of a package could be started by anybody, before it is ours.
const GUARD: &str = "50-tails-server-guard.conf";
/// What is there, in the directory of the service, as long as the unit is ours.
const CONFINED: &str = "confined";

/// What systemd knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// `loaded`, `not-found`, `masked`, ...
    pub(super) load: String,
    /// `active`, `inactive`, `failed`, ...
    pub(super) active: String,
    /// Whether it knows how to read its configuration again.
    pub(super) can_reload: bool,
}

impl State {
    pub(super) fn of(unit: &str) -> Result<Self, Error> {
        let text = run(SYSTEMCTL, &["show", "--property=LoadState,ActiveState,CanReload", "--", unit])?;
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        Ok(Self { load: value("LoadState"), active: value("ActiveState"), can_reload: value("CanReload") == "yes" })
    }

    /// Whether processes of it run, or soon will.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.active.as_str(), "inactive" | "failed" | "")
    }

    /// Whether it ended otherwise than it was told to.
    pub(super) fn has_failed(&self) -> bool {
        self.active == "failed"
    }
}

/// The unit that runs a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen<'a> {
    pub(super) name: String,
    /// The text of one that comes with the descriptor.
    pub(super) provided: Option<&'a str>,
}

/// The unit of a service; of alternatives the first that exists.
pub(super) fn choose(descriptor: &ServiceDescriptor) -> Result<Option<Chosen<'_>>, Error> {
    let Some(unit) = &descriptor.unit else { return Ok(None) };
    let provided = unit.provided.as_ref().map(|name| descriptor.companion(name));
    let mut names = unit.name.iter().map(ToString::to_string);
    if provided.is_some() {
        return Ok(names.next().map(|name| Chosen { name, provided }));
    }
    let (mut first, mut masked) = (None, None);
    for name in names {
        match State::of(&name)?.load.as_str() {
            "loaded" => return Ok(Some(Chosen { name, provided })),
            // By no act of ours, or it would not have got here; a purge of ours leaves such masks, too.
            "masked" => masked = masked.or(Some(name)),
            _ => first = first.or(Some(name)),
        }
    }
    Err(masked.map_or_else(|| Error::NoUnit(first.unwrap_or_default()), Error::Masked))
}

/// Whether we have configured it since the last boot.
pub(super) fn is_ours(unit: &str) -> Result<bool, Error> {
    Ok(!is_missing(&drop_in_directory(unit).join(DROP_IN))?)
}

/// Lays down the drop-in, and the unit if it is one of ours. The drop-in first: it never runs unconfined.
pub(super) fn lay(unit: &Chosen<'_>, drop_in: &str, state: &Directory) -> Result<(), Error> {
    let units = Directory::ours(Path::new(RUNTIME_UNITS), 0o755)?;
    let directory = Directory::ours(&drop_in_directory(&unit.name), 0o755)?;
    directory.write(DROP_IN, drop_in.as_bytes(), Owner::ROOT, 0o644)?;
    if let Some(text) = unit.provided {
        units.write(&unit.name, text.as_bytes(), Owner::ROOT, 0o644)?;
    }
    reread()?;
    state.write(CONFINED, b"", Owner::ROOT, 0o644)
}

/// Takes away what [`lay`] has laid down, of a unit that is stopped.
pub(super) fn take_away(unit: &str, is_provided: bool, state: &Directory) -> Result<(), Error> {
    let path = drop_in_directory(unit);
    state.remove(CONFINED)?;
    if is_provided {
        Directory::ours(Path::new(RUNTIME_UNITS), 0o755)?.remove(unit)?;
    }
    if !is_missing(&path)? {
        Directory::ours(&path, 0o755)?.remove(DROP_IN)?;
        super::files::unmake(&path)?;
    }
    reread()?;
    // One that has failed would be remembered as such; one that has not is no reason to fail.
    attempt(SYSTEMCTL, &["reset-failed", "--", unit]).map(drop)
}

/// Starts it, or starts it anew; waits until it is up.
pub(super) fn restart(unit: &str) -> Result<(), Error> {
    // Too many starts in a row are no reason to refuse one that a person asks for.
    attempt(SYSTEMCTL, &["reset-failed", "--", unit])?;
    let answer = attempt(SYSTEMCTL, &["restart", "--", unit])?;
    if answer.status.success() {
        return Ok(());
    }
    // In systemd's words, and none of the server's own: everybody is told what the matter is.
    let words = answer.stderr.lines().next().unwrap_or("nobody says why");
    let reason = words.strip_prefix(&format!("Job for {unit} failed because ")).unwrap_or(words);
    Err(Error::Start { unit: unit.to_owned(), reason: reason.trim_end_matches('.').to_owned() })
}

/// Shows files to a server that runs, and has it read them again, if it knows how. False if it has to be restarted.
pub(super) fn refresh(unit: &str, files: &[(PathBuf, PathBuf)], reload: bool) -> Result<bool, Error> {
    for (from, to) in files {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        if !attempt(SYSTEMCTL, &["bind", "--read-only", "--", unit, &from, &to])?.status.success() {
            return Ok(false);
        }
    }
    Ok(!reload || attempt(SYSTEMCTL, &["reload", "--", unit])?.status.success())
}

/// Stops it; waits until it is down.
pub(super) fn stop(unit: &str) -> Result<(), Error> {
    run(SYSTEMCTL, &["stop", "--", unit]).map(drop)
}

/// Lets nothing start it, also over a reboot.
pub(super) fn mask(unit: &str) -> Result<(), Error> {
    run(SYSTEMCTL, &["mask", "--", unit])?;
    // systemctl does not wait for the disk, and dpkg does: the package could be there after a power cut, and the mask not.
    Directory::ours(Path::new(SYSTEM_UNITS), 0o755)?.sync()
}

/// Lets it be started again.
pub(super) fn unmask(unit: &str) -> Result<(), Error> {
    run(SYSTEMCTL, &["unmask", "--", unit]).map(drop)
}

/// Has it not start at boot. It may be masked: that is how it is never open for a moment.
pub(super) fn disable(unit: &str) -> Result<(), Error> {
    // One that is only an init script has nothing that systemctl could disable while it is masked.
    let answer = attempt(SYSTEMCTL, &["disable", "--quiet", "--", unit])?;
    let script = unit.strip_suffix(".service").filter(|name| Path::new("/etc/init.d").join(name).is_file());
    if let Some(name) = script {
        return run(SYSV_INSTALL, &["disable", name]).map(drop);
    }
    if answer.status.success() || State::of(unit)?.load == "not-found" {
        return Ok(());
    }
    Err(super::program::failed(SYSTEMCTL, &answer.stderr, answer.status))
}

/// Has a unit of a package start only while it is ours, over reboots and upgrades: the scripts of a package start its server
/// when it is upgraded, some of them also one that is disabled.
pub(super) fn guard(unit: &str, service: &str) -> Result<(), Error> {
    let directory = Directory::ours(&guard_directory(unit), 0o755)?;
    let text = format!(
        "# Made by Tails Server, and gone when the service is uninstalled: until it is applied, nothing starts it.\n\
         [Unit]\nConditionPathExists={STATE}/{service}/{CONFINED}\n"
    );
    directory.write(GUARD, text.as_bytes(), Owner::ROOT, 0o644)?;
    reread()
}

/// Takes the guard away.
pub(super) fn unguard(unit: &str) -> Result<(), Error> {
    let path = guard_directory(unit);
    if is_missing(&path)? {
        return Ok(());
    }
    Directory::ours(&path, 0o755)?.remove(GUARD)?;
    super::files::unmake(&path)?;
    reread()
}

/// Has systemd read all units again.
pub(super) fn reread() -> Result<(), Error> {
    run(SYSTEMCTL, &["daemon-reload"]).map(drop)
}

fn guard_directory(unit: &str) -> PathBuf {
    Path::new(SYSTEM_UNITS).join(format!("{unit}.d"))
}

fn drop_in_directory(unit: &str) -> PathBuf {
    Path::new(RUNTIME_UNITS).join(format!("{unit}.d"))
}
