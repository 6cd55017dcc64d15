// SPDX-License-Identifier: GPL-3.0-or-later
//! The program of a descriptor. The contract is in contrib/services/README.md.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::error::Error;
use super::files::Directory;
use super::program::{cannot, command, failed};
use super::users::Owner;
use crate::descriptor::{self, Moment, OptionSpec, OptionValues};

/// Where the hook finds the values of the options, in the directory of the service.
pub(super) const OPTIONS: &str = "options";

/// A program that is told what happens.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    program: PathBuf,
    moments: Vec<Moment>,
}

impl Hook {
    pub(super) fn new(hook: &descriptor::Hook, directory: &Path) -> Self {
        Self { program: directory.join(hook.program.as_str()), moments: hook.moments.value.clone() }
    }

    /// Tells it, if it wants to know. `options` is empty where nobody knows what people wish.
    pub(super) fn call(
        &self,
        moment: Moment,
        state: &Directory,
        options: Option<(&[OptionSpec], &OptionValues)>,
    ) -> Result<(), Error> {
        if !self.moments.contains(&moment) {
            return Ok(());
        }
        // Anew: what a crash has left may be of other wishes.
        state.remove_all(OPTIONS)?;
        let directory = state.enter(OPTIONS, 0o700)?;
        for (spec, values) in options.iter().flat_map(|(specs, values)| specs.iter().map(move |spec| (spec, values))) {
            let name = spec.name().as_str();
            if let Some(value) = values.value(name) {
                directory.write(name, value.expose().as_bytes(), Owner::ROOT, 0o600)?;
            }
        }
        let told = tell(&self.program.display().to_string(), moment, directory.path());
        state.remove_all(OPTIONS)?;
        told
    }
}

/// Runs the program, which has to go well.
fn tell(program: &str, moment: Moment, options: &Path) -> Result<(), Error> {
    let mut call = command(program);
    call.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TAILS_SERVER_OPTIONS", options);
    // What it says goes to the journal alone: it knows every secret of the service, and our problems are read by everybody.
    let status = call.arg(moment.as_str()).stdout(Stdio::null()).stderr(Stdio::inherit()).status();
    let status = status.map_err(cannot(program))?;
    if status.success() { Ok(()) } else { Err(failed(program, "", status)) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_that_a_hook_says_is_in_the_problem() {
        let place = tempfile::tempdir().unwrap();
        let (text, program) = (place.path().join("text"), place.path().join("hook"));
        fs::write(&text, "#!/bin/sh\necho \"bad: $(cat \"$TAILS_SERVER_OPTIONS/password\")\" >&2\nexit 3\n").unwrap();
        // What a program of another test inherits open for writing can not be run: so it is written by a process of its own.
        assert!(command("/usr/bin/install").arg("-m755").args([&text, &program]).status().unwrap().success());
        fs::write(place.path().join("password"), "s3cret").unwrap();
        let failure = tell(program.to_str().unwrap(), Moment::Withdrawn, place.path()).unwrap_err();
        let told = crate::errors::with_causes(&failure);
        assert!(told.contains("exit status: 3") && !told.contains("bad") && !told.contains("s3cret"), "{told}");
    }
}
