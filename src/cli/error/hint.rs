// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person can do about a failure.

use std::io;
use std::path::Path;

use tr::tr;

use super::Failure;
use crate::cli::whereabouts::SYSTEM_SOCKET;

impl Failure {
    /// The next step, where there is one.
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        match self {
            Self::Ailing { .. } => Some(tr!("The last findings above are the worst; each says what to do")),
            Self::JournalDenied => Some(tr!(
                "Run it as root: sudo tails-server log NAME; or have root add you to the group systemd-journal or adm"
            )),
            Self::NoJournal(_) => Some(tr!("Look where the controller was started from: it writes to standard error")),
            Self::JournalEnded => Some(tr!("Run it again")),
            Self::NothingToStart => Some(tr!("Add --persistent, or leave out --autostart")),
            Self::Ports(_) => Some(tr!("Write [VIRTUAL:]TARGET, such as 80:8080; see `tails-server publish --help`")),
            Self::NoHelp { similar: Some(similar), .. } => {
                Some(tr!("Did you mean \"{similar}\"? See `tails-server help`", similar))
            }
            Self::NoHelp { similar: None, .. } => Some(tr!("See `tails-server help`")),
            Self::NoSocket(_) => Some(tr!("Start the server that makes it, then publish it")),
            Self::NotASocket(_) => Some(tr!("Give the path of a unix socket that a server listens on")),
            Self::NoBus(..) => Some(tr!("Give it the controller's socket: --bus unix:PATH")),
            Self::NotOnBus => Some(start_it()),
            Self::NotRunning(path) if path == Path::new(SYSTEM_SOCKET) => Some(start_it()),
            Self::NotRunning(_) => {
                Some(tr!("Start it with `tails-serverd --user`, or say where it listens with --bus unix:PATH"))
            }
            Self::OwnEnded(_) => Some(tr!(
                "Start yours with `tails-serverd --user`, or ask the system's with --bus system; TAILS_SERVER_BUS=system \
                 makes that the default"
            )),
            Self::NotAllowed(_) => {
                Some(tr!("Run this as the user that the controller runs as, or as root: sudo tails-server"))
            }
            Self::ControllerEnded => Some(tr!("What it answered is remembered; start it again to go on")),
            Self::NoAnswer(_) => Some(tr!(
                "It may be stopped, or wait for a disk. What was asked may still be done; see `tails-server list`"
            )),
            Self::Unknown { similar: Some(similar), .. } => {
                Some(tr!("Did you mean \"{similar}\"? See `tails-server list`", similar))
            }
            Self::Unknown { similar: None, .. } => Some(tr!("See `tails-server list`")),
            Self::Refused { hint, .. } | Self::ServiceFailed { hint, .. } => hint.as_deref().map(|hint| tr!(hint)),
            Self::NotYet { name, .. } => Some(tr!(
                "It stays enabled and is published once it can be. To see how it is: tails-server status {name}. To withdraw \
                 it: tails-server disable {name}",
                name
            )),
            Self::GoesOn { name, .. } => {
                Some(tr!("It is remembered and goes on by itself. To see how it is: tails-server info {name}", name))
            }
            Self::UnknownClient { service, similar, .. } => Some(match similar {
                Some(similar) => {
                    tr!("Did you mean \"{similar}\"? See `tails-server client list {service}`", similar, service)
                }
                None => tr!("See `tails-server client list {service}`", service),
            }),
            Self::UnknownOption { service, similar, .. } => Some(match similar {
                Some(similar) => {
                    tr!("Did you mean \"{similar}\"? See `tails-server info {service} --details`", similar, service)
                }
                None => tr!("See `tails-server info {service} --details`", service),
            }),
            Self::NotEnded { service, .. } => Some(tr!(
                "To disconnect everybody: tails-server disable {service}. It is over when `tails-server status {service}` \
                 says `access-settled: true`",
                service
            )),
            Self::NotApplied { service, .. } => Some(tr!(
                "It is remembered, and used as soon as it can be; see `tails-server status {service}`",
                service
            )),
            Self::Paste(error) | Self::Ask(error) => error.hint().map(|hint| tr!(hint)),
            Self::Expired(_) | Self::Incomplete(_) => Some(tr!("Ask the host of the service for a new one")),
            Self::Invitation(_) => None,
            Self::SecretInArguments => Some(tr!(
                "The history of the shell keeps it, and other users can see it: paste it after `tails-server join -` instead"
            )),
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a file, or - and then paste the text"))
            }
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::InvalidInput => {
                Some(tr!("Give a file, or - for standard input"))
            }
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists => {
                Some(tr!("Name a file that does not exist yet"))
            }
            Self::Descriptor { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                Some(tr!("Give a service.toml, or the directory that it is in; `tails-server new` begins one"))
            }
            Self::Read { .. } | Self::Write { .. } | Self::Descriptor { .. } => None,
            Self::Disabled(name) => Some(tr!("To publish it: tails-server enable {name}", name)),
            Self::OtherKey { service, client } => Some(tr!(
                "Give it another name with --for, or remove the one that is there: tails-server client remove {service} {client}",
                service,
                client
            )),
            Self::NotReached { at_server: true, .. } => {
                Some(tr!("See whether your server runs, listens on the target, and lets this computer connect"))
            }
            Self::NotReached { name, at_server: false, .. } => Some(tr!(
                "Check again in a minute. If it stays so: tails-server disable {name}, then enable; see Tor's own log for why",
                name
            )),
            Self::NotReady { .. } => Some(tr!("It works as soon as Tor has its key; see `tails-server joined`")),
            Self::NotJoined { similar: Some(similar), .. } => {
                Some(tr!("Did you mean \"{similar}\"? See `tails-server joined`", similar))
            }
            Self::NotJoined { similar: None, .. } => Some(tr!("See `tails-server joined`")),
            Self::Garbled => Some(tr!("Are both programs of the same version? Restart the controller after an update")),
            Self::Code(_) => Some(tr!("Leave out --qr, and send the text")),
            Self::Import(error) => Some(match error.hint() {
                Some(hint) => tr!(hint),
                None => tr!("Give a HiddenServiceDir of Tor's, or a whole file with a key in it"),
            }),
            Self::Export(error) => Some(match error.hint() {
                Some(hint) => tr!(hint),
                None => tr!("Name a directory that does not exist yet"),
            }),
            Self::ExportWouldOpen(service) => {
                Some(tr!("Let somebody in first: tails-server client add {service} CLIENT", service))
            }
            Self::ImportWouldOpen { service, .. } => Some(tr!(
                "Close it first: tails-server set-option {service} client-authorization on. To open it on purpose, import the \
                 file hs_ed25519_secret_key alone",
                service
            )),
            Self::Backup(error) => error.hint(),
            Self::Settings(error) => Some(error.hint()),
            Self::Interrupted => {
                Some(tr!("What was asked of the controller before may still be done; see `tails-server status`"))
            }
            Self::CannotAsk(_) => Some(tr!("To do it without being asked, add --yes")),
            Self::NotClean { .. }
            | Self::RemovedMeanwhile(_)
            | Self::Bus(_)
            | Self::NotConfirmed(_)
            | Self::Print(_)
            | Self::System(_) => None,
        }
    }
}

fn start_it() -> String {
    tr!("Start it with `sudo systemctl start tails-serverd`, or your own with `tails-serverd --user`")
}
