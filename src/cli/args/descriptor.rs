// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server lint` and `new`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tails_server_state::ServiceName;

/// What to check, and how to say it.
#[derive(Debug, Args)]
pub struct Lint {
    /// Descriptors, or the directories that they are in
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// How the findings are written [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<LintFormat>,

    /// Fail on warnings, too
    #[arg(long)]
    pub strict: bool,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people: place, message and hint
    Text,
    /// For programs: a list of objects
    Json,
    /// For a workflow on GitHub, which shows them beside the line
    Github,
}

/// What to begin.
#[derive(Debug, Args)]
pub struct New {
    /// The service
    pub name: ServiceName,

    /// Where its directory is made
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub output: PathBuf,
}

pub(super) const LINT_HELP: &str = "\
It needs no controller and no root, and changes nothing. Each finding has the id of a rule, which stays the same. It ends with 1 \
if there is an error, or with --strict a warning.

Examples:
  tails-server lint mumble/service.toml
  tails-server lint /usr/share/tails-server/services/*/ --strict
  tails-server lint mumble --format github        in a workflow";

pub(super) const NEW_HELP: &str = "\
It makes a directory with a descriptor and a template, both with comments that say what to change. It needs no controller.

Examples:
  tails-server new wiki                    begins wiki/service.toml
  tails-server new wiki --output services  begins services/wiki/service.toml
  tails-server lint wiki                   then check it after each change";
