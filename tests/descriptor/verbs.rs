// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server lint` and `new`, with no controller anywhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::samples::place;

fn cli(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
    let Output { status, stdout, stderr } =
        command.current_dir(directory).env_clear().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("ts-").tempdir().unwrap()
}

#[test]
fn what_new_writes_is_clean_and_never_overwritten() {
    let directory = directory();
    let (code, _, talk) = cli(directory.path(), &["new", "my-wiki-2", "--output", "a/b"]);
    assert_eq!(code, Some(0), "{talk}");
    for given in ["a/b/my-wiki-2", "a/b/my-wiki-2/service.toml"] {
        let (code, out, talk) = cli(directory.path(), &["lint", "--strict", given]);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{talk}");
        assert_eq!(talk, "The descriptor is fine.\n");
    }
    // From within, the directory's name has to be found out.
    let (code, ..) = cli(&directory.path().join("a/b/my-wiki-2"), &["lint", "--strict", "service.toml"]);
    assert_eq!(code, Some(0));
    let descriptor = directory.path().join("a/b/my-wiki-2/service.toml");
    fs::write(&descriptor, "mine").unwrap();
    let (code, _, talk) = cli(directory.path(), &["new", "my-wiki-2", "--output", "a/b"]);
    assert_eq!(code, Some(1));
    assert!(talk.contains("Hint:"), "{talk}");
    assert_eq!(fs::read_to_string(&descriptor).unwrap(), "mine");
}

#[test]
fn a_name_that_could_leave_its_place_is_refused() {
    let directory = directory();
    for name in ["../x", "X", "a/b", ""] {
        assert_eq!(cli(directory.path(), &["new", name]).0, Some(2), "{name}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn exit_codes_tell_errors_from_warnings_from_nothing() {
    let directory = place("fixtures/descriptors/invalid");
    for (arguments, expected) in [
        (&["lint", "option-unused.toml"][..], 0),
        (&["lint", "--strict", "option-unused.toml"], 1),
        (&["lint", "field-unknown.toml"], 1),
        (&["lint", "../valid/minimal.toml"], 0),
        (&["lint", "../valid/minimal.toml", "field-unknown.toml"], 1),
        (&["lint", "no-such-file.toml"], 1),
        (&["lint"], 2),
    ] {
        let (code, _, talk) = cli(&directory, arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {talk}");
    }
}

#[test]
fn findings_are_data_in_three_forms() {
    let directory = place("fixtures/descriptors/invalid");
    let (_, text, talk) = cli(&directory, &["lint", "field-unknown.toml"]);
    assert!(text.starts_with("field-unknown.toml:"), "{text}");
    assert!(text.contains("error: ") && text.contains(" [field.unknown]\n  hint: Did you mean"), "{text}");
    assert_eq!(talk, "Error: The descriptor breaks rules\n");
    for arguments in
        [&["lint", "field-unknown.toml", "--format", "json"][..], &["lint", "field-unknown.toml", "--json"]]
    {
        let (_, json, _) = cli(&directory, arguments);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[0]["rule"], "field.unknown");
        assert_eq!(json[0]["file"], "field-unknown.toml");
        assert!(json[0]["line"].is_u64() && json[0]["column"].is_u64() && json[0]["hint"].is_string(), "{json}");
    }
    let (_, github, _) = cli(&directory, &["lint", "field-unknown.toml", "--format", "github"]);
    assert!(github.starts_with("::error file=field-unknown.toml,line="), "{github}");
    assert_eq!(cli(&directory, &["lint", "../valid/minimal.toml", "--json"]).1, "[]\n");
    let (_, out, talk) = cli(&directory, &["lint", "no-such-file.toml"]);
    assert_eq!(out, "");
    assert!(talk.starts_with("Error: Cannot read no-such-file.toml\nCaused by: ") && talk.contains("Hint: "), "{talk}");
}
