// SPDX-License-Identifier: GPL-3.0-or-later
//! What can not be undone is asked about on a terminal, and nothing but the right word is taken for a yes.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::clients::simulated;
use crate::given::{CLI, controller, publish};
use crate::harness::Controller;

/// Runs `tails-server remove web` on a terminal, with this answer; the exit code and what the terminal showed.
fn remove_on_a_terminal(controller: &Controller, answer: &str) -> (Option<i32>, String) {
    on_a_terminal(controller, "remove web", &[("Remove \"web\"?", answer)])
}

const PASTE: &str = "press Enter and Ctrl-D:";
const JOIN: &str = "Join it?";

/// Runs `tails-server` on a terminal and types each answer once it is asked for; the exit code and what the terminal showed.
pub(crate) fn on_a_terminal(
    controller: &Controller,
    arguments: &str,
    dialogue: &[(&str, &str)],
) -> (Option<i32>, String) {
    in_a_shell(&format!("exec '{CLI}' {arguments} --bus 'unix:{}'", controller.bus().display()), dialogue)
}

/// Runs a line of a shell on a terminal and types each answer once it is asked for.
pub(crate) fn in_a_shell(line: &str, dialogue: &[(&str, &str)]) -> (Option<i32>, String) {
    // script(1), of util-linux: a pseudo-terminal, and the exit code of the command.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut typing, mut showing) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut seen = 0;
    for (question, answer) in dialogue {
        let mut byte = [0];
        while !String::from_utf8_lossy(&shown[seen..]).contains(question) {
            assert_eq!(showing.read(&mut byte).unwrap(), 1, "no {question}: {}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        seen = shown.len();
        typing.write_all(answer.as_bytes()).unwrap();
    }
    showing.read_to_end(&mut shown).unwrap();
    drop(typing);
    (child.wait().unwrap().code(), String::from_utf8(shown).unwrap())
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
    let (code, shown) =
        on_a_terminal(&controller, "join --name chess", &[(PASTE, &format!("Hello!\n{invitation}")), (JOIN, "no\n")]);
    assert!(
        code == Some(6) && shown.contains("Paste the invitation") && shown.contains("Join it?"),
        "{code:?} {shown}"
    );
    let (code, shown) = on_a_terminal(&controller, "join --name chess", &[(PASTE, &invitation), (JOIN, "yes\n")]);
    assert!(code == Some(0) && shown.contains("ready: true"), "{code:?} {shown}");
    for (arguments, word) in [
        ("leave chess", "chess"),
        ("client remove web alice", "alice"),
        ("set-option web client-authorization off", "web"),
        ("key renew web", "web"),
    ] {
        let (code, shown) = on_a_terminal(&controller, arguments, &[("it: ", "yes\n")]);
        assert_eq!(code, Some(6), "{arguments}: {shown}");
        let (code, shown) = on_a_terminal(&controller, arguments, &[("it: ", &format!("{word}\n"))]);
        assert_eq!(code, Some(0), "{arguments}: {shown}");
    }
    assert_ne!(controller.address("web"), address);
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let early = [("", "web\n"), ("Remove \"web\"?", "\x04")];
    let (code, shown) = on_a_terminal(&controller, "remove web", &early);
    assert!(code == Some(6) && shown.contains("Nothing was removed"), "{code:?} {shown}");
}

#[test]
fn lines_after_a_pasted_invitation_neither_join_it_nor_reach_the_shell() {
    let controller = simulated();
    controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let invitation = controller.cli(["invite", "web", "--for", "alice"]).succeeded().stdout;
    let pasted = format!("{invitation}yes\nyes\n");
    let (code, shown) = on_a_terminal(&controller, "join --name evil", &[(PASTE, &pasted), (JOIN, "\x04")]);
    assert!(code == Some(6) && shown.contains("thrown away") && !shown.contains("ready: true"), "{code:?} {shown}");
    controller.cli(["joined", "evil"]).failed(3);

    let request = controller.cli(["request", "--name", "bob"]).succeeded().stdout;
    let line = format!(
        "'{CLI}' invite web --request - --bus 'unix:{}'; echo 'shell asks'; read said; echo \"shell got <$said>\"",
        controller.bus().display()
    );
    let pasted = format!("{request}rm -r x\n");
    let (_, shown) = in_a_shell(&line, &[(PASTE, &pasted), ("shell asks", "nothing\n")]);
    assert!(shown.contains("shell got <nothing>"), "{shown}");
}

#[test]
fn an_invitation_that_can_not_be_written_lets_nobody_in() {
    let controller = simulated();
    controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let taken = tempfile::NamedTempFile::new().unwrap();
    let path = taken.path().to_str().unwrap();
    let answer = controller.cli(["invite", "web", "--for", "mallory", "--output", path]).failed(1);
    assert!(answer.stderr.contains("does not exist yet"), "{answer:?}");
    let clients = controller.cli(["client", "list", "web"]).succeeded().stdout;
    assert!(!clients.contains("mallory"), "{clients}");
}

#[test]
fn settings_that_open_a_service_to_the_local_network_are_asked_about() {
    let controller = crate::declared::described();
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), "version = 1\n[services.mumble.options]\nallow-lan = true\n").unwrap();
    let import = format!("import-settings '{}'", settings.path().display());
    let allowed = || controller.cli(["get-option", "mumble", "allow-lan"]).succeeded().stdout;
    for (typed, code, is) in [("yes\n", 6, "off"), ("open\n", 0, "on")] {
        let (ended, shown) = on_a_terminal(&controller, &import, &[("to do it: ", typed)]);
        assert!(ended == Some(code) && shown.contains("all computers in the local network"), "{ended:?} {shown}");
        assert_eq!(allowed().trim(), is);
    }
}
