// SPDX-License-Identifier: GPL-3.0-or-later
//! Secrets that are typed: the terminal shows nothing of them, and is as it was whatever ends the command.

use crate::asking::{in_a_shell, on_a_terminal};
use crate::declared::described;
use crate::given::CLI;

const SECRET: &str = "typed-and-never-shown";

#[test]
fn a_secret_that_is_typed_is_set_and_not_shown() {
    let controller = described();
    let dialogue = [("press Enter and Ctrl-D:", &*format!("{SECRET}\n\x04"))];
    let (code, shown) = on_a_terminal(&controller, "set-option mumble server-password -", &dialogue);
    assert!(code == Some(0) && !shown.contains(SECRET) && !shown.contains("history"), "{code:?} {shown}");
    assert_eq!(controller.cli(["get-option", "mumble", "server-password"]).succeeded().stdout.trim(), SECRET);
}

#[test]
fn whoever_writes_a_secret_on_the_command_line_is_warned_and_nobody_else() {
    let controller = described();
    for (option, value, is_warned) in [("server-password", SECRET, true), ("welcome-message", "hello", false)] {
        let answer = controller.cli(["set-option", "mumble", option, value]).succeeded();
        let warned = answer.stderr.contains("the history of the shell keeps this secret");
        assert_eq!(warned, is_warned, "{option}: {answer:?}");
        assert!(!answer.stderr.contains(SECRET), "{answer:?}");
    }
}

#[test]
fn a_terminal_shows_what_is_typed_again_after_the_command_was_ended_while_it_hid_a_secret() {
    let controller = described();
    // Whoever ends it waits until the terminal hides what is typed: nothing tells, so it looks, with a short pause between looks.
    let line = format!(
        "(until stty -a </dev/tty | grep -q -e ' -echo '; do sleep 0.05; done; kill -TERM $(cat \"$pid\")) & \
         sh -c 'echo $$ >\"$pid\"; exec \"{CLI}\" set-option mumble server-password - --bus \"unix:{}\"'; \
         echo \"ended with $?\"; wait; stty -a | grep -o -e '-*\\<echo\\>'",
        controller.bus().display()
    );
    let place = tempfile::tempdir().unwrap();
    let line = format!("pid='{}'; export pid; {line}", place.path().join("pid").display());
    let (_, shown) = in_a_shell(&line, &[]);
    let after = shown.split("ended with ").nth(1).unwrap_or_default();
    assert!(shown.contains("press Enter and Ctrl-D:"), "{shown}");
    assert!(!after.starts_with('0') && after.trim_end().ends_with("\necho"), "{shown}");
}
