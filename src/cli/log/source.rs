// SPDX-License-Identifier: GPL-3.0-or-later
//! Where lines about a service are.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tails_server_state::ServiceName;
use tr::tr;

use super::journal;
use super::line::Line;
use crate::bus::api::ControllerProperties;
use crate::cli::error::Failure;

/// The unit of the system's controller.
const UNIT: &str = "tails-serverd.service";
/// So much of the end of a log file is read.
const FILE_BYTES: u64 = 4 << 20;
/// So many of the last lines of the controller are looked through for those about a service.
pub(super) const LOOKED_THROUGH: u32 = 20_000;

/// Where lines are.
pub(super) enum Source {
    /// The units that run the server, in the system's journal.
    Units(Vec<String>),
    /// The controller, in a journal; those about this service.
    Controller { unit: String, journal: Journal, service: ServiceName },
    /// The controller, in a file; those about this service.
    File { path: PathBuf, service: ServiceName },
}

/// Whose journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    OfSystem,
    OfUser,
}

impl Source {
    pub(super) fn of_system_controller(service: &ServiceName) -> Self {
        Self::Controller { unit: UNIT.to_owned(), journal: Journal::OfSystem, service: service.clone() }
    }

    /// The last lines.
    pub(super) async fn lines(&self, most: u32) -> Result<Vec<Line>, Failure> {
        match self {
            Self::Units(units) => journal::last(Journal::OfSystem, units, most).await,
            Self::Controller { unit, journal, service } => {
                let mut lines = journal::last(*journal, std::slice::from_ref(unit), LOOKED_THROUGH).await?;
                lines.retain(|line| line.is_about(service.as_str()));
                Ok(lines)
            }
            Self::File { path, service } => {
                let text = end(path).map_err(|cause| Failure::Read { what: path.display().to_string(), cause })?;
                let lines = text.lines().filter_map(Line::of_controller);
                Ok(lines.filter(|line| line.is_about(service.as_str())).collect())
            }
        }
    }
}

/// Where the controller that answers writes; or why nobody can read it.
pub(super) fn of_controller(about: &ControllerProperties, service: &ServiceName) -> Result<Source, String> {
    if !about.personal {
        return Ok(Source::of_system_controller(service));
    }
    if about.journal {
        let group = fs::read_to_string(format!("/proc/{}/cgroup", about.process)).unwrap_or_default();
        let (journal, unit) = unit_of(&group).ok_or_else(|| tr!("nobody knows which unit it is"))?;
        return Ok(Source::Controller { unit, journal, service: service.clone() });
    }
    // Standard error.
    match fs::read_link(format!("/proc/{}/fd/2", about.process)) {
        Ok(path) if path.is_file() => Ok(Source::File { path, service: service.clone() }),
        Ok(_) => Err(tr!("it goes to the terminal, or the program, that the controller was started from")),
        Err(_) => Err(tr!("nobody may look where it goes")),
    }
}

/// The unit of a control group, and whether the system's systemd runs it or a person's.
fn unit_of(group: &str) -> Option<(Journal, String)> {
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = path.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"))?;
    let is_of_user = path.contains("/user@");
    Some((if is_of_user { Journal::OfUser } else { Journal::OfSystem }, unit.to_owned()))
}

/// The end of a file.
fn end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(FILE_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_control_group_is_its_last_one() {
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/tails-serverd.service\n";
        assert_eq!(unit_of(user), Some((Journal::OfUser, "tails-serverd.service".to_owned())));
        let system = "0::/system.slice/tails-serverd.service\n";
        assert_eq!(unit_of(system), Some((Journal::OfSystem, "tails-serverd.service".to_owned())));
        assert_eq!((unit_of(""), unit_of("0::/\n")), (None, None));
    }
}
