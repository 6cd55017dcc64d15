// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules in nftables: one table for all services, replaced whole and at once. nft(8)

use std::fmt::Write;
use std::path::Path;

use super::{LAN, Rules, guard, route};
use crate::helper::error::Error;
use crate::helper::files::Directory;
use crate::helper::places::STATE;
use crate::helper::units;
use crate::helper::users::Owner;

/// The unit that loads the rules.
const UNIT: &str = "tails-server-firewall.service";
/// Where it finds them. No service is called like this.
const FILE: &str = ".firewall.nft";

/// Makes these rules the only ones of ours.
pub(super) fn load(all: &[Rules], tor: u32) -> Result<(), Error> {
    let has_lan = all.iter().any(|rules| rules.access.lan);
    // Open after the guard is there, and closed before it goes.
    if !has_lan {
        route(false)?;
        guard::take_away()?;
    }
    let directory = Directory::ours(Path::new(STATE), 0o755)?;
    directory.write(FILE, table(all, tor).as_bytes(), Owner::ROOT, 0o600)?;
    // Not by ourselves: the unit loads them again whenever those of the system are loaded anew, which flushes ours.
    units::restart(UNIT)?;
    if !has_lan {
        return Ok(());
    }
    // Whoever flushes these rules flushes the guard among them, and nothing is led back to where it was.
    guard::lay()?;
    route(true)
}

fn table(all: &[Rules], tor: u32) -> String {
    // Made and deleted: so that it can be deleted whether it was there or not.
    let mut text = "table inet tails_server\ndelete table inet tails_server\n".to_owned();
    if all.is_empty() {
        return text;
    }
    let ports = |choose: fn(&Rules) -> bool| {
        let chosen = all.iter().filter(|rules| choose(rules)).flat_map(|rules| rules.ports.iter().copied());
        chosen.collect::<Vec<u16>>()
    };
    text.push_str("table inet tails_server {\n");
    // What is sent to 127.0.0.1 from outside is dropped before any of it is led there: as the kernel does by itself as long
    // as route_localnet is off.
    text.push_str("chain guard {\ntype filter hook prerouting priority raw; policy accept;\n");
    text.push_str("iifname != \"lo\" ip daddr 127.0.0.0/8 drop\niifname != \"lo\" ip saddr 127.0.0.0/8 drop\n}\n");
    text.push_str("chain lan {\ntype nat hook prerouting priority dstnat; policy accept;\n");
    for port in ports(|rules| rules.access.lan) {
        let from = LAN.join(", ");
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "iifname != \"lo\" ip saddr {{ {from} }} fib daddr type local tcp dport {port} dnat ip to 127.0.0.1:{port}"
        );
    }
    text.push_str("}\nchain led {\ntype filter hook prerouting priority dstnat + 1; policy accept;\n");
    let mark = guard::MARK;
    let _ = writeln!(text, "iifname != \"lo\" ip daddr 127.0.0.0/8 ct status dnat meta mark set {mark}");
    text.push_str("}\nchain localhost {\ntype filter hook output priority filter; policy accept;\n");
    for port in ports(|rules| !rules.access.localhost) {
        let _ = writeln!(text, "oifname \"lo\" tcp dport {port} meta skuid != {tor} reject with tcp reset");
    }
    text.push_str("}\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::wishes::Access;

    #[test]
    fn each_service_has_the_rules_that_it_needs_and_no_others() {
        let rules = |port, localhost, lan| Rules { ports: vec![port], access: Access { localhost, lan } };
        let text = table(&[rules(1, true, true), rules(2, false, false)], 101);
        assert!(text.contains("tcp dport 1 dnat ip to 127.0.0.1:1") && !text.contains("dport 2 dnat"), "{text}");
        assert!(text.contains("tcp dport 2 meta skuid != 101 reject") && !text.contains("dport 1 meta"), "{text}");
        assert_eq!(table(&[], 101), "table inet tails_server\ndelete table inet tails_server\n");
    }
}
