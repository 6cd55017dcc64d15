// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be said on the command line.

mod backup;
mod client;
mod completions;
mod descriptor;
mod hook;
mod invite;
mod key;
mod look;
mod option;
mod settings;

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tails_server_state::{
    ClientName, InvalidClientKey, InvalidClientName, InvalidName, InvalidOptionName, InvalidPortMap, OptionName,
    PortMap, PortMapping, ServiceName, Target,
};
use tr::tr;

pub use self::backup::{Backup, Passphrase, Restore};
pub use self::client::ClientVerb;
pub use self::completions::{Completions, Shell};
pub use self::descriptor::{Lint, LintFormat, New};
pub use self::hook::Event;
pub use self::invite::{Ask, Invite, Join};
pub use self::key::KeyVerb;
pub use self::look::Log;
pub use self::settings::{ExportSettings, ImportSettings};
use crate::bus::api::BusAddress;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::help;
use crate::invitation::{InvalidLifetime, InvalidLine};

const ALL_HELP: &str = "\
Examples:
  tails-server publish 8080                        publish what listens on port 8080
  tails-server publish 80:8080 --name web --wait   as port 80, and wait until it is published
  tails-server publish 80:unix:/run/user/1000/pad.sock --persistent --autostart
  tails-server address web                         the address, for scripts
  tails-server status                              Tor and all services at a glance
  tails-server publish 8080 --private --client alice   for Alice alone; see tails-server client --help";

/// What follows the verbs.
fn after_help() -> String {
    format!("{ALL_HELP}\n\n{}\n\n{}", Exit::table(), help::table())
}

/// Start onion services on this computer, reachable over Tor from anywhere
#[derive(Debug, Parser)]
#[command(name = "tails-server", version, after_help = after_help(), disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Arguments {
    /// Where the controller is: unix:PATH, session or system [default: your own if you have one, or else the system's]
    #[arg(long, global = true, value_name = "ADDRESS", env = "TAILS_SERVER_BUS")]
    pub bus: Option<BusAddress>,

    /// Print JSON, for programs: the same keys as YAML, and instead of tables
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Publish what listens on a port or a unix socket of this computer
    #[command(after_help = PUBLISH_HELP)]
    Publish(Publish),

    /// List the services, and those that can be had
    #[command(after_help = LIST_HELP)]
    List,

    /// Show Tor and all services, or one service: installed, running, published
    #[command(after_help = STATUS_HELP)]
    Status {
        /// The service
        name: Option<ServiceName>,
    },

    /// Show all about a service, with its address
    #[command(after_help = INFO_HELP)]
    Info {
        /// The service
        name: ServiceName,
        /// Show also how the publishing went, and what fits each option
        #[arg(long)]
        details: bool,
        /// Show passwords, too
        #[arg(long)]
        show_secrets: bool,
    },

    /// Print the onion address of a service, and nothing else
    #[command(after_help = ADDRESS_HELP)]
    Address {
        /// The service
        name: ServiceName,
    },

    /// Enable a service: it is published, and again whenever Tor comes back
    #[command(after_help = ENABLE_HELP)]
    Enable {
        /// The service
        name: ServiceName,
        /// Whether and how long to wait.
        #[command(flatten)]
        wait: Wait,
    },

    /// Disable a service: everybody is disconnected; its address and key are kept
    #[command(after_help = DISABLE_HELP)]
    Disable {
        /// The service
        name: ServiceName,
    },

    /// Remove a service: its address, its key and its data are gone for ever
    #[command(after_help = REMOVE_HELP)]
    Remove {
        /// The service
        name: ServiceName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Let people into a private service, see who is let in, end their access
    #[command(subcommand, after_help = client::HELP)]
    Client(ClientVerb),

    /// Change an option of a service
    #[command(after_help = option::SET_HELP)]
    SetOption {
        /// The service
        name: ServiceName,
        /// The option
        option: OptionName,
        /// Its value; - to read it from standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Print the value of an option of a service
    #[command(after_help = option::GET_HELP)]
    GetOption {
        /// The service
        name: ServiceName,
        /// The option
        option: OptionName,
    },

    /// Give an option of a service its default again
    #[command(after_help = option::RESET_HELP)]
    ResetOption {
        /// The service
        name: ServiceName,
        /// The option
        option: OptionName,
    },

    /// Install the server of a service, and nothing else; `enable` does it, too
    #[command(after_help = INSTALL_HELP)]
    Install {
        /// The service
        name: ServiceName,
    },

    /// Uninstall the server of a service: its data are gone for ever, its address stays
    #[command(after_help = UNINSTALL_HELP)]
    Uninstall {
        /// The service
        name: ServiceName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Check that visitors can find and reach a service: go there through Tor
    #[command(after_help = CHECK_HELP)]
    Check {
        /// The service
        name: ServiceName,
        /// Whether and how long to wait.
        #[command(flatten)]
        wait: Wait,
        /// Only look whether it can be found; do not connect to it
        #[arg(long)]
        no_visit: bool,
    },

    /// Show what the controller does, would do next and waits for, and why
    #[command(after_help = look::PLAN_HELP)]
    Plan {
        /// The service
        name: Option<ServiceName>,
    },

    /// Look for what is wrong: with evidence, cause and next step
    #[command(after_help = look::DOCTOR_HELP)]
    Doctor,

    /// Show what the server of a service wrote, and the controller about it
    #[command(after_help = look::LOG_HELP)]
    Log(Log),

    /// Move the key of a service, which is its address: export, import, renew
    #[command(subcommand, after_help = key::HELP)]
    Key(KeyVerb),

    /// Write an invitation: all that it takes to reach a service, as text or QR code
    #[command(after_help = invite::INVITE_HELP)]
    Invite(Invite),

    /// Follow an invitation to a service of somebody else
    #[command(after_help = invite::JOIN_HELP)]
    Join(Join),

    /// List the services of others that you joined, or show one with its address
    #[command(after_help = invite::JOINED_HELP)]
    Joined {
        /// The service
        name: Option<ServiceName>,
    },

    /// Forget a service of somebody else, and the key for it
    #[command(after_help = invite::LEAVE_HELP)]
    Leave {
        /// The service
        name: ServiceName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },

    /// Ask to be invited: make a key, and print the half that the host needs
    #[command(after_help = invite::REQUEST_HELP)]
    Request(Ask),

    /// Back up all keys, addresses and settings into one encrypted file
    #[command(after_help = backup::BACKUP_HELP)]
    Backup(Backup),

    /// Restore a backup, here or on another computer
    #[command(after_help = backup::RESTORE_HELP)]
    Restore(Restore),

    /// Write down what is published and how, without secrets
    #[command(after_help = settings::EXPORT_HELP)]
    ExportSettings(ExportSettings),

    /// Bring about what settings say; twice changes nothing
    #[command(after_help = settings::IMPORT_HELP)]
    ImportSettings(ImportSettings),

    /// Check the descriptors of services
    #[command(after_help = descriptor::LINT_HELP)]
    Lint(Lint),

    /// Begin the descriptor of a service
    #[command(after_help = descriptor::NEW_HELP)]
    New(New),

    /// Print a line for each service as it is, and then for each change
    #[command(after_help = WATCH_HELP)]
    Watch,

    /// Print what makes a shell complete names of services, options and clients
    #[command(after_help = completions::HELP)]
    Completions(Completions),

    /// Tell the controller what has become of Tor, so that it looks at once; for units of the system
    #[command(hide = true, after_help = hook::HELP)]
    Hook {
        /// What has become of it
        event: Event,
    },

    /// Explain a topic, or a command
    #[command(after_help = HELP_HELP)]
    Help {
        /// The topic or the command
        #[arg(value_name = "TOPIC|COMMAND")]
        words: Vec<String>,
    },
}

const PUBLISH_HELP: &str = "\
Examples:
  tails-server publish 8080                    port 8080, to what listens on 127.0.0.1:8080
  tails-server publish 80:8080 --name web      as port 80, and under a name of your own
  tails-server publish 80:8080 --name web --persistent --autostart --wait   for good: it is there after every boot
  tails-server publish 80:8080 443:8443        two ports of one service
  tails-server publish 80:[::1]:8080           to a server that listens on IPv6 only
  tails-server publish unix:/run/user/1000/pad.sock   port 80, to a unix socket
  tails-server publish 8080 --private --client alice --client bob   for these two alone";

const LIST_HELP: &str = "\
Examples:
  tails-server list                      what there is
  tails-server list --json | jq .[].name   the names, for scripts";

const STATUS_HELP: &str = "\
Examples:
  tails-server status                    Tor and all services at a glance
  tails-server status web                one service; `problem` and `hint` say what keeps it from being published";

const INFO_HELP: &str = "\
Examples:
  tails-server info web                  ports, options and the address
  tails-server info web --details        also how the publishing went, and since when it is as it is
  tails-server info mumble --details     a service of the catalogue: its options, and what fits them
  tails-server info mumble --show-secrets   with its password";

const ADDRESS_HELP: &str = "\
Examples:
  tails-server address web
  curl --proxy socks5h://127.0.0.1:9050 \"http://$(tails-server address web)/\"";

const ENABLE_HELP: &str = "\
Examples:
  tails-server enable web                remember that it is wanted
  tails-server enable web --wait         and wait until it is published
  tails-server enable web --wait --timeout 120   two minutes at most
  tails-server enable mumble --wait      install, start and publish a service of the catalogue; `tails-server list` has all";

const DISABLE_HELP: &str = "\
Examples:
  tails-server disable web               nobody reaches it any more; `tails-server enable web` brings it back";

const REMOVE_HELP: &str = "\
Of a port that you publish, your own server and its data are left alone. Of a service of the catalogue the data are deleted, \
and the packages are removed that were installed for it.

Examples:
  tails-server remove web                asks you to type the name
  tails-server remove web --yes          for scripts";

const INSTALL_HELP: &str = "\
It can be done before a journey, while there is a network: `enable` then needs none. What is installed is kept from starting by \
itself.

Examples:
  tails-server install mumble            and wait until it is done
  tails-server list                      what there is, installed or not";

const UNINSTALL_HELP: &str = "\
Examples:
  tails-server uninstall mumble          asks you to type the name
  tails-server uninstall mumble --yes    for scripts";

const CHECK_HELP: &str = "\
First it asks an HSDir, one of the relays of the Tor network that tell visitors where a service is. Then it connects to the \
service as a visitor would, through a SOCKS port of this Tor on a circuit of its own, and hangs up at once: your server sees \
one connection. A private service lets the controller in with a key that exists in its memory alone. It is never done by \
itself, and never without Tor. It ends with 1 if the service can not be found, or not be reached; where no SOCKS port can be \
used, it says so.

Examples:
  tails-server check web
  tails-server check web --no-visit             only ask the HSDir
  tails-server check web --wait --timeout 120   wait until it is published, two minutes at most";

const WATCH_HELP: &str = "\
Examples:
  tails-server watch
  tails-server watch --json              an object a line; in those that say how it is, and no change, `present` is true";

const HELP_HELP: &str = "\
Examples:
  tails-server help                      all commands and all topics
  tails-server help private-services     a topic
  tails-server help client add           a command";

/// A service to publish.
#[derive(Debug, Args)]
pub struct Publish {
    /// What listens on this computer: a port, ADDRESS:PORT on loopback, or unix:PATH; VIRTUAL is the port that visitors
    /// use [default: the same port, or 80 for a socket]
    #[arg(required = true, value_name = "[VIRTUAL:]TARGET")]
    pub ports: Vec<PortMapping>,

    /// Name of the service [default: made from the target]
    #[arg(long)]
    pub name: Option<ServiceName>,

    /// Keep address and key across reboots
    #[arg(long)]
    pub persistent: bool,

    /// Publish again after every boot
    #[arg(long)]
    pub autostart: bool,

    /// Let in only authorised clients
    #[arg(long)]
    pub private: bool,

    /// Let this client in, with a key made here; may be given several times
    #[arg(long = "client", value_name = "CLIENT", requires = "private")]
    pub clients: Vec<ClientName>,

    /// Whether and how long to wait.
    #[command(flatten)]
    pub wait: Wait,
}

/// Whether and how long to wait for a service to be published.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Wait {
    /// Wait until the service is published
    #[arg(long)]
    pub wait: bool,

    /// Wait no longer than this
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "wait")]
    pub timeout: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| tr!("it is a number of seconds, such as 60"))
}

/// What helps beside the reason why a value was refused.
pub(super) fn hint(reason: &(dyn Error + 'static)) -> Option<String> {
    if reason.is::<InvalidClientName>() {
        Some(tr!("Use small letters, digits and hyphens, and begin with a letter, such as alice"))
    } else if reason.is::<InvalidClientKey>() {
        Some(tr!("Give the public key as the client sent it, all 52 characters"))
    } else if reason.is::<InvalidLifetime>() {
        Some(tr!("Give a number and a unit, such as 7d, 12h or 30m"))
    } else if reason.is::<InvalidLine>() {
        Some(tr!("Give a short line of plain text"))
    } else if reason.is::<InvalidOptionName>() {
        Some(tr!("The options of a service are in `tails-server info NAME --details`"))
    } else if reason.is::<InvalidName>() {
        Some(tr!("Use small letters, digits and hyphens, and begin with a letter, such as my-web-2"))
    } else if reason.is::<InvalidPortMap>() {
        Some(tr!("Write a port, ADDRESS:PORT of this computer or unix:PATH, such as 80:8080 or 80:127.0.0.1:8080"))
    } else {
        None
    }
}

impl Verb {
    /// Whether a person may paste something that comes from somebody else.
    pub(super) fn reads_standard_input(&self) -> bool {
        let is_input = |given: &str| given == "-";
        match self {
            Self::Join(join) => join.source.as_deref().is_none_or(is_input),
            Self::Invite(invite) => invite.request.as_deref().is_some_and(is_input),
            Self::ImportSettings(import) => is_input(&import.file),
            Self::SetOption { value, .. } => is_input(value),
            Self::Publish(_)
            | Self::List
            | Self::Status { .. }
            | Self::Info { .. }
            | Self::Address { .. }
            | Self::Enable { .. }
            | Self::Disable { .. }
            | Self::Remove { .. }
            | Self::Client(_)
            | Self::GetOption { .. }
            | Self::ResetOption { .. }
            | Self::Install { .. }
            | Self::Uninstall { .. }
            | Self::Check { .. }
            | Self::Plan { .. }
            | Self::Doctor
            | Self::Log(_)
            | Self::Key(_)
            | Self::Joined { .. }
            | Self::Leave { .. }
            | Self::Request(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::ExportSettings(_)
            | Self::Lint(_)
            | Self::New(_)
            | Self::Watch
            | Self::Hook { .. }
            | Self::Completions(_)
            | Self::Help { .. } => false,
        }
    }

    /// The verb, if it can make sense on this computer.
    pub(super) fn checked(self) -> Result<Self, Failure> {
        if let Self::Publish(publish) = &self {
            if publish.autostart && !publish.persistent {
                return Err(Failure::NothingToStart);
            }
            PortMap::try_from(publish.ports.clone())?;
            for mapping in &publish.ports {
                check_socket(&mapping.target)?;
            }
        }
        Ok(self)
    }
}

/// A socket that is not there is more likely a typing error than a server to come.
fn check_socket(target: &Target) -> Result<(), Failure> {
    let Target::Unix(path) = target else { return Ok(()) };
    match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(()),
        Ok(_) => Err(Failure::NotASocket(path.clone())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Failure::NoSocket(path.clone())),
        // What only Tor may look into is Tor's to judge.
        Err(_) => Ok(()),
    }
}
