// SPDX-License-Identifier: GPL-3.0-or-later
//! What the stories begin with: controllers without a network, processes that end with the test, dice.

use std::fs;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tornet::wait_until;

use crate::harness::{Answer, Controller, PATIENCE};

/// A control port that nobody will ever listen on.
pub(crate) const NO_TOR: &str = "unix:/nonexistent/control";
/// The programs under test.
pub(crate) const CLI: &str = env!("CARGO_BIN_EXE_tails-server");
pub(crate) const DAEMON: &str = env!("CARGO_BIN_EXE_tails-serverd");

const WITHOUT_ROOT: &str = "TAILS_SERVER_WITHOUT_ROOT";

/// A running controller without any Tor.
pub(crate) fn controller() -> Controller {
    let mut controller = Controller::new(NO_TOR);
    controller.start();
    controller
}

/// Publishes a port that nobody listens on, and returns the address.
pub(crate) fn publish(controller: &Controller, name: &str, options: &[&str]) -> String {
    // tcpmux: nobody has it.
    let arguments = [&["publish", "80:1", "--name", name], options].concat();
    controller.cli(arguments).succeeded();
    controller.address(name)
}

/// Runs a program to its end, which has to come by itself.
pub(crate) fn run(command: &mut Command) -> Answer {
    let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [stdout, stderr] = files.each_ref().map(|file| file.try_clone().unwrap());
    let mut process = Process::start(command.stdin(Stdio::null()).stdout(stdout).stderr(stderr));
    let (status, _) = process.end();
    let [stdout, stderr] = files.map(|mut file| {
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).unwrap();
        text
    });
    Answer { code: status.code(), stdout, stderr }
}

/// Asserts that this is a refusal in our form: exit code, nothing on standard output, an error, these words, a hint.
pub(crate) fn assert_refused(answer: Answer, code: i32, words: &[&str]) {
    let answer = answer.failed(code);
    let told = &answer.stderr;
    let of_kind = |start: &str| told.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(of_kind("Error: "), 1, "{answer:#?}");
    assert_eq!(of_kind("Hint: "), 1, "{answer:#?}");
    let error = told.lines().find_map(|line| line.strip_prefix("Error: ")).unwrap();
    assert!(!error.starts_with(|first: char| first.is_ascii_lowercase()), "{answer:#?}");
    for word in words {
        assert!(told.contains(word), "no {word:?} in {answer:#?}");
    }
    assert!(!told.contains("panicked") && !told.contains('\x1b'), "{answer:#?}");
}

/// A process that is killed on drop.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// How it ended, and after how long; it has to end by itself.
    pub(crate) fn end(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let ended = wait_until(PATIENCE, || self.0.try_wait().unwrap());
        (ended.expect("the process ends"), began.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A kibibyte count of `/proc/PID/status`, such as `VmHWM`: the most memory that the process ever had.
pub(crate) fn kibibytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whether to go on with a test that needs root.
pub(crate) fn root(test: &str) -> bool {
    if std::env::var_os(WITHOUT_ROOT).is_some() {
        println!("{test}: LEFT OUT, because {WITHOUT_ROOT} is set");
        return false;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs mounts or another user: run it as root, or set {WITHOUT_ROOT}=1 to leave it out"
    );
    true
}

/// All files below a directory.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A sequence of numbers that is the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    // Marsaglia, Xorshift RNGs.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}
