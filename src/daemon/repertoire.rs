// SPDX-License-Identifier: GPL-3.0-or-later
//! The services that can be had: which directories of descriptors there are, and who is believed.

use std::fs;
use std::path::PathBuf;

use rustix::process::geteuid;
use tracing::{debug, warn};

use crate::controller::{HostReach, Repertoire};
use crate::descriptor::{Catalog, Debian, Origin, Source, Trust};

/// Descriptors that are installed.
const VENDOR: &str = "/usr/share/tails-server/services";
/// Descriptors of the administrator.
const ADMIN: &str = "/etc/tails-server/services";

/// Where descriptors are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServicesSetting {
    /// Where they are installed and, for a person, in the directory of that person's own.
    Installed {
        /// Of a person's own.
        personal: Option<PathBuf>,
    },
    /// Nowhere but here.
    Only(PathBuf),
}

/// Reads the descriptors. One that is broken is told of with its service.
pub(super) fn load(setting: &ServicesSetting, reach: HostReach) -> Repertoire {
    let source = |path: PathBuf, origin| Source { path, origin };
    let sources = match setting {
        ServicesSetting::Installed { personal } => {
            let installed = [source(VENDOR.into(), Origin::Vendor), source(ADMIN.into(), Origin::Admin)];
            let personal = personal.iter().map(|path| source(path.clone(), Origin::Personal));
            installed.into_iter().chain(personal).collect()
        }
        ServicesSetting::Only(path) => vec![source(path.clone(), Origin::Admin)],
    };
    let trust = match (setting, reach) {
        // The helper believes nobody else.
        (ServicesSetting::Installed { .. }, HostReach::Full) => Trust::Root,
        // The user that the controller runs as could do with it whatever it likes anyway.
        (ServicesSetting::Installed { .. } | ServicesSetting::Only(_), _) => Trust::RootAnd(geteuid().as_raw()),
    };
    let catalog = Catalog::load(&sources, trust);
    for problem in catalog.problems() {
        warn!("a directory of descriptors can not be used");
        debug!(%problem, "a directory of descriptors can not be used");
    }
    let debian = fs::read_to_string("/etc/debian_version").unwrap_or_default();
    Repertoire::new(catalog, reach, Debian::from_version(&debian))
}
