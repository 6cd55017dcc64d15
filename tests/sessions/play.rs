// SPDX-License-Identifier: GPL-3.0-or-later
//! Plays a session with the real programs.

use super::compare::{Known, agrees, filled_in};
use super::script::{Session, Step, words};

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Told {
    /// Both outputs, in the order in which they came, as they go to a file.
    pub(crate) text: String,
    pub(crate) code: Option<i32>,
}

/// Where a session is played.
pub(crate) trait Stage {
    /// Runs a command line at a computer.
    fn run(&mut self, computer: &str, words: &[String]) -> Told;

    /// Has something happen, at a computer or elsewhere.
    fn happen(&mut self, computer: &str, what: &str);
}

/// Plays it to its end.
pub(crate) fn play(session: &Session, stage: &mut impl Stage) {
    let mut known = Known::new();
    for step in &session.steps {
        match step {
            Step::Event { computer, what } => {
                let what = filled_in(what, &known);
                eprintln!("[{computer}: {what}]");
                assert!(!what.contains('<'), "{}: nobody knows yet what this is: {what}", session.title);
                stage.happen(computer, &what);
            }
            Step::Command { computer, line, output, code } => {
                let told = stage.run(computer, &words(&filled_in(line, &known)));
                eprintln!("{computer}$ {line}\n{}[exit {:?}]", told.text, told.code);
                let found: Vec<String> = told.text.trim_end().lines().map(str::to_owned).collect();
                let agreed = agrees(output, &found, &known);
                let what = format!("{}: {line}", session.title);
                known = agreed.unwrap_or_else(|| {
                    let (written, found) = (output.join("\n"), found.join("\n"));
                    unreachable!("{what}\nwritten down:\n{written}\n\nfound:\n{found}\n\nknown: {known:#?}")
                });
                assert_eq!(told.code, Some(*code), "{what}: {}", told.text);
            }
        }
    }
}
