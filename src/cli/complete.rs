// SPDX-License-Identifier: GPL-3.0-or-later
//! What could come next on a command line, for the shell: verbs, flags, and the names that the controller knows.
//!
//! A registration script (`tails-server completions SHELL`) has the shell run this program with `COMPLETE` set and the
//! words so far. Whatever goes wrong then, nothing is said: a person is typing.

mod names;
mod words;

use std::env;
use std::ffi::OsString;
use std::io::Write;

use clap::CommandFactory;
use clap_complete::engine::ArgValueCandidates;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::cli::args::{Arguments, Completions, Shell};
use crate::cli::complete::names::Known;
use crate::cli::complete::words::Typed;
use crate::cli::error::Failure;
use crate::cli::help::Topic;
use crate::cli::output::print_text;

/// The variable that says which shell asks.
const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "tails-server";
/// zsh reads the file of a package as a function, when it is needed first; then it has to answer, too.
const ZSH_FIRST: &str = "\
if [[ $funcstack[1] == _tails-server ]]; then
    _clap_dynamic_completer_tails_server \"$@\"
fi";

/// Answers the shell, if it is a shell that asks; whether it was.
pub(super) fn answered() -> bool {
    // A variable of that name that says something else is none of our business.
    let asking = env::var(VARIABLE).ok().and_then(|name| shell_of(&name));
    let mut words = env::args_os().skip_while(|word| word != "--").skip(1).peekable();
    let Some(shell) = asking.filter(|_| words.peek().is_some()) else { return false };
    let mut answer = Vec::new();
    if complete(shell, words.collect(), &mut answer).is_ok() {
        let mut out = std::io::stdout();
        let _ = out.write_all(&answer).and_then(|()| out.flush());
    }
    true
}

/// `tails-server completions`: what makes a shell ask.
pub(super) fn register(request: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    let written = completer(request.shell).write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    written.map_err(|cause| Failure::Print(cause.into()))?;
    let script = String::from_utf8_lossy(&script);
    match request.shell {
        Shell::Bash | Shell::Fish => print_text(script.trim()),
        Shell::Zsh => print_text(&format!("{}\n{ZSH_FIRST}", script.trim())),
    }
}

fn shell_of(name: &str) -> Option<Shell> {
    match name {
        "bash" => Some(Shell::Bash),
        "zsh" => Some(Shell::Zsh),
        "fish" => Some(Shell::Fish),
        _ => None,
    }
}

fn completer(shell: Shell) -> &'static dyn EnvCompleter {
    match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    }
}

fn complete(shell: Shell, words: Vec<OsString>, answer: &mut Vec<u8>) -> std::io::Result<()> {
    let typed = Typed::read(&Arguments::command(), &words);
    let mut command = informed(&typed);
    let directory = env::current_dir().ok();
    completer(shell).write_complete(&mut command, words, directory.as_deref(), answer)
}

/// The command line, with the names that are known for its arguments.
fn informed(typed: &Typed) -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    // The rest has nothing to do with what is typed.
    let Some(verb) = typed.verbs.first() else { return command };
    let typed = typed.clone();
    command.mut_subcommand(verb, move |verb| informed_verb(verb, &typed, &verbs, 1))
}

fn informed_verb(verb: clap::Command, typed: &Typed, verbs: &[String], depth: usize) -> clap::Command {
    if let Some(below) = typed.verbs.get(depth) {
        let (typed, verbs) = (typed.clone(), verbs.to_vec());
        return verb.mut_subcommand(below, move |below| informed_verb(below, &typed, &verbs, depth + 1));
    }
    let (typed, verbs) = (typed.clone(), verbs.to_vec());
    verb.mut_args(move |argument| {
        let id = argument.get_id().as_str();
        if id == "words" {
            let topics = Topic::ALL.iter().map(|topic| topic.name().to_owned());
            let known: Vec<String> = verbs.iter().cloned().chain(topics).collect();
            return argument.add(ArgValueCandidates::new(move || known.iter().map(Into::into).collect()));
        }
        let Some(known) = Known::of(&typed, id, argument.is_positional()) else { return argument };
        let typed = typed.clone();
        argument.add(ArgValueCandidates::new(move || known.candidates(&typed)))
    })
}
