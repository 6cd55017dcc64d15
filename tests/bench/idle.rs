// SPDX-License-Identifier: GPL-3.0-or-later
//! Wake-ups of a controller with nothing to do.

use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use crate::Outcome;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::process::{sleeps, woken};
use crate::report::{Report, Target, Unit};
use crate::script::{Script, Uploads};
use crate::services::Stock;

/// Services that are published.
const SERVICES: usize = 10;
/// How long nothing happens.
const WINDOW: Duration = Duration::from_secs(30);
/// The runtime keeps the threads of blocking calls for ten seconds; then they end, once.
const THREADS_END: Duration = Duration::from_secs(12);

pub(crate) fn measure(report: &mut Report, stock: &Stock) -> Outcome {
    let services = stock.services(SERVICES)?;
    let directories = services.copy()?;
    let script = Script::new(&services, Uploads::Confirmed);
    let gate = Gate::start(directories.runtime(), Behind::Script(script))?;
    gate.open()?;
    let daemon = Daemon::start(&directories, gate.socket())?;
    gate.wait_added(SERVICES)?;
    daemon.settle()?;
    watch(report, &daemon, "10 published on TCP ports", Some(0.0))?;

    let path = directories.runtime().join("served");
    let listener = UnixListener::bind(&path)?;
    daemon.ask(["publish", "--name", "socket", &format!("80:unix:{}", path.display())])?;
    gate.wait_added(SERVICES + 1)?;
    watch(report, &daemon, "one more on a unix socket", None)?;

    drop(listener);
    watch(report, &daemon, "one whose server does not run", None)?;
    daemon.terminate()
}

fn watch(report: &mut Report, daemon: &Daemon<'_>, what: &str, target: Option<f64>) -> Outcome {
    // The blocking threads of the start have ended by then; their end is no wake-up of the idle time.
    thread::sleep(THREADS_END);
    let before = sleeps(daemon.pid())?;
    thread::sleep(WINDOW);
    let woken = woken(&before, &sleeps(daemon.pid())?);
    let count: u64 = woken.values().sum();
    report.figure(&format!("wake-ups in 30 s: {what}"), &[count as f64], Unit::Times, target.map(Target::AtMost));
    if count > 0 {
        let threads: Vec<String> = woken.iter().map(|(name, count)| format!("{name} {count}")).collect();
        report.note(&format!("by thread: {}", threads.join(", ")));
    }
    Ok(())
}
