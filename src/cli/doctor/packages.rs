// SPDX-License-Identifier: GPL-3.0-or-later
//! The packages of servers: whole, half there, or changed. dpkg-query(1), dpkg(1)

use std::path::Path;

use tr::tr;

use super::Subject;
use super::finding::{Finding, Severity};
use super::program::{DPKG, DPKG_QUERY, ask};

/// How much of a package is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Whole,
    Half,
}

pub(super) fn findings(subjects: &[Subject]) -> Vec<Finding> {
    let concerned: Vec<&Subject> = subjects.iter().filter(|subject| !subject.parts.packages.is_empty()).collect();
    if concerned.is_empty() {
        return Vec::new();
    }
    let looked_at = tr!("the packages of servers");
    if !Path::new(DPKG_QUERY).exists() {
        let found = tr!("could not be looked at: this system has no dpkg");
        return vec![Finding::new("packages", Severity::Note, looked_at, found)];
    }
    let names = concerned.iter().flat_map(|subject| subject.parts.packages.iter().map(String::as_str));
    let words = ["--show", "--showformat=${Package} ${Status}\\n", "--"].into_iter().chain(names);
    let told = match ask(DPKG_QUERY, &words.collect::<Vec<_>>()) {
        Ok(told) => told,
        Err(cause) => {
            return vec![Finding::new(
                "packages",
                Severity::Note,
                looked_at,
                tr!("could not be looked at: {cause}", cause),
            )];
        }
    };
    let there = present(&told);
    let mut findings: Vec<Finding> =
        concerned.iter().filter_map(|subject| judge(subject, &there, &looked_at)).collect();
    findings.extend(there.iter().filter(|(_, presence)| *presence == Presence::Whole).filter_map(|(name, _)| {
        let changes = ask(DPKG, &["--verify", name]).ok()?;
        let owner = concerned.iter().find(|subject| subject.parts.packages.contains(name))?;
        Some(changed(name, &changes)?.about(&owner.name))
    }));
    if findings.is_empty() {
        let found =
            tr!("one is installed, whole and unchanged" | "{n} are installed, whole and unchanged" % there.len());
        findings.push(Finding::new("packages", Severity::Ok, looked_at, found));
    }
    findings
}

/// The packages that are there, wholly or not.
fn present(told: &str) -> Vec<(String, Presence)> {
    let lines = told.lines().filter_map(|line| {
        let (name, status) = line.split_once(' ')?;
        match status.rsplit(' ').next()? {
            "installed" => Some((name.to_owned(), Presence::Whole)),
            "not-installed" | "config-files" => None,
            _ => Some((name.to_owned(), Presence::Half)),
        }
    });
    lines.collect()
}

fn judge(subject: &Subject, there: &[(String, Presence)], looked_at: &str) -> Option<Finding> {
    let mine = || there.iter().filter(|(name, _)| subject.parts.packages.contains(name));
    if let Some((name, _)) = mine().find(|(_, presence)| *presence == Presence::Half) {
        return Some(
            Finding::new("packages", Severity::Error, looked_at, tr!("{name} is half installed", name))
                .about(&subject.name)
                .because(tr!("an installation was cut off"))
                .so(tr!("Finish it: sudo dpkg --configure --pending; or enable the service again")),
        );
    }
    let is_missing =
        mine().next().is_none() && subject.service.as_ref().is_some_and(|service| service.installed == Some(true));
    is_missing.then(|| {
        Finding::new(
            "packages",
            Severity::Error,
            looked_at,
            tr!("the controller has it as installed, and dpkg has none of them"),
        )
        .about(&subject.name)
        .so(tr!("Enable the service again: tails-server enable {name}", name = subject.name))
    })
}

/// What `dpkg --verify` says of a package; nothing if it is as it was packaged.
fn changed(package: &str, told: &str) -> Option<Finding> {
    let (unreadable, changed): (Vec<&str>, Vec<&str>) =
        told.lines().filter(|line| !line.trim().is_empty()).partition(|line| line.contains("Permission denied"));
    let looked_at = tr!("whether the files of {package} are as they were packaged", package);
    // A person may edit configuration, which is marked so.
    let (configuration, others): (Vec<&str>, Vec<&str>) =
        changed.into_iter().partition(|line| line.split_ascii_whitespace().nth(1) == Some("c"));
    if !others.is_empty() {
        let files: Vec<&str> = others.iter().filter_map(|line| line.split_ascii_whitespace().last()).take(3).collect();
        let found = tr!(
            "one file is not: {files}" | "{n} files are not, such as {files}" % others.len(),
            files = files.join(", ")
        );
        let next = tr!("If nobody changed them on purpose: sudo apt install --reinstall {package}", package);
        return Some(Finding::new("packages-changed", Severity::Warning, looked_at, found).so(next));
    }
    if !configuration.is_empty() {
        let found = tr!("one file of its configuration was edited"
            | "{n} files of its configuration were edited" % configuration.len());
        return Some(Finding::new("packages-changed", Severity::Note, looked_at, found));
    }
    (!unreadable.is_empty()).then(|| {
        let found = tr!("one file could not be looked at: only root may"
            | "{n} files could not be looked at: only root may" % unreadable.len());
        Finding::new("packages-changed", Severity::Note, looked_at, found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::api::PartsProperties;
    use crate::cli::doctor::listeners::tests::properties;

    #[test]
    fn packages_are_whole_half_there_or_missing() {
        let parts =
            PartsProperties { units: Vec::new(), packages: vec!["mumble-server".to_owned(), "murmur".to_owned()] };
        let mumble = Subject { name: "mumble".to_owned(), service: Some(properties("1:127.0.0.1:1")), parts };
        for (told, found) in [
            ("mumble-server install ok installed\n", None),
            ("murmur hold ok installed\nother install ok half-configured\n", None),
            ("mumble-server install ok half-configured\n", Some("mumble-server is half installed")),
            ("mumble-server install reinstreq unpacked\n", Some("mumble-server is half installed")),
            (
                "mumble-server deinstall ok config-files\n",
                Some("the controller has it as installed, and dpkg has none of them"),
            ),
            ("", Some("the controller has it as installed, and dpkg has none of them")),
        ] {
            let judged = judge(&mumble, &present(told), "");
            assert_eq!(judged.as_ref().map(|finding| finding.found.as_str()), found, "{told}");
        }
    }

    #[test]
    fn what_dpkg_says_of_files_is_judged() {
        for (told, severity, found) in [
            ("", None, ""),
            ("??5?????? c /etc/murmur.ini\n", Some(Severity::Note), "one file of its configuration was edited"),
            ("??5??????   /usr/bin/x\n??5?????? c /etc/y\n", Some(Severity::Warning), "one file is not: /usr/bin/x"),
            (
                "missing     /usr/a\n??5??????   /usr/b\n",
                Some(Severity::Warning),
                "2 files are not, such as /usr/a, /usr/b",
            ),
            ("missing   c /etc/z (Permission denied)\n", Some(Severity::Note), "only root may"),
        ] {
            let finding = changed("x", told);
            assert_eq!(finding.as_ref().map(|finding| finding.severity), severity, "{told}");
            assert!(finding.is_none_or(|finding| finding.found.contains(found)), "{told}");
        }
    }
}
