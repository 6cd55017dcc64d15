// SPDX-License-Identifier: GPL-3.0-or-later
//! Broken descriptors, each beside what is said of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tails_server::descriptor::{Rule, check, lint_file};

use crate::samples::{InMemory, assert_recorded, place};

fn fixtures(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    found.sort();
    found
}

/// What `tails-server lint` says, with the paths as in the directory itself.
fn said(path: &Path) -> (String, BTreeSet<&'static str>) {
    let directory = format!("{}/", path.parent().unwrap().display());
    let report = lint_file(path).unwrap();
    let text: String = report.findings().iter().map(|finding| finding.text().replace(&directory, "") + "\n").collect();
    (text, report.findings().iter().map(|finding| finding.rule).collect())
}

#[test]
fn every_broken_descriptor_is_told_what_is_expected() {
    let fixtures = fixtures("fixtures/descriptors/invalid");
    assert!(fixtures.len() >= 40, "{}", fixtures.len());
    for path in fixtures {
        let (text, _) = said(&path);
        assert!(!text.is_empty(), "{} is not broken", path.display());
        assert_recorded(&path.with_extension("expected"), &text);
    }
}

#[test]
fn every_rule_has_a_fixture_that_breaks_it() {
    let broken: BTreeSet<&str> =
        fixtures("fixtures/descriptors/invalid").iter().flat_map(|path| said(path).1).collect();
    // Told by the catalogue alone, which knows whose the descriptor is.
    let elsewhere = [Rule::UnitPersonal.id()];
    for rule in Rule::ALL {
        assert!(broken.contains(rule.id()) || elsewhere.contains(&rule.id()), "{} has no fixture", rule.id());
    }
}

#[test]
fn every_valid_descriptor_is_clean() {
    for path in fixtures("fixtures/descriptors/valid") {
        assert_eq!(said(&path).0, "", "{}", path.display());
    }
}

#[test]
fn what_is_nested_without_end_ends_in_a_finding() {
    let good = fs::read_to_string(place("fixtures/descriptors/valid/minimal.toml")).unwrap();
    let uri = "http://{{ address }}/";
    assert!(good.contains(uri));
    // Just below the limits, and far beyond them.
    for depth in [45, 190, 10_000, 50_000] {
        let with_uri = |text: String| good.replace(uri, &text);
        for text in [
            format!("format = 1\nx = {}", "[".repeat(depth)),
            format!("format = 1\nx = {}1{}", "{ a = ".repeat(depth), " }".repeat(depth)),
            format!("format = 1\n[{}x]", "a.".repeat(depth)),
            with_uri(format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth))),
            with_uri(format!("{{{{ {}1{} }}}}", "[".repeat(depth), "]".repeat(depth))),
            with_uri(format!("{{{{ {}true }}}}", "not ".repeat(depth))),
            with_uri(format!("{{{{ {}1 }}}}", "-".repeat(depth))),
            with_uri(format!("{}{}", "{% if true %}".repeat(depth), "{% endif %}".repeat(depth))),
            with_uri(format!("{{{{ 1{} }}}}", " + 1".repeat(depth))),
            with_uri(format!("{{% if true %}}{}{{% endif %}}", "{% elif true %}".repeat(depth))),
        ] {
            // Whatever it says, it says it.
            let checked = check("minimal", &text, &InMemory::default());
            assert!(checked.descriptor.is_some() || !checked.findings.is_empty());
        }
    }
}

#[test]
fn what_would_double_itself_or_fill_the_memory_ends_in_a_finding() {
    let good = fs::read_to_string(place("fixtures/descriptors/valid/minimal.toml")).unwrap();
    // Not so many that a check without limits would take the machine along: each of these is one more than twice the last.
    let times = 20;
    let doubled = |begin: &str, end: &str| begin.repeat(times) + "{{ a }}" + &end.repeat(times);
    let first = |rest: String| format!("{{% set a = '0123456789abcdef' %}}{rest}");
    for (uri, said) in [
        (first(doubled("{% set a = a ~ a %}", "")), "no other statements"),
        (first(doubled("{% with a = a ~ a %}", "{% endwith %}")), "no other statements"),
        (doubled("{% for a in [address ~ address] %}", "{% endfor %}"), "no other statements"),
        ("{{ 'x' * 5000000 }}".to_owned(), "does not multiply"),
        ("{{ address ~ address ~ address ~ address }}".repeat(30_000), "larger than 4194304 bytes"),
    ] {
        let text = good.replace("http://{{ address }}/", &uri);
        let checked = check("minimal", &text, &InMemory::default());
        assert!(checked.descriptor.is_none(), "{said}");
        assert!(
            checked.findings.iter().any(|finding| finding.message.contains(said)),
            "{said}: {:?}",
            checked.findings
        );
    }
}

fn snippets() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "format = 1\n",
        "name = \"x\"\n",
        "name = 1\n",
        "[[port]]\n",
        "[port]\n",
        "target = 80\n",
        "target = -1\n",
        "[[option]]\n",
        "type = \"int\"\n",
        "type = \"secret\"\n",
        "default = 99999999999999999999\n",
        "min = 0x_\n",
        "[connection]\n",
        "uri = \"{{ a.b \"\n",
        "[[connection.line]]\n",
        "value = \"{% for\"\n",
        "[unit]\n",
        "= ",
        "\"\"\"",
        "[[",
        "]]",
        "\u{0}",
        "ä",
        "{",
        "}",
        "'",
        "\\u0000",
        "1979-05-27\n",
        "[a.b.c.d]\n",
        "choices = [{}]\n",
        "inf\n",
    ]);
    prop::collection::vec(words, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(text in prop_oneof![any::<String>(), snippets()]) {
        let checked = check("x", &text, &InMemory::default());
        prop_assert!(checked.descriptor.is_some() || !checked.findings.is_empty());
        for finding in checked.findings {
            prop_assert!(finding.span.start <= finding.span.end && finding.span.end <= text.len(), "{:?}", finding);
        }
    }

    #[test]
    fn no_damage_to_a_good_descriptor_makes_the_check_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let text = fs::read_to_string(place("contrib/services/mumble/service.toml")).unwrap();
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let directory = crate::samples::OnDisk(place("contrib/services/mumble"));
        let checked = check("mumble", &text, &directory);
        prop_assert!(checked.descriptor.is_some() || !checked.findings.is_empty());
    }
}
