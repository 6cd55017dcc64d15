// SPDX-License-Identifier: GPL-3.0-or-later
//! The session of a newcomer that needs a whole Debian, as it stands in README.md, word by word.

#[path = "../sessions/compare.rs"]
mod compare;
#[path = "../sessions/play.rs"]
mod play;
#[path = "../sessions/script.rs"]
#[expect(dead_code, reason = "the tests of the manual ask for more")]
mod script;

use self::play::{Stage, Told, play};
use self::script::Session;
use crate::clients::mumble;
use crate::reach::Reach;
use crate::system::System;

/// Plays it on this machine, which is in this network.
pub(crate) fn mumble_is_added(system: &System, reach: &Reach) {
    play(&Session::named("mumble"), &mut Debian { system, reach });
}

struct Debian<'a> {
    system: &'a System,
    reach: &'a Reach,
}

impl Stage for Debian<'_> {
    fn run(&mut self, _: &str, words: &[String]) -> Told {
        // Whoever types here is root already, and the machine has no sudo.
        let Some(("sudo", command)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
            unreachable!("who is not root may not speak with the system's controller: {words:?}")
        };
        let mut all = vec!["sh", "-c", r#"exec "$@" 2>&1"#, "session"];
        all.extend(command.iter().map(String::as_str));
        let answer = self.system.machine.attempt(&all).unwrap();
        Told { text: answer.stdout, code: answer.status.code() }
    }

    fn happen(&mut self, _: &str, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        let ["alice", "enters", address, "with", "Mumble", "and", "the", "password", password] = words.as_slice()
        else {
            unreachable!("nobody knows how this happens: {what}")
        };
        let welcome = mumble::enter(self.reach.connect(self.system, address, 64738), "alice", password);
        assert!(welcome.is_in, "{welcome:?}");
    }
}
