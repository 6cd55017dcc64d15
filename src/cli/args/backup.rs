// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server backup` and `restore`

use std::path::PathBuf;

use clap::Args;

/// A backup to make.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where to; the file must not exist yet
    pub file: PathBuf,

    /// Where the passphrase comes from.
    #[command(flatten)]
    pub passphrase: Passphrase,

    /// Make up a passphrase, and print it once on standard error
    #[arg(long, conflicts_with = "passphrase_file")]
    pub generate_passphrase: bool,

    /// Back up the data of the servers, too, where they are kept; only root may
    #[arg(long)]
    pub with_data: bool,

    /// Also the data of servers that run: files that change meanwhile may not fit together
    #[arg(long, requires = "with_data")]
    pub live: bool,
}

/// A backup to restore.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,

    /// Where the passphrase comes from.
    #[command(flatten)]
    pub passphrase: Passphrase,

    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Replace what is here with the same name and another key or other settings
    #[arg(long)]
    pub replace: bool,

    /// Enable the services that were enabled when the backup was made
    #[arg(long)]
    pub enable: bool,

    /// Leave out the data of the servers
    #[arg(long)]
    pub without_data: bool,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Where a passphrase comes from.
#[derive(Debug, Args)]
pub struct Passphrase {
    /// Read the passphrase from this file, - for standard input [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

pub(super) const BACKUP_HELP: &str = "\
The file has everything that Tails Server remembers: names, ports, options, addresses and their keys, clients and their keys, \
and what you joined. It is encrypted with the passphrase; the program `age` opens it, too: inside is a tar with manifest.json \
and remembered.json.

The data of the servers, such as channels or uploaded files, are not in it, unless --with-data is given: then those of all \
services that are kept (persistence on) are in the tar, too, below data. They are root's, so only root can. A server that runs \
changes its data while they are read: disable it first, or add --live.

Whoever has the file and the passphrase is every service in it: keep them apart.

Examples:
  tails-server backup /media/amnesia/usb/services.age
  tails-server backup services.age --generate-passphrase
  tails-server backup services.age --passphrase-file passphrase    for scripts
  sudo tails-server backup services.age --with-data                with uploaded files and the like
  age -d services.age | tar -t                                     without Tails Server";

pub(super) const RESTORE_HELP: &str = "\
First it shows what it is going to do, and asks. What is here and not in the backup stays. What is here with the same name and \
another key or other settings is left alone, unless --replace is given. All of it is restored or nothing.

What is restored is disabled, without autostart: if another computer still publishes it, one key on two computers harms both. \
Visitors end up at the one or the other by chance, and whoever watches the directories of the Tor network can see that there \
are two. Remove the services there, then enable them here, or restore with --enable.

Data of servers are restored with the services that are added or replaced, and with --replace also for those that are here as \
they are in the backup; their servers have to be disabled, and are installed if they are not yet. Data that are here are put \
aside, not deleted. Only root can restore data; others add --without-data.

A named pipe or a device is not read. What a shell makes of <(COMMAND) is, but for data of servers, which are read twice.

Examples:
  tails-server restore services.age --dry-run    what it would do
  tails-server restore services.age --passphrase-file passphrase --dry-run
  tails-server restore services.age --passphrase-file passphrase --yes   for scripts
  tails-server restore services.age
  tails-server restore services.age --enable     on the computer that takes over
  tails-server restore services.age --replace    back to what was backed up";
