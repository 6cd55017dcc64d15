// SPDX-License-Identifier: GPL-3.0-or-later
//! Whoever floods us waits for themselves: others are answered, and memory has a bound.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tails_server::bus::api::{
    ApiError, ArchiveProxy, BUS_NAME, MANAGER_PATH, ManagerProxy, PublishOptions, RestoreOptions, hand_over,
};
use tokio::time::timeout;

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
async fn a_secret_that_is_awaited_counts_as_asked_for() {
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web"]).succeeded();
    let manager = house.manager().await;
    let pipes: Vec<_> = (0..40).map(|_| rustix::pipe::pipe().unwrap()).collect();
    let asked = pipes
        .iter()
        .map(|(reading, _)| manager.set_secret_option("web", "max-streams", reading.try_clone().unwrap().into()));
    let refused = join_all(asked).await.into_iter().filter(|answer| matches!(answer, Err(ApiError::TooMuch(_))));
    assert_eq!(refused.count(), 8, "a user may have 32 under way");
}

#[tokio::test]
async fn a_backup_whose_end_never_comes_holds_up_no_other() {
    let house = House::open("system");
    let (one, other) = (archive(&house).await, archive(&house).await);
    // Its end comes when this test is over.
    let (reading, _writing) = rustix::pipe::pipe().unwrap();
    tokio::select! {
        biased;
        answer = one.plan(reading.into(), RestoreOptions::default()) => panic!("answered first: {answer:?}"),
        answer = other.export() => drop(answer.unwrap()),
    }
}

async fn archive(house: &House) -> ArchiveProxy<'static> {
    let uncached = zbus::proxy::CacheProperties::No;
    ArchiveProxy::builder(&house.bus.connect().await).cache_properties(uncached).build().await.unwrap()
}

/// Has another user do this; others are answered all the time, and afterwards at once, and memory has a bound.
async fn others_are_answered_while_a_stranger(does: &str) {
    let house = House::open("system");
    let manager = house.manager().await;
    for number in 0..50 {
        let options = PublishOptions { name: Some(format!("web-{number}")), ..PublishOptions::default() };
        manager.publish(&[(80, "127.0.0.1:8080")], options).await.unwrap();
    }
    let (pid, program) = (house.daemon.0.id(), std::env::current_exe().unwrap());
    let before = kibibytes(pid, "VmHWM");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=KILL", "--"]).arg(program);
    command.args(["--ignored", "--exact", "flood::as_a_stranger"]).env("DBUS_SYSTEM_BUS_ADDRESS", house.bus.address());
    let flood = Process::start(command.env("FLOOD", does).stdout(Stdio::null()).stderr(Stdio::null()));
    let busy = tornet::wait_until(PATIENCE, || (processor_ticks(flood.0.id()) > 30).then_some(()));
    assert!(busy.is_some(), "nobody floods us");
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        timeout(PATIENCE, answered(&manager)).await.unwrap();
        slowest = slowest.max(began.elapsed());
        assert_eq!(house.controller.cli(["list", "--json"]).code, Some(0), "peer to peer");
    }
    drop(flood);
    let began = Instant::now();
    timeout(PATIENCE, manager.overview()).await.unwrap().unwrap();
    let (after, more) = (began.elapsed(), kibibytes(pid, "VmHWM") - before);
    println!("{does}: the slowest of 50 answers after {slowest:?}, one afterwards {after:?}; {more} KiB more");
    assert!(more < MOST_MORE, "{more} KiB more");
    assert_eq!(house.controller.log().matches("INFO on the message bus").count(), 1, "{}", house.controller.log());
}

/// Asks until there is an answer: the bus itself has a limit for descriptors on their way to us, and says so.
async fn answered(manager: &ManagerProxy<'_>) {
    loop {
        match manager.overview().await {
            Ok(_) => return,
            Err(ApiError::Bus(zbus::Error::FDO(cause))) if matches!(*cause, zbus::fdo::Error::LimitsExceeded(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_strangers_flood_of_large_questions_keeps_nobody_from_being_answered() {
    if root("a_strangers_flood_of_large_questions_keeps_nobody_from_being_answered") {
        others_are_answered_while_a_stranger("asks for everything").await;
    }
}

#[tokio::test]
async fn a_stranger_who_never_reads_keeps_nobody_from_being_answered() {
    if root("a_stranger_who_never_reads_keeps_nobody_from_being_answered") {
        others_are_answered_while_a_stranger("never reads").await;
    }
}

#[tokio::test]
async fn a_stranger_who_hands_over_much_keeps_nobody_from_being_answered() {
    if root("a_stranger_who_hands_over_much_keeps_nobody_from_being_answered") {
        others_are_answered_while_a_stranger("hands over").await;
    }
}

/// Not a test: the flood.
#[tokio::test]
#[ignore = "another test starts it as another user"]
async fn as_a_stranger() {
    let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap();
    let does = std::env::var("FLOOD").unwrap();
    let connect = || async { zbus::connection::Builder::address(address.as_str()).build().await.unwrap() };
    let connections = join_all((0..4).map(|_| connect())).await;
    let call = |interface: &'static str, member: &'static str| {
        let call = zbus::Message::method_call(MANAGER_PATH, member).destination(BUS_NAME).interface(interface);
        call.with_flags(zbus::message::Flags::NO_REPLY_EXPECTED)
    };
    loop {
        for connection in &connections {
            let message = match does.as_str() {
                "asks for everything" => {
                    call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects").build(&()).unwrap()
                }
                // The error repeats it.
                "never reads" => {
                    let giant = "A".repeat(4 * 1024 * 1024);
                    let body = ("org.boum.tails.Server1.Manager", giant.as_str());
                    let get = zbus::Message::method_call(MANAGER_PATH, "Get").destination(BUS_NAME);
                    get.interface("org.freedesktop.DBus.Properties").build(&body).unwrap()
                }
                "hands over" => {
                    let handed: Vec<zbus::OwnedFd> = (0..16).map(|_| hand_over(b"much").unwrap().into()).collect();
                    call("org.boum.tails.Server1.Manager", "Overview").build(&handed).unwrap()
                }
                other => unreachable!("nobody knows how to flood by \"{other}\""),
            };
            connection.send(&message).await.unwrap();
        }
        // One thread does all of this: others of it are to have a turn.
        tokio::task::yield_now().await;
    }
}

/// Hundredths of a second that a process has had the processor.
fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc(5): utime and stime are the 14th and 15th field; the second one may have spaces in it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
