// SPDX-License-Identifier: GPL-3.0-or-later
//! A command line that makes no sense, told in the same form as every other error.

use std::error::Error;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What the command line makes no sense with.
const NO_SENSE: u8 = 2;

/// The arguments of this program. `Err` is the exit code, after help was shown or standard error was told what is wrong;
/// `hint` may know more of a value that was refused than where the help is.
pub(crate) fn parse<A: clap::Parser>(
    hint: impl Fn(&(dyn Error + 'static)) -> Option<&'static str>,
) -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        let kind = error.kind();
        if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            // Who closed the pipe has read enough.
            let _ = error.print();
            ExitCode::SUCCESS
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
            format!("\"{value}\" does not fit {argument}")
        } else if is_about_a_value {
            format!("{argument} can not be empty")
        } else if kind == ErrorKind::MissingRequiredArgument {
            format!("{argument} is missing")
        } else if kind == ErrorKind::InvalidSubcommand {
            format!("there is no command \"{}\"", context(error, ContextKind::InvalidSubcommand))
        } else if kind == ErrorKind::UnknownArgument {
            format!("\"{argument}\" is not known here")
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
    hint: impl Fn(&(dyn Error + 'static)) -> Option<&'static str>,
) -> String {
    let verb = words.iter().find(|word| command.find_subcommand(word).is_some());
    let help = match verb {
        Some(verb) => format!("`{} {verb} --help`", command.get_name()),
        None => format!("`{} --help`", command.get_name()),
    };
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg].map(|kind| context(error, kind));
    match (similar.iter().find(|word| !word.is_empty()), error.source().and_then(hint)) {
        (Some(similar), _) => format!("Did you mean \"{similar}\"? See {help}"),
        (None, Some(hint)) => format!("{hint}; see {help}"),
        (None, None) => format!("See {help}"),
    }
}

/// The argument that it is about, as it is written on a command line.
fn argument(error: &clap::Error) -> String {
    let name = context(error, ContextKind::InvalidArg);
    let name = name.trim_end_matches("...");
    name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name).to_owned()
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
