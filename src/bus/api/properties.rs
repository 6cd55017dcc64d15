// SPDX-License-Identifier: GPL-3.0-or-later
//! The dictionaries of the contract, and what else goes over the bus.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};
use zbus::{DeserializeDict, OwnedFd, SerializeDict, Type};

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
    /// What it is. Missing for what is not found out yet, and for a secret.
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

/// One thing that visitors need to know: what it is, its value (empty if it is a secret), and whether it is a secret.
pub type InfoLine = (String, String, bool);

/// What visitors need to know of a service.
#[derive(Clone, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase")]
pub struct ConnectionProperties {
    /// A link that the client application opens. Missing if there is none, or if it is a secret.
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
    /// Whether it is enabled; yes by default.
    pub enabled: Option<bool>,
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
#[derive(SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "PascalCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// What it is to be called here.
    pub name: String,
    /// Its onion address.
    pub address: String,
    /// The secret key that opens it, in base32, handed over; without one, it is open to everybody.
    pub key: Option<OwnedFd>,
    /// What its owner calls it.
    pub title: Option<String>,
    /// Where to connect to.
    pub ports: Option<Vec<u16>>,
    /// How to connect, handed over; there may be a password in it.
    pub note: Option<OwnedFd>,
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

/// What is secret about a service and can be shown. It is handed over as JSON.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Secrets {
    /// The values of its secret options, by name.
    pub options: BTreeMap<String, String>,
    /// The link that its client application opens, if there is a secret in it.
    pub link: Option<String>,
    /// What visitors need to know and is secret: what it is, and its value.
    pub lines: Vec<(String, String)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secrets").finish_non_exhaustive()
    }
}
