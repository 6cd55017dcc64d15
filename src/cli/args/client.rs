// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server client ...`

use clap::Subcommand;
use tails_server_state::{ClientName, ClientPublicKey, ServiceName};

/// What to do with the authorised clients of a service.
#[derive(Debug, Subcommand)]
pub enum ClientVerb {
    /// Let somebody into a service, with a key made here or one that they sent
    #[command(after_help = ADD_HELP)]
    Add {
        /// The service
        service: ServiceName,
        /// What to call the client; nobody else learns it
        client: ClientName,
        /// The public key that the client sent; without one, a key is made here and has to be handed over
        #[arg(long, value_name = "KEY", value_parser = ClientPublicKey::parse)]
        public_key: Option<ClientPublicKey>,
    },

    /// List the clients of a service, with their public keys
    #[command(after_help = LIST_HELP)]
    List {
        /// The service
        service: ServiceName,
    },

    /// Print what a client needs to connect: it is the access, for whoever reads it
    #[command(after_help = SHOW_HELP)]
    Show {
        /// The service
        service: ServiceName,
        /// The client
        client: ClientName,
        /// Show the line as a QR code, too
        #[arg(long)]
        qr: bool,
    },

    /// Give a client another name; its access stays as it is
    #[command(after_help = RENAME_HELP)]
    Rename {
        /// The service
        service: ServiceName,
        /// The client
        client: ClientName,
        /// Its new name
        new: ClientName,
    },

    /// End the access of a client, and wait until it has ended
    #[command(after_help = REMOVE_HELP)]
    Remove {
        /// The service
        service: ServiceName,
        /// The client
        client: ClientName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) const HELP: &str = "\
Clients matter once client authorisation is on: tails-server set-option web client-authorization on

Examples:
  tails-server client add web alice      let Alice in; then tails-server client show web alice
  tails-server client list web           who is let in
  tails-server client remove web alice   end her access";

const ADD_HELP: &str = "\
Examples:
  tails-server client add web alice      with a key that is made here
  tails-server client add web bob --public-key QUQPACJQWRJ2OVDLP5OHDIXAGMG6DPCATWVZVNFPYO5PKJKPJJVA";

const LIST_HELP: &str = "\
Examples:
  tails-server client list web
  tails-server client list web --json | jq .[].name   the names, for scripts";

const SHOW_HELP: &str = "\
Send it only in a way that nobody else can read. Tor Browser asks for `tor-browser-key` when it opens the address; a Tor \
takes `auth-private` as a file *.auth_private in its ClientOnionAuthDir, and so does `tails-server join`.

Examples:
  tails-server client show web alice
  tails-server client show web alice --qr   and as a QR code";

const RENAME_HELP: &str = "\
Examples:
  tails-server client rename web alice carol";

const REMOVE_HELP: &str = "\
Everybody who is connected to the service is disconnected with it, and the others can connect again some seconds later.

Examples:
  tails-server client remove web alice         asks you to type the name
  tails-server client remove web alice --yes   for scripts";
