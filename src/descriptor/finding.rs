// SPDX-License-Identifier: GPL-3.0-or-later
//! What is the matter with a descriptor: which rule, where, why, and what to do.

use std::ops::Range;

use strsim::jaro_winkler;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The service can not be used.
    Error,
    /// It works, and something is doubtful.
    Warning,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The rules, by stable ids: people and scripts may rely on them.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $id:literal $severity:ident,)+) => {
        /// A rule that a descriptor has to keep.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];

            /// The stable id.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)+ }
            }

            /// What breaking it means.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity,)+ }
            }

            /// What it asks for.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$rule => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

rules! {
    /// The file is TOML.
    ParseToml = "parse.toml" Error,
    /// The file says which version of the format it is, and this program knows it.
    FormatVersion = "format.version" Error,
    /// There are no keys but those of the format.
    FieldUnknown = "field.unknown" Error,
    /// What is required is there.
    FieldMissing = "field.missing" Error,
    /// A value has the type that its key asks for.
    FieldType = "field.type" Error,
    /// A word is one of those that its key knows.
    FieldWord = "field.word" Error,
    /// A number is in the range that its key has.
    FieldRange = "field.range" Error,
    /// A list that is there is not empty.
    FieldEmpty = "field.empty" Error,
    /// What people read is one line without invisible characters, and not too long.
    TextLine = "text.line" Error,
    /// A name has only characters that are safe wherever names go.
    NameInvalid = "name.invalid" Error,
    /// A service is named as its directory.
    NameDirectory = "name.directory" Error,
    /// A documentation is a page or a file.
    DocumentationUrl = "documentation.url" Error,
    /// A package has a name that Debian could have.
    PackageName = "package.name" Error,
    /// A unit has a name that systemd could have, and is a service.
    UnitName = "unit.name" Error,
    /// A provided unit is called as the descriptor says, and is no template.
    UnitProvided = "unit.provided" Error,
    /// A person's own service needs no root.
    UnitPersonal = "unit.personal" Error,
    /// Users and groups have names that Debian could have.
    UserName = "user.name" Error,
    /// There is at least one port.
    PortMissing = "port.missing" Error,
    /// A port leads to a loopback port or to a unix socket.
    PortTarget = "port.target" Error,
    /// Names, targets and virtual ports differ.
    PortDuplicate = "port.duplicate" Error,
    /// A server without the capability can not open a port below 1024.
    PortPrivileged = "port.privileged" Warning,
    /// A path is absolute and plain.
    PathInvalid = "path.invalid" Error,
    /// A path belongs to the service, not to the system.
    PathForbidden = "path.forbidden" Error,
    /// No path is given twice, and none lies in another that is kept.
    PathDuplicate = "path.duplicate" Error,
    /// A mode is octal digits in quotes.
    ModeInvalid = "mode.invalid" Error,
    /// Nobody but owner and group may write.
    ModeWritable = "mode.writable" Error,
    /// Key pairs have different names, and those that are named exist.
    KeyPairName = "key-pair.name" Error,
    /// A companion is a file in the descriptor's own directory, and can be read.
    CompanionMissing = "companion.missing" Error,
    /// A companion has the name of a file, not of a path.
    CompanionName = "companion.name" Error,
    /// Options have different names.
    OptionDuplicate = "option.duplicate" Error,
    /// The common options are implied.
    OptionReserved = "option.reserved" Error,
    /// The default is a value that the option takes.
    OptionDefault = "option.default" Error,
    /// A range has room.
    OptionRange = "option.range" Error,
    /// An option changes something.
    OptionUnused = "option.unused" Warning,
    /// What a change costs is said where it costs something.
    OptionChange = "option.change" Warning,
    /// A common option has one word said about it.
    CommonConflict = "common.conflict" Error,
    /// A template can be read.
    TemplateSyntax = "template.syntax" Error,
    /// A template names only what there is.
    TemplateReference = "template.reference" Error,
    /// A template leaves the quoting to the format.
    TemplateQuoted = "template.quoted" Error,
    /// A template can be rendered with the defaults.
    TemplateRender = "template.render" Error,
    /// What holds a secret is not for everybody to read.
    FileSecret = "file.secret" Error,
    /// A line that shows a secret says so.
    ConnectionSecret = "connection.secret" Error,
    /// What is said to be a secret is one.
    ConnectionOpen = "connection.open" Warning,
}

/// What is the matter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// The companion file that it is in; `None` for the descriptor itself.
    pub companion: Option<String>,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one; a hint can be given to what this returns.
    pub(super) fn tell(&mut self, rule: Rule, span: &Range<usize>, message: impl Into<String>) -> Hint<'_> {
        self.add(Finding { rule, companion: None, span: span.clone(), message: message.into(), hint: None })
    }

    /// Adds one that is complete but for a hint.
    pub(super) fn add(&mut self, finding: Finding) -> Hint<'_> {
        self.0.push(finding);
        Hint(self.0.last_mut())
    }

    /// Whether the service can not be used.
    pub(super) fn has_error(&self) -> bool {
        self.0.iter().any(|finding| finding.rule.severity() == Severity::Error)
    }

    /// All of them: those of the descriptor first, each file from top to bottom.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|one, two| {
            let key = |finding: &Finding| (finding.companion.clone(), finding.span.start, finding.rule);
            key(one).cmp(&key(two))
        });
        self.0
    }
}

/// A finding that may still be given a hint.
pub(super) struct Hint<'a>(Option<&'a mut Finding>);

impl Hint<'_> {
    pub(super) fn hint(self, hint: impl Into<String>) {
        if let Some(finding) = self.0 {
            finding.hint = Some(hint.into());
        }
    }

    pub(super) fn maybe(self, hint: Option<String>) {
        if let Some(hint) = hint {
            self.hint(hint);
        }
    }
}

/// `Did you mean "..."?`, or else all words that there are.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    // Below this it is another word, not a slip of the fingers.
    const ALIKE: f64 = 0.8;
    let similar = known
        .iter()
        .map(|known| (jaro_winkler(word, known), *known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, two| one.0.total_cmp(&two.0));
    match similar {
        Some((_, similar)) => Some(format!("Did you mean \"{similar}\"?")),
        None if known.is_empty() => None,
        None => Some(format!("Known here: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_stable_words_and_differ() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for id in ids {
            let (area, rest) = id.split_once('.').unwrap();
            assert!(area.chars().chain(rest.chars()).all(|c| c.is_ascii_lowercase() || c == '-'), "{id}");
        }
    }

    #[test]
    fn a_slip_of_the_fingers_is_recognised() {
        let known = ["title", "description", "documentation"];
        assert_eq!(did_you_mean("titel", &known).as_deref(), Some("Did you mean \"title\"?"));
        assert_eq!(did_you_mean("x", &known).as_deref(), Some("Known here: title, description, documentation"));
        assert_eq!(did_you_mean("x", &[]), None);
    }
}
