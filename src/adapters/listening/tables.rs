// SPDX-License-Identifier: GPL-3.0-or-later
//! The kernel's socket tables: proc(5), /proc/net/tcp, /proc/net/tcp6 and /proc/net/unix.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use tails_server_state::Target;

use crate::controller::Listeners;

/// State of a TCP socket that listens (TCP_LISTEN), as the table writes it.
const LISTEN: &str = "0A";
/// Flag of a unix socket that accepts connections (__SO_ACCEPTCON).
const ACCEPTS: u32 = 0x1_0000;

/// Users of people, as Debian numbers them (policy, 9.2.2); servers run as others.
const PEOPLE: RangeInclusive<u32> = 1000..=59_999;

/// Those of the targets that somebody listens on. Reads only the tables that the targets need.
pub(super) fn listening(targets: &BTreeSet<Target>) -> io::Result<Listeners> {
    let (mut found, mut of_people) = (BTreeSet::new(), BTreeSet::new());
    if targets.iter().any(|target| matches!(target, Target::Tcp(_))) {
        let (mut listeners, mut people) = (BTreeSet::new(), BTreeSet::new());
        let mut take = |line: &str| {
            if let Some((address, user)) = tcp_listener(line) {
                listeners.insert(address);
                people.extend(PEOPLE.contains(&user).then_some(address));
            }
        };
        read("/proc/net/tcp", &mut take)?;
        // A kernel without IPv6 has no such table.
        match read("/proc/net/tcp6", &mut take) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => (),
            other => other?,
        }
        found.extend(targets.iter().filter(|target| answers(target, &listeners)).cloned());
        of_people.extend(targets.iter().filter(|target| answers(target, &people)).cloned());
    }
    if targets.iter().any(|target| matches!(target, Target::Unix(_))) {
        read("/proc/net/unix", |line| {
            let listener = unix_listener(line).map(|path| Target::Unix(path.into()));
            found.extend(listener.filter(|target| targets.contains(target) && has_its_socket(target)));
        })?;
    }
    Ok(Listeners { looked_for: targets.clone(), found, of_people })
}

fn read(path: &str, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(fs::File::open(path)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // A path outside UTF-8 is none of ours: our targets are ASCII.
        if let Ok(line) = std::str::from_utf8(&line) {
            each(line.trim_end_matches('\n'));
        }
        line.clear();
    }
    Ok(())
}

/// Whether one of the listeners answers connections to the target.
fn answers(target: &Target, listeners: &BTreeSet<SocketAddr>) -> bool {
    let Target::Tcp(address) = target else { return false };
    let any_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    // A listener on [::] takes IPv4 too, unless its program asked otherwise; the table does not show that.
    let any_v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
    listeners.contains(address) || listeners.contains(&any_v6) || address.is_ipv4() && listeners.contains(&any_v4)
}

/// The local address and the user in a line of a TCP table, if the socket listens.
fn tcp_listener(line: &str) -> Option<(SocketAddr, u32)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let state = fields.nth(1)?;
    if state != LISTEN {
        return None;
    }
    let user = fields.nth(3)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    Some((SocketAddr::new(ip_address(address)?, u16::from_str_radix(port, 16).ok()?), user))
}

/// One or four words in hexadecimal, each a number in this machine's byte order whose bytes are in network order.
fn ip_address(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let words = text.len() / 8;
    for (index, place) in bytes.chunks_exact_mut(4).take(words).enumerate() {
        let word = u32::from_str_radix(text.get(index * 8..index * 8 + 8)?, 16).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
    }
    match text.len() {
        8 => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
        // A program may bind the mapped form of an IPv4 address.
        32 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

/// The path in a line of the table of unix sockets, if the socket listens and has a path.
fn unix_listener(line: &str) -> Option<&str> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(field)
    };
    let _address = field()?;
    let _references = field()?;
    let _protocol = field()?;
    let flags = u32::from_str_radix(field()?, 16).ok()?;
    let _type = field()?;
    let _state = field()?;
    let _inode = field()?;
    (flags & ACCEPTS != 0 && rest.starts_with('/')).then_some(rest)
}

/// Whether the socket's file is still there: a listener whose file was removed can not be reached.
fn has_its_socket(target: &Target) -> bool {
    let Target::Unix(path) = target else { return false };
    match fs::metadata(Path::new(path)) {
        Ok(metadata) => metadata.file_type().is_socket(),
        // A directory that we may not look into can be open to Tor.
        Err(cause) => cause.kind() == io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tcp_tables_are_read() {
        let lines = [
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid", None),
            (
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0",
                Some("127.0.0.1:8080 0"),
            ),
            ("   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0", None),
            ("   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0", Some("0.0.0.0:22 0")),
            (
                "   0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0",
                Some("[::1]:631 0"),
            ),
            (
                "   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0",
                Some("127.0.0.1:8080 1000"),
            ),
            ("   1: 00000000", None),
            ("", None),
        ];
        for (line, listener) in lines {
            // The words are in this machine's byte order; these lines were written on a little-endian one.
            if cfg!(target_endian = "little") {
                let found = tcp_listener(line).map(|(address, user)| format!("{address} {user}"));
                assert_eq!(found.as_deref(), listener, "{line}");
            }
        }
    }

    #[test]
    fn lines_of_the_unix_table_are_read() {
        for (line, path) in [
            ("Num       RefCount Protocol Flags    Type St Inode Path", None),
            ("0000000000000000: 00000002 00000000 00010000 0001 01 22817 /run/tor/control", Some("/run/tor/control")),
            ("0000000000000000: 00000003 00000000 00000000 0001 03 22818 /run/tor/control", None),
            ("0000000000000000: 00000002 00000000 00010000 0001 01 22819 @abstract", None),
            ("0000000000000000: 00000002 00000000 00010000 0001 01 22820", None),
            ("0000000000000000: 00000002 00000000 00010000 0001 01   220 /run/with space", Some("/run/with space")),
        ] {
            assert_eq!(unix_listener(line), path, "{line}");
        }
    }

    #[test]
    fn a_listener_on_every_address_answers_for_loopback() {
        let target: Target = "127.0.0.1:80".parse().unwrap();
        for (listener, answer) in [
            ("127.0.0.1:80", true),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("127.0.0.2:80", false),
            ("[::1]:80", false),
        ] {
            let listeners = BTreeSet::from([listener.parse().unwrap()]);
            assert_eq!(answers(&target, &listeners), answer, "{listener}");
        }
    }
}
