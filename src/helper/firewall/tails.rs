// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules in Tails, beside its own. iptables(8), iptables-extensions(8), iptables-restore(8)
//!
//! Tails has ferm make two tables anew whenever a network comes up, and then gives each line of a file to iptables once more.
//! So rules of ours for these tables are in both, kernel and file. Each has a comment that says all about it: by that it is
//! found again, whatever has become of it, and by that it is known to be ours.

mod session;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use tails_server_state::ServiceName;

use super::{LAN, Rules, route};
use crate::helper::error::Error;
use crate::helper::program::{IPTABLES_RESTORE, IPTABLES_SAVE, feed, run};

/// What the comments of our rules begin with, and of no others.
const MARK: &str = "tails-server:";
/// Of the rule that belongs to no single service. No service is called like this.
const GUARD: &str = ":guard";
/// How often we look: ferm may work on the same tables at the same time.
const ATTEMPTS: u32 = 20;
/// What we leave to it before each further attempt. All together that is more than ferm and the lines after it need.
const PAUSE: Duration = Duration::from_millis(100);

/// The tables that our rules are in. They are changed in this order, so that what guards is there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Raw,
    Filter,
    Nat,
}

impl Table {
    const ALL: [Self; 3] = [Self::Raw, Self::Filter, Self::Nat];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }

    /// Whether ferm makes it anew. What the file has for another table would be there once more after each time.
    const fn is_made_anew(self) -> bool {
        match self {
            Self::Raw => false,
            Self::Filter | Self::Nat => true,
        }
    }
}

/// A rule that there shall be.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    table: Table,
    comment: String,
    /// What follows `-I`: before all that ferm has made.
    text: String,
}

impl Rule {
    fn new(table: Table, matches: &str, about: &str, target: &str) -> Self {
        let comment = format!("{MARK}{about}");
        let text = format!("{matches} -m comment --comment {comment} -j {target}");
        Self { table, comment, text }
    }

    /// The line in the file.
    fn line(&self) -> String {
        format!("-t {} -I {}", self.table.as_str(), self.text)
    }
}

/// A rule of ours that is there.
#[derive(Debug, PartialEq, Eq)]
struct Found<'a> {
    table: Table,
    comment: String,
    /// What follows `-D`.
    text: &'a str,
}

/// Makes these rules the only ones of ours. Those of Tails, and of others, stay as they are.
pub(super) fn load(all: &BTreeMap<ServiceName, Rules>, tor: u32) -> Result<(), Error> {
    let rules = rules(all, tor);
    let has_lan = all.values().any(|rules| rules.access.lan);
    let lines = rules.iter().filter(|rule| rule.table.is_made_anew()).map(Rule::line).collect::<Vec<_>>();
    let mut result = Ok(());
    for attempt in 0..ATTEMPTS {
        // The second look finds all as it should be, if nobody has come in between.
        if attempt > 1 {
            thread::sleep(PAUSE);
        }
        let missing = session::strike(lines.clone())?;
        let saved = run::<&str>(IPTABLES_SAVE, &[])?;
        let found = find(&saved);
        let change = difference(&found, &rules);
        if change.is_empty() && missing.is_empty() {
            // Open after the guard is there, and closed before it goes.
            return if has_lan { route(true) } else { Ok(()) };
        }
        if !change.is_empty() {
            if !has_lan && found.iter().any(|rule| rule.table != Table::Filter) {
                route(false)?;
            }
            // A table changes at once, or not at all. It fails if ferm has just taken away what is to be deleted.
            result = feed(IPTABLES_RESTORE, &["--noflush", "--wait=60"], &change);
            if result.is_err() {
                continue;
            }
        }
        // After iptables has taken the same rules: a line that it refuses would keep it from all that follow.
        session::add(&missing)?;
    }
    result.and(Err(Error::Failed {
        program: IPTABLES_RESTORE.to_owned(),
        reason: "something else changes the rules again and again".to_owned(),
    }))
}

/// The rules for all services.
fn rules(all: &BTreeMap<ServiceName, Rules>, tor: u32) -> Vec<Rule> {
    let mut rules = Vec::new();
    if all.values().any(|rules| rules.access.lan) {
        // As the kernel does by itself as long as route_localnet is off.
        rules.push(Rule::new(Table::Raw, "PREROUTING ! -i lo -d 127.0.0.0/8", GUARD, "DROP"));
    }
    for (service, Rules { ports, access }) in all {
        for port in ports {
            let here = format!("{}:{port}", service.as_str());
            for lan in LAN.iter().filter(|_| access.lan) {
                let about = format!("{here}:{lan}");
                // Only what was led there.
                let led =
                    format!("INPUT ! -i lo -s {lan} -d 127.0.0.1 -p tcp --dport {port} -m conntrack --ctstate DNAT");
                rules.push(Rule::new(Table::Filter, &led, &about, "ACCEPT"));
                // Tails runs its browsers in networks of their own, which shall reach nothing here: tails-create-netns
                let sent = format!(
                    "PREROUTING ! -i veth-+ -s {lan} -p tcp --dport {port} -m addrtype ! --src-type LOCAL --dst-type LOCAL"
                );
                rules.push(Rule::new(Table::Nat, &sent, &about, &format!("DNAT --to-destination 127.0.0.1:{port}")));
            }
            if !access.localhost {
                // A packet of a socket that was closed belongs to nobody: it is left alone, or Tor could not close one.
                let others = format!("OUTPUT -o lo -p tcp --dport {port} -m owner ! --uid-owner {tor} --socket-exists");
                let about = format!("{here}:localhost");
                // As Tails refuses: a reset would be refused itself, and who is refused would wait.
                rules.push(Rule::new(Table::Filter, &others, &about, "REJECT --reject-with icmp-port-unreachable"));
            }
        }
    }
    rules
}

/// Our rules among those that iptables-save has told.
fn find(saved: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let mut table = None;
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = Table::ALL.into_iter().find(|table| table.as_str() == name);
        }
        let Some((table, text)) = table.zip(line.strip_prefix("-A ")) else { continue };
        found.extend(mark(&words(text)).map(|comment| Found { table, comment, text }));
    }
    found
}

/// What iptables-restore has to do, so that each of these rules is there once, and no other of ours.
fn difference(found: &[Found<'_>], rules: &[Rule]) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        let wanted = || rules.iter().filter(|rule| rule.table == table);
        let mut kept = Vec::new();
        let mut lines = Vec::new();
        for Found { comment, text, .. } in found.iter().filter(|found| found.table == table) {
            if wanted().any(|rule| rule.comment == *comment) && !kept.contains(&comment) {
                kept.push(comment);
            } else {
                lines.push(format!("-D {text}\n"));
            }
        }
        lines.extend(wanted().filter(|rule| !kept.contains(&&rule.comment)).map(|rule| format!("-I {}\n", rule.text)));
        if !lines.is_empty() {
            text.push_str(&format!("*{}\n{}COMMIT\n", table.as_str(), lines.concat()));
        }
    }
    text
}

/// The comment of a rule, if it is ours.
fn mark(words: &[String]) -> Option<String> {
    let values = words.iter().zip(words.iter().skip(1)).filter(|(key, _)| *key == "--comment").map(|(_, value)| value);
    values.into_iter().find(|value| value.starts_with(MARK)).cloned()
}

/// The words of a rule, of which some are in quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_quoted) = (String::new(), false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => word.extend(letters.next()),
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::wishes::Access;

    fn all(services: &[(&str, u16, bool, bool)]) -> Vec<Rule> {
        let all = services.iter().map(|(name, port, localhost, lan)| {
            let access = Access { localhost: *localhost, lan: *lan };
            (name.parse().expect("a name"), Rules { ports: vec![*port], access })
        });
        rules(&all.collect(), 101)
    }

    /// As iptables-save would write them.
    fn saved(rules: &[Rule]) -> String {
        let quoted = |rule: &Rule| rule.text.replace(&rule.comment, &format!("\"{}\"", rule.comment));
        let rules = rules.iter().map(|rule| format!("*{}\n-A {}\nCOMMIT\n", rule.table.as_str(), quoted(rule)));
        rules.collect()
    }

    #[test]
    fn each_service_has_the_rules_that_it_needs_and_no_others() {
        let comments = |rules: &[Rule]| rules.iter().map(|rule| rule.comment.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(comments(&all(&[("a", 1, false, false)])), "tails-server:a:1:localhost");
        let lan = comments(&all(&[("a", 1, true, true), ("b", 2, true, true)]));
        assert_eq!(lan.matches(":guard").count(), 1, "{lan}");
        // In two tables each.
        assert_eq!(lan.matches("tails-server:b:2:").count(), 2 * LAN.len(), "{lan}");
        assert!(!lan.contains("localhost"), "{lan}");
    }

    #[test]
    fn what_is_there_stays_and_what_is_there_twice_or_unwanted_goes() {
        let (old, new) = (all(&[("a", 1, false, true)]), all(&[("a", 1, false, false)]));
        assert_eq!(difference(&find(&saved(&old)), &old), "");
        let gone = difference(&find(&saved(&old)), &new);
        assert_eq!((gone.matches("-D ").count(), gone.matches("-I ").count()), (1 + 2 * LAN.len(), 0), "{gone}");
        let twice = saved(&new) + &saved(&new);
        let once = difference(&find(&twice), &new);
        assert_eq!(once.matches("-D OUTPUT").count(), 1, "{once}");
        let made = difference(&[], &old);
        let place = |table| made.find(table).expect("a table");
        assert!(place("*raw") < place("*filter") && place("*filter") < place("*nat"), "the guard comes first: {made}");
    }

    #[test]
    fn rules_of_others_are_not_taken_for_ours() {
        for rule in [
            r#"-m comment --comment "a \"--comment tails-server:x\" b" -j DROP"#,
            r#"-m comment --comment "not-tails-server:x" -j DROP"#,
            "-m comment --comment tails-server -j DROP",
            "-j LOG --log-prefix tails-server:x",
        ] {
            assert_eq!(find(&format!("*filter\n-A INPUT {rule}\n")), []);
        }
        let ours = "*filter\n-A INPUT -m comment --comment \"tails-server:a:1:localhost\" -j DROP\n";
        assert_eq!(find(ours).len(), 1);
        assert_eq!(find(&ours.replace("filter", "security")), [], "we have none in there");
    }
}
