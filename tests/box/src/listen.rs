// SPDX-License-Identifier: GPL-3.0-or-later
//! Who listens in a machine, seen from outside, and whoever did for a moment.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Error;

/// The pause between two looks. No server that starts and ends again is that quick.
const INTERVAL: Duration = Duration::from_millis(1);
/// State LISTEN of a TCP socket.
const TCP_LISTEN: &str = "0A";
/// State CLOSE, which is that of a UDP socket that takes packets from everybody.
const UDP_UNCONNECTED: &str = "07";

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// A stream that somebody can connect to.
    Tcp,
    /// Packets from anybody.
    Udp,
}

/// A socket that others can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Listener {
    /// Whether only the machine itself can reach it.
    pub fn is_local(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

/// All listeners in the network of a process.
pub(crate) fn listeners(pid: u32) -> io::Result<BTreeSet<Listener>> {
    let mut found = BTreeSet::new();
    for (table, protocol, state) in [
        ("tcp", Protocol::Tcp, TCP_LISTEN),
        ("tcp6", Protocol::Tcp, TCP_LISTEN),
        ("udp", Protocol::Udp, UDP_UNCONNECTED),
        ("udp6", Protocol::Udp, UDP_UNCONNECTED),
    ] {
        let text = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/net/{table}")))?;
        found.extend(parse(&text, state).map(|address| Listener { protocol, address }));
    }
    Ok(found)
}

/// The local addresses in a table of sockets, of those in that state.
fn parse(table: &str, state: &str) -> impl Iterator<Item = SocketAddr> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _remote, its_state) = (fields.next()?, fields.next()?, fields.next()?);
        (its_state == state).then(|| parse_address(local)).flatten()
    })
}

/// Reads `0100007F:1F90`: words of the address in the byte order of the machine, and the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = [0; 16];
    for (word, place) in address.as_bytes().chunks(8).zip(bytes.chunks_mut(4)) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
    }
    let address = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
        32 => IpAddr::from(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// Looks at the listeners of a machine again and again, until it is asked what it saw.
#[derive(Debug)]
pub struct ListenWatch {
    stop: Arc<AtomicBool>,
    sampler: Option<JoinHandle<io::Result<BTreeSet<Listener>>>>,
}

impl ListenWatch {
    /// Begins, and has looked once when it returns.
    pub(crate) fn begin(pid: u32) -> Result<Self, Error> {
        let mut last = listeners(pid).map_err(|_| Error::WatchEnded)?;
        let mut seen = last.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sampler = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let look = listeners(pid)?;
                // A client's UDP socket looks like a server's for an instant, after it got its port and before it is
                // connected; so one look is no proof.
                let proven = |listener: &&Listener| listener.protocol == Protocol::Tcp || last.contains(listener);
                seen.extend(look.iter().filter(proven));
                last = look;
                thread::sleep(INTERVAL);
            }
            seen.extend(listeners(pid)?);
            Ok(seen)
        });
        Ok(Self { stop, sampler: Some(sampler) })
    }

    /// Ends it; all that others than the machine itself could reach at any moment since it began. Whatever listened for
    /// less than two milliseconds or so may be missing.
    ///
    /// # Errors
    /// If the machine ended meanwhile: then nobody knows.
    pub fn reachable(mut self) -> Result<Vec<Listener>, Error> {
        let seen = self.end().and_then(Result::ok).ok_or(Error::WatchEnded)?;
        Ok(seen.into_iter().filter(|listener| !listener.is_local()).collect())
    }

    fn end(&mut self) -> Option<io::Result<BTreeSet<Listener>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.sampler.take()?.join().ok()
    }
}

impl Drop for ListenWatch {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn listeners_are_told_from_connections() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
                     1: 00000000:FCE6 00000000:0000 0A 00000000:00000000\n\
                     2: 0100007F:0050 0100007F:D431 01 00000000:00000000\n";
        let found: Vec<_> = parse(table, TCP_LISTEN).map(|address| address.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:8080", "0.0.0.0:64742"]);
        let ours = parse_address("00000000000000000000000001000000:0050").unwrap();
        assert_eq!(ours.to_string(), "[::1]:80");
        assert_eq!(parse_address("0100007F00:0050"), None);
    }

    #[test]
    fn only_loopback_is_local() {
        for (address, is_local) in [
            ("127.8.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.77.0.2:1", false),
        ] {
            let listener = Listener { protocol: Protocol::Tcp, address: address.parse().unwrap() };
            assert_eq!(listener.is_local(), is_local, "{address}");
        }
    }
}
