// SPDX-License-Identifier: GPL-3.0-or-later
//! From the start of the controller to READY.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::daemon::Daemon;
use crate::report::Report;
use crate::services::{Directories, Stock};

/// Milliseconds with a thousand services.
const TARGET: f64 = 100.0;
/// No Tor is needed to be ready.
const NO_TOR: &str = "/nonexistent/control";

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    report.times("start of the process alone (--version)", &version(rounds)?, None);
    for (count, target) in [(10, None), (1000, Some(TARGET))] {
        let stored = stock.services(count)?;
        for (place, directories) in [("on disk", stored.copy()?), ("in memory", stored.copy_in_memory()?)] {
            let (mut after_kill, mut after_end) = (Vec::new(), Vec::new());
            let mut waits = Vec::new();
            Daemon::start(&directories, Path::new(NO_TOR))?.terminate()?;
            for _ in 0..rounds {
                waits.push(journal(directories.state())?);
                after_end.push(start(&directories, Daemon::kill)?);
                after_kill.push(start(&directories, Daemon::terminate)?);
            }
            if place == "on disk" {
                report.times("a new file and its fsync on this disk, meanwhile", &waits, None);
            }
            report.times(&format!("start to READY, {count} services {place}"), &after_end, target);
            report.times(&format!("start to READY, {count} services {place}, after SIGKILL"), &after_kill, target);
        }
    }
    Ok(())
}

/// What the disk itself takes to write one entry of its journal.
// The database makes it do so once at each opening.
fn journal(directory: &Path) -> Outcome<Duration> {
    let path = directory.join("probe");
    let began = Instant::now();
    let mut file = File::create(&path)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let took = began.elapsed();
    fs::remove_file(path)?;
    Ok(took)
}

fn start<'a>(directories: &'a Directories, end: impl FnOnce(Daemon<'a>) -> Outcome) -> Outcome<Duration> {
    let daemon = Daemon::start(directories, Path::new(NO_TOR))?;
    let took = daemon.ready_after;
    end(daemon)?;
    Ok(took)
}

fn version(rounds: usize) -> Outcome<Vec<Duration>> {
    let once = || {
        let began = Instant::now();
        Command::new(env!("CARGO_BIN_EXE_tails-serverd")).arg("--version").output()?;
        Ok(began.elapsed())
    };
    (0..rounds).map(|_| once()).collect()
}
