// SPDX-License-Identifier: GPL-3.0-or-later
//! What the shell offers while a person types: asked of the real program, in the way that the shells ask.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::given::{CLI, NO_TOR, controller, publish, run};
use crate::harness::{Answer, Controller};

/// What is offered for the last of these words.
fn offered(bus: &Path, words: &[&str]) -> Vec<String> {
    let answer = asked("zsh", bus, words);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{answer:#?}");
    // What is known of a name follows a colon.
    answer.stdout.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

fn asked(shell: &str, bus: &Path, words: &[&str]) -> Answer {
    let mut command = Command::new(CLI);
    command.env_clear().env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("TAILS_SERVER_BUS", format!("unix:{}", bus.display()));
    run(command.args(["--", "tails-server"]).args(words))
}

fn shipped() -> Controller {
    let services = format!("{}/contrib/services", env!("CARGO_MANIFEST_DIR"));
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", &services]);
    controller.start();
    controller
}

#[test]
fn names_are_those_that_the_controller_knows_now() {
    let controller = shipped();
    let bus = controller.bus();
    assert_eq!(offered(&bus, &["disable", ""]).first().map(String::as_str), Some("--bus"), "there is no service yet");
    controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    controller.publish("wiki", &["81:2"], &[]);
    assert_eq!(offered(&bus, &["disable", "w"]), ["web", "wiki"]);
    assert_eq!(offered(&bus, &["status", "we"]), ["web"]);
    assert_eq!(offered(&bus, &["enable", "--wait", "w"]), ["web", "wiki"]);
    assert!(offered(&bus, &["disable", "mum"]).is_empty(), "what is not remembered can not be disabled");
    assert_eq!(offered(&bus, &["enable", "mum"]), ["mumble"], "and can be enabled");
    // A verb is offered, and an own name is not.
    assert_eq!(offered(&bus, &["set-o"]), ["set-option"]);
    assert_eq!(offered(&bus, &["client", "re"]), ["rename", "remove"]);
    assert!(offered(&bus, &["new", "w"]).is_empty());
    // Options and their values.
    assert_eq!(offered(&bus, &["set-option", "web", "p"]), ["persistence", "pow"]);
    assert_eq!(offered(&bus, &["set-option", "web", "persistence", "o"]), ["off", "on"]);
    assert!(offered(&bus, &["get-option", "mumble", "s"]).contains(&"server-password".to_owned()));
    assert_eq!(offered(&bus, &["set-option", "mumble", "allow-lan", ""])[..2], ["off", "on"]);
    // Clients, and topics.
    assert_eq!(offered(&bus, &["client", "remove", "web", "a"]), ["alice"]);
    assert!(offered(&bus, &["client", "add", "web", "a"]).is_empty(), "whom to add is new");
    assert_eq!(offered(&bus, &["invite", "web", "--for", "a"]), ["alice"]);
    assert_eq!(offered(&bus, &["help", "private"]), ["private-services"]);
    assert_eq!(offered(&bus, &["help", "sta"]), ["status", "states"]);
    // Where it was said on the line, that controller is asked.
    let elsewhere = Path::new("/nonexistent/bus");
    let here = format!("unix:{}", bus.display());
    assert_eq!(offered(elsewhere, &["--bus", &here, "disable", "we"]), ["web"]);
    // The password that an option has is not told.
    controller.cli(["enable", "mumble"]).succeeded();
    let told = asked("fish", &bus, &["set-option", "mumble", "server-password", ""]).stdout;
    let password = controller.cli(["get-option", "mumble", "server-password"]).stdout;
    assert!(password.len() > 10 && !told.contains(password.trim()), "{told}");
}

#[test]
fn without_an_answer_nothing_is_said() {
    assert!(offered(Path::new("/nonexistent/bus"), &["disable", "w"]).is_empty());
    assert_eq!(offered(Path::new("/nonexistent/bus"), &["disab"]), ["disable"]);
    // One that takes connections and never answers.
    let directory = tempfile::tempdir().unwrap();
    let bus = directory.path().join("bus");
    let _silent = UnixListener::bind(&bus).unwrap();
    assert!(offered(&bus, &["disable", "w"]).is_empty());
    for words in [&["frobnicate", "w"] as &[&str], &["--bus"], &["set-option", "web", "x", "y", "z", "w"]] {
        let answer = asked("bash", &bus, words);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{words:?} {answer:#?}");
    }
}

#[test]
fn a_variable_that_is_about_something_else_changes_nothing() {
    let controller = controller();
    publish(&controller, "web", &[]);
    for value in ["", "0", "1", "yes", "bash"] {
        let answer = run(controller.cli_command(["list", "--json"]).env("COMPLETE", value));
        assert!(answer.succeeded().stdout.contains("\"web\""), "{value}");
    }
}

#[test]
fn bash_offers_what_the_program_says() {
    let controller = controller();
    publish(&controller, "web", &[]);
    // As bash does it when the tabulator key is pressed: with the script of a package.
    let directory = Path::new(CLI).parent().unwrap();
    let script = format!(
        "PATH={}:$PATH; source {}/contrib/completions/bash/tails-server; \
         COMP_WORDS=(tails-server disable we); COMP_CWORD=2; COMP_TYPE=9; \
         _clap_complete_tails_server tails-server we disable; printf '%s\\n' \"${{COMPREPLY[@]}}\"; complete -p tails-server",
        directory.display(),
        env!("CARGO_MANIFEST_DIR")
    );
    let mut bash = Command::new("bash");
    bash.env("TAILS_SERVER_BUS", format!("unix:{}", controller.bus().display()));
    let answer = run(bash.args(["--norc", "-c", &script])).succeeded();
    assert_eq!(answer.stdout.lines().next(), Some("web"), "{answer:#?}");
    assert!(answer.stdout.contains("-F _clap_complete_tails_server tails-server"), "{answer:#?}");
}
