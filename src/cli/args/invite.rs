// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server invite`, `join`, `leave` and `request`

use std::path::PathBuf;

use clap::Args;
use tails_server_state::{ClientName, ServiceName};

use crate::invitation::{Lifetime, Title};

/// An invitation to write.
#[derive(Debug, Args)]
pub struct Invite {
    /// The service
    pub name: ServiceName,

    /// Whom it is for; a client of this name is added if there is none [default: who made the request]
    #[arg(long = "for", value_name = "CLIENT", required_unless_present = "request")]
    pub client: Option<ClientName>,

    /// Until when `join` takes the invitation, such as 7d or 12h [default: as long as the access lasts]
    #[arg(long, value_name = "TIME")]
    pub expires: Option<Lifetime>,

    /// What to call the service in the invitation [default: its name]
    #[arg(long)]
    pub title: Option<Title>,

    /// Answer this request: a file, - for standard input, or its text; then no secret key has to travel
    #[arg(long, value_name = "FILE|-|TEXT", allow_hyphen_values = true)]
    pub request: Option<String>,

    /// Show the invitation as a QR code, too
    #[arg(long)]
    pub qr: bool,

    /// Write it into this new file, as text, or as a QR code if its name ends in .png or .svg
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// An invitation to follow.
#[derive(Debug, Args)]
pub struct Join {
    /// The invitation: a file, - for standard input, or its text if there is no secret in it [default: -]
    #[arg(value_name = "FILE|-|TEXT", allow_hyphen_values = true)]
    pub source: Option<String>,

    /// What to call the service here [default: made from its title]
    #[arg(long)]
    pub name: Option<ServiceName>,

    /// Keep it across reboots
    #[arg(long)]
    pub persistent: bool,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// A request to make.
#[derive(Debug, Args)]
pub struct Ask {
    /// What you would like to be called by the host of the service
    #[arg(long)]
    pub name: ClientName,

    /// Keep it across reboots
    #[arg(long)]
    pub persistent: bool,

    /// Show the request as a QR code, too
    #[arg(long)]
    pub qr: bool,
}

pub(super) const INVITE_HELP: &str = "\
Whoever reads an invitation to a private service can connect to it, unless it answers a request. When it has \
expired, `tails-server join` does not take it any more; but the key in it still opens the service, for whoever has used it \
or knows how to take the key out, until `tails-server client remove`.

Examples:
  tails-server invite web --for alice                     as text, to copy and paste
  tails-server invite web --for alice --expires 7d --qr   and as a QR code, for a week
  tails-server invite web --for alice --expires 7d --output alice.txt   into a file
  tails-server invite web --for alice --output alice.png
  tails-server invite mumble --for alice                  with the password of the server in it
  tails-server invite web --for alice --request alice.txt   the answer to her request";

pub(super) const JOIN_HELP: &str = "\
It also takes a line of an .auth_private file. What is written on a command line stays in the history of the shell, and \
other users can see it: so an invitation with a secret in it is taken from a file or from standard input only.

Examples:
  tails-server join invitation.txt       shows what it is, and asks
  tails-server join                      paste it, then press Enter and Ctrl-D
  tails-server join alice.txt --name chess --yes   under a name of your own, for scripts
  tails-server join - --name chess --yes < invitation.txt";

pub(super) const JOINED_HELP: &str = "\
Examples:
  tails-server joined                    what you joined; neither keys nor addresses
  tails-server joined chess              one of them, with its address and how to connect";

pub(super) const LEAVE_HELP: &str = "\
Examples:
  tails-server leave chess               asks you to type the name
  tails-server leave chess --yes         for scripts";

pub(super) const REQUEST_HELP: &str = "\
The request has no secret in it: send it in any way to the host of a service. The invitation that answers it is of use to \
nobody else.

Examples:
  tails-server request --name alice      prints the request, to copy and paste
  tails-server request --name alice --persistent --qr";
