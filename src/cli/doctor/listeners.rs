// SPDX-License-Identifier: GPL-3.0-or-later
//! Servers of services that others than this computer can reach, past Tor: proc(5), /proc/net/tcp and /proc/net/tcp6.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tails_server_state::Target;
use tr::tr;

use super::Subject;
use super::finding::{Finding, Severity};

/// State of a TCP socket that listens (TCP_LISTEN), as the table writes it.
const LISTEN: &str = "0A";

pub(super) fn findings(subjects: &[Subject]) -> Vec<Finding> {
    let looked_at = tr!("the addresses on which the servers of services listen");
    let ports = |subject: &Subject| -> Vec<u16> {
        let targets = subject.service.iter().flat_map(|service| &service.ports);
        targets.filter_map(|(_, target)| port(target)).collect()
    };
    let listeners = match table() {
        Ok(listeners) => listeners,
        Err(cause) => {
            let found = tr!("could not be looked at: {cause}", cause);
            return vec![Finding::new("listener-exposed", Severity::Note, looked_at, found)];
        }
    };
    let mut findings: Vec<Finding> = subjects
        .iter()
        .filter_map(|subject| {
            let exposed = exposed(&listeners, &ports(subject));
            (!exposed.is_empty()).then(|| finding(&looked_at, &exposed).about(&subject.name))
        })
        .collect();
    if findings.is_empty() {
        let found = tr!("none of them on more than this computer itself");
        findings.push(Finding::new("listener-exposed", Severity::Ok, looked_at, found));
    }
    findings
}

fn finding(looked_at: &str, exposed: &[SocketAddr]) -> Finding {
    let list: Vec<String> = exposed.iter().map(|listener| shown(*listener)).collect();
    Finding::new(
        "listener-exposed",
        Severity::Error,
        looked_at,
        tr!("something listens on {addresses}", addresses = list.join(", ")),
    )
    .because(tr!(
        "whoever is in the same network can reach it without Tor, and learn that this computer is the onion service"
    ))
    .so(tr!("Have the server listen on 127.0.0.1 alone: its own configuration says where it does"))
}

/// All addresses at once are named; any other address of this computer would say where it is.
fn shown(listener: SocketAddr) -> String {
    if listener.ip().is_unspecified() {
        listener.to_string()
    } else {
        tr!("port {port} of an address of this computer that others reach", port = listener.port())
    }
}

fn port(target: &str) -> Option<u16> {
    match target.parse().ok()? {
        Target::Tcp(address) => Some(address.port()),
        Target::Unix(_) => None,
    }
}

/// Those of the listeners on these ports that are not on loopback.
fn exposed(listeners: &BTreeSet<SocketAddr>, ports: &[u16]) -> Vec<SocketAddr> {
    let is_exposed = |listener: &&SocketAddr| ports.contains(&listener.port()) && !listener.ip().is_loopback();
    listeners.iter().filter(is_exposed).copied().collect()
}

fn table() -> io::Result<BTreeSet<SocketAddr>> {
    let mut text = fs::read_to_string("/proc/net/tcp")?;
    match fs::read_to_string("/proc/net/tcp6") {
        Ok(more) => text.push_str(&more),
        // A kernel without IPv6 has no such table.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    Ok(text.lines().filter_map(listener).collect())
}

/// The local address in a line of a table, if the socket listens.
fn listener(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    (fields.nth(1)? == LISTEN).then_some(())?;
    Some(SocketAddr::new(ip_address(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// One or four words in hexadecimal, each a number in this machine's byte order whose bytes are in network order.
fn ip_address(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        // A program may bind the mapped form of an IPv4 address.
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bus::api::ServiceProperties;

    /// A service that is published with these ports.
    pub(in crate::cli::doctor) fn properties(ports: &str) -> ServiceProperties {
        let ports = ports.split(' ').filter_map(|mapping| mapping.split_once(':'));
        ServiceProperties {
            state: "published".to_owned(),
            enabled: true,
            running: true,
            described: true,
            installed: Some(true),
            progress: None,
            options_applied: Some(true),
            allow_localhost: Some(true),
            allow_lan: Some(false),
            persistence: false,
            autostart: false,
            ports: ports.map(|(port, target)| (port.parse().unwrap(), target.to_owned())).collect(),
            uploads_confirmed: 0,
            uploads_attempted: 0,
            other_confirmed: 0,
            other_attempted: 0,
            evidence: "proven".to_owned(),
            since: 0,
            healed: 0,
            client_authorization: false,
            clients: 0,
            access_settled: true,
            max_streams: None,
            proof_of_work: None,
            problem: None,
            hint: None,
        }
    }

    #[test]
    fn what_listens_on_more_than_loopback_is_exposed() {
        // The words are in this machine's byte order; these lines were written on a little-endian one.
        if cfg!(target_endian = "big") {
            return;
        }
        let lines = [
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid", None),
            (
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0",
                Some("127.0.0.1:8080"),
            ),
            ("   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0", None),
            ("   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0", Some("0.0.0.0:8080")),
            (
                "   3: 0302A8C0:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0",
                Some("192.168.2.3:8080"),
            ),
            ("   0: 00000000000000000000000000000000:1F90 0:0 0A 0:0 0:0 0 0", Some("[::]:8080")),
            ("   0: 00000000000000000000000001000000:1F90 0:0 0A 0:0 0:0 0 0", Some("[::1]:8080")),
            ("   1: 0000000000000000FFFF00000100007F:1F90 0:0 0A 0:0 0:0 0 1000", Some("127.0.0.1:8080")),
            ("   1: 00000", None),
            ("", None),
        ];
        let mut all = BTreeSet::new();
        for (line, address) in lines {
            let found = listener(line);
            assert_eq!(found.map(|found| found.to_string()).as_deref(), address, "{line}");
            all.extend(found);
        }
        let open = exposed(&all, &[8080, 1]);
        let open: Vec<String> = open.iter().map(ToString::to_string).collect();
        assert_eq!(open, ["0.0.0.0:8080", "192.168.2.3:8080", "[::]:8080"]);
        assert_eq!(exposed(&all, &[81]), []);
        let told = finding("", &["192.168.2.3:8080".parse().unwrap()]);
        assert!(!format!("{told:?}").contains("192.168"), "{told:?}");
    }
}
