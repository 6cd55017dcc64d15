// SPDX-License-Identifier: GPL-3.0-or-later
//! The privileged acts, each a short life of `tails-server-helper` as root: `install`, `apply`, `withdraw`, `uninstall`.
//!
//! It takes the name of a service and nothing else. What a service is stands in its descriptor, which only root can write;
//! what people wish in a file of the controller, which is believed in nothing. Each act can be killed anywhere and run again,
//! and until it has ended well nothing of the server can be reached but by loopback. No file of a distribution is edited.

mod act;
mod apply;
mod error;
mod files;
mod firewall;
mod hook;
mod install;
mod keys;
mod last_words;
mod leavings;
mod ledger;
mod locks;
mod mounts;
mod origin;
mod owners;
mod packages;
mod places;
mod program;
mod report;
mod uninstall;
mod units;
mod users;
mod wishes;
mod withdraw;

use std::process::ExitCode;

use crate::errors::usage;

/// What `tails-server-helper` does. Errors go to standard error, and to the file that the controller reads.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match usage::parse::<act::Arguments>(|command| command, |_| None) {
        Ok(arguments) => arguments,
        Err(told) => return told,
    };
    match act::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::errors::report(&error, Some(&error.hint()));
            ExitCode::FAILURE
        }
    }
}
