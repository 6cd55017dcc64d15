// SPDX-License-Identifier: GPL-3.0-or-later
//! The contract between the controller and whoever speaks with it over D-Bus.
//!
//! Dictionaries (`a{sv}`) may get further keys; nothing else changes once released.

mod secret;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zbus::{DBusError, DeserializeDict, SerializeDict, Type};

pub use self::secret::{MAX_SECRET, hand_over, take};

/// The name on a message bus.
pub const BUS_NAME: &str = "org.boum.tails.Server1";
/// The object that everything is asked of.
pub const MANAGER_PATH: &str = "/org/boum/tails/Server1";

/// What everybody who may speak with the controller may know of a service.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct ServiceProperties {
    /// One of `stopping`, `disabled`, `failed`, `installing`, `starting`, `waiting-for-tor`, `publishing`, `published`.
    pub state: String,
    /// Whether it is wanted in this session.
    pub enabled: bool,
    /// Whether somebody listens on every target and, if a descriptor says what it is, its server runs.
    pub running: bool,
    /// Whether a descriptor says what it is.
    pub described: bool,
    /// Whether its server is installed; missing while nobody knows.
    pub installed: Option<bool>,
    /// How far the installation has come, 0 to 100 per cent, and what it is at.
    pub progress: Option<(u8, String)>,
    /// Whether its server runs with the options as they are; missing while none is to run, or nobody knows.
    pub options_applied: Option<bool>,
    /// Whether programs on this computer reach it without Tor, if a descriptor says what it is.
    pub allow_localhost: Option<bool>,
    /// Whether computers in the local network reach it without Tor, if a descriptor says what it is.
    pub allow_lan: Option<bool>,
    /// Whether its address and key survive a reboot.
    pub persistence: bool,
    /// Whether it is enabled after a boot.
    pub autostart: bool,
    /// Virtual ports and their targets.
    pub ports: Vec<(u16, String)>,
    /// HSDirs that have the descriptor that visitors ask for now.
    pub uploads_confirmed: u32,
    /// HSDirs that the descriptor that visitors ask for now was sent to.
    pub uploads_attempted: u32,
    /// HSDirs that have the descriptor of the next period, or of the last one.
    pub other_confirmed: u32,
    /// HSDirs that the descriptor of the next period, or of the last one, was sent to.
    pub other_attempted: u32,
    /// What of its publication is certain: `none`, `proven`, or `counted` where a filter hides the services from us.
    pub evidence: String,
    /// Since when it is in its state, in seconds since 1970.
    pub since: u64,
    /// How often it was given a new life in Tor since it was last published.
    pub healed: u32,
    /// Whether only authorised clients can reach it.
    pub client_authorization: bool,
    /// How many authorised clients it has.
    pub clients: u32,
    /// Whether nobody can be connected any more who should not be.
    pub access_settled: bool,
    /// The most streams of a visitor's circuit.
    pub max_streams: Option<u32>,
    /// The rate and the burst of its proof-of-work defence, if that is on.
    pub proof_of_work: Option<(u32, u32)>,
    /// What keeps it from being published.
    pub problem: Option<String>,
    /// What a person can do about the problem.
    pub hint: Option<String>,
}

/// A service that can be had here, remembered or not.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct CatalogProperties {
    /// Its name for people.
    pub title: String,
    /// What it is, in some words.
    pub description: String,
    /// A page that explains it.
    pub documentation: String,
    /// The program with which people use it.
    pub client_application: String,
    /// An icon of the icon theme.
    pub icon: String,
    /// Directories that survive a reboot, if the service is persistent.
    pub persistent_paths: Vec<String>,
    /// Where its server listens, the main port first.
    pub targets: Vec<String>,
    /// Whether its server is installed and uninstalled by Tails Server.
    pub hosted: bool,
    /// Whether its server is installed; missing while nobody knows.
    pub installed: Option<bool>,
    /// Why it can not be had.
    pub problem: Option<String>,
    /// What a person can do about the problem.
    pub hint: Option<String>,
}

/// An option of a described service.
#[derive(Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct OptionProperties {
    /// Its name.
    pub name: String,
    /// Its type: `bool`, `int`, `port`, `string`, `text`, `enum`, `secret`, `folder`, `tls-fingerprint` or `ssh-host-key`.
    pub kind: String,
    /// Its name in the window.
    pub label: String,
    /// A sentence about it; empty if its name says all.
    pub help: String,
    /// Where the window shows it: `connection`, `access` or `service`.
    pub group: String,
    /// What it costs to change it: `nothing`, `reload`, `restart` or `republish`.
    pub change: String,
    /// What fits it, in words.
    pub fits: String,
    /// The words that fit it, if there are only some.
    pub choices: Vec<String>,
    /// What it is without a word; missing for what is generated or found out.
    pub default: Option<String>,
    /// What it is. Missing for what is not found out yet, and for a secret that was not asked for.
    pub value: Option<String>,
    /// Whether it is shown only when asked for.
    pub secret: bool,
    /// Whether it can be set.
    pub settable: bool,
}

impl fmt::Debug for OptionProperties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be a password.
        formatter.debug_struct("OptionProperties").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One thing that visitors need to know: what it is, its value (empty if it is a secret that was not asked for), and
/// whether it is a secret.
pub type InfoLine = (String, String, bool);

/// What visitors need to know of a service.
#[derive(Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct ConnectionProperties {
    /// A link that the client application opens. Missing if there is none, or if it is a secret that was not asked for.
    pub link: Option<String>,
    /// What goes into an invitation, beside the address and the ports.
    pub lines: Vec<InfoLine>,
}

impl fmt::Debug for ConnectionProperties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be passwords in it, and the address.
        formatter.debug_struct("ConnectionProperties").finish_non_exhaustive()
    }
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
    /// What else a person should know of, and what can be done about it (empty: nothing).
    pub warnings: Vec<(String, String)>,
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
    /// Whether only authorised clients can reach it; no by default.
    pub client_authorization: Option<bool>,
}

/// What the network answered about a service.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct CheckAnswer {
    /// The HSDir that gave the descriptor back, by its fingerprint.
    pub hsdir: String,
    /// How many others were asked before it.
    pub asked_in_vain: u32,
    /// What came of connecting to the service: `answered`, `server-refused`, `failed`, or `not-tried`.
    pub visit: String,
    /// How long it took until the server had answered, in milliseconds.
    pub visit_milliseconds: Option<u32>,
    /// Why the service could not be reached, or was not tried.
    pub problem: Option<String>,
}

/// An authorised client: its name, its public key, and whether its secret key is here.
pub type Client = (String, String, bool);

/// A request that was made here: its name, its public key, and whether it survives a reboot.
pub type PendingRequest = (String, String, bool);

/// A service of somebody else that is to be joined.
#[derive(Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// What it is to be called here.
    pub name: String,
    /// Its onion address.
    pub address: String,
    /// The secret key that opens it, in base32; without one, it is open to everybody.
    pub key: Option<String>,
    /// What its owner calls it.
    pub title: Option<String>,
    /// Where to connect to.
    pub ports: Option<Vec<u16>>,
    /// How to connect; there may be a password in it.
    pub note: Option<String>,
    /// When the invitation ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether it survives a reboot; no by default.
    pub persistence: Option<bool>,
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything else is a secret, or as good as one.
        formatter.debug_struct("JoinRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What everybody who may speak with the controller may know of a service of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct JoinedProperties {
    /// What it is called here.
    pub name: String,
    /// What its owner calls it.
    pub title: Option<String>,
    /// Whether Tor has the key for it, if it needs one.
    pub ready: bool,
    /// Where to connect to.
    pub ports: Vec<u16>,
    /// When the invitation ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether it survives a reboot.
    pub persistence: bool,
    /// Why Tor can not reach it.
    pub problem: Option<String>,
    /// What a person can do about the problem.
    pub hint: Option<String>,
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
    /// There is no such client, request or joined service.
    Unknown(String),
    /// The name, the address or the key is taken.
    Exists(String),
    /// The request makes no sense.
    Invalid(String),
    /// It could not be made durable.
    Store(String),
    /// Tor can not be asked.
    NoTor(String),
    /// No HSDir has the descriptor of the service.
    NotFound(String),
    /// It took too long.
    TimedOut(String),
    /// It is remembered, and done as soon as it can be.
    Postponed(String),
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

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable. One of the catalogue
    /// that is not remembered yet is remembered as its descriptor says.
    fn enable(&self, name: &str) -> Result<bool, ApiError>;

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    fn disable(&self, name: &str) -> Result<bool, ApiError>;

    /// Forgets the service, its key and its address for ever; answers once that is durable. With a described service its
    /// server and its data go, too; `Uninstall` waits for that.
    fn remove(&self, name: &str) -> Result<(), ApiError>;

    /// The whole picture but for addresses.
    fn overview(&self) -> Result<Overview, ApiError>;

    /// The onion address of a service, with `.onion`.
    fn address(&self, name: &str) -> Result<String, ApiError>;

    /// The last lines that the server of a described service wrote to its log before it failed; none if it has not. There
    /// may be addresses and passwords in them.
    fn server_log(&self, name: &str) -> Result<Vec<String>, ApiError>;

    /// Changes an option; answers whether that changed anything, once it is durable. The options and their values:
    /// `persistence`, `autostart` and `client-authorization` (`on`, `off`), `max-streams` (1 to 65535, or `off`), and `pow`
    /// (`on`, `off` or RATE:BURST); of a described service also `allow-localhost` and `allow-lan` (`on`, `off`),
    /// `virtual-port`, and those of `Options`.
    fn set_option(&self, name: &str, option: &str, value: &str) -> Result<bool, ApiError>;

    /// Gives an option of a service its default again, a secret a new value; answers whether that changed anything, once it
    /// is durable.
    fn reset_option(&self, name: &str, option: &str) -> Result<bool, ApiError>;

    /// The options of a described service, with their values; those that are secret only if `secrets`.
    fn options(&self, name: &str, secrets: bool) -> Result<Vec<OptionProperties>, ApiError>;

    /// What visitors need to know of a described service, beside address and ports; secrets only if `secrets`.
    fn connection_info(&self, name: &str, secrets: bool) -> Result<ConnectionProperties, ApiError>;

    /// The services that can be had here by name, and what is wrong with the catalogue as a whole.
    fn catalog(&self) -> Result<(HashMap<String, CatalogProperties>, Vec<StoreProblem>), ApiError>;

    /// Deletes the data of a service that is disabled, and what was installed for it; answers once that is done, also of a
    /// service that was removed. It is remembered before it begins, and goes on after an error `Postponed` or `Failed`.
    fn uninstall(&self, name: &str) -> Result<(), ApiError>;

    /// Fetches the descriptor of a service back from an HSDir and, if `visit`, connects to the service through Tor. Both may
    /// take a minute.
    fn check(&self, name: &str, visit: bool) -> Result<CheckAnswer, ApiError>;

    /// The secret key of a service, 64 bytes. Whoever has it *is* the service.
    fn key(&self, name: &str) -> Result<Vec<u8>, ApiError>;

    /// Gives a service another key, and with it another address: this one, or a new one if it is empty.
    fn replace_key(&self, name: &str, key: &[u8]) -> Result<(), ApiError>;

    /// Lets one more client into a service: with this public key, or with a key made here if it is empty.
    fn add_client(&self, name: &str, client: &str, public_key: &str) -> Result<(), ApiError>;

    /// Forgets a client; answers whether there was one. Its access has ended once `AccessSettled` is true after that.
    fn remove_client(&self, name: &str, client: &str) -> Result<bool, ApiError>;

    /// Gives a client another name; answers whether that changed anything.
    fn rename_client(&self, name: &str, from: &str, to: &str) -> Result<bool, ApiError>;

    /// The clients of a service.
    fn clients(&self, name: &str) -> Result<Vec<Client>, ApiError>;

    /// The secret key of a client that was made here, in base32. Whoever has it, and the address, can reach the service.
    fn client_key(&self, name: &str, client: &str) -> Result<String, ApiError>;

    /// Remembers a service of somebody else; answers whether that changed anything, once it is durable.
    fn join(&self, service: JoinRequest) -> Result<bool, ApiError>;

    /// Forgets a service of somebody else, and the key for it; answers whether there was one.
    fn leave(&self, name: &str) -> Result<bool, ApiError>;

    /// The services of others that were joined.
    fn joined(&self) -> Result<Vec<JoinedProperties>, ApiError>;

    /// The onion address of a service of somebody else, with `.onion`.
    fn joined_address(&self, name: &str) -> Result<String, ApiError>;

    /// How to connect to a service of somebody else. There may be a password in it.
    fn joined_note(&self, name: &str) -> Result<String, ApiError>;

    /// Makes a key whose public half somebody is asked to let in; answers with that half.
    fn make_request(&self, name: &str, persistence: bool) -> Result<String, ApiError>;

    /// The requests that were made here and not answered yet.
    fn requests(&self) -> Result<Vec<PendingRequest>, ApiError>;

    /// The request with this public key: its name, and the secret key in base32.
    fn request_key(&self, public_key: &str) -> Result<(String, String), ApiError>;

    /// Forgets a request and its key; answers whether there was one.
    fn remove_request(&self, name: &str) -> Result<bool, ApiError>;

    /// Something about a service changed, or the service is new.
    #[zbus(signal)]
    fn service_changed(&self, name: String, properties: ServiceProperties) -> zbus::Result<()>;

    /// A service was removed.
    #[zbus(signal)]
    fn service_removed(&self, name: String) -> zbus::Result<()>;

    /// Something about Tor changed.
    #[zbus(signal)]
    fn tor_changed(&self, properties: TorProperties) -> zbus::Result<()>;

    /// Something about a service of somebody else changed, or it is new.
    #[zbus(signal)]
    fn joined_changed(&self, name: String, properties: JoinedProperties) -> zbus::Result<()>;

    /// A service of somebody else was left.
    #[zbus(signal)]
    fn joined_removed(&self, name: String) -> zbus::Result<()>;
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
