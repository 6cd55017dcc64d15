// SPDX-License-Identifier: GPL-3.0-or-later
//! Who else works with packages, and how long they are waited for.

use std::thread;
use std::time::{Duration, Instant};

use crate::helper::error::Error;
use crate::helper::report::Report;

/// So long it is waited for others: unattended-upgrades takes a minute for one package.
// apt can wait itself, but for two of its four locks alone, and nobody hears of it meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two attempts; as apt does.
const PAUSE: Duration = Duration::from_secs(1);

/// Does something until nobody else is in the way, and tells who is.
pub(super) fn patiently<T>(report: &Report, attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    until(Instant::now() + PATIENCE, |holder| report.progress(0, &format!("waiting for {holder}")), attempt)
}

fn until<T>(
    deadline: Instant,
    mut tell: impl FnMut(&str) -> Result<(), Error>,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        match attempt() {
            Err(Error::Locked(holder)) if Instant::now() < deadline => {
                tell(&holder)?;
                thread::sleep(PAUSE);
            }
            ended => return ended,
        }
    }
}

/// Who holds a lock that apt or dpkg did not get, from what they say.
pub(super) fn holder(stderr: &str) -> Option<String> {
    // apt: "E: Could not get lock FILE. It is held by process NUMBER (NAME)"
    if let Some(line) = stderr.lines().find_map(|line| line.strip_prefix("E: Could not get lock ")) {
        let process = line.split_once("It is held by process ").map(|(_, process)| process.trim());
        return Some(process.and_then(|process| process.split_once(' ')).map_or_else(nobody, |(number, name)| {
            format!("{} (process {number})", name.trim_start_matches('(').trim_end_matches(')'))
        }));
    }
    // dpkg: "dpkg: error: dpkg frontend lock was locked by another process with pid NUMBER"
    if let Some((_, number)) = stderr.lines().find_map(|line| line.split_once(" locked by another process with pid ")) {
        let number = number.trim();
        let name = number.parse::<u32>().ok().map(|number| std::fs::read_to_string(format!("/proc/{number}/comm")));
        return Some(match name {
            Some(Ok(name)) => format!("{} (process {number})", name.trim_end()),
            // It has ended since.
            Some(Err(_)) | None => nobody(),
        });
    }
    let unnamed = ["E: Unable to acquire the dpkg frontend lock", "E: Unable to lock the administration directory"];
    stderr.lines().any(|line| unnamed.iter().any(|begin| line.starts_with(begin))).then(nobody)
}

fn nobody() -> String {
    "another program".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // As apt 2.6.1 and dpkg 1.21.22 of Debian 12 say it, and those of Debian 13.
    #[test]
    fn who_holds_a_lock_is_understood() {
        let own = std::process::id();
        let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
        for (said, holder_is) in [
            (
                "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 187 (perl)\n\
                 E: Unable to lock directory /var/lib/apt/lists/",
                Some("perl (process 187)".to_owned()),
            ),
            ("E: Could not get lock /x. It is held by process 1 (a b)", Some("a b (process 1)".to_owned())),
            ("E: Could not get lock /x - open (11: Resource temporarily unavailable)", Some(nobody())),
            ("E: Unable to acquire the dpkg frontend lock (/x), is another process using it?", Some(nobody())),
            (
                &format!(
                    "dpkg: error: dpkg frontend lock was locked by another process with pid {own}\nNote: removing"
                ),
                Some(format!("{} (process {own})", comm.trim())),
            ),
            ("dpkg: error: dpkg database lock was locked by another process with pid x", Some(nobody())),
            // It was waited for by apt, and then something else went wrong.
            ("Waiting for cache lock: Could not get lock /x. It is held by process 1 (a)...\nE: other", None),
            ("", None),
        ] {
            assert_eq!(holder(said), holder_is, "{said}");
        }
    }

    #[test]
    fn who_is_in_the_way_is_told_and_waited_for_but_not_for_ever() {
        let locked = || Err(Error::Locked("perl (process 7)".to_owned()));
        let (mut told, mut attempts) = (Vec::new(), 0);
        let deadline = Instant::now() + PATIENCE;
        let ended = until(
            deadline,
            |holder| {
                told.push(holder.to_owned());
                Ok(())
            },
            || {
                attempts += 1;
                if attempts == 2 { Ok(()) } else { locked() }
            },
        );
        assert!(ended.is_ok());
        assert_eq!(told, ["perl (process 7)"]);
        let ended: Result<(), Error> = until(Instant::now(), |_| Ok(()), locked);
        assert_eq!(ended.unwrap_err().to_string(), "the packages are in use by perl (process 7)");
    }
}
