// SPDX-License-Identifier: GPL-3.0-or-later
//! A tor that the controller starts and owns, always in the private network: never without its lines.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tornet::{Control, Website, wait_until};

use crate::harness::{Controller, PATIENCE, network, visit};
use crate::outage::{Outage, Watch};
use crate::witness::Witness;

/// Time for a tor to end after its controller: at once with the control connection, within 15 s by looking for the process.
const ORPHAN: Duration = Duration::from_secs(20);

#[test]
fn a_tor_of_our_own_is_started_restarted_and_ended() {
    let mut controller = controller("managed");
    controller.start();
    let watch = Watch::start(&controller.bus());
    let site = Website::start("a page").unwrap();
    let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    assert_eq!(visit(&address, 80), "a page");
    assert_eq!(parent_of(tor_of(&controller)), controller.pid());
    assert!(witness(&controller).info("config-text").contains("OutboundBindAddress 127.0.0.1"), "the network's lines");

    let first = tor_of(&controller);
    let seen_before = watch.changes().len();
    let mut outage = Outage::watch(&controller, "web");
    kill_process(first, Signal::KILL).unwrap();
    outage.begin();
    let restarted = wait_until(PATIENCE, || (tor_of(&controller) != first).then_some(()));
    assert!(restarted.is_some(), "tor is not started again: {}", controller.log());
    outage.witness_is(witness(&controller));
    assert_eq!(visit(&address, 80), "a page");
    outage.end("our own tor killed");
    assert_eq!(controller.address("web"), address);
    let progress: Vec<u64> =
        watch.changes().iter().skip(seen_before).filter_map(|change| change["bootstrap"].as_u64()).collect();
    let on_the_way = progress.iter().any(|percent| (1..100).contains(percent));
    assert!(on_the_way && progress.last() == Some(&100), "no progress is shown: {progress:?}");

    let second = tor_of(&controller);
    let (status, after) = controller.terminate();
    assert!(status.success() && after < Duration::from_secs(5), "{status} after {after:.1?}: {}", controller.log());
    assert!(!is_alive(second), "our own tor outlives SIGTERM");
    eprintln!("SIGTERM with a tor of our own: ended after {after:.2?}");
}

#[test]
fn without_a_system_tor_auto_starts_one_that_does_not_outlive_the_controller() {
    // Where a system's Tor answers, auto would publish through it: that is not for a test to do.
    let control = if a_system_tor_answers() { "managed" } else { "auto" };
    let mut controller = controller(control);
    controller.start();
    let site = Website::start("a page").unwrap();
    let address = controller.publish("web", &[&format!("80:{}", site.port())], &["--persistent", "--autostart"]);
    assert_eq!(visit(&address, 80), "a page");
    if control == "auto" {
        assert!(controller.log().contains("no system Tor answers"), "{}", controller.log());
    }

    // Its successor comes at once, while the tor may be there still.
    let first = tor_of(&controller);
    let began = Instant::now();
    controller.kill();
    controller.start();
    controller.wait_for_state("web", "published");
    assert_eq!(visit(&address, 80), "a page");
    eprintln!("controller killed and started, tor of our own: page after {:.1?}", began.elapsed());
    assert_eq!(controller.address("web"), address);
    assert!(!is_alive(first), "two tors");

    let second = tor_of(&controller);
    assert!(is_alive(second));
    let began = Instant::now();
    controller.kill();
    let ended = wait_until(ORPHAN, || (!is_alive(second)).then(|| began.elapsed()));
    eprintln!("controller killed: its tor ended {:.1?} later", ended.expect("our own tor ends by itself"));
}

/// A controller that starts its own tor, in the private network.
fn controller(control: &str) -> Controller {
    let lines = network().client_torrc();
    let safe = fs::read_to_string(lines).expect("the network's lines");
    assert!(safe.contains("TestingTorNetwork 1\n") && safe.contains("OutboundBindAddress 127.0.0.1\n"));
    Controller::new(control).arguments(&["--tor-config", lines.to_str().expect("UTF-8")])
}

/// The newest tor of this controller.
fn tor_of(controller: &Controller) -> Pid {
    let log = controller.log();
    let (_, last) = log.rsplit_once("started tor pid=").expect("a started tor in the log");
    let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
    let pid = Pid::from_raw(digits.parse().expect("a process id")).expect("a process id");
    // It is killed below: no other process may be meant. An empty command line is one that has ended.
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let runtime = controller.runtime();
    let is_ours = String::from_utf8_lossy(&command).contains(runtime.to_str().expect("UTF-8"));
    assert!(command.is_empty() || is_ours, "{pid} is another process");
    pid
}

/// Whether the process runs. One that has ended may wait for somebody to take notice.
fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

fn parent_of(pid: Pid) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
    rest.split(' ').nth(1).and_then(|parent| parent.parse().ok()).expect("the process id of a parent")
}

fn witness(controller: &Controller) -> Witness {
    let directory = controller.runtime().join("tor");
    let connected = wait_until(PATIENCE, || {
        let mut control = Control::connect(&directory.join("control")).ok()?;
        control.authenticate_with_cookie(&directory.join("cookie")).ok()?;
        Some(control)
    });
    Witness::on(connected.expect("an independent control connection"))
}

fn a_system_tor_answers() -> bool {
    UnixStream::connect("/run/tor/control").is_ok() || TcpStream::connect(("127.0.0.1", 9051)).is_ok()
}
