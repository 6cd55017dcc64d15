// SPDX-License-Identifier: GPL-3.0-or-later
//! `remove` asks, and takes nothing but the name for a yes.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::given::{CLI, controller, publish};
use crate::harness::Controller;

/// Runs `tails-server remove web` on a terminal, with these lines typed; the exit code and what the terminal showed.
fn remove_on_a_terminal(controller: &Controller, typed: &str) -> (Option<i32>, String) {
    let line = format!("'{CLI}' remove web --bus 'unix:{}'", controller.bus().display());
    // script(1), of util-linux: a pseudo-terminal, and the exit code of the command.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn only_the_name_typed_on_a_terminal_removes_a_service() {
    let controller = controller();
    let address = publish(&controller, "web", &["--persistent"]);
    for typed in ["no\n", "\n", "y\n", "yes\n", "wEb\n", "web2\n", "\x04"] {
        let (code, shown) = remove_on_a_terminal(&controller, typed);
        assert_eq!(code, Some(6), "{typed:?}: {shown}");
        assert!(
            shown.contains("Remove \"web\"?") && shown.contains("Error: Nothing was removed"),
            "{typed:?}: {shown}"
        );
        assert_eq!(controller.address("web"), address);
        assert_eq!(controller.status("web")["state"], "starting", "asked before anything is withdrawn");
    }
    let (code, shown) = remove_on_a_terminal(&controller, "web\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("lost for ever") && shown.contains("are gone"), "{shown}");
    assert_eq!(controller.cli(["list", "--json"]).succeeded().stdout.trim(), "[]");
    assert_eq!(controller.cli(["address", "web"]).code, Some(3));
}
