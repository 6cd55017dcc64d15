// SPDX-License-Identifier: GPL-3.0-or-later
//! Whoever floods us waits for themselves: others are answered, and memory has a bound.

use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use tails_server::bus::api::{ApiError, BUS_NAME, ManagerProxy, PublishOptions};

use crate::given::{Process, kibibytes, root};
use crate::harness::PATIENCE;
use crate::house::{House, manager};

/// The most that a flood may cost. A message of 10 MiB is held a few times over, and the allocator keeps some of it.
const MOST_MORE: u64 = 160 * 1024;

#[tokio::test]
async fn giant_names_are_refused_and_cost_no_lasting_memory() {
    let house = House::open("system");
    let connection = house.bus.connect().await;
    let manager = manager(&connection).await;
    let pid = house.daemon.0.id();
    let before = kibibytes(pid, "VmHWM");
    let giant = "x".repeat(10 * 1024 * 1024);
    for _ in 0..20 {
        let refused = manager.enable(&giant).await.unwrap_err();
        assert!(matches!(&refused, ApiError::Invalid(text) if text.len() < 500), "the answer repeats it");
    }
    let more = kibibytes(pid, "VmHWM") - before;
    println!("20 names of 10 MiB: {more} KiB more");
    assert!(more < MOST_MORE, "{more} KiB more");
}

#[tokio::test]
async fn a_thousand_connections_that_subscribe_and_never_read_cost_us_nothing() {
    let house = House::open("system");
    let (pid, manager) = (house.daemon.0.id(), house.manager().await);
    fifty_times(&manager).await;
    let before = kibibytes(pid, "VmHWM");
    let mut silent = Vec::new();
    for _ in 0..1000 {
        let connection = house.bus.connect().await;
        let rule = format!("type='signal',sender='{BUS_NAME}'");
        zbus::fdo::DBusProxy::new(&connection)
            .await
            .unwrap()
            .add_match_rule(rule.as_str().try_into().unwrap())
            .await
            .unwrap();
        silent.push(connection);
    }
    fifty_times(&manager).await;
    let more = kibibytes(pid, "VmHWM") - before;
    println!("1000 connections, 100 changes: {more} KiB more");
    assert!(more < MOST_MORE / 4, "{more} KiB more");
}

/// Publishes and removes.
async fn fifty_times(manager: &ManagerProxy<'_>) {
    for round in 0..50 {
        let name = format!("web-{round}");
        let options = PublishOptions { name: Some(name.clone()), ..PublishOptions::default() };
        manager.publish(&[(80, "127.0.0.1:8080")], options).await.unwrap();
        manager.remove(&name).await.unwrap();
    }
}

#[tokio::test]
async fn who_asks_for_everything_at_once_is_told_so() {
    let house = House::open("session");
    // More than 128 at once no bus lets one connection ask.
    let managers = join_all((0..4).map(|_| house.manager())).await;
    let answers = join_all((0..480).map(|at| managers[at % 4].overview())).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(ApiError::TooMuch(_)))).count();
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    println!("of 480 at once {answered} were answered and {refused} refused");
    assert!(refused > 0 && answered >= 200 && refused + answered == 480);
    // And is answered again as soon as the others are through.
    managers[0].overview().await.unwrap();
}

#[tokio::test]
async fn another_users_flood_keeps_nobody_from_being_answered() {
    if !root("another_users_flood_keeps_nobody_from_being_answered") {
        return;
    }
    let house = House::open("system");
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=KILL", "--"]).arg(program);
    command.args(["--ignored", "--exact", "flood::as_a_stranger"]).env("DBUS_SYSTEM_BUS_ADDRESS", house.bus.address());
    let flood = Process::start(command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()));
    let manager = house.manager().await;
    let pid = house.daemon.0.id();
    let busy = tornet::wait_until(PATIENCE, || (processor_ticks(flood.0.id()) > 50).then_some(()));
    assert!(busy.is_some(), "nobody floods us");
    let before = kibibytes(pid, "VmHWM");
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let began = std::time::Instant::now();
        tokio::time::timeout(PATIENCE, manager.overview()).await.unwrap().unwrap();
        slowest = slowest.max(began.elapsed());
    }
    let more = kibibytes(pid, "VmHWM") - before;
    println!("under a flood: 200 answers, the slowest after {slowest:?}; {more} KiB more");
    assert!(more < MOST_MORE, "{more} KiB more");
}

/// Not a test: the flood.
#[tokio::test]
#[ignore = "another test starts it as another user"]
async fn as_a_stranger() {
    let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap();
    let connect = || async {
        let connection = zbus::connection::Builder::address(address.as_str()).build().await.unwrap();
        manager(&connection).await
    };
    let managers = join_all((0..8).map(|_| connect())).await;
    loop {
        // As many as a bus lets wait. Who sends more floods the bus itself, whose matter that is.
        join_all((0..960).map(|at| managers[at % 8].overview())).await;
    }
}

/// Hundredths of a second that a process has had the processor.
fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc(5): utime and stime are the 14th and 15th field; the second one may have spaces in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
