// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a command failed, in words for people, and with which exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tails_server_state::{ClientName, InvalidPortMap, OptionName, ServiceName};

use crate::bus::api::{ApiError, BusAddress};
use crate::cli::session::{ANSWER_PATIENCE, SYSTEM_SOCKET};
use crate::invitation::{CannotComplete, Expired, InvalidInvitation, PasteError};
use crate::key_files::{ExportError, ImportError};
use crate::qr::TooLong;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("--autostart needs --persistent: without it nothing is left to publish after a reboot")]
    NothingToStart,
    #[error("the ports are wrong")]
    Ports(#[from] InvalidPortMap),
    #[error("there is no socket {}", .0.display())]
    NoSocket(PathBuf),
    #[error("{} is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("there is no {0} bus here")]
    NoBus(BusAddress, #[source] zbus::Error),
    #[error("the controller does not run: nobody has its name on the bus")]
    NotOnBus,
    #[error("the controller does not run: nothing answers on {}", .0.display())]
    NotRunning(PathBuf),
    #[error("the controller does not let you in")]
    NotAllowed(#[source] io::Error),
    #[error("the controller does not answer as it should")]
    Bus(#[source] zbus::Error),
    #[error("the controller ended")]
    ControllerEnded,
    #[error("the controller does not answer within {} seconds", .0.as_secs())]
    NoAnswer(Duration),
    #[error("service \"{name}\" does not exist")]
    Unknown { name: ServiceName, similar: Option<String> },
    #[error("{message}")]
    Refused { message: String, hint: Option<String>, because: Refusal },
    #[error("service \"{service}\" has no client \"{client}\"")]
    UnknownClient { service: ServiceName, client: ClientName, similar: Option<String> },
    #[error("service \"{service}\" has no option \"{option}\"")]
    UnknownOption { service: ServiceName, option: OptionName, similar: Option<String> },
    #[error("service \"{name}\" has failed: {problem}")]
    ServiceFailed { name: ServiceName, problem: String, hint: Option<String> },
    #[error("service \"{0}\" is disabled")]
    Disabled(ServiceName),
    #[error("service \"{0}\" was removed meanwhile")]
    RemovedMeanwhile(ServiceName),
    #[error("service \"{name}\" is not published yet: {state}")]
    NotYet { name: ServiceName, state: String },
    #[error("{what}, but it is not certain yet that nobody is connected any more, or can connect, who should not")]
    NotEnded { service: ServiceName, what: String },
    #[error("the server of \"{service}\" does not run with it yet: {state}")]
    NotApplied { service: ServiceName, state: String },
    #[error("nothing was {}: there is no terminal to ask on", .0.done())]
    CannotAsk(Act),
    #[error("nothing was {}", .0.done())]
    NotConfirmed(Act),
    #[error("the controller answered with something that makes no sense")]
    Garbled,
    #[error("it is no invitation that can be used")]
    Paste(#[source] PasteError),
    #[error("it is no request that can be answered")]
    Ask(#[source] PasteError),
    #[error("it can not be used any more")]
    Expired(#[from] Expired),
    #[error("it can not be completed")]
    Incomplete(#[from] CannotComplete),
    #[error("there can be no such invitation")]
    Invitation(#[from] InvalidInvitation),
    #[error("there is a secret in what was given on the command line")]
    SecretInArguments,
    #[error("cannot read {what}")]
    Read {
        what: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("\"{name}\" is remembered, and Tor can not reach it yet{}", problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default())]
    NotReady { name: ServiceName, problem: Option<String> },
    #[error("\"{name}\" can be found, and not be reached: {why}")]
    NotReached { name: ServiceName, why: String, at_server: bool },
    #[error("the client \"{client}\" of \"{service}\" has another key than the request")]
    OtherKey { service: ServiceName, client: ClientName },
    #[error("you joined no service \"{name}\"")]
    NotJoined { name: ServiceName, similar: Option<String> },
    #[error("it is too much for a QR code")]
    Code(#[from] TooLong),
    #[error("the key was not taken")]
    Import(#[from] ImportError),
    #[error("the key was not written")]
    Export(#[from] ExportError),
    #[error("the key was not written: \"{0}\" lets in only clients and has none, and a Tor would open it to everybody")]
    ExportWouldOpen(ServiceName),
    #[error("the key was not taken: it comes with {clients} clients, and \"{service}\" is open to everybody")]
    ImportWouldOpen { service: ServiceName, clients: usize },
    #[error("cannot read {}", path.display())]
    Descriptor {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}", not_clean(*.failing, *.of))]
    NotClean { failing: usize, of: usize },
    #[error("cannot print the result")]
    Print(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the operating system does not let the program run")]
    System(#[source] io::Error),
}

const START_IT: &str = "Start it with `sudo systemctl start tails-serverd`, or your own with `tails-serverd --user`";

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
}

impl Act {
    const fn done(self) -> &'static str {
        match self {
            Self::Remove => "removed",
            Self::Change => "changed",
            Self::Join => "joined",
        }
    }
}

impl Failure {
    /// Tells standard error, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        // Who closed the pipe has read enough.
        if let Self::Print(cause) = &self
            && cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
        {
            return ExitCode::SUCCESS;
        }
        crate::errors::report(&self, self.hint().as_deref());
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::NothingToStart | Self::Ports(_) | Self::NoSocket(_) | Self::NotASocket(_) => 2,
            Self::Refused { because: Refusal::Input, .. } => 2,
            Self::Unknown { .. } | Self::UnknownClient { .. } | Self::Refused { because: Refusal::Unknown, .. } => 3,
            Self::NotRunning(_)
            | Self::NotOnBus
            | Self::NoBus(..)
            | Self::Refused { because: Refusal::NotAllowed, .. }
            | Self::NotAllowed(_)
            | Self::ControllerEnded
            | Self::NoAnswer(_)
            | Self::Garbled
            | Self::Bus(_) => 4,
            Self::Paste(_) | Self::Ask(_) | Self::SecretInArguments | Self::UnknownOption { .. } => 2,
            Self::NotJoined { .. } => 3,
            Self::NotYet { .. } | Self::NotEnded { .. } | Self::NotApplied { .. } | Self::NotReady { .. } => 5,
            Self::CannotAsk(_) | Self::NotConfirmed(_) => 6,
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
            | Self::System(_) => 1,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NothingToStart => Some("Add --persistent, or leave out --autostart".into()),
            Self::Ports(_) => Some("Write [VIRTUAL:]TARGET, such as 80:8080; see `tails-server publish --help`".into()),
            Self::NoSocket(_) => Some("Start the server that makes it, then publish it".into()),
            Self::NotASocket(_) => Some("Give the path of a unix socket that a server listens on".into()),
            Self::NoBus(..) => Some("Give it the controller's socket: --bus unix:PATH".into()),
            Self::NotOnBus => Some(START_IT.into()),
            Self::NotRunning(path) if path == Path::new(SYSTEM_SOCKET) => Some(START_IT.into()),
            Self::NotRunning(_) => {
                Some("Start it with `tails-serverd --user`, or say where it listens with --bus unix:PATH".into())
            }
            Self::NotAllowed(_) => Some("Run this as the user that the controller runs as, or as root: sudo tails-server".into()),
            Self::ControllerEnded => Some("What it answered is remembered; start it again to go on".into()),
            Self::NoAnswer(_) => Some(
                "It may be stopped, or wait for a disk. What was asked may still be done; see `tails-server list`"
                    .into(),
            ),
            Self::Unknown { similar: Some(similar), .. } => {
                Some(format!("Did you mean \"{similar}\"? See `tails-server list`"))
            }
            Self::Unknown { similar: None, .. } => Some("See `tails-server list`".into()),
            Self::Refused { hint, .. } | Self::ServiceFailed { hint, .. } => hint.clone(),
            Self::NotYet { name, .. } => {
                Some(format!("It stays enabled and is published once it can be; see `tails-server status {name}`"))
            }
            Self::UnknownClient { service, similar, .. } => {
                let list = format!("See `tails-server client list {service}`");
                Some(similar.as_ref().map_or(list.clone(), |similar| format!("Did you mean \"{similar}\"? {list}")))
            }
            Self::UnknownOption { service, similar, .. } => {
                let all = format!("See `tails-server info {service} --details`");
                Some(similar.as_ref().map_or(all.clone(), |similar| format!("Did you mean \"{similar}\"? {all}")))
            }
            Self::NotEnded { service, .. } => Some(format!(
                "To disconnect everybody: tails-server disable {service}. It is over when `tails-server status {service}` \
                 says `access-settled: true`"
            )),
            Self::NotApplied { service, .. } => {
                Some(format!("It is remembered, and used as soon as it can be; see `tails-server status {service}`"))
            }
            Self::Paste(error) | Self::Ask(error) => error.hint().map(Into::into),
            Self::Expired(_) | Self::Incomplete(_) => Some("Ask the host of the service for a new one".into()),
            Self::Invitation(_) => None,
            Self::SecretInArguments => Some(
                "The history of the shell keeps it, and other users can see it: paste it after `tails-server join -` instead"
                    .into(),
            ),
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some("Give a file, or - and then paste the text".into())
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists => {
                Some("Name a file that does not exist yet".into())
            }
            Self::Descriptor { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some("Give a service.toml, or the directory that it is in; `tails-server new` begins one".into())
            }
            Self::Read { .. } | Self::Write { .. } | Self::Descriptor { .. } => None,
            Self::Disabled(name) => Some(format!("To publish it: tails-server enable {name}")),
            Self::OtherKey { service, client } => Some(format!(
                "Give it another name with --for, or remove the one that is there: tails-server client remove {service} {client}"
            )),
            Self::NotReached { at_server: true, .. } => {
                Some("See whether your server runs, listens on the target, and lets this computer connect".into())
            }
            Self::NotReached { name, at_server: false, .. } => Some(format!(
                "Check again in a minute. If it stays so: tails-server disable {name}, then enable; see Tor's own log for why"
            )),
            Self::NotReady { .. } => Some("It works as soon as Tor has its key; see `tails-server joined`".into()),
            Self::NotJoined { similar: Some(similar), .. } => {
                Some(format!("Did you mean \"{similar}\"? See `tails-server joined`"))
            }
            Self::NotJoined { similar: None, .. } => Some("See `tails-server joined`".into()),
            Self::Garbled => {
                Some("Are both programs of the same version? Restart the controller after an update".into())
            }
            Self::Code(_) => Some("Leave out --qr, and send the text".into()),
            Self::Import(error) => {
                Some(error.hint().unwrap_or("Give a HiddenServiceDir of Tor's, or a whole file with a key in it").into())
            }
            Self::Export(error) => Some(error.hint().unwrap_or("Name a directory that does not exist yet").into()),
            Self::ExportWouldOpen(service) => {
                Some(format!("Let somebody in first: tails-server client add {service} CLIENT"))
            }
            Self::ImportWouldOpen { service, .. } => Some(format!(
                "Close it first: tails-server set-option {service} client-authorization on. To open it on purpose, import the \
                 file hs_ed25519_secret_key alone"
            )),
            Self::CannotAsk(_) => Some("To do it without being asked, add --yes".into()),
            Self::NotClean { .. }
            | Self::RemovedMeanwhile(_) | Self::Bus(_) | Self::NotConfirmed(_) | Self::Print(_) | Self::System(_) => None,
        }
    }
}

fn not_clean(failing: usize, of: usize) -> String {
    match of {
        1 => "the descriptor breaks rules".to_owned(),
        of => format!("{failing} of {of} descriptors break rules"),
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let (text, because) = match error {
            ApiError::Bus(zbus::Error::InputOutput(cause)) if cause.kind() == io::ErrorKind::TimedOut => {
                return Self::NoAnswer(ANSWER_PATIENCE);
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
        let (message, hint) = match text.split_once('\n') {
            Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
            None => (text, None),
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
