// SPDX-License-Identifier: GPL-3.0-or-later
//! The program `tornet`: what it says, what it does, and that nothing of it is left.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tornet::wait_until;

/// Processes and files must be gone after this time.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(10);

fn tornet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tornet"));
    command.args(arguments).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn read_line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line
}

/// The tors that run in a directory, by their command lines.
fn tors_in(directory: &Path) -> Vec<String> {
    let directory = format!("{}/", directory.display());
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("cmdline")).ok())
        .filter(|command_line| command_line.contains(&directory))
        .collect()
}

fn assert_all_gone(directory: &Path) {
    let gone = wait_until(CLEANUP_PATIENCE, || {
        // The directory first: when it is gone, the guard has already looked for tors.
        (!directory.exists() && tors_in(directory).is_empty()).then_some(())
    });
    assert!(gone.is_some(), "left over in {}: {:?}", directory.display(), tors_in(directory));
}

fn kill_group(process: &Child, signal: Signal) {
    kill_process_group(Pid::from_child(process), signal).unwrap();
}

#[test]
fn sigkill_of_the_owner_leaves_no_tor_and_no_directory() {
    let mut process = tornet(&["run", "--json"]).spawn().unwrap();
    let picture: Value = serde_json::from_str(&read_line(&mut BufReader::new(process.stdout.take().unwrap()))).unwrap();
    let directory = PathBuf::from(picture["directory"].as_str().unwrap());
    let running = tors_in(&directory);
    assert_eq!(running.len(), 8, "{running:?}");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_all_gone(&directory);
}

#[test]
fn interrupting_the_start_leaves_no_tor_and_no_directory() {
    let mut process = tornet(&["run"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(process.stderr.take().unwrap());
    let directory = PathBuf::from(read_line(&mut progress).trim().rsplit_once(" in ").unwrap().1);
    assert!(directory.is_dir());
    while !read_line(&mut progress).contains("descriptors") {}
    assert_eq!(tors_in(&directory).len(), 6);
    // As Ctrl-C does it: to the whole process group.
    kill_group(&process, Signal::INT);
    process.wait().unwrap();
    assert_all_gone(&directory);
}

#[test]
fn it_takes_commands_until_its_input_ends() {
    let mut process = tornet(&["run", "--until-eof"]).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut input = process.stdin.take().unwrap();
    let directory = read_line(&mut output);
    let directory = PathBuf::from(directory.strip_prefix("directory: \"").unwrap().trim_end().trim_end_matches('"'));
    while !read_line(&mut output).starts_with("client:") {}
    (0..5).for_each(|_| assert!(read_line(&mut output).starts_with("  ")));

    for command in ["reload host", "restart host", "restart host fresh", "kill host", "start host"] {
        writeln!(input, "{command}").unwrap();
        assert_eq!(read_line(&mut output), format!("done {command}\n"));
    }
    writeln!(input, "kill host\nreload host\ndance").unwrap();
    assert_eq!(read_line(&mut output), "done kill host\n");
    assert!(read_line(&mut output).starts_with("failed reload host: tor \"tor0\" is not running"));
    assert!(read_line(&mut output).starts_with("failed dance: not a command"));

    drop(input);
    assert!(process.wait().unwrap().success());
    assert!(!directory.exists());
    assert_all_gone(&directory);
}

#[test]
fn without_tor_it_names_the_package() {
    let path = tempfile::tempdir().unwrap();
    symlink("/bin/sh", path.path().join("sh")).unwrap();
    let output = tornet(&["run"]).env("PATH", path.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("Error: cannot find the program \"tor-gencert\"; on Debian it is in the package \"tor\""),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}
