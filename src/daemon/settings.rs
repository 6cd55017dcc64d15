// SPDX-License-Identifier: GPL-3.0-or-later
//! The settings: a flag wins over its environment variable, that over the settings file, that over the default.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Parser;
use serde::Deserialize;
use tails_server_state::KeptMounts;

use crate::bus::MessageBus;
use crate::bus::api::{BusAddress, InvalidBusAddress};
use crate::daemon::repertoire::ServicesSetting;
use crate::torctl::ControlAddress;

/// Keep onion services published
///
/// The controller of Tails Server. It speaks with Tor over its control port, adds the onion services that are enabled,
/// and adds them again whenever Tor comes back. Speak with it by `tails-server`.
#[derive(Debug, Clone, Parser)]
#[command(name = "tails-serverd", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// Run for one person: no root, no message bus and no systemd needed
    #[arg(long)]
    pub user: bool,

    /// Simulate Tor and this computer: nothing is published, everything else is real
    #[arg(long)]
    pub sim: bool,

    /// File with settings, whose keys are the long flags without dashes in front [default: settings.toml in
    /// $XDG_CONFIG_HOME/tails-server, or /etc/tails-server without --user]
    #[arg(long, value_name = "FILE", env = "TAILS_SERVER_SETTINGS")]
    pub settings: Option<PathBuf>,

    /// The settings that can stand in the file too.
    #[command(flatten)]
    pub values: Values,
}

/// Settings that are given by flag, environment variable or file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Values {
    /// Directory for what survives a reboot: keys and wishes [default: $XDG_STATE_HOME/tails-server]
    #[arg(long, value_name = "DIRECTORY", env = "TAILS_SERVER_STATE_DIRECTORY")]
    state_directory: Option<PathBuf>,

    /// Keep services only while something is mounted here: a volume that may come later, or never. May be given several
    /// times; put the state directory among them [default: keep them wherever the state directory is]
    // All of them, as their volumes are mounted one after the other: data of a server are not to lie beneath theirs.
    #[arg(long, value_name = "DIRECTORY", env = "TAILS_SERVER_KEPT_NEEDS_MOUNT", value_delimiter = ':')]
    kept_needs_mount: Option<Vec<PathBuf>>,

    /// Directory for what does not survive a reboot; put it in memory [default: $XDG_RUNTIME_DIR/tails-server]
    #[arg(long, value_name = "DIRECTORY", env = "TAILS_SERVER_RUNTIME_DIRECTORY")]
    runtime_directory: Option<PathBuf>,

    /// Tor's control port: unix:PATH, tcp:HOST:PORT, managed (start and own a tor), or auto (the system's Tor if it
    /// answers, else managed) [default: auto; without --user unix:/run/tor/control]
    #[arg(long, value_name = "ADDRESS", env = "TAILS_SERVER_CONTROL")]
    #[serde(default)]
    control: Option<ControlSetting>,

    /// Cookie file of the control port, where it is not the one that Tor names
    #[arg(long, value_name = "FILE", env = "TAILS_SERVER_CONTROL_COOKIE_FILE")]
    control_cookie_file: Option<PathBuf>,

    /// File with the password of the control port, for a Tor with HashedControlPassword
    #[arg(long, value_name = "FILE", env = "TAILS_SERVER_CONTROL_PASSWORD_FILE")]
    control_password_file: Option<PathBuf>,

    /// torrc for a managed tor: your bridges or proxy
    #[arg(long, value_name = "FILE", env = "TAILS_SERVER_TOR_CONFIG")]
    tor_config: Option<PathBuf>,

    /// Where `tails-server` finds the controller: unix:PATH, session or system, or one of each, with a comma [default: bus in
    /// the runtime directory; without --user also system]
    #[arg(long, value_name = "ADDRESS", env = "TAILS_SERVER_BUS")]
    bus: Option<BusSetting>,

    /// The only directory of descriptors [default: services in /usr/share/tails-server, /etc/tails-server and, with
    /// --user, $XDG_CONFIG_HOME/tails-server]
    #[arg(long, value_name = "DIRECTORY", env = "TAILS_SERVER_SERVICES_DIRECTORY")]
    services_directory: Option<PathBuf>,

    /// What to log: error, warn, info, debug or trace, or a list such as info,tails_server::adapters=debug [default:
    /// info]
    #[arg(long, value_name = "FILTER", env = "TAILS_SERVER_LOG")]
    log: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  tails-serverd --user                                  with the system's Tor, or one of its own
  tails-serverd --user --control unix:/run/tor/control  with the system's Tor, waiting for it if need be
  tails-serverd --user --control managed --tor-config ~/bridges.conf

The controller ends on SIGTERM or Ctrl-C, and withdraws what it published.";

/// Where Debian's and Tails' Tor listens for controllers.
const SYSTEM_CONTROL: &str = "/run/tor/control";

/// Which Tor to speak with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum ControlSetting {
    /// The system's Tor if it answers, else one of our own.
    Auto,
    /// One of our own.
    Managed,
    /// The one at this address.
    Address(ControlAddress),
}

impl FromStr for ControlSetting {
    type Err = <ControlAddress as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "managed" => Ok(Self::Managed),
            _ => text.parse().map(Self::Address),
        }
    }
}

impl TryFrom<String> for ControlSetting {
    type Error = <ControlAddress as FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Where clients connect to: a socket of our own, a message bus, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BusSetting {
    socket: Option<PathBuf>,
    message_bus: Option<MessageBus>,
}

impl FromStr for BusSetting {
    type Err = InvalidBusSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut setting = Self::default();
        for address in text.split(',') {
            let had = match address.parse()? {
                BusAddress::Unix(path) => setting.socket.replace(path).is_some(),
                BusAddress::Session => setting.message_bus.replace(MessageBus::Session).is_some(),
                BusAddress::System => setting.message_bus.replace(MessageBus::System).is_some(),
            };
            if had {
                return Err(InvalidBusSetting::Twice);
            }
        }
        Ok(setting)
    }
}

/// Why a text is no [`BusSetting`].
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidBusSetting {
    #[error(transparent)]
    Address(#[from] InvalidBusAddress),
    #[error("there can be one socket and one message bus")]
    Twice,
}

impl TryFrom<String> for BusSetting {
    type Error = InvalidBusSetting;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// All settings, complete.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) state_directory: PathBuf,
    pub(super) runtime_directory: PathBuf,
    /// What has to be mounted for what survives a reboot.
    pub(super) kept_needs_mount: KeptMounts,
    pub(super) simulate: bool,
    pub(super) control: ControlSetting,
    pub(super) control_cookie_file: Option<PathBuf>,
    pub(super) control_password_file: Option<PathBuf>,
    pub(super) tor_config: Option<PathBuf>,
    pub(super) bus_socket: PathBuf,
    /// The message bus to be on.
    pub(super) message_bus: Option<MessageBus>,
    pub(super) log: String,
    /// Where descriptors are looked for.
    pub(super) services: ServicesSetting,
    /// Whether it runs for one person, and has no host.
    pub(super) user: bool,
}

/// Why the settings are not complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    #[error("cannot read the settings in {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the settings in {} are wrong", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        cause: Box<toml::de::Error>,
    },
    #[error("the environment does not say where {0} belongs")]
    NoHome(&'static str),
}

impl SettingsError {
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("See whether the file exists and is yours to read".to_owned()),
            Self::Parse { .. } => Some("`tails-serverd --help` lists the keys: the long flags".to_owned()),
            Self::NoHome(what) => Some(format!("Say it yourself: --{what} DIRECTORY")),
        }
    }
}

impl Settings {
    /// Puts together what flags, environment and file say.
    pub(super) fn gather(arguments: Arguments) -> Result<Self, SettingsError> {
        let Arguments { user, sim, settings, values: flags } = arguments;
        let file = match &settings {
            Some(path) => read(path)?,
            None => default_file(user).map_or_else(|| Ok(Values::default()), |path| read_if_there(&path))?,
        };
        let state_directory = flags.state_directory.or(file.state_directory).or_else(|| default_state(user));
        let runtime_directory = flags.runtime_directory.or(file.runtime_directory).or_else(|| default_runtime(user));
        let runtime_directory = absolute(runtime_directory.ok_or(SettingsError::NoHome("runtime-directory"))?)?;
        let everybody = BusSetting { socket: None, message_bus: (!user).then_some(MessageBus::System) };
        let bus = flags.bus.or(file.bus).unwrap_or(everybody);
        Ok(Self {
            state_directory: absolute(state_directory.ok_or(SettingsError::NoHome("state-directory"))?)?,
            kept_needs_mount: {
                let mounts = flags.kept_needs_mount.or(file.kept_needs_mount).unwrap_or_default();
                KeptMounts::new(mounts.into_iter().map(absolute).collect::<Result<_, _>>()?)
            },
            simulate: sim,
            control: flags.control.or(file.control).unwrap_or_else(|| default_control(user)),
            control_cookie_file: flags.control_cookie_file.or(file.control_cookie_file).map(absolute).transpose()?,
            control_password_file: flags.control_password_file.or(file.control_password_file),
            tor_config: flags.tor_config.or(file.tor_config).map(absolute).transpose()?,
            bus_socket: bus.socket.unwrap_or_else(|| runtime_directory.join("bus")),
            message_bus: bus.message_bus,
            runtime_directory,
            services: match flags.services_directory.or(file.services_directory) {
                Some(only) => ServicesSetting::Only(absolute(only)?),
                None => ServicesSetting::Installed { personal: personal_services(user) },
            },
            user,
            log: flags.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
        })
    }
}

fn read(path: &Path) -> Result<Values, SettingsError> {
    let text = fs::read_to_string(path).map_err(|cause| SettingsError::Read { path: path.to_owned(), cause })?;
    toml::from_str(&text).map_err(|cause| SettingsError::Parse { path: path.to_owned(), cause: Box::new(cause) })
}

fn read_if_there(path: &Path) -> Result<Values, SettingsError> {
    match read(path) {
        Err(SettingsError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(Values::default()),
        other => other,
    }
}

/// Tor reads a relative path as one from wherever it was started.
fn absolute(path: PathBuf) -> Result<PathBuf, SettingsError> {
    std::path::absolute(&path).map_err(|cause| SettingsError::Read { path, cause })
}

fn default_file(user: bool) -> Option<PathBuf> {
    let directory = if user {
        directory_from("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))?
    } else {
        PathBuf::from("/etc")
    };
    Some(directory.join("tails-server/settings.toml"))
}

fn personal_services(user: bool) -> Option<PathBuf> {
    let directory = directory_from("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
    directory.filter(|_| user).map(|directory| directory.join("tails-server/services"))
}

fn default_state(user: bool) -> Option<PathBuf> {
    if !user {
        return Some(directory_from("STATE_DIRECTORY").unwrap_or_else(|| "/var/lib/tails-server".into()));
    }
    let base = directory_from("XDG_STATE_HOME").or_else(|| Some(home()?.join(".local/state")))?;
    Some(base.join("tails-server"))
}

fn default_runtime(user: bool) -> Option<PathBuf> {
    if user {
        return Some(directory_from("XDG_RUNTIME_DIR")?.join("tails-server"));
    }
    Some(directory_from("RUNTIME_DIRECTORY").unwrap_or_else(|| "/run/tails-server".into()))
}

/// A system has one Tor, which others use too: a second one would be of no use.
fn default_control(user: bool) -> ControlSetting {
    if user { ControlSetting::Auto } else { ControlSetting::Address(ControlAddress::Unix(SYSTEM_CONTROL.into())) }
}

fn home() -> Option<PathBuf> {
    directory_from("HOME")
}

/// XDG base directory specification: a relative path counts as none.
fn directory_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
