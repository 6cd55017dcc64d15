// SPDX-License-Identifier: GPL-3.0-or-later
//! The sessions that are played in tests are those that README.md shows, and their commands are the examples of help.

use std::fs;

#[path = "../sessions/script.rs"]
mod script;

use clap::Command;

use self::script::{Session, words};
use crate::{command, root};

/// Where README.md has this session: its heading, and the block below.
fn block(readme: &str, title: &str) -> std::ops::Range<usize> {
    let heading = format!("\n### {title}\n\n");
    let start = readme.find(&heading).unwrap_or_else(|| unreachable!("README.md has no session \"{title}\""));
    let start = start + heading.len();
    let is_inside = |line: &&str| line.starts_with("    ") || line.trim().is_empty();
    let length: usize = readme[start..].split_inclusive('\n').take_while(is_inside).map(str::len).sum();
    start..start + length
}

/// The session as Markdown has it.
fn indented(session: &Session) -> String {
    let lines =
        session.text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") });
    lines.collect::<String>() + "\n"
}

#[test]
fn the_sessions_in_the_readme_are_those_that_are_played() {
    let path = root().join("README.md");
    let mut readme = fs::read_to_string(&path).unwrap();
    let names = Session::names();
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let session = Session::named(&name);
        let (shown, played) = (block(&readme, &session.title), indented(&session));
        if std::env::var_os("TAILS_SERVER_BLESS").is_some() {
            readme.replace_range(shown, &played);
            fs::write(&path, &readme).unwrap();
        } else {
            let renew = "renew it with `TAILS_SERVER_BLESS=1 cargo test --test manual`";
            assert!(readme[shown] == played, "README.md shows another session \"{}\"; {renew}", session.title);
        }
    }
}

#[test]
fn what_is_typed_in_a_session_is_an_example_of_its_command() {
    for name in Session::names() {
        for typed in Session::named(&name).typed() {
            let typed = typed.strip_prefix("sudo ").unwrap_or(typed);
            let command = command();
            let help = verb(&command, typed).get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_it = |line: &str| {
                let line = line.trim().strip_prefix(typed);
                // What it does is said after some spaces.
                line.is_some_and(|rest| rest.is_empty() || rest.starts_with("  "))
            };
            assert!(help.lines().any(is_it), "{name}.session has `{typed}`, and its help does not");
        }
    }
}

/// The command of a line, such as `client add`.
fn verb<'a>(all: &'a Command, typed: &str) -> &'a Command {
    let mut at = all;
    for word in words(typed).iter().skip(1) {
        let Some(below) = at.find_subcommand(word) else { break };
        at = below;
    }
    assert_ne!(at.get_name(), all.get_name(), "`{typed}` has no verb");
    at
}
