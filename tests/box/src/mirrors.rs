// SPDX-License-Identifier: GPL-3.0-or-later
//! Where the host gets its packages from: we take ours from there, too, and name no host ourselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Error, Release, program};

/// The archives of a release that we want packages from, by what follows its name.
const ARCHIVES: [&str; 3] = ["", "-updates", "-security"];
/// The names by which the host may call its own release.
const STANDING_NAMES: [&str; 3] = ["stable", "oldstable", "testing"];
/// What of the host's apt settings is about getting files: proxies, and whether the clock can be believed.
const OPTIONS: [&str; 5] = ["Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::Force"];

/// Lines for `sources.list`: the host's mirrors of Debian, for this release.
pub(crate) fn sources(release: Release) -> Result<String, Error> {
    let format = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)";
    let targets =
        program::run(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let os_release =
        fs::read_to_string("/etc/os-release").map_err(Error::file("read", Path::new("/etc/os-release")))?;
    let host = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable");
    let lines = translate(&targets, host.trim_matches('"'), release);
    if lines.is_empty() { Err(Error::NoMirrors) } else { Ok(lines) }
}

/// The lines of `apt.conf` that the host needs to reach its mirrors.
pub(crate) fn options() -> Result<String, Error> {
    let dump = program::run(Command::new("apt-config").arg("dump"))?;
    let wanted = |line: &&str| OPTIONS.iter().any(|option| line.starts_with(option));
    Ok(dump.lines().filter(wanted).map(|line| format!("{line}\n")).collect())
}

/// From what apt has of the host's release to the lines for another one.
fn translate(targets: &str, host: &str, release: Release) -> String {
    let mut lines = Vec::new();
    for target in targets.lines() {
        let mut fields = target.split('|');
        let (Some(address), Some(suite), Some("main"), Some(origin)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // Before the first "apt-get update" the origin is unknown, and the format's own word stands there.
        let is_debian = origin == "Debian" || origin.is_empty() || origin.starts_with('$');
        let archive = std::iter::once(host).chain(STANDING_NAMES).find_map(|name| suite.strip_prefix(name));
        let Some(archive) = archive.filter(|archive| is_debian && ARCHIVES.contains(archive)) else { continue };
        let line = format!("deb {address} {}{archive} main\n", release.codename());
        // Several architectures have a line each.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirrors_of_the_host_are_used_for_another_release() {
        let targets = "http://mirror.example/debian/|bookworm|main|Debian\n\
                       http://mirror.example/debian/|bookworm|main|Debian\n\
                       http://mirror.example/debian/|bookworm|contrib|Debian\n\
                       http://mirror.example/debian/|bookworm-backports|main|Debian\n\
                       http://mirror.example/security/|stable-security|main|$(ORIGIN)\n\
                       http://other.example/|bookworm|main|Somebody\n";
        let expected = "deb http://mirror.example/debian/ trixie main\n\
                        deb http://mirror.example/security/ trixie-security main\n";
        assert_eq!(translate(targets, "bookworm", Release::Trixie), expected);
    }
}
