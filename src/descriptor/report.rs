// SPDX-License-Identifier: GPL-3.0-or-later
//! Findings as people, programs and code review read them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::{Finding, Severity};

/// A finding with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Located {
    /// The file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The id of the rule.
    pub rule: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The findings about one descriptor and what lies beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Located>,
}

impl Report {
    /// Looks up the lines: `path` is how people know the descriptor, `companions` the texts of the files beside it.
    #[must_use]
    pub fn new(path: &str, text: &str, companions: &BTreeMap<String, String>, findings: Vec<Finding>) -> Self {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let locate = |finding: Finding| {
            let Finding { rule, companion, span, message, hint } = finding;
            let (file, text) = match &companion {
                None => (path.to_owned(), text),
                Some(name) => {
                    let file = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
                    (file, companions.get(name).map_or("", String::as_str))
                }
            };
            let (line, column) = position(text, span.start);
            Located { file, line, column, severity: rule.severity().as_str(), rule: rule.id(), message, hint }
        };
        Self { findings: findings.into_iter().map(locate).collect() }
    }

    /// The findings, in the order of the files.
    #[must_use]
    pub fn findings(&self) -> &[Located] {
        &self.findings
    }

    /// Whether something is an error, or with `strict` anything at all.
    #[must_use]
    pub fn fails(&self, least: Severity) -> bool {
        match least {
            Severity::Warning => !self.findings.is_empty(),
            Severity::Error => self.findings.iter().any(|finding| finding.severity == Severity::Error.as_str()),
        }
    }
}

impl Located {
    /// As people read it: `FILE:LINE:COLUMN: error: MESSAGE [RULE]`, and the hint below.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { file, line, column, severity, rule, message, hint } = self;
        let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{file}:{line}:{column}: {severity}: {message} [{rule}]{hint}")
    }

    /// As GitHub shows it beside the line: a workflow command.
    #[must_use]
    pub fn github(&self) -> String {
        let Self { file, line, column, severity, rule, message, hint } = self;
        let hint = hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        let text = escape(&format!("{message}{hint}"), &[]);
        let file = escape(file, &[(':', "%3A"), (',', "%2C")]);
        format!("::{severity} file={file},line={line},col={column},title={rule}::{text}")
    }
}

/// GitHub's escapes; in a property two more characters mean something.
fn escape(text: &str, more: &[(char, &str)]) -> String {
    let mut escaped = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    for (character, code) in more {
        escaped = escaped.replace(*character, code);
    }
    escaped
}

/// Line and column of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::finding::Rule;

    fn report(companion: Option<&str>) -> Report {
        let finding = Finding {
            rule: Rule::FieldUnknown,
            companion: companion.map(str::to_owned),
            span: 6..8,
            message: "50 % of\nit".to_owned(),
            hint: Some("Did you mean \"x\"?".to_owned()),
        };
        let companions = BTreeMap::from([("a.ini".to_owned(), "0123\n5678".to_owned())]);
        Report::new("a,b/service.toml", "ä\nö bc", &companions, vec![finding])
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let descriptor = report(None);
        assert_eq!((descriptor.findings()[0].line, descriptor.findings()[0].column), (2, 3));
        let companion = report(Some("a.ini"));
        assert_eq!((companion.findings()[0].line, companion.findings()[0].column), (2, 2));
        assert_eq!(companion.findings()[0].file, "a,b/a.ini");
    }

    #[test]
    fn each_form_has_all_of_it() {
        let report = report(None);
        let found = &report.findings()[0];
        assert_eq!(
            found.text(),
            "a,b/service.toml:2:3: error: 50 % of\nit [field.unknown]\n  hint: Did you mean \"x\"?"
        );
        assert_eq!(
            found.github(),
            "::error file=a%2Cb/service.toml,line=2,col=3,title=field.unknown::50 %25 of%0Ait%0ADid you mean \"x\"?"
        );
    }
}
