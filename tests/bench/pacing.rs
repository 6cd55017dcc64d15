// SPDX-License-Identifier: GPL-3.0-or-later
//! From a fresh boot until all services are published: the controller against a client that adds all at once.
//!
//! One observer judges both, see [`Observer`]. How much there is to win depends on the machine. Each has a number of services
//! up to which all at once works as well or better, and beyond it Tor hardly publishes any: a calm one with two cores is
//! beyond it with sixty, a busy one with thirty.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use tornet::{ControlError, Network, Observer, Tor, TorOptions};

use crate::Outcome;
use crate::bare::Bare;
use crate::busy::Busy;
use crate::claims::{Claims, Finish};
use crate::daemon::Daemon;
use crate::report::{Report, Target, Unit};
use crate::script::add_line;
use crate::services::{Services, Stock, name};

/// Rounds, if nothing else is asked for: those of the client that adds all at once take minutes.
pub(crate) const ROUNDS: usize = 5;
/// Services in the races.
const SERVICES: usize = 30;
/// Services in the race that a calm machine does not win with all at once.
const MORE: usize = 60;
/// Services for the controller alone: added at once, nearly none of them is published after a quarter of an hour.
const MANY: usize = 100;
/// How many times as fast as all at once, beyond that number.
const TARGET: f64 = 3.0;

/// How long all at once may take. Who is not published then is left behind.
const BURST_PATIENCE: Duration = Duration::from_secs(120);
/// How long the controller may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a Tor may take into the private network, and the controller to see that it is gone.
const TOR_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure(report: &mut Report, stock: &Stock, rounds: usize) -> Outcome {
    let mut false_claims = {
        let network = Network::start()?;
        let target = Some(Target::AtLeast(TARGET));
        many(report, &network, stock)?
            + race(report, &network, stock.services(SERVICES)?.as_ref(), rounds, "this machine", None)?
            + race(report, &network, stock.services(MORE)?.as_ref(), rounds, "this machine", target)?
    };
    let _busy = Busy::begin()?;
    let network = Network::start()?;
    let target = Some(Target::AtLeast(TARGET));
    false_claims += race(report, &network, stock.services(SERVICES)?.as_ref(), rounds, "a busy one", target)?;
    let what = "claims of \"published\" that the observer did not confirm";
    report.figure(what, &[false_claims as f64], Unit::Times, Some(Target::AtMost(0.0)));
    Ok(())
}

/// Both in turn, in this order and the other; the false claims.
fn race(
    report: &mut Report,
    network: &Network,
    services: &Services,
    rounds: usize,
    machine: &str,
    target: Option<Target>,
) -> Outcome<usize> {
    let (mut paced, mut burst) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            paced.push(self::paced(network, services)?);
            burst.push(self::burst(network, services)?);
        } else {
            burst.push(self::burst(network, services)?);
            paced.push(self::paced(network, services)?);
        }
    }
    let what = |what: &str| format!("{} services, {machine}: {what}", services.all.len());
    let seconds = |runs: &[Run]| runs.iter().map(|run| run.took.as_secs_f64()).collect::<Vec<_>>();
    let ratios: Vec<f64> = seconds(&burst).iter().zip(seconds(&paced)).map(|(burst, paced)| burst / paced).collect();
    let left_behind = |runs: &[Run]| [runs.iter().map(|run| run.left_behind).sum::<usize>() as f64];
    report.figure(&what("controller"), &seconds(&paced), Unit::Seconds, None);
    report.figure(&what("all at once"), &seconds(&burst), Unit::Seconds, None);
    report.figure(&what("so many times as fast"), &ratios, Unit::Ratio, target);
    let nobody = Some(Target::AtMost(0.0));
    report.figure(&what("left behind, all runs, controller"), &left_behind(&paced), Unit::Services, nobody);
    report.figure(&what("left behind, all runs, all at once"), &left_behind(&burst), Unit::Services, None);
    let given_up = burst.iter().filter(|run| run.left_behind > 0).count();
    if given_up > 0 {
        let seconds = BURST_PATIENCE.as_secs();
        report
            .note(&format!("all at once was given up after {seconds} s in {given_up} of {rounds} runs: \"at least\""));
    }
    Ok(paced.iter().map(|run| run.false_claims).sum())
}

/// One boot.
struct Run {
    took: Duration,
    left_behind: usize,
    false_claims: usize,
}

/// The controller, which waits for Tor as after a boot.
fn paced(network: &Network, services: &Services) -> Outcome<Run> {
    let addresses = addresses(services);
    let (tor, mut observer) = offline(network)?;
    let directories = services.copy()?;
    let daemon = Daemon::start(&directories, tor.control_socket())?;
    let mut claims = Claims::follow(&daemon, &addresses)?;
    daemon.settle()?;
    let (ready, finish) = boot(&tor, &mut observer, |observer| claims.until_all(observer, PATIENCE))?;
    Ok(Run { took: finish.at - ready, left_behind: finish.left_behind, false_claims: claims.false_claims })
}

/// A client that waits for Tor in the same way, and then adds all services in one write.
fn burst(network: &Network, services: &Services) -> Outcome<Run> {
    let lines: String = services.all.iter().map(|(key, target)| add_line(key, target)).collect();
    let mut missing: Vec<String> = addresses(services).into_values().collect();
    let (tor, mut observer) = offline(network)?;
    let mut bare = Bare::connect(tor.control_socket(), Some(tor.cookie_file()))?;
    let (ready, finish) = thread::scope(|scope| {
        let added = scope.spawn(|| bare.add(&lines, services.all.len()).map_err(|cause| cause.to_string()));
        let finish = boot(&tor, &mut observer, |observer| {
            let deadline = Instant::now() + BURST_PATIENCE;
            while !missing.is_empty() {
                match observer.hear_one(deadline.saturating_duration_since(Instant::now())) {
                    Ok(()) => missing.retain(|address| !observer.is_published(address)),
                    Err(ControlError::TimeOut) => break,
                    Err(cause) => return Err(cause.into()),
                }
            }
            Ok(Finish { at: Instant::now(), left_behind: missing.len() })
        })?;
        added.join().map_err(|_| "the bare client died")??;
        Outcome::Ok(finish)
    })?;
    Ok(Run { took: finish.at - ready, left_behind: finish.left_behind, false_claims: 0 })
}

/// A hundred services, and all of them again after Tor was killed; the false claims.
fn many(report: &mut Report, network: &Network, stock: &Stock) -> Outcome<usize> {
    let services = stock.services(MANY)?;
    let addresses = addresses(&services);
    let (tor, mut observer) = offline(network)?;
    let directories = services.copy()?;
    let daemon = Daemon::start(&directories, tor.control_socket())?;
    let mut claims = Claims::follow(&daemon, &addresses)?;
    daemon.settle()?;
    let mut tell = |what: &str, took: Duration, finish: Finish| {
        report.figure(&format!("{MANY} services, {what}: controller"), &[took.as_secs_f64()], Unit::Seconds, None);
        let (what, left_behind) = (format!("{MANY} services, {what}: left behind"), [finish.left_behind as f64]);
        report.figure(&what, &left_behind, Unit::Services, Some(Target::AtMost(0.0)));
    };
    let (ready, finish) = boot(&tor, &mut observer, |observer| claims.until_all(observer, PATIENCE))?;
    tell("fresh boot", finish.at - ready, finish);

    tor.kill();
    claims.until_none(TOR_PATIENCE)?;
    let began = Instant::now();
    tor.start()?;
    let mut observer = Observer::of(&tor)?;
    let (_, finish) = boot(&tor, &mut observer, |observer| claims.until_all(observer, PATIENCE))?;
    tell("Tor killed and started", finish.at - began, finish);
    Ok(claims.false_claims)
}

/// A Tor with no data that has not begun yet, and who observes it from the beginning on.
fn offline(network: &Network) -> Outcome<(Tor, Observer)> {
    let tor = network.tor(TorOptions::host().line("DisableNetwork 1"))?;
    let observer = Observer::of(&tor)?;
    Ok((tor, observer))
}

/// Lets Tor begin, and runs the race; when Tor was ready, and the end of the race.
fn boot(
    tor: &Tor,
    observer: &mut Observer,
    race: impl FnOnce(&mut Observer) -> Outcome<Finish>,
) -> Outcome<(Instant, Finish)> {
    tor.set_conf("DisableNetwork=0")?;
    let ready = observer.wait_ready(TOR_PATIENCE)?;
    Ok((ready, race(observer)?))
}

/// The addresses by the names that the stock has given.
fn addresses(services: &Services) -> BTreeMap<String, String> {
    services.all.iter().enumerate().map(|(number, (key, _))| (name(number), key.address().service_id())).collect()
}
