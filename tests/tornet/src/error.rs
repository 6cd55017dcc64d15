// SPDX-License-Identifier: GPL-3.0-or-later
//! What can go wrong with a tor or a network of them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::ControlError;

/// Why a tor or a network could not be started or steered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("cannot find the program \"{program}\"; on Debian it is in the package \"{package}\"")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program is there and cannot be run.
    #[error("cannot run \"{program}\"")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program that should make something ended without it.
    #[error("\"{program}\" failed ({status}); it said:\n{output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its standard output and standard error.
        output: String,
    },
    /// A file or directory of ours.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The verb: "read", "write", "create".
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Every block of ports is in use.
    #[error("no free block of ports between {first} and {limit} on 127.0.0.1")]
    NoPorts {
        /// The first port that was tried.
        first: u16,
        /// The port before which the search ends.
        limit: u16,
    },
    /// A tor ended by itself.
    #[error("tor \"{name}\" ended by itself ({status}); the last lines of its log:\n{log}")]
    Ended {
        /// The name of the tor.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// Something was asked of a tor that does not run.
    #[error("tor \"{name}\" is not running")]
    NotRunning {
        /// The name of the tor.
        name: String,
    },
    /// Something did not come in time.
    #[error("tor \"{name}\": {missing} after {} s; the last lines of its log:\n{log}", after.as_secs_f32())]
    TimeOut {
        /// The name of the tor.
        name: String,
        /// What is missing: "no answer on the control port".
        missing: &'static str,
        /// How long we waited.
        after: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// A conversation on a control port.
    #[error("tor \"{name}\": the control port did not do what was asked")]
    Control {
        /// The name of the tor.
        name: String,
        /// What happened.
        #[source]
        source: ControlError,
    },
}

impl Error {
    /// A [`File`](Error::File) error, for `map_err`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    }

    /// Tells a program that is not there from one that cannot be run. All that we run besides the
    /// shell is in Debian's package "tor".
    pub(crate) fn run(program: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if source.kind() == io::ErrorKind::NotFound {
                Error::Missing { program, package: if program == "sh" { "dash" } else { "tor" } }
            } else {
                Error::Run { program, source }
            }
        }
    }
}
