// SPDX-License-Identifier: GPL-3.0-or-later
//! Debian packages, by apt: those that are there are used as they are.

mod locks;
mod whole;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use self::locks::{holder, patiently};
pub(super) use self::whole::make_whole;
use super::error::Error;
use super::program::{APT_CACHE, APT_GET, DPKG, DPKG_QUERY, attempt, cannot, command, run};
use super::report::Report;
use crate::descriptor::Install;

/// What apt is always told: no questions, no terminal. It does not wait for locks: we do.
const ALWAYS: &[&str] = &["--quiet", "--yes", "--option=Dpkg::Use-Pty=0", "--option=DPkg::Lock::Timeout=0"];
/// Files that the administrator has changed stay as they are.
const KEEPING: &[&str] = &["--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold"];
/// Mends what is not as it should be, and removes nothing for it.
const MENDING: &[&str] = &["--fix-broken", "--no-remove"];
/// How much of an installation is downloading, in percent, as far as anybody can say.
const DOWNLOAD_SHARE: f32 = 30.0;

/// Which packages the service uses: of alternatives the first that is installed, or else the first that apt knows.
pub(super) fn choose(install: &Install, report: &Report) -> Result<Vec<String>, Error> {
    if let Ok(chosen) = choose_known(install)? {
        return Ok(chosen);
    }
    // One repository that does not answer is no reason to give up, if another one has it.
    let updated = patiently(report, update);
    match choose_known(install)? {
        Ok(chosen) => Ok(chosen),
        Err(unknown) => updated.and(Err(Error::NoPackage(unknown))),
    }
}

fn choose_known(install: &Install) -> Result<Result<Vec<String>, String>, Error> {
    let mut chosen = Vec::new();
    for alternatives in &install.packages {
        let names: Vec<&str> = alternatives.iter().map(|name| name.as_str()).collect();
        let mut found = None;
        for name in &names {
            if found.is_none() && is_installed(name)? {
                found = Some(*name);
            }
        }
        for name in &names {
            if found.is_none() {
                let shown = attempt(APT_CACHE, &["show", "--no-all-versions", name])?;
                // Of a package that others only mention there is nothing to show, and that is no failure.
                found = (shown.status.success() && !shown.stdout.trim().is_empty()).then_some(*name);
            }
        }
        match found {
            Some(name) => chosen.push(name.to_owned()),
            None => return Ok(Err(names.join(", "))),
        }
    }
    Ok(Ok(chosen))
}

/// That all are installed, or else which one is not.
pub(super) fn require(install: &Install) -> Result<(), Error> {
    for alternatives in &install.packages {
        let mut is_there = false;
        for name in alternatives.iter() {
            is_there = is_there || is_installed(name.as_str())?;
        }
        if !is_there {
            let first = alternatives.iter().next().map(ToString::to_string);
            return Err(Error::NotInstalled(first.unwrap_or_default()));
        }
    }
    Ok(())
}

/// Those that are not there with all of it.
pub(super) fn absent(packages: &[String]) -> Result<Vec<String>, Error> {
    let mut absent = Vec::new();
    for name in packages {
        if !is_installed(name)? {
            absent.push(name.clone());
        }
    }
    Ok(absent)
}

/// Whether a package is there with all of it.
pub(super) fn is_installed(name: &str) -> Result<bool, Error> {
    let answer = attempt(DPKG_QUERY, &["--show", "--showformat=${db:Status-Status}\n", name])?;
    Ok(answer.status.success() && answer.stdout.lines().any(|status| status == "installed"))
}

/// Whether anything of a package is there, be it half of it or its configuration alone.
pub(super) fn is_there_at_all(name: &str) -> Result<bool, Error> {
    let answer = attempt(DPKG_QUERY, &["--show", "--showformat=${db:Status-Status}\n", name])?;
    Ok(answer.status.success() && answer.stdout.lines().any(|status| status != "not-installed"))
}

/// Whether there is more of one of these packages than its configuration.
pub(super) fn has_some_of(packages: &[String]) -> Result<bool, Error> {
    let there = ["half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed"];
    Ok(in_state(&there)?.iter().any(|name| packages.contains(name)))
}

/// Ends what another run, or anybody, has left half done.
pub(super) fn repair(report: &Report) -> Result<(), Error> {
    patiently(report, || {
        // What half of was unpacked first: whatever depends on it can not be configured, and apt fails at that before it comes
        // to unpack the other half. What fails here says so again when apt runs.
        let half = half_unpacked()?;
        if !half.is_empty() {
            unless_locked(APT_GET, &[&["--reinstall"], MENDING, &words("install", false, &half)].concat())?;
        }
        unless_locked(DPKG, &["--configure", "--pending"])?;
        if in_state(&["unpacked", "half-configured"])?.is_empty() {
            return Ok(());
        }
        // Something that they depend on is missing. With the names of packages, apt would only say so.
        unless_locked(APT_GET, &[MENDING, &words("install", false, &[])].concat())
    })
}

/// Tries something that may fail, but for locks.
fn unless_locked(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let answer = attempt(program, arguments)?;
    match holder(&answer.stderr) {
        Some(holder) if !answer.status.success() => Err(Error::Locked(holder)),
        Some(_) | None => Ok(()),
    }
}

/// The packages that dpkg can do nothing with before they are unpacked again. After a power cut one may be called unpacked,
/// and still be marked.
fn half_unpacked() -> Result<Vec<String>, Error> {
    let all = attempt(DPKG_QUERY, &["--show", "--showformat=${db:Status-Status} ${db:Status-Eflag} ${Package}\n"])?;
    let packages = all.stdout.lines().filter_map(|line| {
        let (state, rest) = line.split_once(' ')?;
        let (mark, name) = rest.split_once(' ')?;
        (state == "half-installed" || mark == "reinstreq").then(|| name.to_owned())
    });
    Ok(packages.collect())
}

/// The packages in one of these states, in their order.
fn in_state(states: &[&str]) -> Result<Vec<String>, Error> {
    let all = attempt(DPKG_QUERY, &["--show", "--showformat=${db:Status-Status} ${Package}\n"])?;
    let packages = all.stdout.lines().filter_map(|line| line.split_once(' '));
    Ok(packages.filter(|(state, _)| states.contains(state)).map(|(_, name)| name.to_owned()).collect())
}

/// All that would be installed with these packages, and is not there in any version.
pub(super) fn would_bring(packages: &[String], install: &Install) -> Result<Vec<String>, Error> {
    let words = words("install", install.recommends, packages);
    let text = run(APT_GET, &[&["--simulate"], &words[..]].concat())?;
    Ok(simulated(&text, "Inst").into_iter().collect())
}

/// Installs packages, and tells how far it is. What stays half installed, by no doing of ours and in nobody's way.
pub(super) fn install(packages: &[String], install: &Install, report: &Report) -> Result<Vec<String>, Error> {
    let once = || patiently(report, || install_once(packages, install, report));
    let ended = match once() {
        Err(Error::Offline(_)) => {
            // The list may be older than the repository, which has another version since.
            patiently(report, update)?;
            once()
        }
        Err(Error::Failed { .. }) => {
            // After a dpkg that was killed, apt may plan in an order in which something is configured before what it needs is
            // there. Having failed it knows better: so there is one more try, and no third.
            patiently(report, || unless_locked(APT_GET, &[MENDING, &words("install", false, &[])].concat()))?;
            repair(report)?;
            once()
        }
        ended => ended,
    };
    match ended {
        Ok(()) => Ok(Vec::new()),
        // apt configures all that is to be configured, and fails with any of it.
        Err(Error::Failed { program, reason }) if reason.contains("dpkg") => {
            let half = in_state(&["half-installed", "unpacked", "half-configured"])?;
            if absent(packages)?.is_empty() {
                Ok(half)
            } else if half.is_empty() {
                Err(Error::Failed { program, reason })
            } else {
                Err(Error::HalfInstalled(half.join(", ")))
            }
        }
        Err(error) => Err(error),
    }
}

fn install_once(packages: &[String], install: &Install, report: &Report) -> Result<(), Error> {
    let arguments = words("install", install.recommends, packages);
    let mut command = command(APT_GET);
    command.arg("--option=APT::Status-Fd=1").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot(APT_GET))?;
    // In a thread of its own: who fills one of the two pipes while nobody reads it waits for ever.
    let errors = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What can not be read is not told.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let mut last = None;
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).split(b'\n')) {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line);
        let Some((percent, what)) = progress(&line) else { continue };
        if last.as_ref() != Some(&(percent, what.to_owned())) {
            report.progress(percent, what)?;
            last = Some((percent, what.to_owned()));
        }
    }
    let status = child.wait().map_err(cannot(APT_GET))?;
    let errors = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
    if status.success() { Ok(()) } else { Err(failure(&errors, status)) }
}

/// Removes packages with their configuration, but for those that take others with them; what stays.
pub(super) fn purge(packages: &[String], report: &Report) -> Result<Vec<String>, Error> {
    let (mut going, mut left) = (packages.to_vec(), Vec::new());
    if !takes_along(&going)?.is_empty() {
        going.clear();
        for name in packages {
            let is_alone = takes_along(std::slice::from_ref(name))?.iter().all(|other| packages.contains(other));
            if is_alone { &mut going } else { &mut left }.push(name.clone());
        }
    }
    if going.is_empty() {
        return Ok(left);
    }
    // With all of these gone at once, still none of the others may go.
    if !takes_along(&going)?.is_empty() {
        return Ok(packages.to_vec());
    }
    patiently(report, || {
        let answer = attempt(APT_GET, &words("purge", false, &going))?;
        if answer.status.success() { Ok(()) } else { Err(failure(&answer.stderr, answer.status)) }
    })
    .or_else(|error| {
        // apt configures all that is to be configured, fails with any of it, and leaves the configuration of what it removed.
        if has_some_of(&going)? {
            return Err(error);
        }
        let going = going.iter().map(String::as_str);
        run(DPKG, &["--purge", "--"].into_iter().chain(going).collect::<Vec<_>>()).map(drop)
    })?;
    Ok(left)
}

/// What else would be removed with these packages.
fn takes_along(packages: &[String]) -> Result<Vec<String>, Error> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let text = run(APT_GET, &[&["--simulate"], &words("purge", false, packages)[..]].concat())?;
    let removed = &simulated(&text, "Remv") | &simulated(&text, "Purg");
    Ok(removed.into_iter().filter(|name| !packages.contains(name)).collect())
}

fn update() -> Result<(), Error> {
    // Without this it succeeds where nothing answers.
    let answer = attempt(APT_GET, &[ALWAYS, &["--error-on=any", "update"]].concat())?;
    if answer.status.success() { Ok(()) } else { Err(failure(&answer.stderr, answer.status)) }
}

fn words<'a>(verb: &'a str, recommends: bool, packages: &'a [String]) -> Vec<&'a str> {
    let recommended = if recommends { "--install-recommends" } else { "--no-install-recommends" };
    let packages = packages.iter().map(String::as_str);
    ALWAYS.iter().chain(KEEPING).copied().chain([recommended, verb, "--"]).chain(packages).collect()
}

/// `Inst NAME (...)`, and the like. What is there in another version, `Inst NAME [...] (...)`, is not what it is about.
fn simulated(text: &str, verb: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_it = words.next() == Some(verb);
        let name = is_it.then(|| words.next())??;
        let is_upgrade = verb == "Inst" && words.next().is_some_and(|word| word.starts_with('['));
        // Of another architecture: NAME:ARCHITECTURE.
        name.split(':').next().filter(|_| !is_upgrade).map(str::to_owned)
    };
    text.lines().filter_map(line).collect()
}

/// `dlstatus:NUMBER:PERCENT:TEXT`, `pmstatus:PACKAGE:PERCENT:TEXT`. README.progress-reporting of apt
fn progress(line: &str) -> Option<(u8, &str)> {
    let (kind, rest) = line.split_once(':')?;
    let (subject, rest) = rest.split_once(':')?;
    let (percent, _) = rest.split_once(':')?;
    let percent = percent.parse::<f32>().ok()?.clamp(0.0, 100.0);
    let (percent, what) = match kind {
        "dlstatus" => (percent * DOWNLOAD_SHARE / 100.0, "download"),
        "pmstatus" => (DOWNLOAD_SHARE + percent * (100.0 - DOWNLOAD_SHARE) / 100.0, subject),
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
    Some((percent.round() as u8, what))
}

/// Why apt failed, for those who can do something about it.
fn failure(stderr: &str, status: std::process::ExitStatus) -> Error {
    // All of it for the journal, which knows it by our unit. Where nobody listens, nothing is lost.
    let _ = std::io::stderr().write_all(stderr.as_bytes());
    let about = |needle: &str| stderr.lines().find(|line| line.contains(needle));
    if let Some(holder) = holder(stderr) {
        return Error::Locked(holder);
    }
    let offline = ["Failed to fetch", "Could not resolve", "Temporary failure resolving"];
    match offline.iter().find_map(|needle| about(needle)) {
        Some(line) => Error::Offline(line.trim_start_matches("E: ").to_owned()),
        None => super::program::failed(APT_GET, stderr, status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_says_of_its_progress_is_understood() {
        assert_eq!(progress("dlstatus:1:50:Retrieving file 1 of 2"), Some((15, "download")));
        assert_eq!(progress("pmstatus:mumble-server:50.0:Unpacking"), Some((65, "mumble-server")));
        assert_eq!(progress("pmstatus:dpkg-exec:100.0000:Running dpkg"), Some((100, "dpkg-exec")));
        for text in ["", "Setting up x: y", "pmerror:a:1:b", "pmstatus:a:b:c", "pmstatus:a:NaN"] {
            assert_eq!(progress(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_simulation_would_do_is_understood() {
        let text = "NOTE: This is only a simulation!\nInst liba (1 x [amd64])\nInst b:i386 (2 x)\nConf liba (1 x)\n\
                    Inst libc [1] (2 x [amd64])\nPurg gone [1]\n";
        assert_eq!(simulated(text, "Inst"), BTreeSet::from(["liba".to_owned(), "b".to_owned()]));
        assert_eq!(simulated(text, "Purg"), BTreeSet::from(["gone".to_owned()]));
    }
}
