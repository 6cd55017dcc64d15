// SPDX-License-Identifier: GPL-3.0-or-later
//! As much of AppArmor's language as our profiles use: file rules, variables and globs. apparmor.d(5)

use std::collections::BTreeMap;

/// The rules for files of one profile, with all alternatives written out.
#[derive(Default)]
pub(super) struct Profile {
    allowed: Vec<Rule>,
    /// These count more.
    denied: Vec<Rule>,
}

/// What may be done, and where.
type Rule = (String, Vec<String>);

impl Profile {
    /// Reads the profiles, by their names, of what `apparmor_parser --preprocess` prints.
    pub(super) fn parse(text: &str) -> BTreeMap<String, Self> {
        let mut variables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut profiles: BTreeMap<String, Self> = BTreeMap::new();
        let mut current = None;
        for line in text.lines().map(str::trim) {
            if let Some((name, values)) = line.strip_prefix("@{").and_then(|rest| rest.split_once('}'))
                && let Some(values) = values.trim_start().trim_start_matches('+').strip_prefix('=')
            {
                variables.entry(name).or_default().extend(values.split_whitespace());
                continue;
            }
            if let Some(name) = line.strip_prefix("profile ").and_then(|rest| rest.split_whitespace().next()) {
                current = Some(profiles.entry(name.to_owned()).or_default());
            }
            let words: Vec<&str> = line.strip_suffix(',').unwrap_or_default().split_whitespace().collect();
            let words: Vec<&str> = words.into_iter().skip_while(|word| matches!(*word, "audit" | "owner")).collect();
            let (is_denied, words) = match words.as_slice() {
                ["deny", rest @ ..] => (true, rest),
                all => (false, all),
            };
            if let [path, may] = words
                && (path.starts_with('/') || path.starts_with("@{"))
                && let Some(profile) = current.as_deref_mut()
            {
                let rules = if is_denied { &mut profile.denied } else { &mut profile.allowed };
                rules.push(((*may).to_owned(), alternatives(&substituted(path, &variables))));
            }
        }
        assert!(!profiles.is_empty() && profiles.values().all(|profile| profile.allowed.len() > 10), "{text}");
        profiles
    }

    /// Whether all of this may be done there.
    pub(super) fn allows(&self, path: &str, needs: &str) -> bool {
        let has = |rules: &[Rule], need: char| {
            rules.iter().any(|(may, globs)| {
                may.contains(need) && globs.iter().any(|glob| is_match(glob.as_bytes(), path.as_bytes()))
            })
        };
        needs.chars().all(|need| has(&self.allowed, need) && !has(&self.denied, need))
    }
}

/// With the values of variables as alternatives.
fn substituted(path: &str, variables: &BTreeMap<&str, Vec<&str>>) -> String {
    let Some((before, rest)) = path.split_once("@{") else { return path.to_owned() };
    let (name, after) = rest.split_once('}').unwrap();
    let values = variables.get(name).unwrap_or_else(|| unreachable!("no variable {name}"));
    let values: Vec<_> = values.iter().map(|value| value.trim_matches('"')).collect();
    substituted(&format!("{before}{{{}}}{after}", values.join(",")), variables)
}

/// All that the braces stand for.
fn alternatives(glob: &str) -> Vec<String> {
    let Some(open) = glob.find('{') else { return vec![glob.replace("//", "/")] };
    let (mut depth, mut parts, mut begin) = (0, Vec::new(), open + 1);
    for (place, letter) in glob.char_indices().skip(open) {
        match letter {
            '{' => depth += 1,
            ',' if depth == 1 => {
                parts.push(&glob[begin..place]);
                begin = place + 1;
            }
            '}' if depth == 1 => {
                parts.push(&glob[begin..place]);
                let whole = |part: &&str| alternatives(&format!("{}{part}{}", &glob[..open], &glob[place + 1..]));
                return parts.iter().flat_map(whole).collect();
            }
            '}' => depth -= 1,
            _ => (),
        }
    }
    unreachable!("a brace is not closed: {glob}")
}

fn is_match(glob: &[u8], path: &[u8]) -> bool {
    match (glob, path) {
        ([], _) => path.is_empty(),
        ([b'*', b'*', rest @ ..], _) => (0..=path.len()).any(|taken| is_match(rest, &path[taken..])),
        ([b'*', rest @ ..], _) => {
            let most = path.iter().position(|letter| *letter == b'/').unwrap_or(path.len());
            (0..=most).any(|taken| is_match(rest, &path[taken..]))
        }
        ([b'[', rest @ ..], [letter, path @ ..]) => {
            let end = rest.iter().position(|letter| *letter == b']').unwrap();
            is_in(&rest[..end], *letter) && is_match(&rest[end + 1..], path)
        }
        ([b'?', rest @ ..], [_, path @ ..]) => is_match(rest, path),
        ([letter, rest @ ..], [same, path @ ..]) => letter == same && is_match(rest, path),
        ([_, ..], []) => false,
    }
}

/// Whether it is one of a class.
fn is_in(class: &[u8], letter: u8) -> bool {
    match class {
        [first, b'-', last, rest @ ..] => (*first..=*last).contains(&letter) || is_in(rest, letter),
        [one, rest @ ..] => *one == letter || is_in(rest, letter),
        [] => false,
    }
}

#[test]
fn globs_match_what_apparmor_matches() {
    for (glob, path, matches) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", false),
        ("/a/**", "/a/b/c", true),
        ("/a/{,**}", "/a/", true),
        ("/a/{b,c{d,e}}f", "/a/cef", true),
        ("/proc/[0-9]*/net/tcp", "/proc/12/net/tcp", true),
        ("/proc/[0-9]*/net/tcp", "/proc/self/net/tcp", false),
    ] {
        let is_one = alternatives(glob).iter().any(|glob| is_match(glob.as_bytes(), path.as_bytes()));
        assert_eq!(is_one, matches, "{glob} {path}");
    }
}
