// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server plan`, `doctor` and `log`

use clap::Args;
use tails_server_state::ServiceName;

/// Of which service to show what is logged, and how much.
#[derive(Debug, Args)]
pub struct Log {
    /// The service
    pub name: ServiceName,

    /// Show so many of the last lines
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub lines: u32,

    /// Go on with each new line, until interrupted
    #[arg(long)]
    pub follow: bool,

    /// Show it also where its passwords are not for you to know, and so are not looked for and left out
    #[arg(long)]
    pub unredacted: bool,
}

pub(super) const PLAN_HELP: &str = "\
It shows what the controller is doing, what it does next, and what it waits for, with the reasons; it changes nothing. What is \
`settled` is left out, unless it is asked for by its name.

Examples:
  tails-server plan                      all that is under way, waits or is held back
  tails-server plan web                  one service, also if there is nothing to do
  tails-server plan --json | jq '.[] | select(.stage == \"held\")'   what only you can mend";

pub(super) const DOCTOR_HELP: &str = "\
Each finding says what was looked at, what was found there and, where something is wrong, why and what to do; the worst come \
last. What could not be looked at is said, too. There are no addresses, passwords or names of clients in it: it can be pasted \
in public. As root it sees more. It changes nothing, and it works without a controller.

It ends with 0 if all is well, with 7 if there are warnings, and with 1 if there are errors.

Examples:
  tails-server doctor
  sudo tails-server doctor               also what only root can look at
  tails-server doctor --json | jq '.[] | select(.severity == \"error\")'";

pub(super) const LOG_HELP: &str = "\
It shows what the server of a service wrote to the journal and what the controller wrote about it, by time. Onion addresses, \
keys and the passwords of the service are left out; what else a server writes about its visitors is not, so read it before you \
paste it somewhere. The journal can be read by root and by the groups adm and systemd-journal.

Examples:
  tails-server log mumble
  tails-server log mumble --lines 20
  sudo tails-server log mumble --follow
  tails-server log mumble --json         an object a line";
