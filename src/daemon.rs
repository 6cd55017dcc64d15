// SPDX-License-Identifier: GPL-3.0-or-later
//! The wiring of `tails-serverd`: settings, logs, and a life from the start to SIGTERM.

mod directories;
mod lifecycle;
mod logging;
mod repertoire;
mod settings;
mod supervision;
mod volume;

use std::process::ExitCode;

use crate::errors::usage;

pub use settings::Arguments;

/// What `tails-serverd` does. Errors go to standard error, with their causes and the next step.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match usage::parse::<Arguments>(|command| command, |_| None) {
        Ok(arguments) => arguments,
        Err(told) => return told,
    };
    let ended = settings::Settings::gather(arguments)
        .map_err(lifecycle::DaemonError::from)
        .and_then(|settings| lifecycle::run(&settings));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::errors::report(&error, error.hint().as_deref());
            ExitCode::FAILURE
        }
    }
}
