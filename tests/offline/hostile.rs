// SPDX-License-Identifier: GPL-3.0-or-later
//! A control port that is not what it should be: the controller stays up and small, says what is wrong, and goes on with a
//! real Tor as soon as there is one.

use std::os::unix::fs::symlink;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tornet::{Tor, TorOptions, wait_until};

use crate::given::{kibibytes, publish};
use crate::harness::{Controller, PATIENCE};
use crate::peer::{Peer, Stream, be_silent, flood, let_in, line, obey, offer, send};

/// How much more memory than an undisturbed controller one may ever have had, in KiB: torut's longest reply is 1 MiB, at
/// worst as 170,000 lines.
const MOST_MORE: u64 = 24 * 1024;
/// The most memory that a controller may ever have had, in KiB, if it is a release build: the code alone of a debug build
/// is larger.
const MOST_MEMORY: u64 = 30 * 1024;
/// How fast `status` has to answer, start of the program included. It takes 15 ms; the machines are shared.
const FAST: Duration = Duration::from_secs(2);

/// The most memory that an undisturbed controller ever had, in KiB.
fn undisturbed() -> u64 {
    static UNDISTURBED: OnceLock<u64> = OnceLock::new();
    *UNDISTURBED.get_or_init(|| {
        let tor = Tor::offline(TorOptions::host()).unwrap();
        let controller = Controller::with(&tor);
        publish(&controller, "web", &["--persistent"]);
        kibibytes(controller.pid(), "VmHWM")
    })
}

fn assert_stayed_small(what: &str, controller: &Controller) {
    let (most, usual) = (kibibytes(controller.pid(), "VmHWM"), undisturbed());
    println!("{what}: {most} KiB at most, undisturbed {usual} KiB");
    assert!(most < usual + MOST_MORE, "{what}: {most} KiB, undisturbed {usual} KiB");
    assert!(cfg!(debug_assertions) || most < MOST_MEMORY, "{what}: {most} KiB");
}

fn tor_status(controller: &Controller) -> Value {
    let began = Instant::now();
    let answer = controller.cli(["status", "--json"]).succeeded();
    let took = began.elapsed();
    assert!(took < FAST, "status took {took:?}");
    let mut overview: Value = serde_json::from_str(&answer.stdout).unwrap();
    overview["tor"].take()
}

/// A peer does this, the controller says these words and this hint; then a real Tor takes the peer's place.
fn survive(name: &str, script: impl Fn(Stream) + Send + Sync + 'static, problem: &str, hint: &str) {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let socket = place.path().join("control");
    let peer = Peer::start(&socket, script);
    let mut controller = Controller::new(format!("unix:{}", socket.display()));
    controller.start();
    let address = publish(&controller, "web", &["--persistent"]);
    let mut last = Value::Null;
    let said = wait_until(PATIENCE, || {
        last = tor_status(&controller);
        let has = |key: &str, word: &str| last[key].as_str().unwrap_or_default().contains(word);
        (has("problem", problem) && has("hint", hint)).then_some(())
    });
    assert!(said.is_some(), "{name}: {last:#} {}", controller.log());
    assert_eq!(last["connected"], false, "{name}");
    let connections = peer.connections();
    drop(peer);
    goes_on_with_a_real_tor(name, &controller, &place);
    assert_eq!(controller.address("web"), address, "{name}");
    assert_stayed_small(&format!("{name}, {connections} connections"), &controller);
    let (status, took) = controller.terminate();
    assert!(status.code() == Some(0) && took < Duration::from_secs(5), "{name}: {status} after {took:?}");
    let log = controller.log();
    assert!(!log.contains("panicked") && !log.contains("bug:"), "{name}: {log}");
}

fn goes_on_with_a_real_tor(name: &str, controller: &Controller, place: &TempDir) {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    // A new socket at the same path, as after a restart of Tor.
    symlink(tor.control_socket(), place.path().join("control")).unwrap();
    let began = Instant::now();
    let connected = wait_until(PATIENCE, || (tor_status(controller)["connected"] == true).then_some(()));
    assert!(connected.is_some(), "{name}: not connected: {}", controller.log());
    // The longest pause is 3 s, and a hanging handshake takes up to 10 s.
    assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
}

#[test]
fn garbage_and_too_much_are_survived() {
    let not_tor = "does not answer as Tor";
    let torrc = "torrc";
    thread::scope(|scope| {
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                send(&mut stream, b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n\0\xff\xfe");
                be_silent(&mut stream);
            };
            survive("garbage", script, not_tor, torrc);
        });
        scope.spawn(|| {
            let script = |mut stream: Stream| assert!(flood(&mut stream, "2") < 1 << 24, "read on");
            survive("a gibibyte without a line feed", script, not_tor, torrc);
        });
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                if let_in(&mut stream) && line(&mut stream).is_some() {
                    send(&mut stream, b"250+x=\r\n");
                    assert!(flood(&mut stream, "line\r\n") < 1 << 24, "read on");
                }
            };
            survive("a block without end", script, "too long", "");
        });
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                if let_in(&mut stream) && line(&mut stream).is_some() {
                    flood(&mut stream, "250 OK\r\n");
                }
            };
            survive("answers to nothing", script, "nobody asked for", "");
        });
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                let_in(&mut stream);
                while line(&mut stream).is_some() {
                    send(&mut stream, b"510 Command filtered\r\n");
                }
            };
            survive("a filter that lets nothing through", script, "can not be watched", "onion-grater");
        });
    });
}

#[test]
fn silence_is_survived() {
    thread::scope(|scope| {
        scope
            .spawn(|| survive("never an answer", |mut stream| be_silent(&mut stream), "did not answer in time", "log"));
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                line(&mut stream);
                send(&mut stream, b"250-PROTOCOLINFO 1\r\n250-AUTH METH");
                be_silent(&mut stream);
            };
            survive("half an answer", script, "did not answer in time", "log");
        });
        scope.spawn(|| {
            let script = |mut stream: Stream| {
                let_in(&mut stream);
                be_silent(&mut stream);
            };
            survive("silence after the handshake", script, "did not answer", "");
        });
    });
}

#[test]
fn a_pretender_learns_nothing_and_is_named() {
    let place = tempfile::tempdir().unwrap();
    let cookie = place.path().join("cookie");
    std::fs::write(&cookie, [7; 32]).unwrap();
    let methods = format!("SAFECOOKIE COOKIEFILE=\"{}\"", cookie.display());
    let script = move |mut stream: Stream| {
        if offer(&mut stream, &methods) && line(&mut stream).is_some() {
            let zeros = "0".repeat(64);
            send(&mut stream, format!("250 AUTHCHALLENGE SERVERHASH={zeros} SERVERNONCE={zeros}\r\n").as_bytes());
            assert_eq!(line(&mut stream), None, "nothing more is said to it");
        }
    };
    survive("a wrong server hash", script, "could not prove that it is Tor", "pretend");
}

#[test]
fn a_flood_of_events_is_survived_while_connected() {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let socket = place.path().join("control");
    let peer = Peer::start(&socket, |stream| {
        obey(stream, |command, stream| {
            if command.starts_with("ADD_ONION") {
                let hsdir = "B".repeat(40);
                let foreign = "a".repeat(56);
                for number in 0..20_000 {
                    let id = if number % 2 == 0 { &foreign } else { "garbage" };
                    let events = format!(
                        "650 HS_DESC UPLOADED {id} UNKNOWN ${hsdir}~{number}\r\n650-X\r\n650 Y {number}\r\n\
                         650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS={} TAG=x SUMMARY=\"x\"\r\n",
                        number % 150
                    );
                    send(stream, events.as_bytes());
                }
                send(stream, b"650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"\r\n");
            }
            true
        });
    });
    let site = tornet::Website::start("page").unwrap();
    let mut controller = Controller::new(format!("unix:{}", socket.display()));
    controller.start();
    // It hears of its own uploads in the end, among all others.
    controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    assert_eq!(tor_status(&controller)["connected"], true);
    assert_eq!(peer.connections(), 1, "{}", controller.log());
    drop(peer);
    controller.wait_for_state("web", "waiting-for-tor");
    goes_on_with_a_real_tor("events", &controller, &place);
    assert_stayed_small("80,000 events", &controller);
}

#[test]
fn who_hangs_up_at_once_is_asked_less_and_less_often() {
    const SPAN: Duration = Duration::from_secs(8);
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let socket = place.path().join("control");
    let mut controller = Controller::new(format!("unix:{}", socket.display()));
    controller.start();
    let peer = Peer::start(&socket, drop);
    wait_until(PATIENCE, || (peer.connections() > 0).then_some(())).expect("a first connection");
    let began = Instant::now();
    while began.elapsed() < SPAN {
        let tor = tor_status(&controller);
        assert_eq!(tor["connected"], false);
        // Not to wait for anything: the controller is looked at now and then while the peer hangs up on it.
        thread::sleep(Duration::from_millis(100));
    }
    let connections = peer.connections();
    println!("accept, then close: {connections} connections in {SPAN:?}");
    // Pauses of 0.1, 0.2, 0.4, 0.8, 1.6 s and then 3 s, each shorter by up to a quarter; at least one of the longest kind.
    assert!((2..=8).contains(&connections), "{connections} connections in {SPAN:?}");
    drop(peer);
    goes_on_with_a_real_tor("hanging up", &controller, &place);
}
