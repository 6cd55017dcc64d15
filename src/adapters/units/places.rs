// SPDX-License-Identifier: GPL-3.0-or-later
//! The files that we share with the helper and with dpkg.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tails_server_state::ServiceName;
use zeroize::Zeroizing;

use super::told::{self, Outcome};
use crate::descriptor::ServiceDescriptor;

/// Files of the helper's that are there while something of a service may be in force.
const TRACES: [&str; 3] = ["outcome.json", "applied.json", "confined"];

/// Where everything is.
#[derive(Debug, Clone)]
pub struct UnitsPlaces {
    /// The address of the bus; the system's if none is given.
    pub bus: Option<String>,
    /// Where the helper finds the wishes.
    pub wishes: PathBuf,
    /// Where the helper tells what it does.
    pub told: PathBuf,
    /// Where the runtime drop-ins of units are.
    pub drop_ins: PathBuf,
    /// dpkg's list of packages.
    pub packages: PathBuf,
    /// The list of users.
    pub users: PathBuf,
}

impl UnitsPlaces {
    /// As on a system, with this runtime directory of the controller.
    #[must_use]
    pub fn of_system(runtime: &Path) -> Self {
        Self {
            bus: None,
            wishes: runtime.join("wishes"),
            told: "/run/tails-server-helper".into(),
            drop_ins: "/run/systemd/system".into(),
            packages: "/var/lib/dpkg/status".into(),
            users: "/etc/passwd".into(),
        }
    }

    /// Where the helper tells of a service.
    pub(super) fn told_of(&self, service: &ServiceName) -> PathBuf {
        self.told.join(service.as_str())
    }

    /// Writes the wishes for a service, whole or not at all, for us and for root.
    pub(super) async fn write_wishes(&self, service: &ServiceName, text: &[u8]) -> io::Result<()> {
        let (directory, name, text) = (self.wishes.clone(), service.to_string(), Zeroizing::new(text.to_vec()));
        let write = move || {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            let unfinished = directory.join(format!(".{name}.new"));
            match fs::remove_file(&unfinished) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
                Ok(()) | Err(_) => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(&text)?;
            fs::rename(&unfinished, directory.join(format!("{name}.json")))
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    }

    /// Removes the wishes for a service.
    pub(super) async fn remove_wishes(&self, service: &ServiceName) {
        let path = self.wishes.join(format!("{service}.json"));
        // What is not there need not go.
        let _ = tokio::task::spawn_blocking(move || fs::remove_file(path)).await;
    }

    /// How the last act for a service ended, if one did.
    pub(super) async fn outcome(&self, service: &ServiceName) -> Option<Outcome> {
        let path = self.told_of(service).join("outcome.json");
        let text = tokio::task::spawn_blocking(move || read(&path)).await.ok()??;
        Outcome::parse(&text)
    }

    /// The services of which the helper has told or done something since the last boot.
    pub(super) async fn left_behind(&self) -> Vec<ServiceName> {
        let told = self.told.clone();
        let look = move || {
            let Ok(entries) = fs::read_dir(told) else { return Vec::new() };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
            names.collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Whether the helper has something of this service, though it has told nothing that is understood.
    pub(super) async fn has_traces(&self, service: &ServiceName) -> bool {
        let traces = TRACES.map(|name| self.told_of(service).join(name));
        let look = move || traces.iter().any(|trace| trace.exists());
        tokio::task::spawn_blocking(look).await.unwrap_or(true)
    }

    /// Which file has the outcome now: another one has another word of the helper.
    pub(super) async fn outcome_mark(&self, service: &ServiceName) -> Option<(u64, i64, i64)> {
        let path = self.told_of(service).join("outcome.json");
        let look = move || fs::metadata(path).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec()));
        tokio::task::spawn_blocking(look).await.ok()?
    }

    /// Whether something of ours is laid over this unit.
    pub(super) async fn has_drop_in(&self, unit: &str) -> bool {
        let path = self.drop_ins.join(format!("{unit}.d")).join("50-tails-server.conf");
        tokio::task::spawn_blocking(move || path.exists()).await.unwrap_or(true)
    }

    /// The services of these whose packages and users are all there.
    pub(super) async fn installed(&self, services: Vec<Needs>) -> Vec<ServiceName> {
        let (packages, users) = (self.packages.clone(), self.users.clone());
        let look = move || {
            let status = fs::read_to_string(packages).unwrap_or_default();
            let installed = installed_packages(&status);
            let users = fs::read_to_string(users).unwrap_or_default();
            let has_user = |user: &String| users.lines().any(|line| line.split(':').next() == Some(user));
            let is_there = |needs: &Needs| {
                let has = |package: &String| installed.contains(&package.as_str());
                needs.packages.iter().all(|alternatives| alternatives.iter().any(has))
                    && needs.users.iter().all(has_user)
            };
            services.into_iter().filter(is_there).map(|needs| needs.name).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// What has to be there for a service to count as installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needs {
    name: ServiceName,
    packages: Vec<Vec<String>>,
    users: Vec<String>,
}

impl Needs {
    pub(super) fn of(name: &ServiceName, descriptor: &ServiceDescriptor) -> Self {
        let alternatives = descriptor.install.packages.iter();
        Self {
            name: name.clone(),
            packages: alternatives.map(|one| one.iter().map(ToString::to_string).collect()).collect(),
            users: descriptor.user.iter().map(|user| user.name.to_string()).collect(),
        }
    }
}

/// The packages that dpkg calls installed, and not merely known or half there.
fn installed_packages(status: &str) -> Vec<&str> {
    let paragraphs = status.split("\n\n");
    let installed = paragraphs.filter_map(|paragraph| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
        field("Status: ")?.ends_with(" ok installed").then(|| field("Package: "))?
    });
    installed.collect()
}

/// A small file of the helper's.
pub(super) fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(told::MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wholly_installed_counts() {
        let status = "Package: mumble-server\nStatus: install ok installed\nVersion: 1\n\n\
                      Package: nginx\nStatus: deinstall ok config-files\n\n\
                      Package: prosody\nStatus: install ok half-configured\n\n\
                      Package: ngircd\nPriority: optional\nStatus: hold ok installed\nDescription: x\n Package: no\n";
        assert_eq!(installed_packages(status), ["mumble-server", "ngircd"]);
        assert_eq!(installed_packages(""), [""; 0]);
    }
}
