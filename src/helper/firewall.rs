// SPDX-License-Identifier: GPL-3.0-or-later
//! Who reaches a server without Tor: the local network, by a way to 127.0.0.1 and no further; and whether programs of this
//! computer do.
//!
//! Servers listen on 127.0.0.1 alone, whatever people wish: where the rules are gone, nothing is open.

mod nft;

use std::path::Path;

use serde::{Deserialize, Serialize};
use tails_server_state::{ServiceName, Target};

use super::error::Error;
use super::files::{Directory, is_missing};
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

/// Makes the rules of a service what people wish; what of it can not be enforced here.
pub(super) fn open(state: &Directory, service: &ServiceDescriptor, access: Access) -> Result<Vec<String>, Error> {
    let ports = service.port.iter().filter_map(|port| match &port.target.value {
        Target::Tcp(address) => Some(address.port()),
        Target::Unix(_) => None,
    });
    let rules = Rules { ports: ports.collect(), access };
    let needs_rules = access.lan || !access.localhost;
    if !needs_rules {
        close(state)?;
        return Ok(Vec::new());
    }
    let _locked = lock()?;
    let text = serde_json::to_vec(&rules).map_err(|_| Error::Bug("rules that can not be written"))?;
    state.write(FILE, &text, Owner::ROOT, 0o600)?;
    match Backend::of_this_system() {
        Backend::Nft => nft::load(&all()?, user_number(TOR)?).map(|()| Vec::new()),
        // Its firewall lets nobody but Tor and root's own exceptions to a port of 127.0.0.1, and nothing in.
        Backend::Tails if access.lan => Ok(vec!["in Tails, allow-lan has no effect yet".to_owned()]),
        Backend::Tails => Ok(Vec::new()),
        Backend::None => {
            let unheeded = [(access.lan, "allow-lan"), (!access.localhost, "allow-localhost off")];
            let note = |what| format!("this system has no nftables: {what} has no effect");
            Ok(unheeded.into_iter().filter(|(wished, _)| *wished).map(|(_, what)| note(what)).collect())
        }
    }
}

/// Takes the rules of a service away.
pub(super) fn close(state: &Directory) -> Result<(), Error> {
    if is_missing(&state.path().join(FILE))? {
        return Ok(());
    }
    let _locked = lock()?;
    state.remove(FILE)?;
    match Backend::of_this_system() {
        Backend::Nft => nft::load(&all()?, user_number(TOR)?),
        Backend::Tails | Backend::None => Ok(()),
    }
}

/// The rules of all services.
fn all() -> Result<Vec<Rules>, Error> {
    let directory = Directory::ours(Path::new(STATE), 0o755)?;
    let mut all = Vec::new();
    for service in directory.names()? {
        if service.parse::<ServiceName>().is_err() {
            continue;
        }
        let state = directory.enter(&service, 0o755)?;
        let Some(text) = state.read(FILE, MOST_BYTES)? else { continue };
        let path = state.path().join(FILE);
        all.push(
            serde_json::from_slice(&text).map_err(|cause| Error::file("read", &path)(std::io::Error::from(cause)))?,
        );
    }
    Ok(all)
}

/// One act at a time changes the rules: each writes those of all services.
fn lock() -> Result<Directory, Error> {
    let directory = Directory::ours(Path::new(STATE), 0o755)?;
    directory.lock()?;
    Ok(directory)
}
