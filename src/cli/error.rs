// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a command failed, in words for people, and with which exit code.

mod hint;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tails_server_state::{ClientName, InvalidPortMap, OptionName, ServiceName};
use tr::tr;

use crate::bus::api::{ApiError, BusAddress};
use crate::cli::backup::BackupError;
use crate::cli::exit::Exit;
use crate::cli::session::{ANSWER_PATIENCE, Unanswered};
use crate::cli::settings::SettingsError;
use crate::invitation::{CannotComplete, Expired, InvalidInvitation, PasteError};
use crate::key_files::{ExportError, ImportError};
use crate::qr::TooLong;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", tr!("--autostart needs --persistent: without it nothing is left to publish after a reboot"))]
    NothingToStart,
    #[error("{}", tr!("there is no command and no topic \"{word}\"", word))]
    NoHelp { word: String, similar: Option<String> },
    #[error("{}", tr!("the ports are wrong"))]
    Ports(#[from] InvalidPortMap),
    #[error("{}", tr!("there is no socket {path}", path = .0.display()))]
    NoSocket(PathBuf),
    #[error("{}", tr!("{path} is not a socket", path = .0.display()))]
    NotASocket(PathBuf),
    #[error("{}", tr!("there is no {bus} bus here", bus = .0))]
    NoBus(BusAddress, #[source] zbus::Error),
    #[error("{}", tr!("the controller does not run: nobody has its name on the bus"))]
    NotOnBus,
    #[error("{}", tr!("the controller does not run: nothing answers on {path}", path = .0.display()))]
    NotRunning(PathBuf),
    #[error("{}", tr!("your own controller does not run, whose services are in {path}; the system's has others", path = .0.display()))]
    OwnEnded(PathBuf),
    #[error("{}", tr!("the controller does not let you in"))]
    NotAllowed(#[source] io::Error),
    #[error("{}", tr!("the controller does not answer as it should"))]
    Bus(#[source] zbus::Error),
    #[error("{}", tr!("the controller ended"))]
    ControllerEnded,
    #[error("{}", tr!("the controller does not answer within one second" | "the controller does not answer within {n} seconds" % .0.as_secs()))]
    NoAnswer(Duration),
    #[error("{}", tr!("service \"{name}\" does not exist", name))]
    Unknown { name: ServiceName, similar: Option<String> },
    #[error("{message}")]
    Refused { message: String, hint: Option<String>, because: Refusal },
    #[error("{}", tr!("service \"{service}\" has no client \"{client}\"", service, client))]
    UnknownClient { service: ServiceName, client: ClientName, similar: Option<String> },
    #[error("{}", tr!("service \"{service}\" has no option \"{option}\"", service, option))]
    UnknownOption { service: ServiceName, option: OptionName, similar: Option<String> },
    #[error("{}", tr!("service \"{name}\" has failed: {problem}", name, problem = tr!(problem)))]
    ServiceFailed { name: ServiceName, problem: String, hint: Option<String> },
    #[error("{}", tr!("service \"{name}\" is disabled", name = .0))]
    Disabled(ServiceName),
    #[error("{}", tr!("service \"{name}\" was removed meanwhile", name = .0))]
    RemovedMeanwhile(ServiceName),
    #[error("{}", tr!("service \"{name}\" is not published yet: {state}", name, state))]
    NotYet { name: ServiceName, state: String },
    #[error("{}", tr!("{what}: interrupted", what))]
    GoesOn { name: ServiceName, what: String },
    #[error("{}", tr!("{what}, but it is not certain yet that nobody is connected any more, or can connect, who should not", what))]
    NotEnded { service: ServiceName, what: String },
    #[error("{}", tr!("the server of \"{service}\" does not run with it yet: {state}", service, state))]
    NotApplied { service: ServiceName, state: String },
    #[error("{}", tr!("interrupted"))]
    Interrupted,
    #[error("{}", .0.cannot_ask())]
    CannotAsk(Act),
    #[error("{}", .0.not_confirmed())]
    NotConfirmed(Act),
    #[error("{}", tr!("the controller answered with something that makes no sense"))]
    Garbled,
    #[error("{}", tr!("it is no invitation that can be used"))]
    Paste(#[source] PasteError),
    #[error("{}", tr!("it is no request that can be answered"))]
    Ask(#[source] PasteError),
    #[error("{}", tr!("it can not be used any more"))]
    Expired(#[from] Expired),
    #[error("{}", tr!("it can not be completed"))]
    Incomplete(#[from] CannotComplete),
    #[error("{}", tr!("there can be no such invitation"))]
    Invitation(#[from] InvalidInvitation),
    #[error("{}", tr!("there is a secret in what was given on the command line"))]
    SecretInArguments,
    #[error("{}", tr!("cannot read {what}", what))]
    Read {
        what: String,
        #[source]
        cause: io::Error,
    },
    #[error("{}", tr!("cannot write {path}", path = path.display()))]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", not_ready(name, problem.as_deref()))]
    NotReady { name: ServiceName, problem: Option<String> },
    #[error("{}", tr!("\"{name}\" can be found, and not be reached: {why}", name, why = tr!(why)))]
    NotReached { name: ServiceName, why: String, at_server: bool },
    #[error("{}", tr!("the client \"{client}\" of \"{service}\" has another key than the request", client, service))]
    OtherKey { service: ServiceName, client: ClientName },
    #[error("{}", tr!("you joined no service \"{name}\"", name))]
    NotJoined { name: ServiceName, similar: Option<String> },
    #[error("{}", tr!("it is too much for a QR code"))]
    Code(#[from] TooLong),
    #[error("{}", tr!("the key was not taken"))]
    Import(#[from] ImportError),
    #[error("{}", tr!("the key was not written"))]
    Export(#[from] ExportError),
    #[error("{}", tr!("the key was not written: \"{service}\" lets in only clients and has none, and a Tor would open it to everybody", service = .0))]
    ExportWouldOpen(ServiceName),
    #[error("{}", tr!("the key was not taken: it comes with one client, and \"{service}\" is open to everybody" | "the key was not taken: it comes with {n} clients, and \"{service}\" is open to everybody" % *clients, service))]
    ImportWouldOpen { service: ServiceName, clients: usize },
    #[error("{}", tr!("cannot read {path}", path = path.display()))]
    Descriptor {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{}", not_clean(*.failing, *.of))]
    NotClean { failing: usize, of: usize },
    #[error("{}", ailing(*.errors, *.warnings))]
    Ailing { errors: usize, warnings: usize },
    #[error("{}", tr!("the journal of the system is not for this user to read"))]
    JournalDenied,
    #[error("{}", tr!("there is no journal that could be read"))]
    NoJournal(#[source] io::Error),
    #[error("{}", tr!("the journal ended"))]
    JournalEnded,
    #[error("{}", tr!("cannot print the result"))]
    Print(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{}", tr!("the operating system does not let the program run"))]
    System(#[source] io::Error),
}

/// Whose fault it is that the controller refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The command makes no sense.
    Input,
    /// What was named is not there.
    Unknown,
    /// Whoever asks may not do it.
    NotAllowed,
    /// It did not work out.
    Failed,
}

/// What a person is asked about before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Forgetting something for ever.
    Remove,
    /// Changing something that can not be undone.
    Change,
    /// Following an invitation.
    Join,
    /// Restoring a backup.
    Restore,
}

impl Act {
    fn cannot_ask(self) -> String {
        match self {
            Self::Remove => tr!("nothing was removed: there is no terminal to ask on"),
            Self::Change => tr!("nothing was changed: there is no terminal to ask on"),
            Self::Join => tr!("nothing was joined: there is no terminal to ask on"),
            Self::Restore => tr!("nothing was restored: there is no terminal to ask on"),
        }
    }

    fn not_confirmed(self) -> String {
        match self {
            Self::Remove => tr!("nothing was removed"),
            Self::Change => tr!("nothing was changed"),
            Self::Join => tr!("nothing was joined"),
            Self::Restore => tr!("nothing was restored"),
        }
    }
}

impl Failure {
    /// Tells standard error, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        // Who closed the pipe has read enough.
        if self.is_of_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        crate::errors::report(&self, self.hint().as_deref());
        self.exit().into()
    }

    /// Whether nobody reads any more what is printed.
    pub(super) fn is_of_closed_pipe(&self) -> bool {
        let is_closed = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
        matches!(self, Self::Print(cause) if cause.downcast_ref::<io::Error>().is_some_and(is_closed))
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::NothingToStart
            | Self::NoHelp { .. }
            | Self::Ports(_)
            | Self::NoSocket(_)
            | Self::NotASocket(_)
            | Self::Refused { because: Refusal::Input, .. }
            | Self::Paste(_)
            | Self::Ask(_)
            | Self::SecretInArguments
            | Self::UnknownOption { .. } => Exit::Senseless,
            Self::Unknown { .. }
            | Self::UnknownClient { .. }
            | Self::NotJoined { .. }
            | Self::Refused { because: Refusal::Unknown, .. } => Exit::Unknown,
            Self::NotRunning(_)
            | Self::OwnEnded(_)
            | Self::NotOnBus
            | Self::NoBus(..)
            | Self::Refused { because: Refusal::NotAllowed, .. }
            | Self::NotAllowed(_)
            | Self::ControllerEnded
            | Self::NoAnswer(_)
            | Self::Garbled
            | Self::Bus(_) => Exit::NoAnswer,
            Self::Backup(error) => error.exit(),
            Self::Settings(_) => Exit::Senseless,
            Self::NotYet { .. }
            | Self::NotEnded { .. }
            | Self::NotApplied { .. }
            | Self::NotReady { .. }
            | Self::GoesOn { .. }
            | Self::Interrupted => Exit::NotYet,
            Self::CannotAsk(_) | Self::NotConfirmed(_) => Exit::NotConfirmed,
            Self::Ailing { errors: 0, .. } => Exit::Warnings,
            Self::Ailing { .. } | Self::JournalDenied | Self::NoJournal(_) | Self::JournalEnded => Exit::Failed,
            Self::Refused { because: Refusal::Failed, .. }
            | Self::ServiceFailed { .. }
            | Self::NotReached { .. }
            | Self::Disabled(_)
            | Self::RemovedMeanwhile(_)
            | Self::Expired(_)
            | Self::OtherKey { .. }
            | Self::Incomplete(_)
            | Self::Invitation(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::NotClean { .. }
            | Self::Descriptor { .. }
            | Self::Code(_)
            | Self::Import(_)
            | Self::Export(_)
            | Self::ExportWouldOpen(_)
            | Self::ImportWouldOpen { .. }
            | Self::Print(_)
            | Self::System(_) => Exit::Failed,
        }
    }
}

fn ailing(errors: usize, warnings: usize) -> String {
    let warnings_told = tr!("one warning" | "{n} warnings" % warnings);
    match (errors, warnings) {
        (0, _) => tr!("the doctor has {warnings}", warnings = warnings_told),
        (_, 0) => tr!("the doctor found one error" | "the doctor found {n} errors" % errors),
        (_, _) => {
            let errors_told = tr!("one error" | "{n} errors" % errors);
            tr!("the doctor found {errors} and has {warnings}", errors = errors_told, warnings = warnings_told)
        }
    }
}

fn not_clean(failing: usize, of: usize) -> String {
    match of {
        1 => tr!("the descriptor breaks rules"),
        of => tr!("one of {of} descriptors breaks rules" | "{n} of {of} descriptors break rules" % failing, of),
    }
}

fn not_ready(name: &ServiceName, problem: Option<&str>) -> String {
    match problem {
        Some(problem) => {
            tr!("\"{name}\" is remembered, and Tor can not reach it yet: {problem}", name, problem = tr!(problem))
        }
        None => tr!("\"{name}\" is remembered, and Tor can not reach it yet", name),
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let (text, because) = match error {
            ApiError::Bus(zbus::Error::InputOutput(cause)) if cause.kind() == io::ErrorKind::TimedOut => {
                let told = cause.get_ref().and_then(|cause| cause.downcast_ref::<Unanswered>());
                return Self::NoAnswer(told.map_or(ANSWER_PATIENCE, |told| told.0));
            }
            ApiError::Bus(zbus::Error::InputOutput(_)) => return Self::ControllerEnded,
            ApiError::Bus(cause) => return of_bus(cause),
            ApiError::NotAuthorized(text) => (text, Refusal::NotAllowed),
            ApiError::Invalid(text) | ApiError::Exists(text) => (text, Refusal::Input),
            ApiError::UnknownService(text) | ApiError::Unknown(text) => (text, Refusal::Unknown),
            ApiError::Store(text)
            | ApiError::NoTor(text)
            | ApiError::NotFound(text)
            | ApiError::TimedOut(text)
            | ApiError::TooMuch(text)
            | ApiError::Postponed(text)
            | ApiError::Failed(text) => (text, Refusal::Failed),
        };
        // The hint is the last line: a value that is quoted before may bring line breaks of its own.
        let (message, hint) = match text.rsplit_once('\n') {
            Some((message, hint)) => (tr!(message), Some(tr!(hint))),
            None => {
                let message = text.as_str();
                (tr!(message), None)
            }
        };
        Self::Refused { message, hint, because }
    }
}

/// What a message bus says of a controller that it does not reach.
fn of_bus(cause: zbus::Error) -> Failure {
    let zbus::Error::MethodError(name, _, _) = &cause else { return Failure::Bus(cause) };
    let word = name.as_str().strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    match word {
        "ServiceUnknown" | "NameHasNoOwner" | "NoReply" => Failure::NotOnBus,
        "AccessDenied" => Failure::NotAllowed(io::ErrorKind::PermissionDenied.into()),
        _ if word.starts_with("Spawn.") => Failure::NotOnBus,
        _ => Failure::Bus(cause),
    }
}

impl From<zbus::Error> for Failure {
    fn from(cause: zbus::Error) -> Self {
        ApiError::from(cause).into()
    }
}
