// SPDX-License-Identifier: GPL-3.0-or-later
//! The contract between the controller and whoever speaks with it over D-Bus.
//!
//! Dictionaries (`a{sv}`) may get further keys; nothing else changes once released.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zbus::{DBusError, DeserializeDict, SerializeDict, Type};

/// The name on a message bus.
pub const BUS_NAME: &str = "org.boum.tails.Server1";
/// The object that everything is asked of.
pub const MANAGER_PATH: &str = "/org/boum/tails/Server1";

/// What everybody who may speak with the controller may know of a service.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct ServiceProperties {
    /// One of `stopping`, `disabled`, `failed`, `starting`, `waiting-for-tor`, `publishing`, `published`.
    pub state: String,
    /// Whether it is wanted in this session.
    pub enabled: bool,
    /// Whether somebody listens on every target.
    pub running: bool,
    /// Whether its address and key survive a reboot.
    pub persistence: bool,
    /// Whether it is enabled after a boot.
    pub autostart: bool,
    /// Virtual ports and their targets.
    pub ports: Vec<(u16, String)>,
    /// Uploads of its descriptors that were confirmed on this control connection.
    pub uploads_confirmed: u32,
    /// Uploads of its descriptors that were begun on this control connection.
    pub uploads_attempted: u32,
    /// What keeps it from being published.
    pub problem: Option<String>,
    /// What a person can do about the problem.
    pub hint: Option<String>,
}

/// What is known of Tor.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct TorProperties {
    /// Whether there is a control connection.
    pub connected: bool,
    /// Tor's version, while connected.
    pub version: Option<String>,
    /// 0 to 100 per cent.
    pub bootstrap: u8,
    /// What Tor is at, in its own words.
    pub summary: String,
    /// Whether Tor can reach the network now.
    pub online: bool,
    /// What keeps Tor from being usable.
    pub problem: Option<String>,
    /// What a person can do about the problem.
    pub hint: Option<String>,
}

/// What is wrong with the store.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct StoreProblem {
    /// What is the matter.
    pub problem: String,
    /// What a person can do about it.
    pub hint: Option<String>,
}

/// The whole picture but for addresses: Tor, what is wrong with the store, and the services by name.
pub type Overview = (TorProperties, Vec<StoreProblem>, HashMap<String, ServiceProperties>);

/// What a request to publish may say beside the ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase", deny_unknown_fields)]
pub struct PublishOptions {
    /// The name; without one, a free one is made from the first target.
    pub name: Option<String>,
    /// Whether address and key survive a reboot; no by default.
    pub persistence: Option<bool>,
    /// Whether it is enabled after a boot; no by default.
    pub autostart: Option<bool>,
}

/// Why a request was not carried out. The description is one line, and a hint for people may follow on a second.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.boum.tails.Server1.Error")]
pub enum ApiError {
    /// Something between the two ends.
    #[zbus(error)]
    Bus(zbus::Error),
    /// There is no such service.
    UnknownService(String),
    /// Another service has the name.
    Exists(String),
    /// The request makes no sense.
    Invalid(String),
    /// It could not be made durable.
    Store(String),
    /// It did not work out.
    Failed(String),
}

/// The manager, seen from a client.
#[zbus::proxy(
    interface = "org.boum.tails.Server1.Manager",
    default_service = "org.boum.tails.Server1",
    default_path = "/org/boum/tails/Server1"
)]
pub trait Manager {
    /// Remembers a new service and enables it; answers with its name once that is durable.
    fn publish(&self, ports: &[(u16, &str)], options: PublishOptions) -> Result<String, ApiError>;

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable.
    fn enable(&self, name: &str) -> Result<bool, ApiError>;

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    fn disable(&self, name: &str) -> Result<bool, ApiError>;

    /// Forgets the service, its key and its address for ever; answers once that is durable.
    fn remove(&self, name: &str) -> Result<(), ApiError>;

    /// The whole picture but for addresses.
    fn overview(&self) -> Result<Overview, ApiError>;

    /// The onion address of a service, with `.onion`.
    fn address(&self, name: &str) -> Result<String, ApiError>;

    /// Something about a service changed, or the service is new.
    #[zbus(signal)]
    fn service_changed(&self, name: String, properties: ServiceProperties) -> zbus::Result<()>;

    /// A service was removed.
    #[zbus(signal)]
    fn service_removed(&self, name: String) -> zbus::Result<()>;

    /// Something about Tor changed.
    #[zbus(signal)]
    fn tor_changed(&self, properties: TorProperties) -> zbus::Result<()>;
}

/// Where the controller is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// Directly, over this unix socket.
    Unix(PathBuf),
    /// On the session bus.
    Session,
    /// On the system bus.
    System,
}

impl FromStr for BusAddress {
    type Err = InvalidBusAddress;

    fn from_str(text: &str) -> Result<Self, InvalidBusAddress> {
        match text {
            "session" => Ok(Self::Session),
            "system" => Ok(Self::System),
            _ => match text.strip_prefix("unix:").map(PathBuf::from) {
                Some(path) if path.is_absolute() => Ok(Self::Unix(path)),
                Some(_) => Err(InvalidBusAddress::Relative),
                None => Err(InvalidBusAddress::Form),
            },
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Session => formatter.write_str("session"),
            Self::System => formatter.write_str("system"),
        }
    }
}

/// Why a text is no [`BusAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBusAddress {
    /// None of the three forms.
    #[error("a bus is unix:PATH, session or system")]
    Form,
    /// A path that depends on where the program was started.
    #[error("the path of the socket is absolute")]
    Relative,
}
