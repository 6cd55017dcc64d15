// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server publish` without `--wait`, the store's part of it, and the disk's part of that.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use tails_server_state::{OnionKey, Store, Target, Wish};

use crate::Outcome;
use crate::daemon::Daemon;
use crate::gate::{Behind, Gate};
use crate::report::Report;
use crate::script::{Script, Uploads};
use crate::services::{Directories, Services, Stock, record};

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    for count in [10, 1000] {
        let services = stock.services(count)?;
        let directories = services.copy()?;
        report.times("a write and fdatasync on this disk", &disk(&directories, rounds)?, None);
        let add = add(&directories, target(&services)?, rounds)?;
        report.times(&format!("the store remembers a kept service, {count} stored"), &add, None);
        for (kind, options) in [("kept", &["--persistent"][..]), ("amnesic", &[])] {
            let times = publish(&services, options, rounds)?;
            report.times(&format!("tails-server publish, {kind}, {count} services stored"), &times, None);
        }
    }
    Ok(())
}

/// What a single durable write costs here.
fn disk(directories: &Directories, rounds: usize) -> Outcome<Vec<Duration>> {
    let mut file = File::create(directories.state().join("probe"))?;
    let mut once = || {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        Ok(began.elapsed())
    };
    (0..rounds).map(|_| once()).collect()
}

fn add(directories: &Directories, target: &Target, rounds: usize) -> Outcome<Vec<Duration>> {
    let store = Store::open(&directories.layout());
    let once = |round: usize| {
        let (record, key) = (record(&format!("added-{round}"), target)?, OnionKey::generate()?);
        let began = Instant::now();
        store.add(&record, &key, Wish::Enabled)?;
        Ok(began.elapsed())
    };
    (0..rounds).map(once).collect()
}

fn publish(services: &Services, options: &[&str], rounds: usize) -> Outcome<Vec<Duration>> {
    let directories = services.copy()?;
    let script = Script::new(services, Uploads::Confirmed);
    let gate = Gate::start(directories.runtime(), Behind::Script(script))?;
    gate.open()?;
    let daemon = Daemon::start(&directories, gate.socket())?;
    gate.wait_added(services.all.len())?;
    let mapping = format!("80:{}", target(services)?);
    let once = |round: usize| {
        daemon.settle()?;
        let name = format!("published-{round}");
        Ok(daemon.ask([&["publish", "--name", &name, &mapping], options].concat())?.0)
    };
    let times = (0..rounds).map(once).collect::<Outcome<Vec<_>>>()?;
    daemon.terminate()?;
    Ok(times)
}

fn target(services: &Services) -> Outcome<&Target> {
    Ok(services.all.first().map(|(_, target)| target).ok_or("no services")?)
}
