// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules in Tails, beside its own. iptables(8), iptables-extensions(8), iptables-restore(8)
//!
//! Tails has ferm make two tables anew whenever a network comes up, and then gives each line of a file to iptables once more.
//! So rules of ours for these tables are in both, kernel and file. Each has a comment that says all about it: by that it is
//! found again, whatever has become of it, and by that it is known to be ours.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tails_server_state::ServiceName;

use super::{LAN, Rules, TAILS, route};
use crate::helper::error::Error;
use crate::helper::files::{Directory, is_missing};
use crate::helper::program::{IPTABLES_RESTORE, IPTABLES_SAVE, feed, run};
use crate::helper::users::Owner;

/// What iptables is given after ferm has run: arguments, a line for each rule.
const SESSION_RULES: &str = "/var/lib/iptables/session-rules";
/// What the comments of our rules begin with, and of no others.
const MARK: &str = "tails-server:";
/// Of the rule that belongs to no single service. No service is called like this.
const GUARD: &str = ":guard";
/// How often we look again: ferm may work on the same tables at the same time, which takes it less than a second.
const ATTEMPTS: u32 = 20;

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
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        // The file before the kernel: a rule is not lost when ferm comes in between.
        write_lines(&rules)?;
        let saved = run::<&str>(IPTABLES_SAVE, &[])?;
        let found = find(&saved);
        let change = difference(&found, &rules);
        if change.is_empty() {
            // Open after the guard is there, and closed before it goes.
            return if has_lan { route(true) } else { Ok(()) };
        }
        if !has_lan && found.iter().any(|rule| rule.table != Table::Filter) {
            route(false)?;
        }
        // One table at once, or not at all. It fails if ferm has just taken away what is to be deleted.
        result = feed(IPTABLES_RESTORE, &["--noflush", "--wait=60"], &change);
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
                rules.push(Rule::new(Table::Filter, &others, &about, "REJECT --reject-with tcp-reset"));
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

/// Makes the lines of these rules the only ones of ours in the file.
fn write_lines(rules: &[Rule]) -> Result<(), Error> {
    let wanted: Vec<String> = rules.iter().filter(|rule| rule.table.is_made_anew()).map(Rule::line).collect();
    let path = Path::new(SESSION_RULES);
    let (kept, missing) = if is_missing(path)? {
        (None, wanted)
    } else {
        let mut file = File::open(path).map_err(Error::file("read", path))?;
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).map_err(Error::file("read", path))?;
        if !contents.is_empty() && !contents.ends_with(b"\n") {
            return Err(Error::Unsafe { path: path.to_owned(), why: "its last line has no end" });
        }
        let (kept, missing) = sort(&contents, wanted);
        ((kept != contents).then_some((file, kept)), missing)
    };
    if let Some((file, kept)) = kept {
        replace(path, file, &kept)?;
    }
    // By Tails' own program, which knows where they go.
    missing.iter().try_for_each(|line| run(TAILS, &line.split(' ').collect::<Vec<_>>()).map(drop))
}

/// The lines without those of ours that are not wanted, or are there already; and the wanted ones that are missing.
fn sort(contents: &[u8], mut wanted: Vec<String>) -> (Vec<u8>, Vec<String>) {
    let mut kept = Vec::new();
    for line in contents.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let place = wanted.iter().position(|wanted| *wanted == text.trim_end());
        if let Some(place) = place {
            wanted.remove(place);
        }
        if place.is_some() || mark(&words).is_none() {
            kept.extend_from_slice(line);
        }
    }
    (kept, wanted)
}

/// Writes another file in the place of this one, which was read to its end; without lines there is none. What somebody has
/// added meanwhile is kept.
fn replace(path: &Path, mut before: File, kept: &[u8]) -> Result<(), Error> {
    let about = before.metadata().map_err(Error::file("look at", path))?;
    let directory = Directory::parent(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("rules without a file"))?;
    if kept.is_empty() {
        directory.remove(name)?;
    } else {
        let owner = Owner { user: about.uid(), group: about.gid() };
        directory.write(name, kept, owner, about.mode() & 0o7777)?;
    }
    let mut add_late = || -> io::Result<()> {
        let mut late = Vec::new();
        before.read_to_end(&mut late)?;
        if late.is_empty() { Ok(()) } else { OpenOptions::new().create(true).append(true).open(path)?.write_all(&late) }
    };
    add_late().map_err(Error::file("write", path))
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
