// SPDX-License-Identifier: GPL-3.0-or-later
//! What the server sees where: rendered files over packaged ones, and persistent directories over those that a reboot
//! forgets, in the drop-in of its unit.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use super::error::Error;
use super::files::{Directory, is_missing};
use super::ledger::{Kind, Ledger};
use super::origin;
use super::owners;
use super::places::KEPT;
use super::program::{CP, run};
use super::users::Owner;
use crate::descriptor::{Access, Alternatives, FolderMount, Persist, ServiceDescriptor, ServicePath};

/// Says, in the data of a service, that they come out of a backup that is not restored yet.
const RESTORING: &str = ".restoring";

/// Where the persistent directories of a service are on this computer.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    directories: Vec<Kept<'a>>,
}

/// A persistent directory.
#[derive(Debug)]
struct Kept<'a> {
    persist: &'a Persist,
    /// Where the server looks for it.
    path: &'a ServicePath,
    /// Where it is, if it is persistent now.
    source: Option<PathBuf>,
    /// What it is called among the persistent directories of the service.
    name: String,
}

impl<'a> Layout<'a> {
    pub(super) fn new(descriptor: &'a ServiceDescriptor, is_kept: bool) -> Result<Self, Error> {
        let kept = Path::new(KEPT).join(descriptor.name.as_str());
        let mut directories = Vec::new();
        for persist in &descriptor.persist {
            let path = existing(&persist.path)?;
            let name = path.kept_name();
            let source = is_kept.then(|| kept.join(&name));
            directories.push(Kept { persist: &persist.value, path, source, name });
        }
        Ok(Self { directories })
    }

    /// Where something is, which the server finds at `path`.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        let within = self.directories.iter().find_map(|kept| {
            let source = kept.source.as_ref()?;
            Some(source.join(path.strip_prefix(kept.path.as_path()).ok()?))
        });
        within.unwrap_or_else(|| path.to_owned())
    }

    /// Whether data has to be copied or given away, for which the server has to be stopped.
    pub(super) fn moves(&self) -> Result<bool, Error> {
        for kept in &self.directories {
            if kept.is_to_be_copied()? || kept.is_of_others()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the directories. Those that become persistent take along what is in them, and what is kept belongs to the server.
    /// What people should know of it.
    pub(super) fn prepare(&self, service: &str, ledger: &mut Ledger) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        for kept in &self.directories {
            let Kept { persist, path, source, name } = kept;
            let owner = kept.owner()?;
            let mode = u32::from(persist.mode.bits());
            ledger.make_directory(path.as_path(), owner, mode, Kind::Data)?;
            let Some(source) = source else {
                let all = Path::new(KEPT).join(service);
                if !is_missing(&all.join(name))? {
                    origin::note_used(&Directory::open(&all)?, name, path.as_path())?;
                }
                continue;
            };
            // Root's alone: whoever got the number that a server had, in another session, must not come to what it has written.
            let all = Directory::ours(Path::new(KEPT), 0o700)?.enter(service, 0o700)?;
            if !kept.is_to_be_copied()? {
                notes.extend(give(source, owner)?);
                continue;
            }
            let half = source.with_extension("half");
            let half_name = half.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("no name"))?;
            all.remove_all(half_name)?;
            let words = ["--archive", "--one-file-system", "--no-target-directory", "--"].map(Path::new);
            run(CP, &[&words[..], &[path.as_path(), half.as_path()]].concat())?;
            let copy = Directory::open(&half)?;
            syncfs(copy.handle()).map_err(Error::file("sync", &half))?;
            // The copy is whole. Without the one before it is made anew after a crash, and not mistaken for that.
            if !is_missing(source)? {
                let before = all.path().join(origin::before(&all, name)?);
                all.rename(name, &before)?;
                notes.push(format!("the data that were kept before are in {}", before.display()));
            }
            origin::note_kept(&all, name, path.as_path())?;
            all.rename(half_name, source)?;
            notes.extend(give(source, owner)?);
        }
        Ok(notes)
    }

    /// The lines of the drop-in.
    fn lines(&self, drop_in: &mut String) {
        for kept in &self.directories {
            if let Some(source) = &kept.source {
                bind(drop_in, "BindPaths", source, kept.path.as_path());
            }
        }
    }
}

impl Kept<'_> {
    /// Whose it is on this computer, since the package is installed.
    fn owner(&self) -> Result<Owner, Error> {
        Owner::find(self.persist.owner.as_str(), self.persist.group.as_str())
    }

    /// Whether it was kept where the user of the server had another number.
    fn is_of_others(&self) -> Result<bool, Error> {
        let Some(source) = &self.source else { return Ok(false) };
        owners::is_of_others(source, self.owner()?)
    }

    /// Whether data become persistent: there are none yet, or the server has gone on with others.
    fn is_to_be_copied(&self) -> Result<bool, Error> {
        let Some(source) = &self.source else { return Ok(false) };
        if is_missing(source)? {
            return Ok(true);
        }
        origin::is_ahead(&Directory::parent(source)?, &self.name, self.path.as_path())
    }
}

/// Gives data to the user of their server; what people should know of it.
fn give(source: &Path, owner: Owner) -> Result<Option<String>, Error> {
    let left = owners::give(source, owner)?;
    let note =
        || format!("{left} files in {} have names elsewhere, too, and were not given to the server", source.display());
    Ok((left > 0).then(note))
}

/// No data of a backup are in place whose wishes are not. See cli/backup/data/delivery.rs.
pub(super) fn ensure_whole(service: &str) -> Result<(), Error> {
    let mark = Path::new(KEPT).join(service).join(RESTORING);
    if is_missing(&mark)? { Ok(()) } else { Err(Error::Restoring(service.to_owned())) }
}

/// The first path that exists, or the first.
pub(super) fn existing(paths: &Alternatives<ServicePath>) -> Result<&ServicePath, Error> {
    for path in paths.iter() {
        if !is_missing(path.as_path())? {
            return Ok(path);
        }
    }
    paths.iter().next().ok_or(Error::Bug("no alternative"))
}

/// The drop-in that makes a unit ours.
pub(super) fn drop_in(
    descriptor: &ServiceDescriptor,
    files: &[(PathBuf, PathBuf)],
    folders: &[FolderMount<'_>],
    layout: &Layout<'_>,
    lan: Option<&str>,
) -> String {
    let mut text = "# Made by Tails Server, and gone when the service is withdrawn.\n[Service]\n".to_owned();
    layout.lines(&mut text);
    for (from, to) in files {
        bind(&mut text, "BindReadOnlyPaths", from, to);
    }
    for mount in folders {
        let key = match mount.access {
            Access::Read => "BindReadOnlyPaths",
            Access::Write => "BindPaths",
        };
        bind(&mut text, key, &layout.place(mount.folder.as_path()), mount.mount.as_path());
    }
    for (key, value) in descriptor.confinement_settings() {
        setting(&mut text, key, &value);
    }
    let is_provided = descriptor.unit.as_ref().is_some_and(|unit| unit.provided.is_some());
    if !is_provided {
        // An init script that does not find its server lets it run, and nobody would know: so systemd ends all of it.
        setting(&mut text, "KillMode", "control-group");
    }
    if let Some(ranges) = lan {
        setting(&mut text, "IPAddressAllow", ranges);
    }
    text
}

fn bind(text: &mut String, key: &str, from: &Path, to: &Path) {
    setting(text, key, &format!("{}:{}", quoted(from), quoted(to)));
}

fn setting(text: &mut String, key: &str, value: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "{key}={value}");
}

/// A path as systemd reads it: in quotes, and without specifiers. systemd.syntax(7), systemd.unit(5)
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_nothing_else_to_systemd() {
        assert_eq!(quoted(Path::new(r#"/home/a/My "100%" \site: x"#)), r#""/home/a/My \"100%%\" \\site: x""#);
    }
}
