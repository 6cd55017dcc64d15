// SPDX-License-Identifier: GPL-3.0-or-later
//! A profile, as onion-grater reads it from `/etc/onion-grater.d/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rules::{Pattern, Rewrite, RewriteText, rewrite};

/// Why a text is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not of the form that onion-grater reads.
    #[error("cannot read the profile: {0}")]
    Form(String),
    /// Not one profile but none or several.
    #[error("a file with {0} profiles instead of one")]
    Count(usize),
    /// A pattern that is none.
    #[error("not a regular expression: {pattern}")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
}

/// What a filter lets through, and what it makes of it.
///
/// `confs` are not read: no GETCONF and no SETCONF comes through. Replacements know groups only, not the places that
/// onion-grater calls `{client-address}` and the like.
///
/// # Examples
/// ```
/// let profile = tornet::Profile::parse("- commands:\n    GETINFO:\n      - 'version'")?;
/// assert!(profile.allows("GETINFO version"));
/// assert!(!profile.allows("GETINFO version address"));
/// # Ok::<(), tornet::ProfileError>(())
/// ```
#[derive(Debug)]
pub struct Profile {
    program: Vec<String>,
    users: Vec<String>,
    commands: BTreeMap<String, Vec<Rule>>,
    events: BTreeMap<String, EventRule>,
}

/// One form of one command.
#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    replacement: Option<Rewrite>,
    response: Vec<Rewrite>,
}

#[derive(Debug, Default)]
struct EventRule {
    is_suppressed: bool,
    response: Vec<Rewrite>,
}

/// A command that may pass.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    /// The line that Tor is given.
    pub(super) line: String,
    response: &'a [Rewrite],
}

impl Profile {
    /// Reads a file with one profile.
    ///
    /// # Errors
    /// [`ProfileError`]
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let mut entries: Vec<Entry> =
            serde_saphyr::from_str(text).map_err(|cause| ProfileError::Form(cause.to_string()))?;
        let entry = entries.pop().filter(|_| entries.is_empty()).ok_or(ProfileError::Count(entries.len()))?;
        let mut commands = BTreeMap::new();
        for (name, rules) in entry.commands {
            let rules = rules.unwrap_or_default().into_iter().map(Rule::try_from).collect::<Result<_, _>>()?;
            commands.insert(name.to_uppercase(), rules);
        }
        let mut events = BTreeMap::new();
        for (name, options) in entry.events {
            events.insert(name.to_uppercase(), options.unwrap_or_default().try_into()?);
        }
        Ok(Self { program: entry.program, users: entry.users, commands, events })
    }

    /// The programs that it is for.
    pub fn program(&self) -> &[String] {
        &self.program
    }

    /// The users that it is for.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// Whether this line comes through, or is answered by the filter itself.
    pub fn allows(&self, line: &str) -> bool {
        match split(line) {
            ("PROTOCOLINFO" | "AUTHENTICATE" | "QUIT", _) => true,
            ("SETEVENTS", events) => self.allows_events(events),
            _ => self.command(line).is_some(),
        }
    }

    /// What becomes of an answer of Tor's to this line, all its lines with their codes; `None` if it does not get there.
    pub fn answer(&self, line: &str, answer: &str) -> Option<String> {
        self.command(line).map(|passed| passed.answer(answer))
    }

    /// Whether all of these events may be subscribed to.
    pub(super) fn allows_events(&self, events: &str) -> bool {
        events.split_whitespace().all(|event| self.events.contains_key(event))
    }

    /// Those of these events that Tor is asked for.
    pub(super) fn events_to_ask_for<'a>(&self, events: &'a str) -> Vec<&'a str> {
        let is_suppressed = |event: &&str| self.events.get(*event).is_some_and(|rule| rule.is_suppressed);
        events.split_whitespace().filter(|event| !is_suppressed(event)).collect()
    }

    /// What Tor is told instead of this line; `None` if it is not told anything.
    pub(super) fn command(&self, line: &str) -> Option<Passed<'_>> {
        let (name, arguments) = split(line);
        // One command in a line, and nothing else: a line that ends inside can not come over the wire.
        if line.contains(['\r', '\n']) {
            return None;
        }
        let rule = self.commands.get(name)?.iter().find(|rule| rule.pattern.groups(arguments).is_some())?;
        let rewritten = rule.replacement.as_ref().and_then(|replacement| replacement.apply(arguments));
        let line = rewritten.map_or_else(|| line.to_owned(), |arguments| format!("{name} {arguments}"));
        Some(Passed { line, response: &rule.response })
    }

    /// What becomes of an event, all its lines with their codes; `None` if nothing does.
    pub fn event(&self, text: &str) -> Option<String> {
        let name = text.get(4..)?.split([' ', '\r']).next()?;
        let rules = self.events.get(name).map_or(&[][..], |rule| &rule.response);
        Some(rewrite(rules, text)).filter(|text| !text.trim().is_empty())
    }
}

impl Passed<'_> {
    /// What becomes of the answer, line by line.
    pub(super) fn answer(&self, text: &str) -> String {
        text.split("\r\n").map(|line| rewrite(self.response, line)).collect::<Vec<_>>().join("\r\n")
    }
}

/// The name of a command, and what follows it.
pub(super) fn split(line: &str) -> (&str, &str) {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    (name, rest.trim_start())
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, rename = "apparmor-profiles", alias = "exe-paths")]
    program: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    commands: BTreeMap<String, Option<Vec<RuleText>>>,
    #[serde(default)]
    events: BTreeMap<String, Option<EventText>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RuleText {
    Pattern(String),
    Full {
        pattern: String,
        replacement: Option<String>,
        #[serde(default)]
        response: Vec<RewriteText>,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EventText {
    #[serde(default)]
    suppress: bool,
    #[serde(default)]
    response: Vec<RewriteText>,
}

impl TryFrom<RuleText> for Rule {
    type Error = ProfileError;

    fn try_from(text: RuleText) -> Result<Self, ProfileError> {
        let (pattern, replacement, response) = match text {
            RuleText::Pattern(pattern) => (pattern, None, Vec::new()),
            RuleText::Full { pattern, replacement, response } => (pattern, replacement, response),
        };
        Ok(Self {
            pattern: Pattern::new(&pattern)?,
            replacement: replacement.map(|replacement| Rewrite::new(&pattern, replacement)).transpose()?,
            response: rewrites(response)?,
        })
    }
}

impl TryFrom<EventText> for EventRule {
    type Error = ProfileError;

    fn try_from(text: EventText) -> Result<Self, ProfileError> {
        Ok(Self { is_suppressed: text.suppress, response: rewrites(text.response)? })
    }
}

fn rewrites(texts: Vec<RewriteText>) -> Result<Vec<Rewrite>, ProfileError> {
    texts.into_iter().map(Rewrite::try_from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r"---
- apparmor-profiles: ['/usr/bin/x']
  users: ['me']
  hosts: ['*']
  commands:
    GETINFO:
      - pattern: 'secret'
        response:
          - pattern: '250-secret=(.)\S*'
            replacement: '250-secret={}...'
    ADD_ONION:
      - pattern: '(\S+) Port=(\d+),(\d+)'
        replacement: '{} Port={},10.0.0.1:{}'
    SIGNAL:
  confs:
    __owningcontrollerprocess:
  events:
    SIGNAL: {suppress: true}
    STREAM:
    HS_DESC:
      response:
        - {pattern: '650 HS_DESC UPLOADED (\S+) .+', replacement: '650 HS_DESC UPLOADED {} redacted'}
        - {pattern: '.*', replacement: ''}
";

    #[test]
    fn what_comes_through_is_rewritten_and_the_rest_does_not_come_through() {
        let profile = Profile::parse(PROFILE).unwrap();
        assert_eq!((profile.program(), profile.users()), (&["/usr/bin/x".to_owned()][..], &["me".to_owned()][..]));
        let passed = profile.command("ADD_ONION k Port=80,8080").unwrap();
        assert_eq!(passed.line, "ADD_ONION k Port=80,10.0.0.1:8080");
        for line in ["GETINFO", "GETINFO secret secret", "getinfo secret", "SIGNAL", "SIGNAL HALT", "GETCONF x", ""] {
            assert!(profile.command(line).is_none(), "{line:?}");
        }
        let answer = profile.command("GETINFO secret").unwrap().answer("250-secret=abc\r\n250 OK");
        assert_eq!(answer, "250-secret=a...\r\n250 OK");
    }

    #[test]
    fn events_are_suppressed_redacted_or_dropped() {
        let profile = Profile::parse(PROFILE).unwrap();
        assert!(profile.allows("SETEVENTS") && profile.allows("SETEVENTS STREAM SIGNAL"));
        assert!(!profile.allows("SETEVENTS STREAM CIRC"));
        assert_eq!(profile.events_to_ask_for("STREAM SIGNAL"), ["STREAM"]);
        for (text, becomes) in [
            ("650 STREAM 1 NEW", Some("650 STREAM 1 NEW")),
            ("650 HS_DESC UPLOADED a b c", Some("650 HS_DESC UPLOADED a redacted")),
            ("650 HS_DESC CREATED a", None),
        ] {
            assert_eq!(profile.event(text).as_deref(), becomes);
        }
    }

    #[test]
    fn what_is_no_profile_is_found_out() {
        assert!(matches!(Profile::parse("[]"), Err(ProfileError::Count(0))));
        assert!(matches!(Profile::parse("x: 1"), Err(ProfileError::Form(_))));
        let wrong = Profile::parse("- commands: {GETINFO: ['(']}");
        assert!(matches!(wrong, Err(ProfileError::Pattern { .. })), "{wrong:?}");
    }
}
