// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see on a terminal: columns that fit, colours, a line that is drawn again, and a clean line after each end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::Signal;
use tornet::{Website, wait_until};

use crate::given::{CLI, NO_TOR, Process, controller, publish};
use crate::harness::{Controller, PATIENCE};
use crate::peer::{Peer, be_silent, obey};

/// Erases the line from its beginning.
const ERASED: &str = "\r\x1b[K";

/// `tails-server` on a terminal of its own.
struct Terminal {
    script: Process,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Terminal {
    fn start(controller: &Controller, columns: u32, variables: &[(&str, &str)], arguments: &str) -> Self {
        let bus = controller.bus();
        // script, of util-linux, gives it a terminal, and ends as it ends.
        let line = format!("stty rows 24 cols {columns}; exec {CLI} --bus unix:{} {arguments}", bus.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
        command.envs(variables.iter().copied());
        let mut script = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (keyboard, mut output) = (script.0.stdin.take().unwrap(), script.0.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { script, keyboard, screen, reading: Some(reading) }
    }

    /// All that was written so far.
    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        let found = wait_until(PATIENCE, || self.seen().contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in {:?}", self.seen());
    }

    fn press(&mut self, key: &[u8]) {
        self.keyboard.write_all(key).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// How it ended, and all that it wrote.
    fn end(mut self) -> (Option<i32>, String) {
        let (status, _) = self.script.end();
        self.reading.take().unwrap().join().unwrap();
        (status.code(), self.seen())
    }
}

fn simulated() -> Controller {
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim"]);
    controller.start();
    controller
}

#[test]
fn status_fits_the_terminal_and_is_as_colourful_as_the_person_wants() {
    let controller = controller();
    for name in ["web", "a-service-with-a-name-that-is-32"] {
        publish(&controller, name, &[]);
        controller.wait_for_state(name, "starting");
    }
    let plain = controller.cli(["status"]).succeeded().stdout;
    for line in ["! Tor: not connected", "  NAME   ", "! web   ", "    nothing listens on 127.0.0.1:1"] {
        assert!(plain.lines().any(|told| told.starts_with(line)), "{line:?} {plain}");
    }
    assert!(plain.contains("amnesic") && plain.contains(" open"), "{plain}");
    for columns in [20, 40, 80, 132] {
        let (code, seen) = Terminal::start(&controller, columns, &[("NO_COLOR", "1")], "status").end();
        assert_eq!(code, Some(0), "{seen}");
        let widest = seen.lines().map(|line| line.trim_end_matches('\r').chars().count()).max();
        assert!(!seen.contains('\x1b') && widest <= Some(columns as usize), "{columns} {widest:?}:\n{seen}");
        let name: String = seen.split_whitespace().collect();
        assert!(name.contains("a-service-with-a-n"), "{seen}");
    }
    let (_, seen) = Terminal::start(&controller, 80, &[], "status").end();
    assert!(seen.contains("\x1b[31mstarting\x1b[0m") && seen.contains("\x1b[31m!\x1b[0m"), "{seen:?}");
    for variables in [("TERM", "dumb"), ("CLICOLOR", "0")] {
        let (_, seen) = Terminal::start(&controller, 80, &[variables], "status").end();
        assert!(!seen.contains('\x1b') && seen.contains("! web"), "{seen:?}");
    }
    let (_, seen) = Terminal::start(&controller, 80, &[], "list").end();
    assert!(seen.contains("\x1b[1mPORTS\x1b[0m") && seen.contains("80:127.0.0.1:1"), "{seen:?}");
}

#[test]
fn whoever_has_nothing_is_told_how_to_begin() {
    let controller = controller();
    for asked in ["status", "list"] {
        let answer = controller.cli([asked]).succeeded();
        assert!(answer.stderr.contains("tails-server publish 8080"), "{answer:#?}");
        assert!(!answer.stdout.contains("publish"), "what is said is no data: {answer:#?}");
        assert!(controller.cli([asked, "--json"]).succeeded().stdout.starts_with(['[', '{']));
    }
}

#[test]
fn waiting_draws_one_line_again_and_leaves_none_behind() {
    let controller = simulated();
    let (code, seen) = Terminal::start(&controller, 80, &[], "publish 80:1 --name web --wait --timeout 60").end();
    assert_eq!(code, Some(0), "{seen:?}");
    for shown in ["web: waiting for Tor, ", "web: publishing, ", " [####", "state: published"] {
        assert!(seen.contains(shown), "{shown:?}: {seen:?}");
    }
    let (drawn, after) = seen.rsplit_once(ERASED).unwrap();
    assert!(!drawn.contains('\n'), "one line, drawn again: {drawn:?}");
    assert!(after.starts_with("name: web\r\n"), "the result begins at the beginning of a line: {after:?}");
    // Narrower than the words.
    controller.cli(["disable", "web"]).succeeded();
    let (_, seen) = Terminal::start(&controller, 20, &[], "enable web --wait").end();
    let drawn = seen.rsplit_once(ERASED).unwrap().0;
    let widest = drawn.split(ERASED).map(|line| line.chars().count()).max();
    assert!(drawn.contains('…') && widest < Some(20), "{seen:?}");
    // What cannot draw gets lines.
    controller.cli(["disable", "web"]).succeeded();
    let (_, seen) = Terminal::start(&controller, 80, &[("TERM", "dumb")], "enable web --wait").end();
    assert!(!seen.contains('\x1b') && seen.contains("web: publishing, "), "{seen:?}");
}

#[test]
fn the_line_is_clean_also_when_time_is_up_or_it_fails() {
    let mut controller = controller();
    publish(&controller, "web", &[]);
    let (code, seen) = Terminal::start(&controller, 80, &[], "enable web --wait --timeout 1").end();
    assert_eq!(code, Some(5), "{seen:?}");
    assert!(seen.contains(&format!("{ERASED}Stopped waiting: the time is up.\r\nError: ")), "{seen:?}");
    let waiting = Terminal::start(&controller, 80, &[], "enable web --wait");
    waiting.wait_for("web: starting");
    controller.kill();
    let (code, seen) = waiting.end();
    assert_eq!(code, Some(4), "{seen:?}");
    assert!(seen.contains(&format!("{ERASED}Error: The controller ended")), "{seen:?}");
}

#[test]
fn ctrl_c_ends_the_waiting_and_leaves_the_wish() {
    let controller = controller();
    publish(&controller, "web", &[]);
    controller.cli(["disable", "web"]).succeeded();
    let mut waiting = Terminal::start(&controller, 80, &[], "enable web --wait");
    waiting.wait_for("web: starting");
    waiting.press(b"\x03");
    let (code, seen) = waiting.end();
    assert_eq!(code, Some(5), "{seen:?}");
    assert!(seen.contains(&format!("{ERASED}Stopped waiting: interrupted.\r\n")), "{seen:?}");
    for told in ["is not published yet", "stays enabled", "tails-server status web", "tails-server disable web"] {
        assert!(seen.contains(told), "{told:?}: {seen:?}");
    }
    let status = controller.status("web");
    assert_eq!(status["state"], "starting", "it is wanted nonetheless");
    let mut watching = Terminal::start(&controller, 80, &[], "watch");
    watching.wait_for(" web starting");
    watching.press(b"\x03");
    let (code, seen) = watching.end();
    assert_eq!(code, Some(0), "{seen:?}");
}

#[test]
fn what_is_interrupted_otherwise_has_a_last_word_too() {
    let controller = controller();
    publish(&controller, "web", &[]);
    for signal in [Signal::TERM, Signal::HUP] {
        let mut command = controller.cli_command(["enable", "web", "--wait"]);
        let mut waiting = Process::start(command.stderr(Stdio::piped()));
        let mut lines = BufReader::new(waiting.0.stderr.take().unwrap());
        let mut said = String::new();
        lines.read_line(&mut said).unwrap();
        assert!(said.starts_with("web: starting"), "{said}");
        waiting.signal(signal);
        assert_eq!(waiting.end().0.code(), Some(5));
        lines.read_to_string(&mut said).unwrap();
        assert!(said.contains("Stopped waiting: interrupted") && said.contains("stays enabled"), "{said}");
    }
}

/// A controller with a published service "web", and a Tor that answers nothing from a moment on.
struct Silent {
    controller: Controller,
    _site: Website,
    _tor: Peer,
    _place: tempfile::TempDir,
}

/// Until such a command comes; then it is told, once.
fn published_until(is_last: fn(&str) -> bool) -> (Silent, Receiver<()>) {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let socket = place.path().join("control");
    let (tell, told) = channel();
    let tor = Peer::start(&socket, move |stream| {
        obey(stream, |command, stream| {
            let is_last = is_last(command);
            if is_last {
                // Not every test waits for it.
                let _ = tell.send(());
                be_silent(stream);
            }
            !is_last
        });
    });
    let mut controller = Controller::new(format!("unix:{}", socket.display()));
    controller.start();
    let site = Website::start("page").unwrap();
    controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    (Silent { controller, _site: site, _tor: tor, _place: place }, told)
}

#[test]
fn ctrl_c_while_a_service_is_withdrawn_says_that_it_goes_on() {
    let (silent, _) = published_until(|command| command.starts_with("DEL_ONION"));
    let controller = &silent.controller;
    let mut waiting = Terminal::start(controller, 80, &[], "disable web");
    waiting.wait_for("web: stopping");
    waiting.press(b"\x03");
    let (code, seen) = waiting.end();
    assert_eq!(code, Some(5), "{seen:?}");
    assert!(
        seen.contains(&format!("{ERASED}Error: Service \"web\" is not withdrawn yet: interrupted\r\n")),
        "{seen:?}"
    );
    assert!(seen.contains("goes on by itself"), "{seen:?}");
}

#[test]
fn ctrl_c_ends_what_follows_a_wait_too() {
    let (silent, falls_silent) = published_until(|command| command.starts_with("HSFETCH") || command.contains("socks"));
    let mut command = silent.controller.cli_command(["check", "web", "--wait"]);
    let mut checking = Process::start(command.stderr(Stdio::null()));
    // It is published, and the wait for that is over: from here on it waits for what the network answers.
    falls_silent.recv_timeout(PATIENCE).expect("Tor is asked");
    assert!(checking.0.try_wait().unwrap().is_none(), "it waits");
    checking.signal(Signal::TERM);
    let (status, after) = checking.end();
    assert_eq!(status.code(), Some(5));
    assert!(after < std::time::Duration::from_secs(10), "{after:?}");
}
