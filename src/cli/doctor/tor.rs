// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor, where there is no controller that could be asked: is it there, and would it let this person in?

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tr::tr;

use super::finding::{Finding, Severity};

/// Where Debian's and Tails' Tor listens for controllers.
const CONTROL: &str = "/run/tor/control";
/// What proves to it that a controller may come in.
const COOKIE: &str = "/run/tor/control.authcookie";

pub(super) fn without_controller() -> Vec<Finding> {
    vec![process(Path::new("/proc")), control(Path::new(CONTROL)), cookie(Path::new(COOKIE))]
}

fn process(proc: &Path) -> Finding {
    let looked_at = tr!("whether a Tor runs");
    let Ok(entries) = fs::read_dir(proc) else {
        return Finding::new("tor-process", Severity::Note, looked_at, tr!("could not be looked at"));
    };
    let is_tor = |entry: io::Result<fs::DirEntry>| {
        let name = fs::read_to_string(entry.ok()?.path().join("comm")).ok()?;
        (name.trim_end() == "tor").then_some(())
    };
    if entries.filter_map(is_tor).next().is_some() {
        return Finding::new("tor-process", Severity::Ok, looked_at, tr!("a process with its name does"));
    }
    Finding::new("tor-process", Severity::Warning, looked_at, tr!("no process has its name"))
        .so(tr!("Start it: sudo systemctl start tor; in Tails: Tor Connection"))
}

/// Connects, says nothing and hangs up: Tor takes no notice of that.
fn control(path: &Path) -> Finding {
    let looked_at = tr!("Tor's control socket {path}", path = path.display());
    let finding = |severity, found| Finding::new("tor-control-socket", severity, looked_at.clone(), found);
    match UnixStream::connect(path) {
        Ok(_) => finding(Severity::Ok, tr!("something answers there, and this user may connect")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            finding(Severity::Note, tr!("it is not there; a Tor may listen elsewhere"))
                .so(tr!("Start Tor; with DisableNetwork 1 it makes the socket when it reads its configuration again"))
        }
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
            finding(Severity::Warning, tr!("it is there, and nobody listens: Tor ended without removing it"))
                .so(tr!("Start Tor: sudo systemctl start tor"))
        }
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            finding(Severity::Note, tr!("this user may not connect; the system's controller may"))
                .so(tr!("Use the system's controller, or run your own with --control managed"))
        }
        Err(cause) => finding(Severity::Note, tr!("could not be looked at: {cause}", cause)),
    }
}

fn cookie(path: &Path) -> Finding {
    let looked_at = tr!("the file with which a controller proves that it may come in, {path}", path = path.display());
    let finding = |severity, found| Finding::new("tor-cookie", severity, looked_at.clone(), found);
    match fs::File::open(path) {
        Ok(_) => finding(Severity::Ok, tr!("this user may read it")),
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => finding(
            Severity::Note,
            tr!("this user may not read it; the system's controller may, by its group debian-tor"),
        ),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => finding(Severity::Note, tr!("it is not there")),
        Err(cause) => finding(Severity::Note, tr!("could not be looked at: {cause}", cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_answered_stale_or_missing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("control");
        assert_eq!((control(&path).severity, cookie(&path).severity), (Severity::Note, Severity::Note));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(control(&path).severity, Severity::Ok);
        drop(listener);
        let stale = control(&path);
        assert!(stale.severity == Severity::Warning && stale.found.contains("nobody listens"), "{stale:?}");
    }

    #[test]
    fn a_tor_is_known_by_its_name() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!(process(proc.path()).severity, Severity::Warning);
        for (process, name) in [("1", "systemd\n"), ("7", "tor\n")] {
            fs::create_dir(proc.path().join(process)).unwrap();
            fs::write(proc.path().join(process).join("comm"), name).unwrap();
        }
        assert_eq!(process(proc.path()).severity, Severity::Ok);
        assert_eq!(process(&proc.path().join("nothing")).severity, Severity::Note);
    }
}
