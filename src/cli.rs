// SPDX-License-Identifier: GPL-3.0-or-later
//! The command line: a client of the D-Bus API. Data goes to standard output, talk to standard error.

mod agent;
mod args;
mod ask;
mod backup;
mod change;
mod check;
mod client;
mod code;
mod complete;
mod described;
mod doctor;
mod error;
mod exit;
mod follow;
mod given;
mod glance;
mod help;
mod hook;
mod install;
mod interrupt;
mod invite;
mod join;
mod joined;
mod key;
mod keyboard;
mod language;
mod lint;
mod log;
mod meter;
mod new;
mod option;
mod output;
mod persistence;
mod plan;
mod publish;
mod remove;
mod request;
mod secret;
mod session;
mod settings;
mod show;
mod source;
mod table;
mod talk;
mod terminal;
mod watch;
mod whereabouts;

use std::process::ExitCode;

use tokio::sync::oneshot;

pub use args::{
    Arguments, Ask, Backup, ClientVerb, Completions, Event, ExportSettings, ImportSettings, Invite, Join, KeyVerb,
    Lint, LintFormat, Log, New, Passphrase, Restore, Shell, Verb,
};
pub use help::Topic;
pub use language::{Catalogue, help_in_words, text_in_words};

use crate::cli::error::Failure;
use crate::cli::interrupt::interrupted;
use crate::cli::output::Form;
use crate::cli::session::{ANSWER_PATIENCE, CHECK_PATIENCE, Questions, Session, UNINSTALL_PATIENCE};
use crate::cli::show::Depth;
use crate::errors::usage;

/// What `tails-server` does; ends with one of the exit codes that `--help` lists.
#[must_use]
pub fn main() -> ExitCode {
    let language = language::choose();
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    let in_words = |command| if language { language::help(command) } else { command };
    let arguments = match usage::parse::<Arguments>(in_words, args::hint) {
        Ok(arguments) => arguments,
        Err(told) => return told,
    };
    match on_a_thread_of_its_own(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// Runs it beside this thread, which listens for signals: whatever the other one waits for, a person can end it.
fn on_a_thread_of_its_own(arguments: Arguments) -> Result<(), Failure> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::System);
    let (listening, working) = (runtime()?, runtime()?);
    let (tell, told) = oneshot::channel();
    let work = move || {
        let ended = working.block_on(run(arguments));
        // What is under way beside it is told to stop, and puts things in order.
        drop(working);
        // Where nobody waits any more, the program has ended.
        let _ = tell.send(ended);
    };
    std::thread::Builder::new().name("verb".to_owned()).spawn(work).map_err(Failure::System)?;
    listening.block_on(interrupt::heard(told)).unwrap_or(Err(Failure::Interrupted))
}

/// Runs it until it is done or interrupted; what knows more to say about that is asked first.
async fn run(arguments: Arguments) -> Result<(), Failure> {
    let may_be_pasted = arguments.verb.reads_standard_input();
    let ended = tokio::select! {
        biased;
        ended = Box::pin(act(arguments)) => ended,
        () = interrupted_and_heard() => Err(Failure::Interrupted),
    };
    if may_be_pasted {
        keyboard::swallow_rest().await;
    }
    ended
}

/// Until somebody wants this program to end, and whoever else listens for that has had a turn.
async fn interrupted_and_heard() {
    interrupted().await;
    // The other thread tells of signals: they may have come between the two looks of one turn.
    tokio::task::yield_now().await;
}

async fn act(arguments: Arguments) -> Result<(), Failure> {
    let form = if arguments.json { Form::Json } else { Form::Yaml };
    // What can be refused without the controller is refused without it.
    let verb = arguments.verb.checked()?;
    // What is about files alone needs no controller.
    if let Verb::Lint(request) = &verb {
        return lint::lint(request, form);
    }
    if let Verb::New(request) = &verb {
        return new::new(request);
    }
    if let Verb::Completions(request) = &verb {
        return complete::register(request);
    }
    if let Verb::Help { words } = &verb {
        return help::help(words);
    }
    if let Verb::Hook { event } = &verb {
        return hook::tell(arguments.bus, *event).await;
    }
    // These do what they can without a controller.
    if let Verb::Doctor = &verb {
        return Box::pin(doctor::doctor(arguments.bus, form)).await;
    }
    if let Verb::Log(request) = &verb {
        return Box::pin(log::log(arguments.bus, request, form)).await;
    }
    let patience = if matches!(verb, Verb::Check { .. }) {
        CHECK_PATIENCE
    } else if matches!(verb, Verb::Install { .. } | Verb::Uninstall { .. } | Verb::Remove { .. } | Verb::Restore(_)) {
        UNINSTALL_PATIENCE
    } else {
        ANSWER_PATIENCE
    };
    let is_for_everybody = matches!(verb, Verb::List | Verb::Status { .. } | Verb::Watch);
    let questions = if is_for_everybody { Questions::OfEverybody } else { Questions::OfRight };
    let session = Session::connect(arguments.bus, patience, questions).await?;
    let session = if is_for_everybody { session } else { session.with_agent().await };
    match verb {
        Verb::Publish(request) => publish::publish(&session, request, form).await,
        Verb::List => show::list(&session, form).await,
        Verb::Status { name: None } => show::overview(&session, form).await,
        Verb::Status { name: Some(name) } => show::status(&session, &name, form).await,
        Verb::Info { name, details, show_secrets } => {
            show::info(&session, &name, Depth { details, secrets: show_secrets }, form).await
        }
        Verb::Address { name } => show::address(&session, &name, form).await,
        Verb::Enable { name, wait } => change::enable(&session, &name, wait, form).await,
        Verb::Disable { name } => change::disable(&session, &name).await,
        Verb::Remove { name, yes } => remove::remove(&session, &name, yes).await,
        Verb::Client(verb) => client::run(&session, verb, form).await,
        Verb::SetOption { name, option, value, yes } => option::set(&session, &name, &option, &value, yes).await,
        Verb::GetOption { name, option } => option::get(&session, &name, &option, form).await,
        Verb::ResetOption { name, option } => option::reset(&session, &name, &option).await,
        Verb::Install { name } => install::install(&session, &name).await,
        Verb::Uninstall { name, yes } => remove::uninstall(&session, &name, yes).await,
        Verb::Check { name, wait, no_visit } => check::check(&session, &name, wait, !no_visit, form).await,
        Verb::Key(verb) => key::run(&session, verb, form).await,
        Verb::Invite(request) => invite::invite(&session, request, form).await,
        Verb::Join(request) => join::join(&session, request, form).await,
        Verb::Joined { name: None } => joined::list(&session, form).await,
        Verb::Joined { name: Some(name) } => joined::show(&session, &name, form).await,
        Verb::Leave { name, yes } => joined::leave(&session, &name, yes).await,
        Verb::Request(request) => request::request(&session, request, form).await,
        Verb::Plan { name } => plan::plan(&session, name.as_ref(), form).await,
        Verb::Backup(request) => Box::pin(backup::backup(&session, request)).await,
        Verb::Restore(request) => Box::pin(backup::restore(&session, request, form)).await,
        Verb::ExportSettings(request) => settings::export(&session, &request, form).await,
        Verb::ImportSettings(request) => settings::import(&session, request, form).await,
        Verb::Watch => watch::watch(&session, form).await,
        // Done above, without asking.
        Verb::Lint(_)
        | Verb::New(_)
        | Verb::Completions(_)
        | Verb::Help { .. }
        | Verb::Doctor
        | Verb::Log(_)
        | Verb::Hook { .. } => Ok(()),
    }
}
