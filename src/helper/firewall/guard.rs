// SPDX-License-Identifier: GPL-3.0-or-later
//! From outside, no packet finds a way to 127.0.0.0/8 but one that rules of ours have led there. That is a matter of routing:
//! whoever flushes the rules of nftables takes ours along, and with them the mark, and all ways are closed. ip-rule(8)

use std::path::Path;

use super::route;
use crate::helper::error::Error;
use crate::helper::files::is_missing;
use crate::helper::program::{IP, run};

/// What packets are marked with that may go to 127.0.0.0/8.
pub(super) const MARK: &str = "0x7a115e7";
/// Rules of routing, of which the first that fits counts.
const RULES: [&str; 3] = [
    "from all to 127.0.0.0/8 iif lo lookup local",
    "from all to 127.0.0.0/8 fwmark 0x7a115e7 lookup local",
    "from all to 127.0.0.0/8 blackhole",
];
/// What is the first rule of every system: what is sent to an address of this computer is for it.
const LOCAL: &str = "from all lookup local";
/// Where ours are, too: `ip rule flush` leaves these alone. A new one comes after those that are there.
const FIRST: u32 = 0;
/// Where [`LOCAL`] is once more, while ours get before it. Without it this computer would hear nothing.
const MEANWHILE: u32 = 1;

/// A rule that is there, in the words of `ip`, and its place.
type Shown = (u32, String);

/// Has the rules of routing come before all others.
pub(super) fn lay() -> Result<(), Error> {
    let before = shown()?;
    if is_laid(&before) {
        return Ok(());
    }
    // Nobody comes in until they are in order.
    route(false)?;
    if before.iter().any(|(place, text)| *place == FIRST && text != LOCAL && !RULES.contains(&text.as_str())) {
        return Err(disorder());
    }
    let has_local = has(&before, FIRST, LOCAL) || has(&before, MEANWHILE, LOCAL);
    if has_local && !has(&before, MEANWHILE, LOCAL) {
        add(MEANWHILE, LOCAL)?;
    }
    delete_ours(&before)?;
    RULES.iter().try_for_each(|text| add(FIRST, text))?;
    if has(&before, FIRST, LOCAL) {
        delete(FIRST, LOCAL)?;
    }
    if has_local {
        add(FIRST, LOCAL)?;
        delete(MEANWHILE, LOCAL)?;
    }
    if is_laid(&shown()?) { Ok(()) } else { Err(disorder()) }
}

/// Takes them away; what a crash has left, too.
pub(super) fn take_away() -> Result<(), Error> {
    // Nobody has laid them without the program.
    if is_missing(Path::new(IP))? {
        return Ok(());
    }
    let before = shown()?;
    let has_first = has(&before, FIRST, LOCAL);
    let has_ours = before.iter().any(|(_, text)| RULES.contains(&text.as_str()));
    // Somebody else may have it there, and not where it usually is.
    let is_half = has(&before, MEANWHILE, LOCAL) && (has_first || has_ours);
    if is_half && !has_first {
        add(FIRST, LOCAL)?;
    }
    delete_ours(&before)?;
    if is_half { delete(MEANWHILE, LOCAL) } else { Ok(()) }
}

fn is_laid(shown: &[Shown]) -> bool {
    let first = shown.iter().take(RULES.len()).map(|(place, text)| (*place, text.as_str()));
    first.eq(RULES.map(|text| (FIRST, text))) && !has(shown, MEANWHILE, LOCAL)
}

fn has(shown: &[Shown], place: u32, text: &str) -> bool {
    shown.iter().any(|(other, shown)| *other == place && shown == text)
}

fn shown() -> Result<Vec<Shown>, Error> {
    Ok(parse(&run(IP, &["-4", "rule", "show"])?))
}

/// `PLACE:\tTEXT`, line by line, in the order in which they count.
fn parse(text: &str) -> Vec<Shown> {
    let parse = |line: &str| {
        let (place, text) = line.split_once(':')?;
        Some((place.parse().ok()?, text.trim().to_owned()))
    };
    text.lines().filter_map(parse).collect()
}

fn add(place: u32, text: &str) -> Result<(), Error> {
    // As the kernel's own: programs that keep the rules of a network in order leave these alone.
    change("add", place, &format!("{text} protocol kernel"))
}

fn delete(place: u32, text: &str) -> Result<(), Error> {
    change("delete", place, text)
}

fn delete_ours(shown: &[Shown]) -> Result<(), Error> {
    RULES.iter().filter(|text| has(shown, FIRST, text)).try_for_each(|text| delete(FIRST, text))
}

fn change(verb: &str, place: u32, text: &str) -> Result<(), Error> {
    let place = place.to_string();
    let words = ["-4", "rule", verb, "priority", &place].into_iter().chain(text.split(' '));
    run(IP, &words.collect::<Vec<_>>()).map(drop)
}

fn disorder() -> Error {
    let reason = "other rules of routing come before all, and would open this computer to the local network".to_owned();
    Error::Failed { program: IP.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_that_come_before_all_others_and_in_order_guard() {
        assert!(RULES[1].contains(MARK));
        let [own, led, rest] = RULES;
        for (lines, is_guarded) in [
            (vec![own, led, rest, LOCAL], true),
            (vec![LOCAL, own, led, rest], false),
            (vec![own, rest, led, LOCAL], false),
            (vec![own, led, LOCAL, rest], false),
            (vec![own, led], false),
            (vec![LOCAL], false),
        ] {
            let text: String = lines.iter().map(|line| format!("0:\t{line}\n")).collect();
            let text = text + "32766:\tfrom all lookup main\n";
            assert_eq!(is_laid(&parse(&text)), is_guarded, "{text}");
            assert!(!is_laid(&parse(&(text + "1:\tfrom all lookup local\n"))), "it was left half done");
        }
    }
}
