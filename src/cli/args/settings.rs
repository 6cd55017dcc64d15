// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server export-settings` and `import-settings`

use std::path::PathBuf;

use clap::Args;

/// Settings to write down.
#[derive(Debug, Args)]
pub struct ExportSettings {
    /// Where to; the file must not exist yet [default: standard output]
    pub file: Option<PathBuf>,
}

/// Settings to bring about.
#[derive(Debug, Args)]
pub struct ImportSettings {
    /// The settings: a file, or - for standard input
    pub file: String,

    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

pub(super) const EXPORT_HELP: &str = "\
What is written is TOML, with --json the same as JSON, without secrets: no addresses, no keys, no passwords, no names of \
clients. For those there is `tails-server backup`.

Examples:
  tails-server export-settings
  tails-server export-settings --json | jq '.services | keys'
  tails-server export-settings services.toml";

pub(super) const IMPORT_HELP: &str = "\
What is missing from the file stays as it is: services, and options of services. What is new is published, with a new key. \
Importing twice changes nothing. JSON is taken as well, as `export-settings --json` writes it.

All of it is checked first, each value too: if anything is wrong, all that is wrong is said with its line, and nothing is \
changed. Before a service is opened to everybody or to the local network it asks.

Examples:
  tails-server import-settings services.toml --dry-run   what would change
  tails-server import-settings services.toml --yes       for scripts
  tails-server export-settings | ssh other tails-server import-settings - --yes

A file for a website that is published after every boot, and a Mumble server:
  version = 1

  [services.web]
  enabled = true
  ports = [\"80:127.0.0.1:8080\"]
  [services.web.options]
  persistence = true
  autostart = true

  [services.mumble]
  enabled = true
  [services.mumble.options]
  client-authorization = true";
