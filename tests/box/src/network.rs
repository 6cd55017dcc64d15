// SPDX-License-Identifier: GPL-3.0-or-later
//! The networks of a machine: nothing but loopback, or a cable to one other host. There is no way out of either.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;
use crate::enclosure::Enclosure;

/// The name of the machine's network, and of what `ip` finds it by.
pub(crate) const MACHINE: &str = "machine";
/// The name of the network on the other end of the cable.
const NEIGHBOUR: &str = "neighbour";
/// The network card on either end.
const CARD: &str = "lan0";
/// How long a packet may take over a cable that is none.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The address of a machine with a LAN.
pub const MACHINE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The address of its neighbour in the LAN.
pub const NEIGHBOUR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Another host in the LAN of a machine, as which a test can act.
#[derive(Debug)]
pub struct Neighbour {
    network: File,
}

impl Neighbour {
    pub(crate) fn create(enclosure: &Enclosure) -> Result<Self, Error> {
        enclosure.run(&["ip", "netns", "add", NEIGHBOUR])?;
        enclosure.run(&["ip", "-n", NEIGHBOUR, "link", "set", "lo", "up"])?;
        let path = enclosure.path(&format!("/run/netns/{NEIGHBOUR}"));
        Ok(Self { network: File::open(&path).map_err(Error::file("open", &path))? })
    }

    /// Connects to a port of the machine, as a host in its LAN.
    ///
    /// # Errors
    /// If nothing listens there, or the packets do not get through.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let address = SocketAddr::from((MACHINE_ADDRESS, port));
        self.there(move || TcpStream::connect_timeout(&address, CONNECT_PATIENCE))
    }

    /// Listens on a port of the neighbour that the system chooses.
    ///
    /// # Errors
    /// If the system refuses a socket.
    pub fn listen(&self) -> io::Result<TcpListener> {
        self.there(|| TcpListener::bind((NEIGHBOUR_ADDRESS, 0)))
    }

    /// Opens a socket in the neighbour's network; there it stays, whoever uses it.
    fn there<T: Send>(&self, open: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        inside(&self.network, open)?
    }
}

/// Does something in a network: a socket that it opens stays there, whoever uses it.
// In a thread of its own, which ends thereafter: the network is an attribute of the thread.
pub(crate) fn inside<T: Send>(network: &File, act: impl FnOnce() -> T + Send) -> io::Result<T> {
    let inside = || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(act())
    };
    thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Makes a new network for the machine, without any firewall rule of the one before, as after a reboot.
pub(crate) fn renew(enclosure: &Enclosure, neighbour: Option<&Neighbour>) -> Result<(), Error> {
    if enclosure.path("/run/netns").join(MACHINE).exists() {
        if neighbour.is_some() {
            // Both ends go at once; with the network they would go some time later.
            enclosure.run(&["ip", "-n", NEIGHBOUR, "link", "delete", CARD])?;
        }
        enclosure.run(&["ip", "netns", "delete", MACHINE])?;
    }
    enclosure.run(&["ip", "netns", "add", MACHINE])?;
    if neighbour.is_none() {
        return Ok(());
    }
    let cable = ["ip", "link", "add", CARD, "netns", NEIGHBOUR, "type", "veth", "peer", "name", CARD, "netns", MACHINE];
    enclosure.run(&cable)?;
    for (network, address) in [(NEIGHBOUR, NEIGHBOUR_ADDRESS), (MACHINE, MACHINE_ADDRESS)] {
        enclosure.run(&["ip", "-n", network, "address", "add", &format!("{address}/24"), "dev", CARD])?;
        enclosure.run(&["ip", "-n", network, "link", "set", CARD, "up"])?;
    }
    Ok(())
}
