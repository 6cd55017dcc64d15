// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server help`: topics beside the commands, each a screenful.

use std::fmt::Write;

use clap::CommandFactory;

use crate::cli::args::Arguments;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::language;
use crate::cli::output::print_text;
use crate::cli::session::similar;
use crate::cli::terminal::{Screen, wrap};

/// Wider lines are hard to read.
const WIDEST: usize = 80;

/// Something that is explained apart from the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// For some people alone.
    PrivateServices,
    /// How others learn where a service is.
    SharingAnAddress,
    /// What the words of `status` mean.
    States,
    /// What scripts go by.
    ExitCodes,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 4] = [Self::PrivateServices, Self::SharingAnAddress, Self::States, Self::ExitCodes];

    /// What it is asked for by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrivateServices => "private-services",
            Self::SharingAnAddress => "sharing-an-address",
            Self::States => "states",
            Self::ExitCodes => "exit-codes",
        }
    }

    /// What it is about, in some words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::PrivateServices => "for some people alone",
            Self::SharingAnAddress => "how others reach a service",
            Self::States => "what the words of `status` mean",
            Self::ExitCodes => "what scripts go by",
        }
    }

    /// Its text: a title, paragraphs of one line each, and indented lines that stay as they are.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::PrivateServices => include_str!("help/private-services.txt").to_owned(),
            Self::SharingAnAddress => include_str!("help/sharing-an-address.txt").to_owned(),
            Self::States => include_str!("help/states.txt").to_owned(),
            Self::ExitCodes => format!(
                "{}\n{}\n{}",
                include_str!("help/exit-codes.txt"),
                Exit::table(),
                include_str!("help/exit-codes-examples.txt")
            ),
        }
    }
}

/// The topics, as help lists them.
pub(super) fn table() -> String {
    let mut table = String::from("Topics, for `tails-server help TOPIC`:");
    for topic in Topic::ALL {
        // Writing into memory does not fail.
        let _ = write!(table, "\n  {:18}  {}", topic.name(), topic.about());
    }
    table
}

/// Explains a topic, a command, or all in short.
pub(super) fn help(words: &[String]) -> Result<(), Failure> {
    if let [word] = words
        && let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.name() == word)
    {
        return print_text(&fitted(
            &language::text(&topic.text()),
            Screen::output().width.unwrap_or(WIDEST).min(WIDEST),
        ));
    }
    let mut command = Arguments::command();
    command.build();
    let mut asked = &command;
    for word in words {
        let Some(found) = asked.find_subcommand(word) else {
            let topics = if words.len() == 1 { Topic::ALL.as_slice() } else { &[] };
            let commands = asked.get_subcommands().map(clap::Command::get_name);
            let known: Vec<String> =
                commands.chain(topics.iter().map(|topic| topic.name())).map(str::to_owned).collect();
            return Err(Failure::NoHelp { word: words.join(" "), similar: similar(word, known.into_iter()) });
        };
        asked = found;
    }
    // The same words as with --help, in the same form.
    let asking = [command.get_name()].into_iter().chain(words.iter().map(String::as_str)).chain(["--help"]);
    let shown = command.clone().try_get_matches_from(asking);
    print_text(shown.err().map(|shown| shown.render().to_string()).unwrap_or_default().trim_end())
}

/// The text in lines that fit.
fn fitted(text: &str, columns: usize) -> String {
    let is_fixed = |line: &str| line.starts_with("  ") || line.starts_with(['+', '~', '-', '!']);
    let lines = text.trim_end().lines();
    let fitted = lines.flat_map(|line| if is_fixed(line) { vec![line.to_owned()] } else { wrap(line, columns) });
    fitted.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::width;

    #[test]
    fn a_topic_is_a_screenful() {
        for topic in Topic::ALL {
            let text = fitted(&topic.text(), 80);
            assert!(text.lines().count() <= 32, "{topic:?} has {} lines", text.lines().count());
            let widest = text.lines().map(width).max();
            // What an exit code means may be longer than a line.
            assert!(widest <= Some(80) || topic == Topic::ExitCodes, "{topic:?} {widest:?}");
        }
    }

    #[test]
    fn paragraphs_fit_and_commands_stay_as_they_are() {
        let text = "A paragraph of several words.\n  tails-server enable web --wait --timeout 120\n";
        assert_eq!(fitted(text, 20), "A paragraph of\nseveral words.\n  tails-server enable web --wait --timeout 120");
    }

    #[test]
    fn no_topic_is_a_command() {
        let command = Arguments::command();
        for topic in Topic::ALL {
            assert!(command.find_subcommand(topic.name()).is_none(), "{topic:?}");
        }
    }
}
