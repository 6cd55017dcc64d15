// SPDX-License-Identifier: GPL-3.0-or-later
//! What somebody else sees of Tor, on a control connection that our controller knows nothing of.

/// From a start of Tor to its end.
#[derive(Debug)]
pub(super) struct Life {
    /// When, in seconds since 1970, and what.
    events: Vec<(f64, String)>,
}

/// The lives in what `tests/tails/usr/local/lib/witness` wrote.
pub(super) fn lives(written: &str) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for line in written.lines() {
        let (time, what) = line.split_once(' ').unwrap();
        match lives.last_mut() {
            Some(life) if what != "LIFE" => life.events.push((time.parse().unwrap(), what.to_owned())),
            Some(_) | None => lives.push(Life { events: Vec::new() }),
        }
    }
    lives
}

impl Life {
    /// When Tor had bootstrapped.
    pub(super) fn bootstrapped(&self) -> Option<f64> {
        self.events.iter().find(|(_, what)| what.contains("BOOTSTRAP PROGRESS=100")).map(|(time, _)| *time)
    }

    /// When Tor was given a service, by its log. Only members of a private network write addresses into it.
    pub(super) fn added(&self) -> Vec<f64> {
        let added = |what: &str| what.contains("Added ephemeral");
        self.events.iter().filter(|(_, what)| added(what)).map(|(time, _)| *time).collect()
    }

    /// When an HSDir had a descriptor of it for the first time.
    pub(super) fn published(&self, address: &str) -> Option<f64> {
        let id = address.trim_end_matches(".onion");
        let there = |what: &str| what.contains("HS_DESC UPLOADED") && what.contains(id);
        self.events.iter().find(|(_, what)| there(what)).map(|(time, _)| *time)
    }

    /// Asserts that Tor got a service once in this life, and not before it had bootstrapped.
    pub(super) fn assert_once_and_not_early(&self) {
        let (added, bootstrapped) = (self.added(), self.bootstrapped());
        assert!(added.len() == 1 && bootstrapped.is_some_and(|time| time <= added[0]), "{:#?}", self.events);
    }
}
