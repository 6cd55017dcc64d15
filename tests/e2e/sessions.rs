// SPDX-License-Identifier: GPL-3.0-or-later
//! Sessions of a newcomer, as they stand in README.md, word by word.
//!
//! The session that needs a whole Debian is played in `tests/controller_in_box`.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../sessions/compare.rs"]
mod compare;
#[path = "../sessions/play.rs"]
mod play;
#[path = "../sessions/script.rs"]
#[expect(dead_code, reason = "the tests of the manual ask for more")]
mod script;
mod theatre;

use std::sync::{Mutex, PoisonError};

use compare::{Known, agrees};
use play::play;
use script::Session;
use theatre::Theatre;

/// All sessions use the same port, and so they are played one by one.
static STAGE: Mutex<()> = Mutex::new(());

fn plays(name: &str) {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    play(&Session::named(name), &mut Theatre::default());
}

#[test]
fn a_port_is_published() {
    plays("publish");
}

#[test]
fn a_friend_is_invited() {
    plays("invite");
}

#[test]
fn a_vanity_key_moves_in() {
    plays("vanity");
}

#[test]
fn it_is_found_out_why_a_service_is_not_reachable() {
    plays("unreachable");
}

#[test]
fn another_computer_takes_over_from_a_backup() {
    plays("backup");
}

#[test]
fn an_output_is_compared_word_by_word() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let onion = format!("{}.onion", "a".repeat(56));
    let other = format!("{}.onion", "b".repeat(56));
    let known = |written: &str, output: &str| agrees(&lines(written), &lines(output), &Known::new());
    for (written, output) in [
        ("one\ntwo", "one\ntwo"),
        ("...\ntwo", "two"),
        ("one\n...\ntwo", "one\nof\nmany\ntwo"),
        ("since: <time>, until <time>", "since: 2026-11-28T02:10:57Z, until 2026-12-28T02:10:57Z"),
        ("NAME  STATE\nweb   up", "NAME     STATE\nweb      up"),
        ("a ... c", "a b b c"),
        ("key: <key>\n<key>", "key: Z\nZ"),
    ] {
        assert!(known(written, output).is_some(), "{written} | {output}");
    }
    for (written, output) in [
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ("  one", "one"),
        ("<n> %", "many %"),
        ("key: <key>\n<key>", "key: Z\nY"),
        ("<address>", "short.onion"),
        ("<time>", "now"),
    ] {
        assert!(known(written, output).is_none(), "{written} | {output}");
    }
    assert_eq!(known("address: <address>", &format!("address: {onion}")).unwrap()["address"], onion);
    assert!(known("<address>\n<address>", &format!("{onion}\n{other}")).is_none());
}

#[test]
fn a_session_is_read_as_it_is_written() {
    let session = Session::parse(
        "# Title\n\n# Talk.\n[bob: it rains]\nbob$ tails-server get-option a \"b c\"\nout\n\n  in\n\n$ tails-server\n[exit 2]\n",
    );
    assert_eq!((session.title.as_str(), session.steps.len()), ("Title", 3));
    let script::Step::Command { output, code, .. } = &session.steps[1] else { unreachable!("{session:?}") };
    assert_eq!((output.as_slice(), *code), (["out", "", "  in"].map(str::to_owned).as_slice(), 0));
    assert!(matches!(&session.steps[2], script::Step::Command { code: 2, .. }), "{session:?}");
    assert_eq!(script::words("a \"b c\" d"), ["a", "b c", "d"]);
}
