// SPDX-License-Identifier: GPL-3.0-or-later
//! What is remembered, and where.

use super::look::{Looked, PlaceLook};
use super::{Finding, Severity};

pub(super) fn findings(looked: &Looked) -> Vec<Finding> {
    let Looked { store, surroundings, .. } = looked;
    let mut findings = Vec::new();
    if surroundings.is_simulated {
        let found = "Tor and this computer are simulated: nothing is published";
        findings.push(
            Finding::new("simulation", Severity::Warning, "how the controller was started", found)
                .so("Start it without --sim to publish"),
        );
    }
    findings.push(place("store-kept", "the store of what survives a reboot", &store.kept));
    findings.push(place("store-amnesic", "the store of what does not survive a reboot", &store.amnesic));
    findings.push(if surroundings.runtime_in_memory {
        let found = "it is in memory, and gone after a reboot";
        Finding::new("runtime-directory", Severity::Ok, "the runtime directory", found)
    } else {
        let found = "it is on a disk: keys and passwords of services that are not persistent can be found there later";
        Finding::new("runtime-directory", Severity::Warning, "the runtime directory", found)
            .because("the directory is not on a tmpfs")
            .so("Give the controller a directory in memory: tails-serverd --runtime-directory DIRECTORY")
    });
    if surroundings.state_in_memory {
        let found = "it is in memory: services that are persistent are forgotten at the next reboot";
        findings.push(
            Finding::new("state-directory", Severity::Warning, "the state directory", found)
                .so("In Tails, create Persistent Storage; elsewhere give it a directory on a disk: --state-directory"),
        );
    }
    findings
}

fn place(id: &'static str, looked_at: &str, place: &PlaceLook) -> Finding {
    match (&place.problem, &place.recovery) {
        (Some((problem, hint)), _) => {
            let severity = if place.is_awaited { Severity::Warning } else { Severity::Error };
            Finding::new(id, severity, looked_at, problem.clone()).so(hint.clone())
        }
        (None, Some((recovery, hint))) => {
            Finding::new(id, Severity::Warning, looked_at, recovery.clone()).so(hint.clone())
        }
        (None, None) => {
            let found = match place.services {
                1 => "it can be read, and remembers one service".to_owned(),
                count => format!("it can be read, and remembers {count} services"),
            };
            Finding::new(id, Severity::Ok, looked_at, found)
        }
    }
}
