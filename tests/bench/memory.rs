// SPDX-License-Identifier: GPL-3.0-or-later
//! Resident memory of the controller while all its services are published.

use crate::Outcome;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::process::{memory, processor_time};
use crate::report::{Report, Target, Unit};
use crate::script::{Script, Uploads};
use crate::services::Stock;

/// Services, and mebibytes.
const TARGETS: [(usize, f64); 2] = [(10, 15.0), (1000, 30.0)];

pub(crate) fn measure(report: &mut Report, stock: &Stock) -> Outcome {
    for (count, target) in TARGETS {
        let services = stock.services(count)?;
        let directories = services.copy()?;
        let script = Script::new(&services, Uploads::Confirmed);
        let gate = Gate::start(directories.runtime(), Behind::Script(script))?;
        gate.open()?;
        let daemon = Daemon::start(&directories, gate.socket())?;
        gate.wait_added(count)?;
        daemon.settle()?;
        let used = processor_time(daemon.pid())?;
        // Somebody looks now and then.
        daemon.ask(["status"])?;
        daemon.settle()?;
        let of = |name| memory(daemon.pid(), name);
        let what = |name: &str| format!("{count} services published: {name}");
        report.figure(&what("resident"), &[of("VmRSS")?], Unit::Mebibytes, Some(Target::AtMost(target)));
        report.figure(&what("anonymous part of it"), &[of("RssAnon")?], Unit::Mebibytes, None);
        report.figure(&what("resident at most"), &[of("VmHWM")?], Unit::Mebibytes, None);
        report.times(&what("processor time until then"), &[used], None);
        daemon.terminate()?;
    }
    Ok(())
}
