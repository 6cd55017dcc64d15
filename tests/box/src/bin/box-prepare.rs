// SPDX-License-Identifier: GPL-3.0-or-later
//! Makes the bases of the machines that the tests boot: as root, with a network, before the tests.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use tails_box::{Base, Error, Release};

fn main() -> ExitCode {
    match Release::ALL.into_iter().try_for_each(prepare) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For people: see there.
            say(&format!("Error: {error:?}"));
            ExitCode::FAILURE
        }
    }
}

fn prepare(release: Release) -> Result<(), Error> {
    if Base::of(release).is_ok() {
        return Ok(());
    }
    say(&format!("Making the base tree and the package repository of {release} for the tests"));
    let begin = Instant::now();
    let base = Base::prepare(release)?;
    say(&format!("{release} is in {}, after {} s", base.directory().display(), begin.elapsed().as_secs()));
    Ok(())
}

fn say(text: &str) {
    // Where nobody can be told, the exit code has to do.
    let _ = writeln!(io::stderr(), "{text}");
}
