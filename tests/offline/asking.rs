// SPDX-License-Identifier: GPL-3.0-or-later
//! What can not be undone is asked about on a terminal, and nothing but the right word is taken for a yes.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::clients::simulated;
use crate::given::{CLI, controller, publish};
use crate::harness::Controller;

/// Runs `tails-server remove web` on a terminal, with these lines typed; the exit code and what the terminal showed.
fn remove_on_a_terminal(controller: &Controller, typed: &str) -> (Option<i32>, String) {
    on_a_terminal(controller, "remove web", typed)
}

/// Runs `tails-server` with these arguments on a terminal, with these lines typed.
fn on_a_terminal(controller: &Controller, arguments: &str, typed: &str) -> (Option<i32>, String) {
    let line = format!("'{CLI}' {arguments} --bus 'unix:{}'", controller.bus().display());
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

#[test]
fn an_invitation_is_pasted_on_a_terminal_and_a_key_is_renewed_there() {
    let controller = simulated();
    let address = controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let invitation = controller.cli(["invite", "web", "--for", "alice"]).succeeded().stdout;
    let (code, shown) = on_a_terminal(&controller, "join --name chess", &format!("Hello!\n{invitation}no\n"));
    assert!(
        code == Some(6) && shown.contains("Paste the invitation") && shown.contains("Join it?"),
        "{code:?} {shown}"
    );
    let (code, shown) = on_a_terminal(&controller, "join --name chess", &format!("{invitation}yes\n"));
    assert!(code == Some(0) && shown.contains("ready: true"), "{code:?} {shown}");
    for (arguments, word) in [
        ("leave chess", "chess"),
        ("client remove web alice", "alice"),
        ("set-option web client-authorization off", "web"),
        ("key renew web", "web"),
    ] {
        let (code, shown) = on_a_terminal(&controller, arguments, "yes\n");
        assert_eq!(code, Some(6), "{arguments}: {shown}");
        let (code, shown) = on_a_terminal(&controller, arguments, &format!("{word}\n"));
        assert_eq!(code, Some(0), "{arguments}: {shown}");
    }
    assert_ne!(controller.address("web"), address);
}
