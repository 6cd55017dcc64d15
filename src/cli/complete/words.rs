// SPDX-License-Identifier: GPL-3.0-or-later
//! What is typed so far, as far as it says which names fit.

use std::env;
use std::ffi::OsString;

use crate::bus::api::BusAddress;

/// What is typed so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The verb, and the one below it.
    pub(super) verbs: Vec<String>,
    /// The names after them, in order. The last one may still be typed.
    pub(super) names: Vec<String>,
    /// Where the controller listens, if that was said.
    pub(super) bus: Option<BusAddress>,
}

impl Typed {
    /// Reads the words of a command line, the program's name first.
    pub(super) fn read(command: &clap::Command, words: &[OsString]) -> Self {
        let mut typed =
            Self { bus: env::var("TAILS_SERVER_BUS").ok().and_then(|bus| bus.parse().ok()), ..Self::default() };
        let mut at = command;
        let mut words = words.iter().skip(1).map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            if let Some(flag) = word.strip_prefix("--") {
                let (flag, mut value) = match flag.split_once('=') {
                    Some((flag, value)) => (flag, Some(value.to_owned())),
                    None => (flag, None),
                };
                let is_one = |argument: &&clap::Arg| argument.get_long() == Some(flag);
                // `--bus` is known everywhere, and written at the first of all commands.
                let known = at.get_arguments().find(is_one).or_else(|| command.get_arguments().find(is_one));
                if value.is_none() && known.is_some_and(|known| known.get_action().takes_values()) {
                    value = words.next().map(std::borrow::Cow::into_owned);
                }
                if flag == "bus" {
                    typed.bus = value.and_then(|bus| bus.parse().ok());
                }
            } else if let Some(below) = at.find_subcommand(&*word) {
                typed.verbs.push(below.get_name().to_owned());
                at = below;
            } else {
                typed.names.push(word.into_owned());
            }
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn verbs_and_names_are_told_from_flags_and_their_values() {
        for (line, verbs, names) in [
            ("set-option web persistence o", &["set-option"][..], &["web", "persistence", "o"][..]),
            ("--bus unix:/x enable --wait web --timeout 5", &["enable"], &["web"]),
            ("client remove --yes web al", &["client", "remove"], &["web", "al"]),
            ("--bus=unix:/x client --json list web", &["client", "list"], &["web"]),
            // A service that is called like a verb.
            ("client show list alice", &["client", "show"], &["list", "alice"]),
            ("", &[], &[]),
        ] {
            let words: Vec<OsString> =
                ["tails-server"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            let words = if line.is_empty() { words[..1].to_vec() } else { words };
            let typed = Typed::read(&Arguments::command(), &words);
            assert_eq!(
                (typed.verbs, typed.names),
                (verbs.iter().map(ToString::to_string).collect(), names.iter().map(ToString::to_string).collect()),
                "{line}"
            );
            if line.contains("--bus") {
                assert_eq!(typed.bus.unwrap().to_string(), "unix:/x");
            }
        }
    }
}
