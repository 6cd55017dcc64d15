// SPDX-License-Identifier: GPL-3.0-or-later
//! A command line that makes no sense, told in the same form as every other error.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tr::tr;

/// What the command line makes no sense with.
const NO_SENSE: u8 = 2;

/// The arguments of this program. `Err` is the exit code, after help was shown or standard error was told what is wrong;
/// `in_words` says the help in the language of the person, and `hint` may know more of a value that was refused than where
/// the help is.
pub(crate) fn parse<A: clap::Parser>(
    in_words: impl Fn(clap::Command) -> clap::Command,
    hint: impl Fn(&(dyn Error + 'static)) -> Option<String>,
) -> Result<A, ExitCode> {
    let parsed = in_words(A::command()).try_get_matches().and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| {
        let kind = error.kind();
        if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            match error.print() {
                // Who closed the pipe has read enough.
                Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                    super::report(&CannotShow(cause), None);
                    ExitCode::FAILURE
                }
                Ok(()) | Err(_) => ExitCode::SUCCESS,
            }
        } else if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let _ = error.print();
            ExitCode::from(NO_SENSE)
        } else {
            let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
            let words: Vec<String> = words.collect();
            super::report(&Misuse::new(&error), Some(&next_step(&error, &A::command(), &words, hint)));
            ExitCode::from(NO_SENSE)
        }
    })
}

/// Help that nobody gets to see.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("cannot print the help"))]
struct CannotShow(#[source] io::Error);

/// What is wrong with the command line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Misuse {
    message: String,
    source: Option<Reason>,
}

/// Why a value was refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

impl Misuse {
    fn new(error: &clap::Error) -> Self {
        let argument = argument(error);
        let value = context(error, ContextKind::InvalidValue);
        let kind = error.kind();
        let is_about_a_value = matches!(kind, ErrorKind::ValueValidation | ErrorKind::InvalidValue);
        let message = if is_about_a_value && !value.is_empty() {
            tr!("\"{value}\" does not fit {argument}", value, argument)
        } else if is_about_a_value {
            tr!("{argument} can not be empty", argument)
        } else if kind == ErrorKind::MissingRequiredArgument {
            let count = argument.split(", ").count();
            tr!("{argument} is missing" | "{argument} are missing" % count, argument)
        } else if kind == ErrorKind::InvalidSubcommand {
            tr!("there is no command \"{command}\"", command = context(error, ContextKind::InvalidSubcommand))
        } else if kind == ErrorKind::UnknownArgument {
            tr!("\"{argument}\" is not known here", argument)
        } else if kind == ErrorKind::ArgumentConflict {
            conflict(&argument, &context(error, ContextKind::PriorArg))
        } else if kind == ErrorKind::MissingSubcommand {
            tr!("a command is missing")
        } else if kind == ErrorKind::InvalidUtf8 {
            tr!("an argument is no text in UTF-8")
        } else {
            first_line(error)
        };
        Self { message, source: error.source().map(|reason| Reason(reason.to_string())) }
    }
}

/// What to do: the most likely right word, what is known of the value, and where the help is.
fn next_step(
    error: &clap::Error,
    command: &clap::Command,
    words: &[String],
    hint: impl Fn(&(dyn Error + 'static)) -> Option<String>,
) -> String {
    let verb = words.iter().find(|word| command.find_subcommand(word).is_some());
    let help = match verb {
        Some(verb) => format!("`{} {verb} --help`", command.get_name()),
        None => format!("`{} --help`", command.get_name()),
    };
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .iter()
        .find_map(|kind| most_similar(error, *kind));
    let fitting = context(error, ContextKind::ValidValue);
    match (similar, error.source().and_then(hint)) {
        (Some(similar), _) => tr!("Did you mean \"{similar}\"? See {help}", similar, help),
        (None, Some(hint)) => tr!("{hint}; see {help}", hint, help),
        (None, None) if !fitting.is_empty() => tr!("It is one of {fitting}; see {help}", fitting, help),
        (None, None) => tr!("See {help}", help),
    }
}

fn conflict(argument: &str, earlier: &str) -> String {
    if earlier.is_empty() || earlier == argument {
        tr!("{argument} can be given only once", argument)
    } else {
        tr!("{argument} can not be given together with {earlier}", argument, earlier)
    }
}

/// The argument that it is about, as it is written on a command line.
fn argument(error: &clap::Error) -> String {
    let name = context(error, ContextKind::InvalidArg);
    let bare = |name: &str| {
        let name = name.trim_end_matches("...");
        name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name).to_owned()
    };
    name.split(", ").map(bare).collect::<Vec<_>>().join(", ")
}

/// The word that was most likely meant: clap puts the most similar one last.
fn most_similar(error: &clap::Error, kind: ContextKind) -> Option<String> {
    if let Some(ContextValue::Strings(texts)) = error.get(kind) {
        return texts.last().cloned();
    }
    Some(context(error, kind)).filter(|text| !text.is_empty())
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
