// SPDX-License-Identifier: GPL-3.0-or-later
//! What can go wrong with a machine in a box.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::Release;

/// Why a machine could not be made, started or steered.
#[derive(thiserror::Error)]
pub enum Error {
    /// A program is not installed on the host.
    #[error("cannot find the program \"{program}\"; on Debian it is in the package \"{package}\"")]
    Missing {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program is there and cannot be run.
    #[error("cannot run \"{program}\"")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("\"{command}\" failed ({status}); it said:\n{output}")]
    Failed {
        /// The program and its arguments.
        command: String,
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
    /// There is no place for what is kept between runs.
    #[error("neither XDG_CACHE_HOME nor HOME says where to keep the base trees")]
    NoCache,
    /// The base tree was not made before the tests.
    #[error(
        "the base tree of {release} is not in {}; make it, with a network: \
         cargo run --package tails-box --bin box-prepare",
        path.display()
    )]
    NotPrepared {
        /// The release that is missing.
        release: Release,
        /// Where it should be.
        path: PathBuf,
    },
    /// The host's apt names no mirror of Debian.
    #[error("the host's apt has no mirror of Debian's component main; see: apt-get indextargets")]
    NoMirrors,
    /// Something of the kernel that a box is made of is missing or not allowed.
    #[error(
        "this system does not let us make a box: it needs root, namespaces, overlayfs and cgroup2; it said:\n{said}"
    )]
    NotAllowed {
        /// What the programs that tried it said.
        said: String,
    },
    /// The machine ended by itself.
    #[error("the machine ended by itself ({status}); the last lines of its console:\n{console}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its console.
        console: String,
    },
    /// Something did not come in time.
    #[error("{missing}, after {} s; the last lines of the console:\n{console}", after.as_secs())]
    TimeOut {
        /// What is missing: "no system bus".
        missing: &'static str,
        /// How long we waited.
        after: Duration,
        /// The last lines of the console.
        console: String,
    },
    /// The machine was not started with what is asked of it.
    #[error("the machine has no {0}: see the options")]
    Without(&'static str),
    /// The sampler of listeners could not look any more before it was asked to end.
    #[error("the listeners could not be watched to the end")]
    WatchEnded,
}

// Tests unwrap, and what they print then is all that a person gets to read.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error {
    /// A [`File`](Error::File) error, for `map_err`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    }

    /// Tells a program that is not there from one that cannot be run.
    pub(crate) fn run(program: &str) -> impl FnOnce(io::Error) -> Self {
        let program = program.to_owned();
        move |source| {
            if source.kind() == io::ErrorKind::NotFound {
                Error::Missing { package: package_of(&program), program }
            } else {
                Error::Run { program, source }
            }
        }
    }
}

/// Debian's package of a program that we start ourselves. Inside, it is `nsenter` that says what is missing.
fn package_of(program: &str) -> &'static str {
    match program {
        "apt-config" | "apt-get" => "apt",
        "apt-ftparchive" => "apt-utils",
        _ => "util-linux",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_unwraps_says_what_to_do_and_why() {
        let missing = Error::NotPrepared { release: Release::Trixie, path: PathBuf::from("/cache/trixie") };
        assert!(format!("{missing:?}").starts_with("the base tree of Debian 13 is not in /cache/trixie; make it,"));
        let refused = Error::file("open", Path::new("/x"))(io::ErrorKind::PermissionDenied.into());
        assert_eq!(format!("{refused:?}"), "cannot open /x: permission denied");
        assert!(format!("{:?}", Error::run("apt-get")(io::ErrorKind::NotFound.into())).contains("package \"apt\""));
    }
}
