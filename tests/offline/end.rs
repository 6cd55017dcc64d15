// SPDX-License-Identifier: GPL-3.0-or-later
//! SIGTERM ends the controller in order and within five seconds, whatever it is doing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tails_server_state::{Autostart, Persistence, Store, StoreLayout};
use tornet::{Tor, TorOptions, Website, wait_until};

use crate::given::{CLI, Dice, NO_TOR, Process, kibibytes, publish};
use crate::harness::{Controller, PATIENCE};
use crate::manager;
use crate::peer::{Peer, be_silent, obey};

const LONGEST: Duration = Duration::from_secs(5);

/// Ends the controller and looks at how it ended.
fn end(situation: &str, mut controller: Controller) {
    let (status, took) = controller.terminate();
    println!("{situation}: {took:?}");
    assert_eq!(status.code(), Some(0), "{situation}: {status} {}", controller.log());
    assert!(took < LONGEST, "{situation}: {took:?} {}", controller.log());
    assert!(!controller.bus().exists(), "{situation}: the socket's file is left over");
    let log = controller.log();
    assert!(log.contains("ended") && !log.contains("panicked") && !log.contains("bug:"), "{situation}: {log}");
}

fn started(control: impl Into<String>) -> Controller {
    let mut controller = Controller::new(control);
    controller.start();
    controller
}

#[test]
fn it_ends_when_idle() {
    end("no Tor", started(NO_TOR));
    let tor = Tor::offline(TorOptions::host()).unwrap();
    let controller = Controller::with(&tor);
    publish(&controller, "web", &["--persistent"]);
    end("a Tor that is not online", controller);
    let mut interrupted = started(NO_TOR);
    let mut command = interrupted.command();
    interrupted.terminate();
    let mut process = Process::start(&mut command);
    wait_until(PATIENCE, || UnixStream::connect(interrupted.bus()).ok()).expect("it listens");
    process.signal(Signal::INT);
    let (status, took) = process.end();
    assert!(status.code() == Some(0) && took < LONGEST, "Ctrl-C: {status} {took:?}");
}

#[test]
fn it_ends_while_tor_hangs() {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let control = |name: &str| (place.path().join(name), format!("unix:{}", place.path().join(name).display()));

    let (socket, address) = control("handshake");
    let peer = Peer::start(&socket, |mut stream| be_silent(&mut stream));
    let controller = started(address);
    wait_until(PATIENCE, || (peer.connections() > 0).then_some(())).expect("a connection");
    end("Tor hangs in the handshake", controller);

    let site = Website::start("page").unwrap();
    for (hangs_at, name) in [("ADD_ONION", "add"), ("DEL_ONION", "remove"), ("GETINFO", "info")] {
        let (socket, address) = control(name);
        let (told, hangs) = std::sync::mpsc::channel();
        let _peer = Peer::start(&socket, move |stream| {
            obey(stream, |command, stream| {
                let hang = command.starts_with(hangs_at);
                if hang {
                    told.send(()).unwrap();
                    be_silent(stream);
                }
                !hang
            });
        });
        let controller = started(address);
        if hangs_at == "DEL_ONION" {
            controller.publish("web", &[&format!("80:{}", site.port())], &[]);
        } else {
            controller.cli(["publish", &format!("80:{}", site.port()), "--name", "web"]).succeeded();
            hangs.recv_timeout(PATIENCE).expect("Tor hangs");
        }
        end(&format!("Tor hangs at {hangs_at}"), controller);
    }
}

#[test]
fn it_ends_while_clients_are_connected() {
    let controller = started(NO_TOR);
    let mut command = Command::new(CLI);
    command.env_clear().arg("watch").arg("--bus").arg(format!("unix:{}", controller.bus().display()));
    let mut watching = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap());
    let (told, first) = std::sync::mpsc::channel();
    let reading = thread::spawn(move || {
        lines.read_line(&mut String::new()).unwrap();
        told.send(()).unwrap();
        lines.read_to_string(&mut String::new()).unwrap();
    });
    wait_until(PATIENCE, || {
        publish(&controller, "web", &[]);
        controller.cli(["remove", "web", "--yes"]).succeeded();
        first.try_recv().ok()
    })
    .expect("it watches");
    publish(&controller, "web", &[]);
    let mut command = Command::new(CLI);
    command.env_clear().args(["enable", "web", "--wait", "--bus"]).arg(format!("unix:{}", controller.bus().display()));
    let mut waiting = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut progress = BufReader::new(waiting.0.stderr.take().unwrap());
    let mut waits = String::new();
    progress.read_line(&mut waits).unwrap();
    assert!(waits.starts_with("web: starting"), "{waits}");
    let silent: Vec<UnixStream> = (0..5).map(|_| UnixStream::connect(controller.bus()).unwrap()).collect();
    end("one client watches, one waits, five say nothing", controller);
    drop(silent);
    let (status, _) = watching.end();
    reading.join().unwrap();
    let mut told = String::new();
    watching.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(status.code(), Some(4), "{told}");
    assert!(told.contains("Error: The controller ended"), "{told}");
    let (status, _) = waiting.end();
    progress.read_to_string(&mut waits).unwrap();
    assert_eq!(status.code(), Some(4), "{waits}");
    assert!(waits.contains("Error: The controller ended"), "{waits}");
}

#[test]
fn it_ends_while_a_client_asks_and_never_reads() {
    let controller = started(NO_TOR);
    for number in 0..20 {
        publish(&controller, &format!("s{number}"), &[]);
    }
    let before = kibibytes(controller.pid(), "VmHWM");
    let mut stream = UnixStream::connect(controller.bus()).unwrap();
    let uid: String =
        rustix::process::geteuid().as_raw().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("OK "), "{answer}");
    stream.write_all(b"BEGIN\r\n").unwrap();
    // A few megabytes of questions, whose answers are twenty times as long; sooner or later one side has to wait.
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut asked = 0;
    for _ in 0..20_000 {
        let question = zbus::message::Message::method_call("/org/boum/tails/Server1", "Overview");
        let question = question.interface("org.boum.tails.Server1.Manager").build(&()).unwrap();
        if stream.write_all(question.data()).is_err() {
            break;
        }
        asked += 1;
    }
    let began = std::time::Instant::now();
    controller.cli(["list"]).succeeded();
    assert!(began.elapsed() < Duration::from_secs(5), "others wait for it: {:?}", began.elapsed());
    let more = kibibytes(controller.pid(), "VmHWM") - before;
    println!("{asked} questions of a client that never reads: {more} KiB more");
    assert!(more < 8 * 1024, "{more} KiB");
    end("a client asks and never reads", controller);
}

#[test]
fn it_ends_while_remembering_and_keeps_what_it_acknowledged() {
    let mut dice = Dice::new(3);
    let mut counts = Vec::new();
    for _ in 0..6 {
        let mut controller = started(NO_TOR);
        let acknowledged = manager::block_on(async {
            let manager = manager::connect(&controller.bus()).await.unwrap();
            let moment = Duration::from_millis(5 + dice.roll(60));
            let pid = rustix::process::Pid::from_raw(i32::try_from(controller.pid()).unwrap()).unwrap();
            let killer = thread::spawn(move || {
                // Not to wait for anything: to hit any moment.
                thread::sleep(moment);
                rustix::process::kill_process(pid, Signal::TERM).unwrap();
            });
            let publish = async |number: u32| {
                let name = format!("s{number}");
                let options = manager::options(&name, Persistence::Kept, Autostart::Off);
                manager.publish(&[(80, "127.0.0.1:1")], options).await.ok()
            };
            let all = futures_util::future::join_all((0..60).map(publish)).await;
            killer.join().unwrap();
            all.into_iter().flatten().collect::<Vec<String>>()
        });
        let (status, took) = controller.terminate();
        assert!(status.code() == Some(0) && took < LONGEST, "{status} {took:?} {}", controller.log());
        assert!(!controller.bus().exists());
        let layout =
            StoreLayout { kept: controller.state().join("kept"), amnesic: controller.runtime().join("amnesic") };
        let store = Store::open(&layout);
        for name in &acknowledged {
            assert!(store.key(&name.parse().unwrap()).is_ok(), "{name} was acknowledged: {}", controller.log());
        }
        counts.push(acknowledged.len());
    }
    println!("acknowledged of 60 when SIGTERM came: {counts:?}");
    assert!(counts.iter().any(|count| (1..60).contains(count)), "the signal never came in between: {counts:?}");
}

#[test]
fn it_ends_while_it_starts() {
    let mut dice = Dice::new(5);
    let mut in_order = 0;
    let controller = Controller::new(NO_TOR);
    for round in 0..20 {
        let mut process = Process::start(&mut controller.command());
        // Not to wait for anything: to hit any moment of the start.
        thread::sleep(Duration::from_micros(dice.roll(80_000)));
        process.signal(Signal::TERM);
        let (status, took) = process.end();
        assert!(took < LONGEST, "round {round}: {took:?}");
        // Before its first instruction the signal ends it, in any program.
        assert!(status.code() == Some(0) || status.signal() == Some(Signal::TERM.as_raw()), "round {round}: {status}");
        in_order += usize::from(status.code() == Some(0));
        assert!(!controller.bus().exists(), "round {round}");
    }
    println!("20 signals during the start: {in_order} ended in order, the others before the first instruction");
    assert!(in_order > 0);
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
}
