// SPDX-License-Identifier: GPL-3.0-or-later
//! What packages ship of the command line is what it says itself: manual pages in contrib/man and completion scripts in
//! contrib/completions. And what help, topics and README tell people to type can be typed.
//!
//! `TAILS_SERVER_BLESS=1 cargo test --test manual` writes both directories anew, and the sessions in README.md.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "manual/page.rs"]
mod page;
#[path = "manual/sessions.rs"]
mod sessions;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use clap::error::ErrorKind;
use tails_server::cli::{Arguments, Topic};

use crate::page::Page;

const CLI: &str = env!("CARGO_BIN_EXE_tails-server");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The command line without what `env` finds in this environment.
fn command() -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// Each command with its whole name, such as `tails-server client add`.
fn commands(command: &clap::Command, name: &str) -> Vec<(String, clap::Command)> {
    let mut found = vec![(name.to_owned(), command.clone())];
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" || name == "tails-server") {
        found.extend(commands(below, &format!("{name} {}", below.get_name())));
    }
    found
}

/// The manual pages, by their file names.
fn pages() -> BTreeMap<String, String> {
    let command = command();
    let all = commands(&command, "tails-server");
    let mut pages = BTreeMap::new();
    for (name, command) in &all {
        let below: Vec<String> =
            command.get_subcommands().map(|below| format!("{name} {}", below.get_name())).collect();
        let mut related = if name == "tails-server" {
            vec![("tails-serverd".to_owned(), 8)]
        } else {
            vec![("tails-server".to_owned(), 1)]
        };
        related.extend(below.iter().filter(|_| name != "tails-server").map(|name| (name.clone(), 1)));
        if name == "tails-server" {
            related.extend(Topic::ALL.map(|topic| (format!("tails-server {}", topic.name()), 7)));
        }
        pages.insert(file_name(name, 1), Page { name, section: 1, command, related }.to_string());
    }
    for topic in Topic::ALL {
        let name = format!("tails-server {}", topic.name());
        pages.insert(file_name(&name, 7), page::of_topic(&name, topic.about(), &topic.text()));
    }
    let mut daemon = tails_server::daemon::Arguments::command();
    daemon.build();
    let related = vec![("tails-server".to_owned(), 1)];
    let page = Page { name: "tails-serverd", section: 8, command: &daemon, related };
    pages.insert(file_name("tails-serverd", 8), page.to_string());
    pages
}

fn file_name(name: &str, section: u8) -> String {
    // As they lie below /usr/share/man.
    format!("man{section}/{}.{section}", name.replace(' ', "-"))
}

/// What the program says when it is asked for the script of each shell.
fn scripts() -> BTreeMap<String, String> {
    // Where bash, zsh and fish look for it.
    [("bash", "bash/tails-server"), ("zsh", "zsh/_tails-server"), ("fish", "fish/tails-server.fish")]
        .map(|(shell, file)| {
            let answer = Command::new(CLI).env_clear().args(["completions", shell]).output().unwrap();
            assert!(answer.status.success(), "{answer:?}");
            (file.to_owned(), String::from_utf8(answer.stdout).unwrap())
        })
        .into()
}

/// Compares a directory with what it should have, or writes it anew.
fn assert_shipped(directory: &str, wanted: &BTreeMap<String, String>) {
    let directory = root().join(directory);
    let bless = std::env::var_os("TAILS_SERVER_BLESS").is_some();
    if bless {
        let _ = fs::remove_dir_all(&directory);
        for (name, text) in wanted {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let renew = "renew it with `TAILS_SERVER_BLESS=1 cargo test --test manual`";
    for (name, text) in wanted {
        let shipped = fs::read_to_string(directory.join(name)).unwrap_or_default();
        assert!(shipped == *text, "{name} is not what the program says; {renew}");
    }
    let known: Vec<PathBuf> = wanted.keys().map(|name| directory.join(name)).collect();
    for file in files(&directory) {
        assert!(known.contains(&file), "{} is of nothing that there is; {renew}", file.display());
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_manual_pages_are_what_help_says() {
    let pages = pages();
    assert!(pages.len() > 30 && pages.contains_key("man1/tails-server-client-add.1"), "{:?}", pages.keys());
    assert_shipped("contrib/man", &pages);
}

#[test]
fn the_completion_scripts_are_what_the_program_says() {
    let scripts = scripts();
    for text in scripts.values() {
        assert!(text.contains("COMPLETE=") && text.contains("tails-server"), "{text}");
    }
    assert_shipped("contrib/completions", &scripts);
}

/// Where a command stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// On a line of its own, to be typed as it is.
    Line,
    /// Between backquotes.
    Sentence,
}

/// The commands in a text.
fn examples(text: &str) -> Vec<(Form, String)> {
    let lines = text.lines().filter(|line| line.starts_with("  ")).map(str::trim);
    let quoted = text.split('`').skip(1).step_by(2);
    let inside = text.split("$(").skip(1).filter_map(|rest| rest.split(')').next());
    let lines = lines.chain(inside).map(|line| (Form::Line, line));
    let all = lines.chain(quoted.map(|quoted| (Form::Sentence, quoted)));
    all.filter(|(_, line)| line.starts_with("tails-server ")).map(|(form, line)| (form, line.to_owned())).collect()
}

/// The words of an example: what follows in words for people, after two spaces, is left out.
fn typed(example: &str) -> Vec<String> {
    let example = example.split("   ").next().unwrap_or_default();
    let example = example.split("  ").next().unwrap_or_default();
    let words = example.split(['|', '<', '#']).next().unwrap_or_default();
    words.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect()
}

/// Whether a person can type this.
fn assert_typed((form, example): &(Form, String), place: &str) {
    let words = typed(example);
    // `tails-server COMMAND --help` stands for all commands.
    let is_pattern = words.iter().any(|word| ["COMMAND", "SHELL", "TOPIC", "..."].contains(&word.as_str()));
    if is_pattern {
        return;
    }
    // What stands for a name is as good as a name.
    let words = words.iter().map(|word| match word.as_str() {
        word if word.chars().all(|letter| letter.is_ascii_uppercase()) => word.to_lowercase(),
        word => word.to_owned(),
    });
    if let Err(error) = command().try_get_matches_from(words.clone()) {
        let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        // In a sentence a command may be named without what it is about.
        let is_missing = [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand]
            .contains(&error.kind());
        assert!(is_help || is_missing && *form == Form::Sentence, "{place} says `{example}`: {error}");
    }
    let words: Vec<String> = words.collect();
    if let [_, help, asked @ ..] = words.as_slice()
        && help == "help"
    {
        let is_topic =
            asked.len() == 1 && Topic::ALL.iter().any(|topic| Some(topic.name()) == asked.first().map(String::as_str));
        let mut at = &command();
        let is_command = asked.iter().all(|word| at.find_subcommand(word).map(|below| at = below).is_some());
        assert!(is_topic || is_command, "{place} says `{example}`, and there is no such topic");
    }
}

#[test]
fn whatever_people_are_told_to_type_can_be_typed() {
    let mut count = 0;
    let mut check = |text: &str, place: &str| {
        for example in examples(text) {
            assert_typed(&example, place);
            count += 1;
        }
    };
    for (name, command) in commands(&command(), "tails-server") {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if name != "tails-server" {
            assert!(
                help.contains("Examples:") && help.contains(&format!("\n  {name}")) || name.ends_with("completions"),
                "{name}: {help}"
            );
        }
        check(&help, &format!("`{name} --help`"));
    }
    for topic in Topic::ALL {
        assert!(!examples(&topic.text()).is_empty(), "{topic:?} shows no command");
        check(&topic.text(), &format!("the topic {}", topic.name()));
    }
    for file in ["README.md", "contrib/services/README.md"] {
        check(&fs::read_to_string(root().join(file)).unwrap(), file);
    }
    assert!(count > 100, "{count} examples");
}

#[test]
fn an_example_is_read_as_a_shell_would() {
    for (line, words) in [
        ("tails-server publish 8080      publish what listens", &["tails-server", "publish", "8080"][..]),
        (
            "tails-server client list web --json | jq .[].name   the names",
            &["tails-server", "client", "list", "web", "--json"],
        ),
        ("tails-server join - --yes < invitation.txt", &["tails-server", "join", "-", "--yes"]),
    ] {
        assert_eq!(typed(line), words);
    }
    let read = examples("See `tails-server list`.\n    tails-server status\ntext");
    let line = |text: &str| (Form::Line, text.to_owned());
    assert_eq!(read, [line("tails-server status"), (Form::Sentence, "tails-server list".to_owned())]);
    assert_typed(&(Form::Sentence, "tails-server enable".to_owned()), "a test");
    for wrong in
        ["tails-server frobnicate", "tails-server help stats", "tails-server enable", "tails-server list --yaml"]
    {
        let judged = std::panic::catch_unwind(|| assert_typed(&line(wrong), "a test"));
        assert!(judged.is_err(), "{wrong}");
    }
}
