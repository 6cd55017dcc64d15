// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server key ...`

use std::path::PathBuf;

use clap::Subcommand;
use tails_server_state::ServiceName;

/// What to do with the key of a service.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Write the key and the clients of a service into a directory as Tor has it
    #[command(after_help = EXPORT_HELP)]
    Export {
        /// The service
        service: ServiceName,
        /// Where to; the directory is made, or is empty
        #[arg(long, value_name = "DIRECTORY")]
        output: PathBuf,
    },

    /// Give a service the address of a key from Tor, mkp224o or OnionShare
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// The service
        service: ServiceName,
        /// A HiddenServiceDir, or a file with a key
        #[arg(value_name = "DIRECTORY|FILE")]
        path: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Give a service a new key, and with it a new address
    #[command(after_help = RENEW_HELP)]
    Renew {
        /// The service
        service: ServiceName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) const HELP: &str = "\
Examples:
  tails-server key export web --output /media/amnesia/usb/web   a backup, or a move to a torrc
  tails-server key import web /var/lib/tor/web                  the address of a service in a torrc
  tails-server key renew web                                    a new address";

const EXPORT_HELP: &str = "\
Whoever has these files is the service. For a Tor of another user, give the directory to that user with chown.

Examples:
  tails-server key export web --output web-key";

const IMPORT_HELP: &str = "\
The old key and the old address are gone for ever, unless you export them before. Nothing else changes: import a service \
from a torrc after publishing its ports, and take it out of the torrc before.

Examples:
  tails-server publish 80:8080 --name web
  tails-server key import web /var/lib/tor/web       asks you to type the name
  tails-server key import web vanity-key --yes       for scripts";

const RENEW_HELP: &str = "\
Examples:
  tails-server key renew web             asks you to type the name
  tails-server key renew web --yes       for scripts";
