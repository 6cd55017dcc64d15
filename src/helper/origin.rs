// SPDX-License-Identifier: GPL-3.0-or-later
//! Which data count when something is kept that was kept before.
//!
//! The rule: what the server has now counts, if it has gone on with it. When data are kept, we write down which directory
//! they came from; when they are not kept any more, the server goes on with that directory, and we write that down. Only
//! then is that directory copied when it is kept again. Whatever was kept before stays beside it, under the name `.before-`
//! and the date: it has what was made while it was in use. In every other case the kept data count. So after a reboot in
//! Tails, where the directory is another one that began with nothing, nothing takes the place of what was kept.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::files::{Directory, is_missing};
use super::users::Owner;

/// What follows the name of the kept data in the name of the file that says where they came from.
const SUFFIX: &str = ".origin";
const MOST_BYTES: u64 = 4096;
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// Where kept data came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Origin {
    directory: Identity,
    /// Whether the server has gone on with that directory since.
    is_used: bool,
}

/// Which directory it is. The number alone comes back after a reboot, where a file system is made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Identity {
    inode: u64,
    born: (i64, u32),
}

/// Writes down that data are kept which came from this directory.
pub(super) fn note_kept(all: &Directory, name: &str, path: &Path) -> Result<(), Error> {
    match identity(path)? {
        Some(directory) => write(all, name, &Origin { directory, is_used: false }),
        // A file system that does not say: then the kept data count.
        None => all.remove(&file(name)),
    }
}

/// Writes down that the server goes on with this directory, if what was kept came from it.
pub(super) fn note_used(all: &Directory, name: &str, path: &Path) -> Result<(), Error> {
    match read(all, name)? {
        Some(origin) if !origin.is_used && identity(path)?.as_ref() == Some(&origin.directory) => {
            write(all, name, &Origin { is_used: true, ..origin })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the server has gone on with this directory since its data were kept.
pub(super) fn is_ahead(all: &Directory, name: &str, path: &Path) -> Result<bool, Error> {
    let Some(origin) = read(all, name)?.filter(|origin| origin.is_used) else { return Ok(false) };
    Ok(identity(path)?.as_ref() == Some(&origin.directory))
}

/// A free name beside the kept data for those that were there before.
pub(super) fn before(all: &Directory, name: &str) -> Result<String, Error> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let first = format!("{name}.before-{}", date(since.as_secs() / SECONDS_A_DAY));
    let names = all.names()?;
    let numbered = (2..).map(|number: u32| format!("{first}-{number}"));
    let mut free = std::iter::once(first.clone()).chain(numbered).filter(|name| !names.contains(name));
    free.next().ok_or(Error::Bug("more names than numbers"))
}

/// The date of a day since 1970, as 2026-11-27.
fn date(day: u64) -> String {
    // Years begin in March, so that the leap day is the last; 400 of them have 146097 days.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{of_month:02}")
}

fn identity(path: &Path) -> Result<Option<Identity>, Error> {
    if is_missing(path)? {
        return Ok(None);
    }
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let about = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).map_err(Error::file("look at", path))?;
    let is_told = StatxFlags::from_bits_retain(about.stx_mask).contains(wanted);
    let born = (about.stx_btime.tv_sec, about.stx_btime.tv_nsec);
    Ok(is_told.then_some(Identity { inode: about.stx_ino, born }))
}

fn write(all: &Directory, name: &str, origin: &Origin) -> Result<(), Error> {
    let text = serde_json::to_vec(origin).map_err(|_| Error::Bug("an origin that can not be written"))?;
    all.write(&file(name), &text, Owner::ROOT, 0o600)
}

fn read(all: &Directory, name: &str) -> Result<Option<Origin>, Error> {
    let text = all.read(&file(name), MOST_BYTES)?;
    // What makes no sense says nothing: then the kept data count.
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

fn file(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        for (day, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_784, "2026-11-27"),
            (20_818, "2026-12-31"),
        ] {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn a_directory_that_is_made_anew_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        std::fs::create_dir(&path).unwrap();
        let first = identity(&path).unwrap();
        std::fs::write(path.join("more"), "more").unwrap();
        assert_eq!(identity(&path).unwrap(), first);
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(identity(&path).unwrap(), None);
        std::fs::create_dir(&path).unwrap();
        assert!(first.is_none() || identity(&path).unwrap() != first);
    }
}
