// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server completions`

use clap::{Args, ValueEnum};

/// Where to complete.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// A shell that asks what could come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash
    Bash,
    /// Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

pub(super) const HELP: &str = "\
Packages bring it along already. The shell then asks this program for names, and this program asks the controller, \
if it runs.

Examples:
  source <(tails-server completions bash)   for this shell; put it into ~/.bashrc to have it in each
  tails-server completions fish             for ~/.config/fish/completions/tails-server.fish";
