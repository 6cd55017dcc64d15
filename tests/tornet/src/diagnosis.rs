// SPDX-License-Identifier: GPL-3.0-or-later
//! Why somebody does not get in: what every tor of the network says of an onion service, for a failure that nobody can
//! repeat.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{Control, ControlError, Network};

impl Network {
    /// What the hosts and visitors of the network say of this service; those that know nothing of it are left out.
    ///
    /// - `HS_STATE` of a visitor's circuits is how far it came: `HSCI_INTRO_SENT` waits for the introduction point,
    ///   `HSCR_ESTABLISHED_WAITING` for the service, after an introduction that was acknowledged.
    /// - `revision-counter`: of two visitors, the one with the smaller one has the descriptor of before. The host's may be that
    ///   of another period, and is no measure then.
    /// - `entry-guards`: with one that is `down`, the circuits of two lives of a service may have begun at two guards.
    pub fn told_of(&self, address: &str) -> String {
        let mut told = String::new();
        let mut tors: Vec<_> = fs::read_dir(self.directory()).into_iter().flatten().flatten().collect();
        tors.sort_by_key(fs::DirEntry::file_name);
        for tor in tors.into_iter().filter(|tor| tor.file_name().to_string_lossy().starts_with("tor")) {
            let said = said_by(&tor.path(), address.trim_end_matches(".onion"));
            let said = said.unwrap_or_else(|cause| format!("{cause}\n"));
            if !said.is_empty() {
                // To a String, which takes everything.
                let _ = write!(told, "\n{}:\n{said}", tor.file_name().display());
            }
        }
        told
    }
}

fn said_by(directory: &Path, id: &str) -> Result<String, ControlError> {
    let mut control = Control::connect(&directory.join("control"))?;
    // Those that want a password are of other tests.
    if control.authenticate_with_cookie(&directory.join("cookie")).is_err() {
        return Ok(String::new());
    }
    let mut lines = Vec::new();
    for key in ["circuit-status", "stream-status"] {
        let value = control.info(key)?;
        lines.extend(value.lines().filter(|line| line.contains(id)).map(|line| format!("{key} {line}")));
    }
    for side in ["service", "client"] {
        match control.info(&format!("hs/{side}/desc/id/{id}")) {
            Ok(descriptor) => {
                let revision = descriptor.lines().find(|line| line.starts_with("revision-counter"));
                lines.extend(revision.map(|line| format!("descriptor as a {side}: {line}")));
            }
            // It has none.
            Err(ControlError::Refused { .. }) => (),
            Err(cause) => return Err(cause),
        }
    }
    // The third word of a line is the private key.
    let keys = control.command(&format!("ONION_CLIENT_AUTH_VIEW {id}")).unwrap_or_default();
    let has_key = keys.iter().any(|line| line.starts_with("CLIENT "));
    if lines.is_empty() && !has_key {
        return Ok(String::new());
    }
    lines.push(format!("has a key for it: {has_key}"));
    lines.push(control.info("entry-guards")?);
    Ok(lines.join("\n") + "\n")
}
