// SPDX-License-Identifier: GPL-3.0-or-later
//! Two controllers never share a directory.

use std::fs;
use std::process::Command;

use crate::given::{DAEMON, NO_TOR, assert_refused, controller, publish, run};
use crate::harness::Answer;

/// Starts a controller with these directories; it has to end by itself.
fn second(state: &std::path::Path, runtime: &std::path::Path, more: &[&str]) -> Answer {
    let mut command = Command::new(DAEMON);
    command.env_clear().args(["--user", "--settings", "/dev/null", "--control", NO_TOR]).args(more);
    command.arg("--state-directory").arg(state).arg("--runtime-directory").arg(runtime);
    run(&mut command)
}

#[test]
fn a_second_controller_is_refused_and_the_first_does_not_notice() {
    let controller = controller();
    let address = publish(&controller, "web", &["--persistent"]);
    publish(&controller, "pad", &[]);
    let before = controller.cli(["list", "--json"]).succeeded().stdout;
    let other = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let (state, runtime) = (other.path().join("state"), other.path().join("run"));
    let kept = controller.state().join("kept").display().to_string();
    let amnesic = controller.runtime().join("amnesic").display().to_string();
    let in_use = ["in use by another process", "another tails-serverd", "top it first"];
    for (state, runtime, named) in [
        (&controller.state(), &controller.runtime(), &kept),
        (&controller.state(), &runtime, &kept),
        (&state, &controller.runtime(), &amnesic),
    ] {
        assert_refused(second(state, runtime, &[]), 1, &[&in_use[..], &[named.as_str()]].concat());
        // Even if it would listen elsewhere.
        let elsewhere = format!("unix:{}", other.path().join("bus").display());
        assert_refused(second(state, runtime, &["--bus", &elsewhere]), 1, &in_use);
        assert!(!other.path().join("bus").exists());
    }
    let bus = format!("unix:{}", controller.bus().display());
    let answer = second(&state, &runtime, &["--bus", &bus]);
    assert_refused(answer, 1, &["Another controller listens on", "end it first"]);
    assert_eq!(controller.cli(["list", "--json"]).succeeded().stdout, before);
    assert_eq!(controller.address("web"), address);
    publish(&controller, "later", &["--persistent"]);
    assert!(!controller.log().contains("ERROR"), "{}", controller.log());
}

#[test]
fn what_a_killed_controller_left_is_taken_over() {
    let mut controller = controller();
    let address = publish(&controller, "web", &["--persistent"]);
    controller.kill();
    assert!(controller.bus().exists(), "the socket's file is left over");
    assert!(fs::metadata(controller.state().join("kept/state.lock")).is_ok());
    controller.start();
    assert_eq!(controller.address("web"), address);
}
