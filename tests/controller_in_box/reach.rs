// SPDX-License-Identifier: GPL-3.0-or-later
//! A private Tor network on the machine's own loopback, and a visitor who reaches its onion services.

use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tails_box::wait_until;
use tails_server_state::ClientCredential;
use tornet::socks::{self, Proxy};
use tornet::{Network, Tor, TorOptions};

use crate::system::{PATIENCE, System, TOR};

/// A visitor whose Tor found a service gone remembers its introduction points as bad for two minutes.
const VISIT_PATIENCE: Duration = Duration::from_secs(300);
/// One try; then on other circuits.
const TRY: Duration = Duration::from_secs(20);

/// The network, until the next boot at most.
pub(crate) struct Reach {
    visitor: Tor,
    network: Network,
}

impl Reach {
    /// Builds the network and makes the system's own Tor a member of it.
    pub(crate) fn build(system: &System) -> Self {
        let reach = Self::around(system);
        let torrc = format!("ControlPort 127.0.0.1:9052\n{}", reach.torrc_lines());
        system.machine.write("/etc/tor/torrc", &torrc).unwrap();
        system.run(&["systemctl", "restart", TOR]);
        reach.wait_for_visitor();
        reach
    }

    /// Builds the network, of which the system's Tor is no member yet.
    pub(crate) fn around(system: &System) -> Self {
        // The tors are the host's programs; what they open, and whom they reach, is the machine's loopback.
        let built = system.machine.in_network(|| {
            let network = Network::start().unwrap();
            let visitor = network.tor(TorOptions::client()).unwrap();
            Self { visitor, network }
        });
        built.unwrap()
    }

    /// What makes a Tor a member of the network.
    pub(crate) fn torrc_lines(&self) -> String {
        self.network.client_torrc_lines()
    }

    pub(crate) fn wait_for_visitor(&self) {
        self.visitor.wait_bootstrapped(PATIENCE).unwrap();
    }

    /// Connects to an onion service, trying until it works. Reading and writing have a time limit.
    pub(crate) fn connect(&self, system: &System, address: &str, port: u16) -> TcpStream {
        let mut tries = 0;
        let connected = wait_until(VISIT_PATIENCE, || {
            tries += 1;
            let proxy = Proxy::isolated(self.visitor.socks_port(), &format!("{address}-{port}-{tries}"));
            system.machine.in_network(|| socks::connect(proxy, address, port, TRY)).unwrap().ok()
        });
        let stream =
            connected.unwrap_or_else(|| unreachable!("{port} of the service can not be reached: {}", system.log()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Gives the visitor's Tor the key of a client.
    pub(crate) fn join(&self, credential: &ClientCredential) {
        let (id, key) = (credential.address.service_id(), STANDARD.encode(credential.key.expose_bytes()));
        let command = format!("ONION_CLIENT_AUTH_ADD {id} x25519:{key}");
        self.visitor.control().unwrap().command(&command).unwrap();
    }
}
