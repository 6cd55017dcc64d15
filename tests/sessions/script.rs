// SPDX-License-Identifier: GPL-3.0-or-later
//! A session as it is written down: what a person types, and what comes back.
//!
//! The first line is its title, after `#`. Then there are talk (`#`), commands (`$`, or `alice$` where there are several
//! computers), below each its output and, unless it is 0, its exit code (`[exit 1]`), and what else happens (`[...]`).

use std::fs;
use std::path::Path;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) title: String,
    /// As it stands in the file, below the title.
    pub(crate) text: String,
    pub(crate) steps: Vec<Step>,
}

/// What is done in a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something happens that no command of ours does; at this computer, or at none of them.
    Event { computer: String, what: String },
    /// Somebody types a line at this computer.
    Command { computer: String, line: String, output: Vec<String>, code: i32 },
}

impl Session {
    /// The session with this name.
    pub(crate) fn named(name: &str) -> Self {
        let path = directory().join(format!("{name}.session"));
        Self::parse(&fs::read_to_string(&path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display())))
    }

    /// The names of all sessions.
    pub(crate) fn names() -> Vec<String> {
        let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
        let sessions = entries.filter(|path| path.extension().is_some_and(|extension| extension == "session"));
        let mut names: Vec<String> =
            sessions.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Reads a session.
    pub(crate) fn parse(file: &str) -> Self {
        let (title, text) = file.split_once('\n').unwrap();
        let title = title.strip_prefix("# ").unwrap_or_else(|| unreachable!("no title: {title}"));
        let mut steps: Vec<Step> = Vec::new();
        for line in text.lines() {
            if line.starts_with('#') {
                continue;
            }
            if let Some((computer, typed)) = prompt(line) {
                let command = Step::Command { computer, line: typed.to_owned(), output: Vec::new(), code: 0 };
                steps.push(command);
            } else if let Some(inside) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                match (inside.strip_prefix("exit "), steps.last_mut()) {
                    (Some(number), Some(Step::Command { code, .. })) => *code = number.parse().unwrap(),
                    _ => steps.push(event(inside)),
                }
            } else if let Some(Step::Command { output, .. }) = steps.last_mut() {
                output.push(line.to_owned());
            } else {
                assert_eq!(line, "", "this line belongs to nothing");
            }
        }
        for step in &mut steps {
            let Step::Command { output, .. } = step else { continue };
            // What is before the next command is there to be read more easily.
            while output.last().is_some_and(String::is_empty) {
                output.pop();
            }
        }
        Self { title: title.to_owned(), text: text.trim_matches('\n').to_owned() + "\n", steps }
    }

    /// What is typed, line by line.
    pub(crate) fn typed(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Command { line, .. } => Some(line.as_str()),
            Step::Event { .. } => None,
        })
    }
}

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions")
}

/// The computer of a line that is typed, and what is typed.
fn prompt(line: &str) -> Option<(String, &str)> {
    let (computer, typed) = line.split_once("$ ")?;
    computer.chars().all(|letter| letter.is_ascii_lowercase()).then(|| (computer.to_owned(), typed))
}

fn event(inside: &str) -> Step {
    let (computer, what) = match inside.split_once(": ") {
        Some((computer, what)) => (computer, what),
        None => ("", inside),
    };
    Step::Event { computer: computer.to_owned(), what: what.to_owned() }
}

/// The words of a line as a shell would read it; there are quotes, and nothing else of a shell.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (place, part) in line.split('"').enumerate() {
        let mut pieces = if place % 2 == 0 { part.split(' ').collect() } else { vec![part] }.into_iter();
        words.last_mut().unwrap().push_str(pieces.next().unwrap_or_default());
        words.extend(pieces.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}
