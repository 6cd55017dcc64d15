// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules of paths and modes.

use std::ops::Range;

use crate::descriptor::finding::{Findings, Rule};
use crate::descriptor::places::{Mode, ServicePath};
use crate::descriptor::read::At;
use crate::descriptor::service::Service;

pub(super) fn check(service: &Service, findings: &mut Findings) {
    let modes = service.file.iter().map(|file| &file.mode);
    let modes = modes.chain(service.directory.iter().map(|directory| &directory.mode));
    for mode in modes.chain(service.persist.iter().map(|persist| &persist.mode)) {
        check_mode(mode, findings);
    }
    let files: Vec<(&ServicePath, &Range<usize>)> = service
        .file
        .iter()
        .flat_map(|file| file.path.iter().map(|path| (path, &file.path.span)))
        .chain(service.key_pair.iter().flat_map(|pair| [&pair.secret, &pair.public].map(|at| (&at.value, &at.span))))
        .collect();
    let directories: Vec<_> =
        service.directory.iter().map(|directory| (&directory.path.value, &directory.path.span)).collect();
    let persistent: Vec<_> =
        service.persist.iter().flat_map(|persist| persist.path.iter().map(|path| (path, &persist.path.span))).collect();
    for places in [&files, &directories, &persistent] {
        twice(places, findings);
    }
    nested(&persistent, findings);
}

fn check_mode(mode: &At<Mode>, findings: &mut Findings) {
    if mode.is_writable_by_all() {
        findings
            .tell(
                Rule::ModeWritable,
                &mode.span,
                format!("with {}, every user of the computer may write it", mode.value),
            )
            .hint("Name a group, and let that write: \"0770\" or \"0660\"");
    }
}

fn twice(places: &[(&ServicePath, &Range<usize>)], findings: &mut Findings) {
    for (number, (path, span)) in places.iter().enumerate() {
        if places.iter().take(number).any(|(other, _)| other == path) {
            findings.tell(Rule::PathDuplicate, span, format!("{path} is given already"));
        }
    }
}

/// What lies in another persistent path would be laid over twice.
fn nested(places: &[(&ServicePath, &Range<usize>)], findings: &mut Findings) {
    for (path, span) in places {
        if let Some((parent, _)) = places.iter().find(|(other, _)| other != path && path.is_in(other)) {
            findings
                .tell(Rule::PathDuplicate, span, format!("{path} survives a reboot already, as a part of {parent}"))
                .hint("Take one of the two out");
        }
    }
}
