// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server status`, from the start of the process to its end.

use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::report::Report;
use crate::script::{Script, Uploads};
use crate::services::Stock;

/// Milliseconds with ten services.
const TARGET: f64 = 15.0;
/// It is short, so that more samples cost nothing.
const TIMES_MORE: usize = 5;

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    let mut alone = Vec::new();
    for _ in 0..rounds * TIMES_MORE {
        let began = Instant::now();
        Command::new(env!("CARGO_BIN_EXE_tails-server")).arg("--version").output()?;
        alone.push(began.elapsed());
    }
    report.times("start of the process alone (--version)", &alone, None);
    for (count, target) in [(10, Some(TARGET)), (1000, None)] {
        let services = stock.services(count)?;
        let directories = services.copy()?;
        let script = Script::new(&services, Uploads::Confirmed);
        let gate = Gate::start(directories.runtime(), Behind::Script(script))?;
        gate.open()?;
        let daemon = Daemon::start(&directories, gate.socket())?;
        gate.wait_added(count)?;
        daemon.settle()?;
        let (_, output) = daemon.ask(["status"])?;
        let published = String::from_utf8_lossy(&output.stdout).matches("published").count();
        if published != count {
            return Err(format!("{published} of {count} services are published").into());
        }
        let times = (0..rounds * TIMES_MORE).map(|_| Ok(daemon.ask(["status"])?.0)).collect::<Outcome<Vec<_>>>()?;
        report.times(&format!("tails-server status, {count} services"), &times, target);
        daemon.terminate()?;
    }
    Ok(())
}
