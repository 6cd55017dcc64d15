// SPDX-License-Identifier: GPL-3.0-or-later
//! Why the store can not do what was asked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::defect::Defect;
use crate::client::{ClientName, MOST_CLIENTS};
use crate::name::ServiceName;

/// Why the store can not do what was asked, or why a place of it is not usable.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Not ours to read or write.
    #[error("no permission to use {}", path.display())]
    Permission {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The file system does not take changes.
    #[error("{} can not be changed: the file system is read-only", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// No room. What was stored is still there and can be read and removed.
    #[error("there is no room left in {}", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
    },
    /// Damaged beyond what we can mend. Nothing was deleted.
    #[error("{} is damaged; everything in it was copied to {}", path.display(), copy.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// Where the bytes were put aside as they were found.
        copy: PathBuf,
        /// What was wrong at first sight.
        #[source]
        cause: Defect,
    },
    /// Damaged, and as many copies of damaged stores are there already as we make.
    #[error("{} is damaged, and {copies} copies of damaged stores are in it already", path.display())]
    Crowded {
        /// The directory.
        path: PathBuf,
        /// How many copies.
        copies: usize,
    },
    /// Written by a later version. Nothing was touched.
    #[error("{} needs a newer Tails Server: it has version {version}", path.display())]
    TooNew {
        /// The directory.
        path: PathBuf,
        /// The version that was found.
        version: u16,
    },
    /// The name is taken.
    #[error("a service named \"{name}\" exists already")]
    Exists {
        /// The name.
        name: ServiceName,
    },
    /// There is no such service.
    #[error("there is no service named \"{name}\"")]
    Unknown {
        /// The name.
        name: ServiceName,
    },
    /// The directory, or what was in it, is not there.
    #[error("{} is not there", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// The volume that it has to be on is not mounted.
    #[error("Persistent Storage is not there: nothing is mounted on {}", path.display())]
    NotMounted {
        /// The directory that nothing is mounted on.
        path: PathBuf,
    },
    /// More than the database can hold safely in one row.
    #[error("the service \"{name}\" has too many settings to be stored")]
    TooLarge {
        /// The name.
        name: ServiceName,
    },
    /// Another service has this address.
    #[error("the service \"{name}\" has this address already")]
    AddressTaken {
        /// The other service.
        name: ServiceName,
    },
    /// The service has moved to the other place meanwhile.
    #[error("the service \"{name}\" is remembered elsewhere")]
    OtherPlace {
        /// The service.
        name: ServiceName,
    },
    /// Where the service is to be moved there is another one of its name.
    #[error("another service named \"{name}\" is on the persistent volume")]
    Shadowed {
        /// The service.
        name: ServiceName,
    },
    /// The name of the client is taken.
    #[error("the service \"{service}\" has a client named \"{client}\" already")]
    ClientExists {
        /// The service.
        service: ServiceName,
        /// The client.
        client: ClientName,
    },
    /// There is no such client.
    #[error("the service \"{service}\" has no client named \"{client}\"")]
    UnknownClient {
        /// The service.
        service: ServiceName,
        /// The client.
        client: ClientName,
    },
    /// Another client of the service has this key.
    #[error("the client \"{client}\" of the service \"{service}\" has this key already")]
    ClientKeyTaken {
        /// The service.
        service: ServiceName,
        /// The other client.
        client: ClientName,
    },
    /// The service has [`MOST_CLIENTS`] clients.
    #[error("the service \"{service}\" has {MOST_CLIENTS} clients, and Tor can not publish it with many more")]
    TooManyClients {
        /// The service.
        service: ServiceName,
    },
    /// The client brought its public key, and only the client has the other half.
    #[error("the secret key of the client \"{client}\" was made by the client, and is not here")]
    SecretElsewhere {
        /// The service.
        service: ServiceName,
        /// The client.
        client: ClientName,
    },
    /// The name of the request is taken.
    #[error("there is a request named \"{name}\" already")]
    RequestExists {
        /// The request.
        name: ClientName,
    },
    /// There is no such request.
    #[error("there is no request named \"{name}\"")]
    UnknownRequest {
        /// The request.
        name: ClientName,
    },
    /// There is no joined service of this name.
    #[error("no service of somebody else is known as \"{name}\"")]
    NotJoined {
        /// The name.
        name: ServiceName,
    },
    /// Reading or writing failed in some other way.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
}

impl StoreError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Locked { .. } => "Is another tails-serverd running? Stop it first".to_owned(),
            Self::Permission { path, .. } => {
                format!("{} has to belong to the user that runs Tails Server", path.display())
            }
            Self::ReadOnly { path } => format!(
                "Mount the volume that {} belongs to for writing, then restart. If it was mounted so, check it for errors",
                path.display()
            ),
            Self::Full { .. } => "Free some space, or remove a service, and try again".to_owned(),
            Self::Damaged { path, copy, .. } => format!(
                "Restore {} from a backup. To begin anew without the stored services, move it elsewhere and restart. \
                 Keep {}: the addresses may still be in it",
                path.display(),
                copy.display()
            ),
            Self::Crowded { path, .. } => {
                format!(
                    "Move the directories damaged-* out of {} and restart; check the medium for errors",
                    path.display()
                )
            }
            Self::TooNew { .. } => "Update Tails Server. Nothing was changed or lost".to_owned(),
            Self::Exists { .. } => "Choose another name, or remove the service first".to_owned(),
            Self::Unknown { .. } => "See the list of services for the names".to_owned(),
            Self::Absent { path } => {
                format!("Mount or unlock the volume that {} belongs to, then restart", path.display())
            }
            Self::NotMounted { .. } => "Unlock Persistent Storage when Tails starts, or create it, and turn on Tails \
                                        Server in it. Services that are not persistent work without"
                .to_owned(),
            Self::TooLarge { .. } => "Use fewer ports, shorter paths or a shorter note".to_owned(),
            Self::AddressTaken { .. } => "Remove that service first, or use another key".to_owned(),
            Self::OtherPlace { .. } => "Try again".to_owned(),
            Self::Shadowed { .. } => "Once this one is removed, that one is there again".to_owned(),
            Self::ClientExists { .. } => "Choose another name, or remove the client first".to_owned(),
            Self::UnknownClient { .. } => "See the list of clients of the service for the names".to_owned(),
            Self::ClientKeyTaken { .. } => "Give each client a key of its own".to_owned(),
            Self::TooManyClients { .. } => {
                "Remove clients that no longer need access, or add a second service".to_owned()
            }
            Self::SecretElsewhere { .. } => "Ask the client, or remove it and add it with a new key".to_owned(),
            Self::RequestExists { .. } => "Choose another name, or remove the request first".to_owned(),
            Self::UnknownRequest { .. } => "See the list of requests for the names".to_owned(),
            Self::NotJoined { .. } => "See the list of joined services for the names".to_owned(),
            Self::Io { .. } => "Check the medium for errors".to_owned(),
        }
    }

    /// What it is in one word, for a log that anybody may see: no path, no name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "locked",
            Self::Permission { .. } => "permission",
            Self::ReadOnly { .. } => "read-only",
            Self::Full { .. } => "full",
            Self::Damaged { .. } => "damaged",
            Self::Crowded { .. } => "crowded",
            Self::TooNew { .. } => "too-new",
            Self::Exists { .. } => "exists",
            Self::Unknown { .. } => "unknown",
            Self::Absent { .. } => "absent",
            Self::NotMounted { .. } => "not-mounted",
            Self::TooLarge { .. } => "too-large",
            Self::AddressTaken { .. } => "address-taken",
            Self::OtherPlace { .. } => "other-place",
            Self::Shadowed { .. } => "shadowed",
            Self::ClientExists { .. } => "client-exists",
            Self::UnknownClient { .. } => "unknown-client",
            Self::ClientKeyTaken { .. } => "client-key-taken",
            Self::TooManyClients { .. } => "too-many-clients",
            Self::SecretElsewhere { .. } => "secret-elsewhere",
            Self::RequestExists { .. } => "request-exists",
            Self::UnknownRequest { .. } => "unknown-request",
            Self::NotJoined { .. } => "not-joined",
            Self::Io { .. } => "io",
        }
    }

    /// Whether room would help.
    pub(super) const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// What an error of the system means for the directory `path`.
    // By kind, not by number: sled hands on copies of errors that have lost the number.
    pub(super) fn from_io(path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&cause) {
            return Self::Full { path };
        }
        if cause.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return Self::ReadOnly { path };
        }
        if cause.kind() == io::ErrorKind::PermissionDenied {
            return Self::Permission { path, cause: Arc::new(cause) };
        }
        if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            return Self::Absent { path };
        }
        Self::Io { path, cause: Arc::new(cause) }
    }
}

/// Whether an error of the system means that there is no room.
fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_a_person_can_act_on() {
        let path = Path::new("/kept");
        let of = |number| StoreError::from_io(path, io::Error::from(number)).to_string();
        assert_eq!(of(rustix::io::Errno::NOSPC), "there is no room left in /kept");
        assert_eq!(of(rustix::io::Errno::DQUOT), "there is no room left in /kept");
        assert_eq!(of(rustix::io::Errno::ROFS), "/kept can not be changed: the file system is read-only");
        assert_eq!(of(rustix::io::Errno::ACCESS), "no permission to use /kept");
        assert_eq!(of(rustix::io::Errno::NOENT), "/kept is not there");
        assert_eq!(of(rustix::io::Errno::IO), "cannot read or write /kept");
    }

    #[test]
    fn a_hint_ends_without_a_full_stop_and_speaks_of_the_place_it_is_about() {
        let path = PathBuf::from("/run/place");
        let name = || "web".parse().unwrap();
        let client = || "alice".parse().unwrap();
        let cause = || Arc::new(io::Error::other("broken"));
        let all = [
            StoreError::Locked { path: path.clone() },
            StoreError::Permission { path: path.clone(), cause: cause() },
            StoreError::ReadOnly { path: path.clone() },
            StoreError::Full { path: path.clone() },
            StoreError::Damaged { path: path.clone(), copy: path.join("copy"), cause: Defect::Row },
            StoreError::Crowded { path: path.clone(), copies: 8 },
            StoreError::TooNew { path: path.clone(), version: 2 },
            StoreError::Exists { name: name() },
            StoreError::Unknown { name: name() },
            StoreError::Absent { path: path.clone() },
            StoreError::NotMounted { path: path.clone() },
            StoreError::TooLarge { name: name() },
            StoreError::AddressTaken { name: name() },
            StoreError::OtherPlace { name: name() },
            StoreError::Shadowed { name: name() },
            StoreError::ClientExists { service: name(), client: client() },
            StoreError::UnknownClient { service: name(), client: client() },
            StoreError::ClientKeyTaken { service: name(), client: client() },
            StoreError::TooManyClients { service: name() },
            StoreError::SecretElsewhere { service: name(), client: client() },
            StoreError::RequestExists { name: client() },
            StoreError::UnknownRequest { name: client() },
            StoreError::NotJoined { name: name() },
            StoreError::Io { path, cause: cause() },
        ];
        for error in all {
            assert!(!error.hint().ends_with('.'), "{}", error.hint());
            if matches!(error, StoreError::ReadOnly { .. } | StoreError::Absent { .. }) {
                assert!(
                    error.hint().contains("/run/place") && !error.hint().contains("Persistent"),
                    "{}",
                    error.hint()
                );
            }
        }
    }
}
