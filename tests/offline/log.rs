// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server log` of a controller that writes to a file. With a journal it is in the box.

use std::fs::File;
use std::io::Write;

use serde_json::Value;

use crate::given::{assert_refused, controller, publish};
use crate::harness::Controller;

/// Appends to what the controller has logged, as it would.
fn append(controller: &Controller, text: &str) {
    let path = std::fs::read_link(format!("/proc/{}/fd/2", controller.pid())).unwrap();
    let mut log = File::options().append(true).open(path).unwrap();
    writeln!(log, "2100-01-01T00:00:00.000000Z  INFO tails_server: {text}").unwrap();
}

#[test]
fn lines_about_a_service_are_shown_by_time_and_without_addresses() {
    let controller = controller();
    let address = publish(&controller, "web", &[]);
    publish(&controller, "web-2", &[]);
    append(&controller, &format!("later service=web address={address} client=\u{1b}[31m"));
    append(&controller, &format!("later service=web-2 address={address}"));
    let shown = controller.cli(["log", "web"]).succeeded().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].contains("tails-serverd: INFO") && lines[0].contains("service=web state=starting"), "{shown}");
    assert!(lines.iter().all(|line| !line.contains("web-2")), "{shown}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("2100-01-01T00:00:00.000Z tails-serverd: INFO"), "{shown}");
    assert!(last.contains("address=[redacted].onion client=\\u{1b}[31m"), "{shown}");
    assert!(!shown.contains(address.trim_end_matches(".onion")) && !shown.contains('\u{1b}'), "{shown}");

    let one = controller.cli(["log", "web", "--lines", "1"]).succeeded().stdout;
    assert_eq!(one.trim_end(), *last);
    let json = controller.cli(["log", "web", "--lines", "1", "--json"]).succeeded().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["time"], &json["from"]), (&"2100-01-01T00:00:00.000Z".into(), &"tails-serverd".into()));
    assert_refused(controller.cli(["log", "wbe"]), 3, &["Did you mean \"web\"?"]);
    assert_refused(controller.cli(["log", "web", "--lines", "0"]), 2, &["--lines"]);
}
