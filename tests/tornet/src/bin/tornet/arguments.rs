// SPDX-License-Identifier: GPL-3.0-or-later
//! What the program is told on its command line.

use clap::{Args, Parser, Subcommand};

/// A private Tor network on 127.0.0.1
#[derive(Debug, Parser)]
#[command(name = "tornet", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start a network, an onion service host and a client, and keep them running
    ///
    /// Starts three directory authorities, three relays, a host and a client, all real tors that
    /// cannot leave this machine. When the host and the client are ready (about 10 seconds), prints
    /// where they are on standard output, as YAML. Everything is in one temporary directory.
    ///
    /// Then reads commands from standard input, one a line, and answers each with one line, "done
    /// COMMAND" or "failed COMMAND: WHY". TOR is "host" or "client":
    ///
    ///   restart TOR        kill it and start it again with the same data
    ///   restart TOR fresh  the same, with its data directory deleted
    ///   kill TOR           SIGKILL
    ///   start TOR          start it after a kill
    ///   reload TOR         SIGHUP
    ///
    /// The answer to a start comes when the tor has bootstrapped.
    ///
    /// Ctrl-C or SIGTERM ends the program. Within a second, all tors are gone and the directory with
    /// them, also after SIGKILL.
    #[command(verbatim_doc_comment)]
    Run(RunOptions),
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Print one line of JSON instead of YAML
    #[arg(long)]
    pub(crate) json: bool,

    /// End when standard input ends, unless it is a terminal
    #[arg(long)]
    pub(crate) until_eof: bool,
}
