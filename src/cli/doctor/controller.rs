// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether the controller runs, and is the one for this program.

use std::error::Error;

use tr::tr;

use super::finding::{Finding, Severity};
use super::program::{SYSTEMCTL, ask, is_systemd_here};
use crate::bus::api::ApiError;
use crate::cli::error::Failure;

/// The unit of the system's controller.
const UNIT: &str = "tails-serverd.service";
/// What is said by objects that lack an interface, or a method.
const UNKNOWN: [&str; 2] = ["org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.UnknownMethod"];

/// No controller could be connected to.
pub(super) fn absent(failure: &Failure) -> Finding {
    let finding = Finding::new("controller", Severity::Error, tr!("whether the controller runs"), told(failure));
    Finding { next_step: failure.hint(), ..finding }
}

/// It took the connection, and did not answer as it should.
pub(super) fn silent(failure: &Failure) -> Finding {
    let finding = Finding::new("controller", Severity::Error, tr!("whether the controller answers"), told(failure));
    let restart = || tr!("Restart the controller: sudo systemctl restart {unit}", unit = UNIT);
    Finding { next_step: Some(failure.hint().unwrap_or_else(restart)), ..finding }
}

/// The failure and its causes in one line.
fn told(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        let reason = reason.as_str();
        text.push_str(": ");
        text.push_str(&tr!(reason));
        cause = error.source();
    }
    text
}

/// Which version the controller has.
pub(super) fn version(theirs: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let looked_at = tr!("whether the controller answers");
    if theirs == ours {
        return Finding::new(
            "controller",
            Severity::Ok,
            looked_at,
            tr!("it does; its version is {version}", version = theirs),
        );
    }
    let found = tr!("it does; its version is {theirs}, and that of this program {ours}", theirs = theirs, ours = ours);
    Finding::new("controller", Severity::Warning, looked_at, found)
        .because(tr!("one of them was updated, and the controller still runs as it was"))
        .so(tr!("Restart the controller: sudo systemctl restart {unit}", unit = UNIT))
}

/// It does not even know the question.
pub(super) fn older() -> Finding {
    let found = tr!("it does, and knows nothing of a diagnosis: it is older than this program");
    Finding::new("controller", Severity::Warning, tr!("whether the controller answers"), found)
        .because(tr!("one of them was updated, and the controller still runs as it was"))
        .so(tr!("Restart the controller: sudo systemctl restart {unit}", unit = UNIT))
}

/// Whether the answer says that the controller lacks the interface.
pub(super) fn does_not_know(error: &ApiError) -> bool {
    let ApiError::Bus(cause) = error else { return false };
    if let zbus::Error::FDO(cause) = cause {
        return matches!(**cause, zbus::fdo::Error::UnknownInterface(_) | zbus::fdo::Error::UnknownMethod(_));
    }
    matches!(cause, zbus::Error::MethodError(name, ..) if UNKNOWN.contains(&name.as_str()))
}

/// The unit of the system's controller.
pub(super) fn unit(answers: bool) -> Option<Finding> {
    let looked_at = tr!("the system's unit {unit}", unit = UNIT);
    if !is_systemd_here() {
        let found = tr!("could not be looked at: systemd does not run here");
        return Some(Finding::new("controller-unit", Severity::Note, looked_at, found));
    }
    let Ok(told) = ask(SYSTEMCTL, &["show", "--property=LoadState,ActiveState,Result,NRestarts", "--", UNIT]) else {
        let found = tr!("could not be looked at: systemctl can not be started");
        return Some(Finding::new("controller-unit", Severity::Note, looked_at, found));
    };
    judge(&told, answers, looked_at)
}

/// What systemd says of it.
fn judge(told: &str, answers: bool, looked_at: String) -> Option<Finding> {
    let value = |key: &str| told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
    let finding = |severity, found| Finding::new("controller-unit", severity, looked_at.clone(), found);
    let log = tr!("See why: sudo journalctl --unit={unit}", unit = UNIT);
    match (value("LoadState"), value("ActiveState")) {
        ("", _) => Some(finding(Severity::Note, tr!("could not be looked at: systemd does not answer"))),
        // A person may have a controller of their own.
        ("not-found", _) if answers => None,
        ("not-found", _) => Some(finding(Severity::Note, tr!("it is not installed"))),
        (_, "active") => {
            let restarts = value("NRestarts").parse::<u32>().unwrap_or(0);
            let found = tr!("it is active, and was restarted once since it was started"
                | "it is active, and was restarted {n} times since it was started" % restarts);
            let is_steady = restarts == 0;
            let finding = finding(if is_steady { Severity::Ok } else { Severity::Warning }, found);
            Some(if is_steady { finding } else { finding.so(log) })
        }
        (_, "failed") => {
            let severity = if answers { Severity::Warning } else { Severity::Error };
            Some(finding(severity, tr!("it failed: {result}", result = value("Result"))).so(log))
        }
        (_, state) => Some(finding(Severity::Note, tr!("it is {state}", state))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_of_the_controller_is_judged() {
        for (told, answers, severity, word) in [
            ("LoadState=loaded\nActiveState=active\nResult=success\nNRestarts=0\n", true, Some(Severity::Ok), "active"),
            ("LoadState=loaded\nActiveState=active\nNRestarts=3\n", true, Some(Severity::Warning), "3 times"),
            ("LoadState=loaded\nActiveState=failed\nResult=exit-code\n", false, Some(Severity::Error), "exit-code"),
            ("LoadState=loaded\nActiveState=failed\nResult=signal\n", true, Some(Severity::Warning), "signal"),
            ("LoadState=loaded\nActiveState=inactive\n", false, Some(Severity::Note), "inactive"),
            ("LoadState=not-found\nActiveState=inactive\n", false, Some(Severity::Note), "not installed"),
            ("LoadState=not-found\nActiveState=inactive\n", true, None, ""),
            ("", false, Some(Severity::Note), "could not be looked at"),
        ] {
            let finding = judge(told, answers, String::new());
            assert_eq!(finding.as_ref().map(|finding| finding.severity), severity, "{told}");
            assert!(finding.is_none_or(|finding| finding.found.contains(word)), "{told}");
        }
    }

    #[test]
    fn a_controller_of_another_version_is_told_of() {
        assert_eq!(version(env!("CARGO_PKG_VERSION")).severity, Severity::Ok);
        let other = version("0.0.1");
        assert!(other.severity == Severity::Warning && other.found.contains("0.0.1") && other.next_step.is_some());
    }
}
