// SPDX-License-Identifier: GPL-3.0-or-later
//! Packages whose files were lost with the power: dpkg waits for the disk with its own lists and with programs, but not with
//! files of configuration. These are empty then, or missing, and dpkg calls their package installed.

use super::{ALWAYS, failure, is_installed, patiently, update};
use crate::helper::error::Error;
use crate::helper::program::{APT_GET, DPKG, attempt};
use crate::helper::report::Report;

/// Files are as the package has them, whatever is there. dpkg asks about a file of configuration that is not as it was
/// installed only if the package has a new one, and otherwise leaves it, unless it is told to ask; and it takes its own
/// default before any other answer, so that it must not be told to.
const AS_PACKAGED: &[&str] = &[
    "--reinstall",
    "--option=Dpkg::Options::=--force-confmiss",
    "--option=Dpkg::Options::=--force-confask",
    "--option=Dpkg::Options::=--force-confnew",
];

/// Installs anew what is not as its package has it. Only for packages that nobody has used yet.
pub(in crate::helper) fn make_whole(packages: &[String], report: &Report) -> Result<(), Error> {
    report.progress(0, "looking for damage")?;
    let mut damaged = Vec::new();
    for name in packages {
        if is_installed(name)? && is_damaged(&attempt(DPKG, &["--verify", "--", name])?.stdout) {
            damaged.push(name.clone());
        }
    }
    if damaged.is_empty() {
        return Ok(());
    }
    report.progress(0, &damaged.join(", "))?;
    if !can_be_had(&damaged)? {
        // The list may be older than the repository, which has another version since.
        patiently(report, update)?;
        if !can_be_had(&damaged)? {
            return Err(Error::Damaged(damaged.join(", ")));
        }
    }
    match patiently(report, || reinstall(&damaged)) {
        Err(Error::Offline(_)) => {
            patiently(report, update)?;
            patiently(report, || reinstall(&damaged))
        }
        ended => ended,
    }
}

fn reinstall(packages: &[String]) -> Result<(), Error> {
    let answer = attempt(APT_GET, &words(packages))?;
    if answer.status.success() { Ok(()) } else { Err(failure(&answer.stderr, answer.status)) }
}

/// Whether apt can have all of these. It calls it no failure if not, and leaves them as they are.
fn can_be_had(packages: &[String]) -> Result<bool, Error> {
    let answer = attempt(APT_GET, &[&["--simulate"], &words(packages)[..]].concat())?;
    let had = reinstalled(&answer.stdout);
    Ok(answer.status.success() && packages.iter().all(|name| had.contains(&name.as_str())))
}

fn words(packages: &[String]) -> Vec<&str> {
    let packages = packages.iter().map(String::as_str);
    ALWAYS.iter().chain(AS_PACKAGED).copied().chain(["--no-remove", "install", "--"]).chain(packages).collect()
}

/// `Inst NAME [VERSION] (...)`, or `Inst NAME:ARCHITECTURE ...`.
fn reinstalled(text: &str) -> Vec<&str> {
    let names = text.lines().filter_map(|line| line.strip_prefix("Inst ")?.split([' ', ':']).next());
    names.collect()
}

/// Whether it tells of a file that is not as it was packaged: `missing   c PATH`, `??5?????? c PATH`. dpkg(1), --verify
fn is_damaged(text: &str) -> bool {
    // Many computers do without these, and are told so by dpkg for ever.
    let spared =
        ["/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/lintian/"];
    let path = |line: &str| line.find('/').map(|begin| line.split_at(begin).1.to_owned());
    text.lines().filter_map(path).any(|path| !spared.iter().any(|spared| path.starts_with(spared)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_was_packaged_is_damaged_and_manuals_that_are_not_there_are_not() {
        for (text, expected) in [
            ("", false),
            ("missing     /usr/share/doc/mumble-server/copyright\n", false),
            ("missing   c /etc/init.d/mumble-server\n", true),
            ("missing     /usr/share/man/man1/x.1.gz\n??5?????? c /etc/init.d/mumble-server\n", true),
            ("??5??????   /usr/bin/x\n", true),
        ] {
            assert_eq!(is_damaged(text), expected, "{text}");
        }
    }

    #[test]
    fn what_apt_does_not_name_can_not_be_had() {
        let text =
            "NOTE: This is only a simulation!\nInst a [1] (1 Debian [amd64])\nInst b:i386 [1] (2 x)\nConf c (1 x)\n";
        assert_eq!(reinstalled(text), ["a", "b"]);
    }
}
