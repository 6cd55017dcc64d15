// SPDX-License-Identifier: GPL-3.0-or-later
//! `tornet`: the private Tor network as a program, for demonstrations and for experiments by hand.

mod arguments;
mod command;
mod run;

use std::error::Error;
use std::iter;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Action, Arguments};

fn main() -> ExitCode {
    let Arguments { action } = Arguments::parse();
    let result = match action {
        Action::Run(options) => run::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one text.
fn chain(error: &(dyn Error + 'static)) -> String {
    iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
