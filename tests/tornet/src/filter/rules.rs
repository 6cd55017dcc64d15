// SPDX-License-Identifier: GPL-3.0-or-later
//! Patterns and replacements, as Python's `re.match` and `str.format` have them.

use regex_automata::meta::Regex;
use regex_automata::util::syntax::Config;
use serde::Deserialize;

use super::ProfileError;

/// A pattern, and what a text becomes that has it.
#[derive(Debug)]
pub(super) struct Rewrite {
    pattern: Pattern,
    replacement: String,
}

/// A pattern that has to match the whole text.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

/// As it is written in a profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RewriteText {
    pattern: String,
    replacement: String,
}

impl Pattern {
    // onion-grater appends a `$` and matches from the beginning: so of `a|b` the first half may be followed by anything.
    // Here, too, so that such a profile is found out.
    pub(super) fn new(text: &str) -> Result<Self, ProfileError> {
        let whole = format!("^(?:{text}$)");
        let ascii = Config::new().unicode(false).utf8(false);
        let compiled = Regex::builder().syntax(ascii).build(&whole);
        compiled.map(Self).map_err(|_| ProfileError::Pattern { pattern: text.to_owned() })
    }

    /// The groups, if it matches.
    pub(super) fn groups<'a>(&self, text: &'a str) -> Option<Vec<&'a str>> {
        let mut found = self.0.create_captures();
        self.0.captures(text, &mut found);
        found.is_match().then(|| {
            (1..found.group_len())
                .map(|group| found.get_group(group).and_then(|span| text.get(span.range())).unwrap_or(""))
                .collect()
        })
    }
}

impl Rewrite {
    pub(super) fn new(pattern: &str, replacement: String) -> Result<Self, ProfileError> {
        Ok(Self { pattern: Pattern::new(pattern)?, replacement })
    }

    /// What the text becomes; `None` if it does not match.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        self.pattern.groups(text).map(|groups| fill(&self.replacement, &groups))
    }
}

impl TryFrom<RewriteText> for Rewrite {
    type Error = ProfileError;

    fn try_from(text: RewriteText) -> Result<Self, ProfileError> {
        Self::new(&text.pattern, text.replacement)
    }
}

/// What the first of these that matches makes of the text; otherwise the text.
pub(super) fn rewrite(rules: &[Rewrite], text: &str) -> String {
    rules.iter().find_map(|rule| rule.apply(text)).unwrap_or_else(|| text.to_owned())
}

/// Puts one group after the other into the places that are marked by `{}`.
fn fill(replacement: &str, groups: &[&str]) -> String {
    let mut groups = groups.iter();
    let mut parts = replacement.split("{}");
    let mut filled = parts.next().unwrap_or("").to_owned();
    for part in parts {
        filled.push_str(groups.next().unwrap_or(&""));
        filled.push_str(part);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_or_not_at_all() {
        let rule = Rewrite::new(r"Port=(\d+),(\S+)( x)?", "{} to {}{}!".to_owned()).unwrap();
        assert_eq!(rule.apply("Port=80,a").as_deref(), Some("80 to a!"));
        for other in ["Port=80,a b", " Port=80,a", "Port=80,a\n"] {
            assert_eq!(rule.apply(other), None, "{other:?}");
        }
        let rules = [rule, Rewrite::new("", "nothing".to_owned()).unwrap()];
        assert_eq!((rewrite(&rules, ""), rewrite(&rules, "else")), ("nothing".to_owned(), "else".to_owned()));
    }

    #[test]
    fn the_first_half_of_an_alternative_is_as_open_as_it_is_in_python() {
        let pattern = Pattern::new("a|b").unwrap();
        assert!(pattern.groups("a and more").is_some() && pattern.groups("b and more").is_none());
    }
}
