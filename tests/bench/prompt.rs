// SPDX-License-Identifier: GPL-3.0-or-later
//! What somebody at a prompt waits for: help, completion, and the state of many services.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::report::Report;
use crate::script::{Script, Uploads};
use crate::services::Stock;

/// Many for a person, few for the controller.
const SERVICES: usize = 100;
/// Milliseconds.
const HELP: f64 = 5.0;
const COMPLETION: f64 = 30.0;
const STATUS: f64 = 30.0;
/// They are short, so that more samples cost nothing.
const TIMES_MORE: usize = 5;

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    let rounds = rounds * TIMES_MORE;
    for words in [&["--help"] as &[&str], &["publish", "--help"], &["help", "states"]] {
        let times = (0..rounds).map(|_| run(program().args(words))).collect::<Outcome<Vec<_>>>()?;
        report.times(&format!("tails-server {}", words.join(" ")), &times, Some(HELP));
    }
    let services = stock.services(SERVICES)?;
    let directories = services.copy()?;
    let gate = Gate::start(directories.runtime(), Behind::Script(Script::new(&services, Uploads::Confirmed)))?;
    gate.open()?;
    let daemon = Daemon::start(&directories, gate.socket())?;
    gate.wait_added(SERVICES)?;
    daemon.settle()?;
    let bus = format!("unix:{}", directories.runtime().join("bus").display());
    for (what, bus, words) in [
        ("completion of a command", bus.as_str(), &["sta"] as &[&str]),
        ("completion of a name, 100 services", &bus, &["disable", ""]),
        ("completion of a name, no controller", "unix:/nonexistent/bus", &["disable", ""]),
    ] {
        let times = (0..rounds).map(|_| run(&mut completing(bus, words))).collect::<Outcome<Vec<_>>>()?;
        report.times(what, &times, Some(COMPLETION));
    }
    let offered = completing(&bus, &["disable", ""]).output()?;
    // A line each, and the flags.
    if offered.stdout.split(|byte| *byte == b'\n').count() < SERVICES {
        return Err("services are missing in what is offered".into());
    }
    let times = (0..rounds).map(|_| Ok(daemon.ask(["status"])?.0)).collect::<Outcome<Vec<_>>>()?;
    report.times("tails-server status, 100 services", &times, Some(STATUS));
    daemon.terminate()
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// What a shell runs when the tabulator key is pressed after these words.
fn completing(bus: &str, words: &[&str]) -> Command {
    let mut command = program();
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("TAILS_SERVER_BUS", bus).args(["--", "tails-server"]).args(words);
    command
}

/// From before the process is started to its end.
fn run(command: &mut Command) -> Outcome<Duration> {
    let began = Instant::now();
    let output = command.output()?;
    let took = began.elapsed();
    if output.status.success() { Ok(took) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}
