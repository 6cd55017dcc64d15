// SPDX-License-Identifier: GPL-3.0-or-later
//! What the descriptors of this computer say of the data of their services: which directories, and whose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tails_server_state::ServiceName;

use super::accounts::Accounts;
use crate::descriptor::{Catalog, Origin, ServiceDescriptor, Source, Trust};

/// As root's helper has them.
const DESCRIPTORS: [(&str, Origin); 2] =
    [("/usr/share/tails-server/services", Origin::Vendor), ("/etc/tails-server/services", Origin::Admin)];
const ROOT: &str = "root";

/// The descriptors.
pub(in crate::cli::backup) struct Catalogue(Catalog);

impl Catalogue {
    pub(in crate::cli::backup) fn load() -> Self {
        let sources: Vec<_> = DESCRIPTORS.map(|(path, origin)| Source { path: PathBuf::from(path), origin }).into();
        Self(Catalog::load(&sources, Trust::Root))
    }

    fn find(&self, service: &ServiceName) -> Option<&ServiceDescriptor> {
        self.0.get(service.as_str())?.descriptor.as_deref().ok()
    }

    /// Whether the service keeps something here.
    pub(in crate::cli::backup) fn has_directories(&self, service: &ServiceName) -> bool {
        self.find(service).is_some_and(|descriptor| !descriptor.persist.is_empty())
    }

    /// The directories, as root's helper calls them; those of other releases, too.
    pub(in crate::cli::backup) fn directories(&self, service: &ServiceName) -> Vec<String> {
        let all = self.find(service).map(|descriptor| descriptor.persist.as_slice()).unwrap_or_default();
        all.iter().flat_map(|persist| persist.path.iter().map(|path| path.kept_name())).collect()
    }

    /// Whether an account that the service needs is missing, so that it has to be installed first.
    pub(in crate::cli::backup) fn lacks_accounts(&self, service: &ServiceName, accounts: &Accounts) -> bool {
        self.find(service).is_some_and(|descriptor| {
            let (users, groups) = owners(descriptor);
            users.iter().any(|user| accounts.user(user).is_none())
                || groups.iter().any(|group| accounts.group(group).is_none())
        })
    }

    /// What may come of a backup.
    pub(in crate::cli::backup) fn rules(&self, service: &ServiceName, accounts: &Accounts) -> Option<Rules> {
        let descriptor = self.find(service)?;
        let mut directories = BTreeMap::new();
        for persist in &descriptor.persist {
            // As the helper chooses it: the first that is here, or the first.
            let here = persist.path.iter().find(|path| path.as_path().symlink_metadata().is_ok());
            let chosen = here.or_else(|| persist.path.iter().next())?.kept_name();
            directories.extend(persist.path.iter().map(|path| (path.kept_name(), chosen.clone())));
        }
        let (users, groups) = owners(descriptor);
        let number = |name: &str, found: Option<u32>| Some((name.to_owned(), found?));
        Some(Rules {
            directories,
            users: users.iter().filter_map(|user| number(user, accounts.user(user))).collect(),
            groups: groups.iter().filter_map(|group| number(group, accounts.group(group))).collect(),
        })
    }
}

/// The users and groups that a descriptor names, beside root.
fn owners(descriptor: &ServiceDescriptor) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let mut all: Vec<(&str, &str)> = Vec::new();
    all.extend(descriptor.persist.iter().map(|persist| (persist.owner.as_str(), persist.group.as_str())));
    all.extend(descriptor.directory.iter().map(|directory| (directory.owner.as_str(), directory.group.as_str())));
    all.extend(descriptor.key_pair.iter().map(|pair| (pair.owner.as_str(), pair.group.as_str())));
    all.extend(descriptor.user.iter().map(|user| (user.name.as_str(), user.name.as_str())));
    let (users, groups): (BTreeSet<_>, BTreeSet<_>) = all.into_iter().unzip();
    let other = |names: BTreeSet<_>| names.into_iter().filter(|name| *name != ROOT).collect();
    (other(users), other(groups))
}

/// What may come of a backup into the data of one service.
#[derive(Debug, Clone, Default)]
pub(in crate::cli::backup) struct Rules {
    /// The directories as they may be called in the backup, and as they are called here.
    pub(super) directories: BTreeMap<String, String>,
    /// The users of the service, with their numbers here.
    pub(super) users: BTreeMap<String, u32>,
    pub(super) groups: BTreeMap<String, u32>,
}
