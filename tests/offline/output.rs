// SPDX-License-Identifier: GPL-3.0-or-later
//! Standard output is data and nothing else, in two forms with the same content.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use tornet::wait_until;

use crate::given::{CLI, Process, controller, publish, run};
use crate::harness::{Answer, Controller, PATIENCE};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|cause| panic!("{cause}: {text}"))
}

/// The command with its standard output where nobody reads.
fn into_a_closed_pipe(controller: &Controller, arguments: &[&str], closed: Closed) -> Answer {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(CLI);
    command.env_clear().args(arguments).arg("--bus").arg(format!("unix:{}", controller.bus().display()));
    let output = match closed {
        Closed::Output => command.stdout(writer).stderr(Stdio::piped()),
        Closed::Talk => command.stdout(Stdio::piped()).stderr(writer),
    };
    let output = output.stdin(Stdio::null()).spawn().unwrap().wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[derive(Debug, Clone, Copy)]
enum Closed {
    Output,
    Talk,
}

#[test]
fn yaml_and_json_say_the_same() {
    let controller = controller();
    let asked: [&[&str]; 3] = [&["status", "web"], &["info", "web"], &["info", "web", "--details"]];
    let compare = |arguments: &[&str]| {
        let json = || -> Value {
            let answer = controller.cli([arguments, &["--json"]].concat()).succeeded();
            serde_json::from_str(&answer.stdout).unwrap()
        };
        // Between the two the world must have stood still.
        let compared = wait_until(PATIENCE, || {
            let (before, one, after) = (json(), controller.cli(arguments).succeeded(), json());
            (before == after).then_some((one, after))
        });
        let (one, other) = compared.expect("two answers alike");
        assert_eq!(yaml(&one.stdout), other, "{arguments:?}");
        other
    };
    publish(&controller, "web", &[]);
    // Words that YAML would take for something else.
    for name in ["null", "true", "no", "y", "e1"] {
        publish(&controller, name, &["--persistent", "--autostart"]);
    }
    let socket = controller.runtime().join("pad.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let target = format!("443:unix:{}", socket.display());
    controller.cli(["publish", "80:[::1]:1", &target, "--name", "two-ports"]).succeeded();
    controller.wait_for_state("two-ports", "starting");
    for arguments in asked {
        compare(arguments);
    }
    // Lists are tables for people, and JSON for programs.
    let list: Value = serde_json::from_str(&controller.cli(["list", "--json"]).succeeded().stdout).unwrap();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["e1", "no", "null", "true", "two-ports", "web", "y"]);
    assert_eq!(compare(&["info", "null"])["name"], "null");
    let info = compare(&["info", "two-ports", "--details"]);
    assert_eq!(info["ports"][1]["target"], format!("unix:{}", socket.display()));
    let address = controller.address("web");
    assert_eq!(controller.cli(["address", "web"]).stdout, format!("{address}\n"), "nothing but the address");
    let json: Value = serde_json::from_str(&controller.cli(["address", "web", "--json"]).stdout).unwrap();
    assert_eq!(json["address"], address);
    assert!(address.len() == 62 && address.ends_with(".onion"));
}

#[test]
fn talk_goes_to_standard_error_and_without_colour() {
    let controller = controller();
    let published = controller.cli(["publish", "80:1", "--name", "web"]).succeeded();
    assert_eq!(yaml(&published.stdout)["name"], "web");
    for said in ["tails-server disable web", "tails-server remove web", "shuts down"] {
        assert!(published.stderr.contains(said) && !published.stdout.contains(said), "{published:#?}");
    }
    let waiting = controller.cli(["enable", "web", "--wait", "--timeout", "2"]);
    assert_eq!((waiting.code, waiting.stdout.as_str()), (Some(5), ""), "{waiting:#?}");
    assert!(waiting.stderr.contains("web: starting, nothing listens on 127.0.0.1:1"), "{waiting:#?}");
    for silent in [&["enable", "web"] as &[&str], &["disable", "web"], &["remove", "web", "--yes"]] {
        let answer = controller.cli(silent).succeeded();
        assert!(answer.stdout.is_empty() && answer.stderr.contains("\"web\""), "{answer:#?}");
    }
    for variables in [vec![], vec![("NO_COLOR", "1")], vec![("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "1")]] {
        for arguments in [&["status"] as &[&str], &["--help"], &["frobnicate"], &["status", "mumble"]] {
            let bus = format!("unix:{}", controller.bus().display());
            let answer =
                run(Command::new(CLI).env_clear().envs(variables.clone()).args(arguments).args(["--bus", &bus]));
            assert!(!answer.stdout.contains('\x1b') && !answer.stderr.contains('\x1b'), "{answer:#?}");
        }
    }
}

#[test]
fn a_closed_pipe_is_no_reason_to_panic() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let verbs: [&[&str]; 13] = [
        &["list"],
        &["status"],
        &["status", "--json"],
        &["watch"],
        &["watch", "--json"],
        &["help", "states"],
        &["completions", "bash"],
        &["info", "web"],
        &["address", "web"],
        &["--help"],
        &["publish", "--help"],
        &["--version"],
        &["publish", "80:1", "--name", "second"],
    ];
    for arguments in verbs {
        let answer = into_a_closed_pipe(&controller, arguments, Closed::Output);
        assert_eq!(answer.code, Some(0), "{arguments:?} {answer:#?}");
        assert!(!answer.stderr.contains("panicked") && !answer.stderr.contains("Error"), "{answer:#?}");
        if arguments.contains(&"watch") {
            // It goes on whether anybody listens to its talk or not.
            continue;
        }
        assert_eq!(into_a_closed_pipe(&controller, arguments, Closed::Talk).code, Some(0), "{arguments:?}");
    }
    let waited = into_a_closed_pipe(&controller, &["enable", "web", "--wait", "--timeout", "0"], Closed::Talk);
    assert_eq!(waited.code, Some(5));
    assert_eq!(into_a_closed_pipe(&controller, &["status", "mumble"], Closed::Talk).code, Some(3));
    // A full disk is not a reader who has had enough.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let bus = format!("unix:{}", controller.bus().display());
    let printing: [&[&str]; 9] = [
        &["list"],
        &["status", "--json"],
        &["status"],
        &["watch"],
        &["watch", "--json"],
        &["--help"],
        &["enable", "--help"],
        &["help", "states"],
        &["completions", "bash"],
    ];
    for arguments in printing {
        let full = full.try_clone().unwrap();
        let output = Command::new(CLI).env_clear().args(arguments).args(["--bus", &bus]).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("Error: Cannot print the ") && told.contains("No space left"), "{arguments:?}: {told}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    }
}

#[test]
fn watch_prints_a_line_for_each_change_until_interrupted() {
    let controller = controller();
    for form in [&["watch", "--json"] as &[&str], &["watch"]] {
        let mut command = Command::new(CLI);
        command.env_clear().args(form).arg("--bus").arg(format!("unix:{}", controller.bus().display()));
        let mut watching = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
        // It may not have subscribed yet: change something until it tells.
        let (told, first) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || {
            let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("web"))).unwrap().unwrap();
            told.send(line).unwrap();
            lines.map_while(Result::ok).for_each(drop);
        });
        let line = wait_until(PATIENCE, || {
            publish(&controller, "web", &[]);
            controller.cli(["remove", "web", "--yes"]).succeeded();
            first.try_recv().ok()
        });
        let line = line.expect("a line for a change");
        if form.contains(&"--json") {
            let change: Value = serde_json::from_str(&line).unwrap();
            let time = change["time"].as_str().unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok() && change["present"].is_boolean(), "{line}");
            assert_eq!(change["name"], "web", "{line}");
            assert!(["service", "removed"].contains(&change["change"].as_str().unwrap()), "{line}");
        } else {
            let (time, change) = line.split_once(' ').unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok() && change.starts_with("web "), "{line}");
        }
        watching.signal(rustix::process::Signal::INT);
        let (status, _) = watching.end();
        assert_eq!(status.code(), Some(0));
        reading.join().unwrap();
    }
}

#[test]
fn watch_begins_with_how_things_are() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let mut command = Command::new(CLI);
    command.env_clear().args(["watch", "--json", "--bus"]).arg(format!("unix:{}", controller.bus().display()));
    let mut watching = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    for (change, name) in [("tor", Value::Null), ("service", "web".into())] {
        let told: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        assert_eq!((&told["change"], &told["name"], &told["present"]), (&change.into(), &name, &true.into()), "{told}");
    }
    controller.cli(["remove", "web", "--yes"]).succeeded();
    let removed =
        lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()).find(|told| told["change"] == "removed");
    assert_eq!(removed.unwrap()["present"], false);
    // Nothing changes any more, and nobody reads: it ends nonetheless.
    let (status, _) = watching.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn help_has_words_and_examples_for_every_verb() {
    let help = |arguments: &[&str]| run(Command::new(CLI).env_clear().args(arguments)).succeeded().stdout;
    let overview = help(&["--help"]);
    let listed = overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = listed.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(verbs.len() >= 10, "{overview}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let text = help(&[verb, "--help"]);
        let first = text.lines().next().unwrap();
        assert!(first.len() > 10 && !first.ends_with('.'), "{text}");
        let examples = text.lines().skip_while(|line| *line != "Examples:").skip(1);
        let example = format!("  tails-server {verb}");
        assert!(examples.filter(|line| line.starts_with(&example)).count() >= 1, "{text}");
        assert!(text.contains("--json"), "{text}");
    }
    let topics = help(&["help"]);
    assert_eq!(topics, overview, "help alone is about all");
    for topic in tails_server::cli::Topic::ALL {
        assert!(overview.contains(&format!("\n  {:18}  {}", topic.name(), topic.about())), "{overview}");
        assert!(help(&["help", topic.name()]).starts_with(topic.text().lines().next().unwrap()));
    }
    assert_eq!(help(&["help", "client", "add"]), help(&["client", "add", "--help"]));
    let states = help(&["help", "states"]);
    for state in tails_server::controller::State::ALL {
        assert!(states.lines().any(|line| line.split(' ').nth(1) == Some(state.as_str())), "{state}: {states}");
    }
    let daemon = run(Command::new(crate::given::DAEMON).env_clear().arg("--help")).succeeded().stdout;
    assert!(daemon.contains("Examples:\n  tails-serverd --user"), "{daemon}");
    assert!(overview.contains("Examples:\n") && overview.contains("Exit codes:\n"), "{overview}");
}

#[test]
fn the_exit_codes_are_those_that_help_lists() {
    let help = run(Command::new(CLI).env_clear().arg("--help")).succeeded().stdout;
    let table = help.split("Exit codes:\n").nth(1).unwrap();
    let controller = controller();
    publish(&controller, "web", &[]);
    let full = "exec 1>/dev/full; exec \"$0\" \"$@\"";
    let bus = format!("unix:{}", controller.bus().display());
    let failed = run(Command::new("sh").args(["-c", full, CLI, "list", "--bus", &bus]));
    let nobody = run(Command::new(CLI).env_clear().args(["list", "--bus", "unix:/nonexistent/bus"]));
    for (code, meaning, answer) in [
        (0, "done", controller.cli(["list"])),
        (1, "it did not work out", failed),
        (2, "the command makes no sense", controller.cli(["publish", "0"])),
        (3, "there is no such service", controller.cli(["status", "mumble"])),
        (4, "the controller does not answer, or you may not ask it for that", nobody),
        (
            5,
            "not published in the time given, not reachable yet",
            controller.cli(["enable", "web", "--wait", "--timeout", "0"]),
        ),
        (6, "not confirmed", controller.cli(["remove", "web"])),
    ] {
        assert_eq!(answer.code, Some(code), "{answer:#?}");
        let row = format!("  {code}  {meaning}");
        assert!(table.lines().any(|line| line.starts_with(&row)), "{table}");
    }
}

#[test]
fn the_doctor_says_how_it_is_also_where_nobody_reads_the_findings() {
    let controller = controller();
    let whole = controller.cli(["doctor"]).code;
    assert_ne!(whole, Some(0), "there is no Tor");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = controller.cli_command(["doctor"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), whole);
}
