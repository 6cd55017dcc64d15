// SPDX-License-Identifier: GPL-3.0-or-later
//! The few privileged acts of Tails Server.

use std::process::ExitCode;

fn main() -> ExitCode {
    tails_server::helper::main()
}
