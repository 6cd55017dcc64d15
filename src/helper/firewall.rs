// SPDX-License-Identifier: GPL-3.0-or-later
//! Who reaches a server without Tor: the local network, by a way to 127.0.0.1 and no further; and whether programs of this
//! computer do.
//!
//! Servers listen on 127.0.0.1 alone, whatever people wish: where the rules are gone, nothing is open. What leads the local
//! network to 127.0.0.1 makes sure that it leads nowhere else, also when somebody flushes the rules.

mod guard;
mod nft;
mod tails;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tails_server_state::{ServiceName, Target};

use super::error::Error;
use super::files::{Directory, is_missing};
use super::locks;
use super::places::STATE;
use super::program::NFT;
use super::users::{Owner, user_number};
use super::wishes::Access;
use crate::descriptor::ServiceDescriptor;

/// The wishes about one service, in its directory.
const FILE: &str = "firewall.json";
const MOST_BYTES: u64 = 64 * 1024;
/// What Tails has, and no other system.
const TAILS: &str = "/usr/local/sbin/tails-add-session-firewall-rule";
/// Whether packets from outside may be led to 127.0.0.1. ip-sysctl, route_localnet
const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";
/// Who Tor runs as in Debian.
const TOR: &str = "debian-tor";

/// Addresses of local networks. RFC 1918, RFC 3927
pub(super) const LAN: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"];

/// Who may reach the ports of one service.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rules {
    ports: Vec<u16>,
    access: Access,
}

/// What the system has to enforce rules with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// nftables, in a table of our own.
    Nft,
    /// ferm and iptables, as Tails has them.
    Tails,
    /// Nothing.
    None,
}

impl Backend {
    fn of_this_system() -> Self {
        if Path::new(TAILS).exists() {
            Self::Tails
        } else if Path::new(NFT).exists() {
            Self::Nft
        } else {
            Self::None
        }
    }
}

/// Refuses what can not be enforced here: a server that people believe closed must not be open.
pub(super) fn require(service: &ServiceDescriptor, access: Access) -> Result<(), Error> {
    let has_port = service.port.iter().any(|port| matches!(port.target.value, Target::Tcp(_)));
    if !has_port || Backend::of_this_system() != Backend::None {
        return Ok(());
    }
    match access {
        Access { localhost: false, .. } => {
            Err(Error::NoFirewall { wish: "allow-localhost off", back: "allow-localhost on" })
        }
        Access { lan: true, .. } => Err(Error::NoFirewall { wish: "allow-lan on", back: "allow-lan off" }),
        Access { localhost: true, lan: false } => Ok(()),
    }
}

/// Makes the rules of a service what people wish; what of it can not be enforced here.
pub(super) fn open(state: &Directory, service: &ServiceDescriptor, access: Access) -> Result<Vec<String>, Error> {
    let ports = service.port.iter().filter_map(|port| match &port.target.value {
        Target::Tcp(address) => Some(address.port()),
        Target::Unix(_) => None,
    });
    let backend = Backend::of_this_system();
    if access.lan || !access.localhost {
        let _locked = lock()?;
        note(state, &Rules { ports: ports.collect(), access })?;
        load(backend)?;
    } else {
        close(state)?;
    }
    Ok(unheeded(backend, access))
}

/// Lets the local network reach a service no more. Who else does not reach it does not reach it still.
pub(super) fn close_lan(state: &Directory) -> Result<(), Error> {
    let Some(mut rules) = noted(state)?.filter(|rules| rules.access.lan) else { return Ok(()) };
    let _locked = lock()?;
    rules.access.lan = false;
    note(state, &rules)?;
    load(Backend::of_this_system())
}

/// Takes the rules of a service away.
pub(super) fn close(state: &Directory) -> Result<(), Error> {
    let backend = Backend::of_this_system();
    let is_noted = !is_missing(&state.path().join(FILE))?;
    // What Tails was told may have outlived a reboot, and our notes have not.
    if !is_noted && backend != Backend::Tails {
        return Ok(());
    }
    let _locked = lock()?;
    if is_noted {
        let access = Access { localhost: true, lan: false };
        note(state, &Rules { ports: Vec::new(), access })?;
    }
    load(backend)?;
    // The last: until here a crash leaves what the next run needs to know.
    state.remove(FILE)
}

fn note(state: &Directory, rules: &Rules) -> Result<(), Error> {
    let text = serde_json::to_vec(rules).map_err(|_| Error::Bug("rules that can not be written"))?;
    state.write(FILE, &text, Owner::ROOT, 0o600)
}

fn noted(state: &Directory) -> Result<Option<Rules>, Error> {
    let Some(text) = state.read(FILE, MOST_BYTES)? else { return Ok(None) };
    let path = state.path().join(FILE);
    serde_json::from_slice(&text).map(Some).map_err(|cause| Error::file("read", &path)(std::io::Error::from(cause)))
}

/// Has the system enforce the rules of all services, and no others of ours.
fn load(backend: Backend) -> Result<(), Error> {
    match backend {
        Backend::Nft => nft::load(&all()?.into_values().collect::<Vec<_>>(), user_number(TOR)?),
        Backend::Tails => tails::load(&all()?, user_number(TOR)?),
        Backend::None => Ok(()),
    }
}

/// What people should know of their wishes here.
fn unheeded(backend: Backend, access: Access) -> Vec<String> {
    match backend {
        Backend::Tails if access.localhost => {
            vec!["in Tails, allow-localhost opens nothing: Tails lets nobody but Tor and the user of the desktop connect".to_owned()]
        }
        // Where there is nothing, it was refused.
        Backend::Nft | Backend::Tails | Backend::None => Vec::new(),
    }
}

/// The rules of all services that need some.
fn all() -> Result<BTreeMap<ServiceName, Rules>, Error> {
    let directory = Directory::ours(Path::new(STATE), 0o755)?;
    let mut all = BTreeMap::new();
    for name in directory.names()? {
        let Ok(service) = name.parse::<ServiceName>() else { continue };
        let state = directory.enter(&name, 0o755)?;
        let Some(rules) = noted(&state)? else { continue };
        if !rules.ports.is_empty() {
            all.insert(service, rules);
        }
    }
    Ok(all)
}

/// Lets packets from outside be led to 127.0.0.1, or not.
fn route(is_on: bool) -> Result<(), Error> {
    let path = Path::new(ROUTE_LOCALNET);
    let wanted = if is_on { "1" } else { "0" };
    let current = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    if current.trim() == wanted { Ok(()) } else { std::fs::write(path, wanted).map_err(Error::file("write", path)) }
}

/// One act at a time changes the rules: each writes those of all services.
fn lock() -> Result<OwnedFd, Error> {
    // No service is called like this.
    locks::wait(".firewall")
}
