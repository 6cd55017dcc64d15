// SPDX-License-Identifier: GPL-3.0-or-later
//! Why an act failed, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::descriptor::{Broken, RenderError};
use crate::helper::wishes::WishesError;

/// Why an act failed. No text of it has a value of an option in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there is no service \"{0}\"")]
    Unknown(String),
    #[error("the descriptor of \"{service}\" can not be used")]
    Descriptor {
        service: String,
        // Boxed: it is large, and rare.
        #[source]
        cause: Box<BrokenText>,
    },
    #[error("the wishes for \"{service}\" are refused")]
    Wishes {
        service: String,
        #[source]
        cause: WishesError,
    },
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("cannot {action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{} is refused: {why}", path.display())]
    Unsafe { path: PathBuf, why: &'static str },
    #[error("there is no {kind} \"{name}\" on this computer")]
    NoAccount { kind: &'static str, name: String },
    #[error("cannot run {program}")]
    Run {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("{program} failed: {reason}")]
    Failed { program: String, reason: String },
    #[error("the packages are in use by {0}")]
    Locked(String),
    #[error("the packages could not be downloaded: {0}")]
    Offline(String),
    #[error("these packages are only half installed: {0}")]
    HalfInstalled(String),
    #[error("none of these packages is known: {0}")]
    NoPackage(String),
    #[error("\"{0}\" is not installed")]
    NotInstalled(String),
    #[error("the installation was cut off, and may not be whole on the disk")]
    Unfinished,
    #[error("the data of \"{0}\" are being restored from a backup, or that was interrupted")]
    Restoring(String),
    #[error("these packages are damaged on the disk, and can not be had anew: {0}")]
    Damaged(String),
    #[error("{0} is running, and Tails Server did not start it")]
    Foreign(String),
    #[error("{unit} did not start: {reason}")]
    Start { unit: String, reason: String },
    #[error("{0} is not there, though its package is installed")]
    NoUnit(String),
    #[error("{0} is masked: an administrator has it never start")]
    Masked(String),
    #[error("{wish} has no effect on this system, which has no nftables")]
    NoFirewall { wish: &'static str, back: &'static str },
    #[error("cannot make the key pair \"{name}\"")]
    KeyPair {
        name: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the configuration needs the onion address, and there is none yet")]
    NoAddress,
    #[error("bug: {0}")]
    Bug(&'static str),
}

/// A [`Broken`] descriptor that is shared.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenText(String);

impl Error {
    pub(super) fn descriptor(service: &str, broken: &Broken) -> Self {
        Self::Descriptor {
            service: service.to_owned(),
            cause: Box::new(BrokenText(crate::errors::with_causes(broken))),
        }
    }

    /// For `map_err`.
    pub(super) fn file<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { action, path, cause: cause.into() }
    }

    /// What to do.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "See `tails-server list` for the services of this computer".to_owned(),
            Self::Descriptor { service, .. } => format!("See `tails-server lint {service}`"),
            Self::Wishes { cause: WishesError::Descriptor, .. } => {
                "Start the controller again, which reads them anew: sudo systemctl restart tails-serverd".to_owned()
            }
            Self::Wishes { .. } => {
                "Start the controller again, which writes them anew: sudo systemctl restart tails-serverd".to_owned()
            }
            Self::Render(_) => "Give that option another value".to_owned(),
            Self::File { .. } => "See whether the disk is there, writable and not full".to_owned(),
            Self::Unsafe { path, .. } => format!("See who has changed it, remove {}, and try again", path.display()),
            Self::NoAccount { .. } | Self::NotInstalled(_) | Self::Unfinished => {
                "It is installed again once the service is disabled and enabled again".to_owned()
            }
            Self::Run { program, .. } => format!("Install the package that {program} is in"),
            Self::Failed { .. } => "See the journal of this unit, and try again".to_owned(),
            Self::Locked(_) => "Wait until the other program has ended, and try again".to_owned(),
            Self::Restoring(_) => {
                "Restore the backup once more: sudo tails-server restore FILE. What was kept before is in \
                 /var/lib/tails-server-data"
                    .to_owned()
            }
            Self::Offline(_) => "Connect to the network, and try again".to_owned(),
            Self::HalfInstalled(_) => {
                "Run `dpkg --configure --pending` as root, which says what keeps them from it, and try again".to_owned()
            }
            Self::NoPackage(_) | Self::Damaged(_) => {
                "Connect to the network, run `apt update`, and try again".to_owned()
            }
            Self::Foreign(unit) => format!("Stop it with `systemctl disable --now {unit}`, and try again"),
            Self::Start { unit, .. } => format!("See `journalctl --unit {unit}`"),
            Self::NoUnit(_) => "See whether the descriptor names the unit of this release".to_owned(),
            Self::Masked(unit) => format!("Let it start, if it may: sudo systemctl unmask {unit}"),
            Self::NoFirewall { back, .. } => {
                format!("Install it: sudo apt install nftables. Or do without: set {back} of the service")
            }
            Self::KeyPair { .. } => "See whether the disk is writable and not full".to_owned(),
            Self::NoAddress => "Publish the service first".to_owned(),
            Self::Bug(_) => "Report it, with the journal of this unit".to_owned(),
        }
    }
}
