// SPDX-License-Identifier: GPL-3.0-or-later
//! The program of a descriptor. The contract is in contrib/services/README.md.

use std::path::{Path, PathBuf};

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
        let program = self.program.display().to_string();
        let mut call = command(&program);
        let output = call.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg(moment.as_str());
        let output = output.env("TAILS_SERVER_OPTIONS", directory.path()).output();
        state.remove_all(OPTIONS)?;
        let output = output.map_err(cannot(&program))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(&program, &String::from_utf8_lossy(&output.stderr), output.status))
    }
}
