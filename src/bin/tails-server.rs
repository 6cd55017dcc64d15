// SPDX-License-Identifier: GPL-3.0-or-later
//! The command line of Tails Server.

use std::process::ExitCode;

fn main() -> ExitCode {
    tails_server::cli::main()
}
