// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether computers of the local network are let in as it is wished, and not otherwise.
//!
//! The rules themselves are for root to read. That packets from outside may be led to 127.0.0.1 at all is a setting that
//! everybody may read, and only allow-lan needs it.

use std::fs;
use std::path::Path;

use tr::tr;

use super::Subject;
use super::finding::{Finding, Severity};
use super::program::ask;

const ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";
const IP: &str = "/usr/sbin/ip";
const NFT: &str = "/usr/sbin/nft";
/// How Tails is told of rules.
const TAILS: &str = "/usr/local/sbin/tails-add-session-firewall-rule";
/// The rule of routing that keeps the local network from the rest of loopback.
const GUARD: &str = "from all to 127.0.0.0/8 blackhole";
/// The table of our rules.
const TABLE: &str = "table inet tails_server";

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    /// Whether packets from outside may be led to 127.0.0.1.
    is_routed: Option<bool>,
    /// Whether the rest of loopback is kept from them.
    is_guarded: Option<bool>,
    /// Whether nftables has a table of ours.
    has_table: Option<bool>,
}

impl Look {
    fn now() -> Self {
        let routed = fs::read_to_string(ROUTE_LOCALNET).ok();
        let rules = ask(IP, &["-4", "rule", "show"]).ok().filter(|rules| !rules.is_empty());
        let is_root = rustix::process::geteuid().is_root();
        let tables = if is_root && !Path::new(TAILS).exists() { ask(NFT, &["list", "tables"]).ok() } else { None };
        Self {
            is_routed: routed.map(|value| value.trim() == "1"),
            is_guarded: rules.map(|rules| rules.contains(GUARD)),
            has_table: tables.map(|tables| tables.lines().any(|line| line == TABLE)),
        }
    }
}

pub(super) fn findings(subjects: Option<&[Subject]>) -> Vec<Finding> {
    let wish = subjects.map(|subjects| {
        let running = subjects.iter().filter(|subject| subject.is_enabled());
        let services = running.filter_map(|subject| subject.service.as_ref());
        // One that is not up yet has no rules yet.
        let services: Vec<_> = services.filter(|service| service.options_applied == Some(true)).collect();
        let is_lan = services.iter().any(|service| service.allow_lan == Some(true));
        (is_lan, is_lan || services.iter().any(|service| service.allow_localhost == Some(false)))
    });
    judge(&Look::now(), wish)
}

/// `wish`: whether the local network is let in anywhere, and whether any rule is needed.
fn judge(look: &Look, wish: Option<(bool, bool)>) -> Vec<Finding> {
    let looked_at = tr!("whether computers of the local network are let in past Tor");
    let finding = |id, severity, found| Finding::new(id, severity, looked_at.clone(), found);
    let renew = tr!("Set allow-lan of the service off and on again; its rules are laid anew");
    let Some(is_routed) = look.is_routed else {
        return vec![finding(
            "firewall",
            Severity::Note,
            tr!("could not be looked at: the setting route_localnet can not be read"),
        )];
    };
    let mut findings = Vec::new();
    if is_routed && look.is_guarded == Some(false) {
        findings.push(
            finding(
                "firewall-unguarded",
                Severity::Error,
                tr!("all of loopback can be reached from the local network"),
            )
            .because(tr!("route_localnet is 1, and the rules of routing that confine it are gone"))
            .so(tr!("Close it at once: sudo sysctl net.ipv4.conf.all.route_localnet=0. {renew}", renew)),
        );
    }
    let Some((is_lan, needs_rules)) = wish else {
        if is_routed {
            let found = tr!("packets from outside may be led to servers that listen on 127.0.0.1");
            findings.push(
                finding("firewall", Severity::Warning, found)
                    .because(tr!("route_localnet is 1; whether a service wants it is not known without a controller")),
            );
        }
        return findings;
    };
    if is_routed && !is_lan {
        findings.push(
            finding("firewall-left", Severity::Warning, tr!("packets from outside may be led to servers on 127.0.0.1"))
                .because(tr!("route_localnet is 1, and no service that runs has allow-lan: it was left over, or is another program's"))
                .so(tr!("If no other program needs it: sudo sysctl net.ipv4.conf.all.route_localnet=0")),
        );
    }
    if !is_routed && is_lan {
        findings.push(
            finding("firewall-missing", Severity::Warning, tr!("a service has allow-lan, and nobody is let in"))
                .because(tr!("somebody loaded other rules, or set route_localnet to 0"))
                .so(renew.clone()),
        );
    }
    match look.has_table {
        Some(true) if !needs_rules => findings.push(
            finding(
                "firewall-left",
                Severity::Warning,
                tr!("there are rules of Tails Server, and no service needs any"),
            )
            .so(tr!("Remove them: sudo nft delete {table}", table = TABLE)),
        ),
        Some(false) if needs_rules => findings.push(
            finding("firewall-missing", Severity::Warning, tr!("the rules of Tails Server are not there"))
                .because(tr!("somebody loaded other rules"))
                .so(tr!("Load them again: sudo systemctl restart tails-server-firewall")),
        ),
        Some(true | false) => {}
        None if needs_rules => {
            findings.push(finding(
                "firewall-rules",
                Severity::Note,
                tr!("the rules could not be looked at: only root may"),
            ));
        }
        None => {}
    }
    if !findings.iter().any(|finding| finding.severity > Severity::Note) {
        let found = if is_lan { tr!("they are, where it is wished") } else { tr!("they are not") };
        findings.push(finding("firewall", Severity::Ok, found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_compared_with_what_is_wished() {
        let look = |is_routed, is_guarded, has_table| Look { is_routed, is_guarded, has_table };
        let (yes, no) = (Some(true), Some(false));
        let (closed, lan, local) = (Some((false, false)), Some((true, true)), Some((false, true)));
        type Row<'a> = (Look, Option<(bool, bool)>, &'a [&'a str]);
        let table: &[Row<'_>] = &[
            (look(no, no, no), closed, &["firewall"]),
            (look(no, no, None), closed, &["firewall"]),
            (look(no, no, yes), closed, &["firewall-left"]),
            (look(yes, yes, no), closed, &["firewall-left"]),
            (look(yes, no, yes), lan, &["firewall-unguarded"]),
            (look(yes, yes, yes), lan, &["firewall"]),
            (look(yes, yes, None), lan, &["firewall-rules", "firewall"]),
            (look(no, no, yes), lan, &["firewall-missing"]),
            (look(no, no, no), local, &["firewall-missing"]),
            (look(no, no, yes), local, &["firewall"]),
            (look(yes, yes, None), None, &["firewall"]),
            (look(no, None, None), None, &[]),
            (look(None, None, None), closed, &["firewall"]),
        ];
        for (look, wish, ids) in table {
            let found = judge(look, *wish);
            assert_eq!(found.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(), *ids, "{look:?} {wish:?}");
        }
        assert_eq!(judge(&look(None, None, None), closed)[0].severity, Severity::Note);
        assert_eq!(judge(&look(yes, no, None), lan)[0].severity, Severity::Error);
    }
}
