// SPDX-License-Identifier: GPL-3.0-or-later
//! Bad input on the command line: an error, its cause, a hint, and nothing changed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use crate::given::{CLI, assert_refused, controller, publish, run};
use crate::harness::Controller;

/// Everything that a person can see of the services, and their addresses.
fn everything(controller: &Controller) -> Vec<String> {
    let mut seen = vec![controller.cli(["list", "--json"]).succeeded().stdout];
    for name in ["web", "mumble"] {
        seen.push(controller.cli(["info", name, "--details", "--json"]).succeeded().stdout);
    }
    seen
}

fn prepared() -> Controller {
    let controller = controller();
    publish(&controller, "web", &[]);
    publish(&controller, "mumble", &["--persistent"]);
    controller.cli(["disable", "mumble"]).succeeded();
    controller.wait_for_state("web", "starting");
    controller
}

#[test]
fn bad_input_is_refused_with_a_cause_and_a_hint_and_changes_nothing() {
    let controller = prepared();
    let before = everything(&controller);
    let long_name = "a".repeat(33);
    let long_path = format!("unix:/{}", "a".repeat(107));
    let many: Vec<String> = (1..=33).map(|port| port.to_string()).collect();
    let table: &[(&[&str], i32, &[&str])] = &[
        // Names.
        (&["publish", "80", "--name", "Web"], 2, &["\"Web\"", "small letter", "hyphens"]),
        (&["publish", "80", "--name", &long_name], 2, &["at most 32"]),
        (&["publish", "80", "--name", ""], 2, &["--name", "empty"]),
        (&["publish", "80", "--name", "../x"], 2, &["\"../x\"", "small letter"]),
        (&["publish", "80", "--name", "a/b"], 2, &["small letters, digits and hyphens"]),
        (&["publish", "80", "--name", "a b"], 2, &["small letters, digits and hyphens"]),
        (&["publish", "80", "--name", "1a"], 2, &["starts with a small letter"]),
        (&["publish", "80", "--name", "ä"], 2, &["small letter"]),
        (&["publish", "80", "--name", "a\nb"], 2, &["small letters"]),
        (&["enable", "../web"], 2, &["small letter"]),
        // Ports.
        (&["publish", "0"], 2, &["\"0\"", "at least 1", "80:8080"]),
        (&["publish", "65536"], 2, &["at most 65535"]),
        (&["publish", "-1"], 2, &["\"-1\""]),
        (&["publish", "http"], 2, &["\"http\""]),
        (&["publish", ""], 2, &["TARGET"]),
        (&["publish", "0:8080"], 2, &["virtual port", "at least 1"]),
        (&["publish", "70000:8080"], 2, &["virtual port", "at most 65535"]),
        (&["publish", "80:0"], 2, &["at least 1"]),
        (&["publish", "80:8080", "80:8081"], 2, &["virtual port 80", "twice"]),
        (&["publish", "8080", "8080:1"], 2, &["virtual port 8080", "twice"]),
        // Targets.
        (&["publish", "192.168.1.1:80"], 2, &["on this machine", "127.0.0.1"]),
        (&["publish", "80:0.0.0.0:80"], 2, &["on this machine"]),
        (&["publish", "80:::1:80"], 2, &["\"80:::1:80\""]),
        (&["publish", "80:[2001:db8::1]:80"], 2, &["on this machine"]),
        (&["publish", "localhost:80"], 2, &["not a host name", "127.0.0.1"]),
        (&["publish", "example.org:80"], 2, &["not a host name"]),
        (&["publish", "80:example.org:80"], 2, &["not a host name"]),
        (&["publish", "unix:/nonexistent/pad.sock"], 2, &["no socket /nonexistent/pad.sock", "Start the server"]),
        (&["publish", "unix:/etc/passwd"], 2, &["/etc/passwd is not a socket"]),
        (&["publish", "unix:/etc"], 2, &["/etc is not a socket"]),
        (&["publish", "unix:pad.sock"], 2, &["absolute"]),
        (&["publish", "unix:./pad.sock"], 2, &["absolute"]),
        (&["publish", "unix:"], 2, &["unix"]),
        (&["publish", &long_path], 2, &["at most 107"]),
        (&["publish", "unix:/tmp/../x"], 2, &["written out"]),
        (&["publish", "unix:/tmp/a b"], 2, &["no spaces"]),
        // Services that are there, and such that are not.
        (&["publish", "81:1", "--name", "web"], 2, &["\"web\" exists already", "remove web"]),
        (&["publish", "80:1", "--name", "web", "--persistent"], 2, &["\"web\" exists already"]),
        (&["status", "mumbel"], 3, &["\"mumbel\" does not exist", "Did you mean \"mumble\"?", "list"]),
        (&["info", "mumbles"], 3, &["Did you mean \"mumble\"?"]),
        (&["address", "wbe"], 3, &["Did you mean \"web\"?"]),
        (&["enable", "we"], 3, &["Did you mean \"web\"?"]),
        (&["enable", "weeb", "--wait"], 3, &["Did you mean \"web\"?"]),
        (&["disable", "wen"], 3, &["Did you mean \"web\"?"]),
        (&["remove", "mumbl", "--yes"], 3, &["Did you mean \"mumble\"?"]),
        (&["status", "onionshare"], 3, &["\"onionshare\" does not exist", "Hint: See `tails-server list`"]),
        // Options.
        (&["publish", "80", "--autostart"], 2, &["--persistent", "reboot"]),
        (&["publish", "80", "--timeout", "3"], 2, &["--wait is missing"]),
        (&["publish", "80", "--wait", "--timeout", "soon"], 2, &["number of seconds"]),
        (&["publish", "80", "--wait", "--timeout", "-1"], 2, &["\"-1\""]),
        (&["publish", "80", "--persitent"], 2, &["Did you mean \"--persistent\"?"]),
        (&["publish"], 2, &["TARGET is missing"]),
        (&["address"], 2, &["NAME is missing", "tails-server address --help"]),
        (&["publihs", "80"], 2, &["no command \"publihs\"", "Did you mean \"publish\"?"]),
        (&["key", "exprt"], 2, &["no command \"exprt\"", "Did you mean \"export\"?"]),
        (&["completions", "fihs"], 2, &["\"fihs\" does not fit SHELL", "Did you mean \"fish\"?"]),
        (&["completions", "x"], 2, &["It is one of bash, zsh, fish"]),
        (&["lint", "x", "--format", "jsn"], 2, &["Did you mean \"json\"?"]),
        (&["help", "private-service"], 2, &["no command and no topic", "Did you mean \"private-services\"?"]),
        (&["help", "pubish"], 2, &["Did you mean \"publish\"?"]),
        (&["help", "client", "ad"], 2, &["Did you mean \"add\"?"]),
        (&["help", "client", "states"], 2, &["\"client states\"", "See `tails-server help`"]),
        (&["set-option", "web", "persistance", "on"], 2, &["Did you mean \"persistence\"?"]),
        (&["set-option", "web", "persistence", "onn"], 2, &["It is on or off"]),
        (&["frobnicate"], 2, &["no command \"frobnicate\"", "tails-server --help"]),
        (&["watch", "web"], 2, &["\"web\" is not known here", "tails-server watch --help"]),
        (&["list", "--yaml"], 2, &["\"--yaml\" is not known here"]),
        (&["remove", "web"], 6, &["Nothing was removed", "no terminal", "--yes"]),
    ];
    for (arguments, code, words) in table {
        assert_refused(controller.cli(*arguments), *code, words);
    }
    let too_many = ["publish"].into_iter().chain(many.iter().map(String::as_str));
    assert_refused(controller.cli(too_many), 2, &["at most 32 ports"]);
    let garbage = OsString::from_vec(vec![b'8', 0xff]);
    assert_refused(controller.cli([OsStr::new("publish"), &garbage]), 2, &["UTF-8"]);
    assert_eq!(everything(&controller), before);
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
}

#[test]
fn a_controller_that_is_not_there_is_named_with_the_way_to_start_it() {
    let place = tempfile::tempdir().unwrap();
    let ask = |bus: &str| run(Command::new(CLI).env_clear().args(["list", "--bus", bus]));
    let nowhere = format!("unix:{}/bus", place.path().display());
    assert_refused(ask(&nowhere), 4, &[nowhere.trim_start_matches("unix:"), "tails-serverd --user"]);
    drop(std::os::unix::net::UnixListener::bind(place.path().join("bus")).unwrap());
    assert_refused(ask(&nowhere), 4, &["does not run", "tails-serverd --user"]);
    assert_refused(ask("unix:bus"), 2, &["absolute"]);
    assert_refused(ask("tcp:127.0.0.1:80"), 2, &["unix:PATH"]);
    for bus in ["session", "system"] {
        assert_refused(ask(bus), 4, &[bus, "--bus unix:PATH"]);
    }
    let runtime = run(Command::new(CLI).env_clear().env("XDG_RUNTIME_DIR", place.path()).arg("list"));
    assert_eq!(runtime.code, Some(4), "{runtime:#?}");
}

#[test]
fn asking_for_the_same_again_is_no_error_and_changes_nothing() {
    let controller = prepared();
    let before = everything(&controller);
    publish(&controller, "web", &[]);
    controller.cli(["enable", "web"]).succeeded();
    controller.cli(["disable", "mumble"]).succeeded();
    assert_eq!(everything(&controller), before);
}
