// SPDX-License-Identifier: GPL-3.0-or-later
//! What the helper laid over the units of servers: whether it is still there, still the same, and there for somebody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tr::tr;

use super::Subject;
use super::finding::{Finding, Severity};
use super::program::{SYSTEMCTL, ask, is_systemd_here};

/// Units and drop-ins that a reboot forgets.
const UNITS: &str = "/run/systemd/system";
/// What the helper tells: a directory for each service.
const HELPER: &str = "/run/tails-server-helper";
/// The drop-in that makes a unit ours.
const DROP_IN: &str = "50-tails-server.conf";
/// Written by the helper right after the drop-in.
const CONFINED: &str = "confined";
/// The helper writes both within milliseconds; a disk that is busy may take a second.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Where a drop-in is, and when it was written.
struct DropIn {
    unit: String,
    written: Option<SystemTime>,
}

pub(super) fn findings(subjects: Option<&[Subject]>) -> Vec<Finding> {
    if !is_systemd_here() {
        let found = tr!("could not be looked at: systemd does not run here");
        return vec![Finding::new("drop-ins", Severity::Note, looked_at(), found)];
    }
    let laid = match drop_ins(Path::new(UNITS)) {
        Ok(laid) => laid,
        Err(cause) => {
            let found = tr!("could not be looked at: {cause}", cause);
            return vec![Finding::new("drop-ins", Severity::Note, looked_at(), found)];
        }
    };
    let Some(subjects) = subjects else {
        let found = tr!("one is there; whom it is for is not known without a controller"
            | "{n} are there; whom they are for is not known without a controller" % laid.len());
        return vec![Finding::new("drop-ins", Severity::Note, looked_at(), found)];
    };
    let mut findings = judge(&laid, subjects, Path::new(HELPER));
    findings.extend(laid.iter().filter_map(changed));
    if findings.is_empty() {
        let found = tr!("one is there, as the helper wrote it, for a service that is enabled"
            | "{n} are there, each as the helper wrote it, for a service that is enabled" % laid.len());
        findings.push(Finding::new("drop-ins", Severity::Ok, looked_at(), found));
    }
    findings
}

fn looked_at() -> String {
    tr!("what the helper laid over the units of servers, {directory}/*.d/{file}", directory = UNITS, file = DROP_IN)
}

fn drop_ins(units: &Path) -> io::Result<Vec<DropIn>> {
    let mut laid = Vec::new();
    for entry in fs::read_dir(units)? {
        let path: PathBuf = entry?.path();
        let unit = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".d"));
        let Some(unit) = unit else { continue };
        if let Ok(metadata) = fs::metadata(path.join(DROP_IN)) {
            laid.push(DropIn { unit: unit.to_owned(), written: metadata.modified().ok() });
        }
    }
    laid.sort_by(|one, other| one.unit.cmp(&other.unit));
    Ok(laid)
}

fn judge(laid: &[DropIn], subjects: &[Subject], helper: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for drop_in in laid {
        let owners: Vec<&Subject> =
            subjects.iter().filter(|subject| subject.parts.units.contains(&drop_in.unit)).collect();
        let Some(owner) = owners.iter().find(|owner| owner.is_enabled()).or(owners.first()) else {
            findings.push(left(&drop_in.unit));
            continue;
        };
        // One that is being taken back is told of by the controller.
        let is_gone = owner.service.as_ref().is_none_or(|service| service.state == "disabled");
        if is_gone {
            findings.push(left(&drop_in.unit).about(&owner.name));
        } else if is_edited(drop_in, &helper.join(&owner.name).join(CONFINED)) {
            findings.push(edited(&drop_in.unit).about(&owner.name));
        }
    }
    let missing = subjects.iter().filter(|subject| {
        let runs = subject.is_enabled()
            && subject.service.as_ref().is_some_and(|service| service.options_applied == Some(true));
        let units = &subject.parts.units;
        runs && !units.is_empty() && !laid.iter().any(|drop_in| units.contains(&drop_in.unit))
    });
    findings.extend(missing.map(|subject| {
        Finding::new("drop-in-missing", Severity::Error, looked_at(), tr!("there is none, and its server runs"))
            .about(&subject.name)
            .because(tr!("somebody removed it: at its next start the server is not confined, and may speak past Tor"))
            .so(tr!("Lay it anew: tails-server disable {name}, then enable", name = subject.name))
    }));
    findings
}

fn left(unit: &str) -> Finding {
    Finding::new(
        "drop-in-left",
        Severity::Warning,
        looked_at(),
        tr!("there is one for {unit}, and no service that is enabled", unit),
    )
    .because(tr!("it was not taken back when its service was"))
    .so(tr!("Restart the controller, which takes it back: sudo systemctl restart tails-serverd"))
}

fn edited(unit: &str) -> Finding {
    Finding::new(
        "drop-in-edited",
        Severity::Error,
        looked_at(),
        tr!("that of {unit} was written after the helper was done", unit),
    )
    .because(tr!("somebody edited it: the server may not be confined as its descriptor says"))
    .so(tr!("Lay it anew: disable the service, and enable it again"))
}

/// Whether it was written later than what the helper writes after it.
fn is_edited(drop_in: &DropIn, confined: &Path) -> bool {
    let done = fs::metadata(confined).and_then(|metadata| metadata.modified());
    match (drop_in.written, done) {
        (Some(written), Ok(done)) => written.duration_since(done).is_ok_and(|later| later > AT_ONCE),
        (None, _) | (_, Err(_)) => false,
    }
}

/// Whether systemd runs it with something else than what is on the disk.
fn changed(drop_in: &DropIn) -> Option<Finding> {
    let told = ask(SYSTEMCTL, &["show", "--value", "--property=NeedDaemonReload", "--", &drop_in.unit]).ok()?;
    (told.trim() == "yes").then(|| {
        let found = tr!("{unit} changed on the disk since systemd read it", unit = drop_in.unit);
        Finding::new("drop-in-edited", Severity::Warning, looked_at(), found)
            .because(tr!("somebody edited it, or a package was updated"))
            .so(tr!("Have it read again: sudo systemctl daemon-reload"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::api::PartsProperties;
    use crate::cli::doctor::listeners::tests::properties;

    fn mumble(enabled: bool) -> Subject {
        let mut service = properties("64738:127.0.0.1:64738");
        service.enabled = enabled;
        service.state = if enabled { "published" } else { "disabled" }.to_owned();
        service.options_applied = enabled.then_some(true);
        let parts = PartsProperties { units: vec!["mumble-server.service".to_owned()], packages: Vec::new() };
        Subject { name: "mumble".to_owned(), service: Some(service), parts }
    }

    #[test]
    fn a_drop_in_is_left_edited_or_missing() {
        let place = tempfile::tempdir().unwrap();
        let (units, helper) = (place.path().join("units"), place.path().join("helper"));
        let directory = units.join("mumble-server.service.d");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(helper.join("mumble")).unwrap();
        let look = |subjects: &[Subject]| {
            let found = judge(&drop_ins(&units).unwrap(), subjects, &helper);
            found.into_iter().map(|finding| finding.id).collect::<Vec<_>>()
        };
        assert_eq!(look(&[mumble(true)]), ["drop-in-missing"]);
        assert_eq!(look(&[mumble(false)]), [""; 0]);
        fs::write(directory.join(DROP_IN), "").unwrap();
        let confined = fs::File::create(helper.join("mumble").join(CONFINED)).unwrap();
        assert_eq!(look(&[mumble(true)]), [""; 0]);
        assert_eq!(look(&[mumble(false)]), ["drop-in-left"]);
        assert_eq!(look(&[]), ["drop-in-left"]);
        confined.set_modified(SystemTime::now() - AT_ONCE * 2).unwrap();
        assert_eq!(look(&[mumble(true)]), ["drop-in-edited"]);
        assert!(drop_ins(&place.path().join("nothing")).is_err());
    }
}
