// SPDX-License-Identifier: GPL-3.0-or-later
//! From Tor being ready to the last reply to ADD_ONION: the controller against a bare client, in turn.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tornet::{Network, Tor, TorOptions};

use crate::Outcome;
use crate::bare::Bare;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::process;
use crate::report::{Report, Target, Unit};
use crate::script::{Script, Uploads, add_line};
use crate::services::{Services, Stock};

/// Services that are stored and enabled: as many as the controller gives a Tor at once to begin with. With more it waits
/// on purpose until the first are published, which a bare client does not; `pacing` measures what that brings.
const SERVICES: usize = 8;
/// Of the bare client's time.
const TARGET: f64 = 1.15;
/// How long a tor may take into the private network.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    let services = stock.services(SERVICES)?;
    let scripted = Contest::begin(&services, Behind::Script(Script::new(&services, Uploads::None)), None)?;
    let (ours, bare): (Vec<_>, Vec<_>) = (0..rounds).map(|_| scripted.round()).collect::<Outcome<_>>()?;
    report.times(&figure("a peer that answers at once", "controller"), &ours, None);
    report.times(&figure("a peer that answers at once", "bare client"), &bare, None);

    // The gate says that it is ready, and it has nothing to do but to answer: the steadiest of the three.
    let tor = Tor::offline(TorOptions::host())?;
    against(report, &services, rounds, &tor, "a tor that does nothing else")?;

    let network = Network::start()?;
    let tor = network.tor(TorOptions::host())?;
    tor.wait_bootstrapped(PATIENCE)?;
    against(report, &services, rounds, &tor, "a tor in a network")
}

fn figure(which: &str, what: &str) -> String {
    format!("{SERVICES} services, {which}: {what}")
}

/// The ratio with a real tor behind the gate.
fn against(report: &mut Report, services: &Services, rounds: usize, tor: &Tor, which: &str) -> Outcome {
    let contest = Contest::begin(services, Behind::Tor(tor.control_socket().to_owned()), Some(tor.cookie_file()))?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // What the round before left to the tor would slow down this one.
        let calm = || process::settle(tor.pid().ok_or("the tor is gone")?);
        let times = contest.round_with(round % 2 == 0, calm)?;
        ours.push(times.0);
        bare.push(times.1);
    }
    report.times(&figure(which, "controller"), &ours, None);
    report.times(&figure(which, "bare client"), &bare, None);
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()).collect();
    report.figure(&figure(which, "ratio"), &ratios, Unit::Ratio, Some(Target::AtMost(TARGET)));
    Ok(())
}

/// The two clients of one control port.
struct Contest<'a> {
    services: &'a Services,
    lines: String,
    gate: Gate,
    cookie: Option<&'a Path>,
    _directory: tempfile::TempDir,
}

impl<'a> Contest<'a> {
    fn begin(services: &'a Services, behind: Behind, cookie: Option<&'a Path>) -> Outcome<Self> {
        let directory = tempfile::Builder::new().prefix("ts-gate-").tempdir()?;
        let gate = Gate::start(directory.path(), behind)?;
        let lines = services.all.iter().map(|(key, target)| add_line(key, target)).collect();
        Ok(Self { services, lines, gate, cookie, _directory: directory })
    }

    fn round(&self) -> Outcome<(Duration, Duration)> {
        self.round_with(true, || Ok(()))
    }

    /// Both once, in this order or the other; each finds the Tor calm.
    fn round_with(&self, ours_first: bool, calm: impl Fn() -> Outcome) -> Outcome<(Duration, Duration)> {
        calm()?;
        if ours_first {
            let ours = self.ours()?;
            calm()?;
            Ok((ours, self.bare()?))
        } else {
            let bare = self.bare()?;
            calm()?;
            Ok((self.ours()?, bare))
        }
    }

    /// A controller that was started before Tor was ready, as after a boot.
    fn ours(&self) -> Outcome<Duration> {
        self.gate.close();
        let directories = self.services.copy()?;
        let daemon = Daemon::start(&directories, self.gate.socket())?;
        self.gate.wait_asked()?;
        daemon.settle()?;
        self.gate.open()?;
        let took = self.gate.wait_added(SERVICES)?;
        drop(daemon);
        self.gate.wait_gone()?;
        Ok(took)
    }

    fn bare(&self) -> Outcome<Duration> {
        self.gate.close();
        let mut bare = Bare::connect(self.gate.socket(), self.cookie)?;
        self.gate.wait_asked()?;
        let took = thread::scope(|scope| {
            let added = scope.spawn(|| bare.add(&self.lines, SERVICES).map_err(|cause| cause.to_string()));
            // It has to wait in its read by then, as the controller does.
            thread::sleep(Duration::from_millis(50));
            self.gate.open()?;
            let took = self.gate.wait_added(SERVICES)?;
            added.join().map_err(|_| "the bare client died")??;
            Outcome::Ok(took)
        })?;
        drop(bare);
        self.gate.wait_gone()?;
        Ok(took)
    }
}
