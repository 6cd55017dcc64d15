// SPDX-License-Identifier: GPL-3.0-or-later
//! From the text of a descriptor to a [`ServiceDescriptor`], or to all that is the matter with it.

mod options;
mod places;
mod ports;
mod templates;
mod units;

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeTable;

use super::finding::{Finding, Findings, Rule};
use super::names::CompanionName;
use super::read::{Fields, Read, Table};
use super::service::{Service, ServiceDescriptor};

/// The version of the format that this program knows.
pub const FORMAT: i64 = 1;
/// The largest descriptor, and the largest companion, in bytes.
// The largest of ours has 6 KiB.
pub const MAX_BYTES: usize = 256 * 1024;

/// The files beside a descriptor.
pub trait Companions {
    /// The text of a file.
    ///
    /// # Errors
    /// Why there is none, in words for people.
    fn text(&self, name: &CompanionName) -> Result<String, String>;

    /// SHA-256 of a program that can be run.
    ///
    /// # Errors
    /// Why there is none, in words for people.
    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String>;
}

/// What came of checking a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The descriptor, unless it has an error.
    pub descriptor: Option<ServiceDescriptor>,
    /// All that is the matter, in the order of the file.
    pub findings: Vec<Finding>,
}

/// Checks the text of a descriptor that should have this name. Any text at all gives an answer.
#[must_use]
pub fn check(name: &str, text: &str, companions: &dyn Companions) -> Checked {
    let mut findings = Findings::default();
    let found = service(text, &mut findings).map(|service| {
        let mut texts = BTreeMap::new();
        names(&service, name, &mut findings);
        ports::check(&service, &mut findings);
        places::check(&service, &mut findings);
        let program = units::check(&service, companions, &mut texts, &mut findings);
        options::check(&service, &mut findings);
        service.common.check(&service.common.span, &mut findings);
        templates::check(&service, companions, &mut texts, &mut findings);
        let digest = digest(text, &texts, program);
        ServiceDescriptor::new(service, texts, digest)
    });
    let descriptor = found.filter(|_| !findings.has_error());
    Checked { descriptor, findings: findings.sorted() }
}

/// The tables of the file.
fn service(text: &str, findings: &mut Findings) -> Option<Service> {
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            // Of several lines, the first says what is the matter.
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            findings.tell(Rule::ParseToml, &span, format!("this is not TOML: {message}"));
            return None;
        }
    };
    version(&root, findings)?;
    let table = Table::root(&root);
    table.close(&Service::keys(), findings);
    Service::read_fields(&table, findings)
}

/// Of another version, nothing else can be said.
fn version(root: &Spanned<DeTable<'_>>, findings: &mut Findings) -> Option<()> {
    let Some(value) = root.get_ref().get("format") else {
        findings
            .tell(Rule::FormatVersion, &(0..0), "the file does not say which version of the format it is")
            .hint(format!("Begin it with: format = {FORMAT}"));
        return None;
    };
    let number = i64::read(value, findings)?;
    if number == FORMAT {
        return Some(());
    }
    let known = format!("This program knows format {FORMAT}");
    let hint = if number > FORMAT { format!("{known}; a newer one is needed") } else { known };
    findings.tell(Rule::FormatVersion, &value.span(), format!("there is no format {number} here")).hint(hint);
    None
}

/// SHA-256 of all that a service is made of, each part with its length: two in a row are not one.
fn digest(text: &str, companions: &BTreeMap<CompanionName, String>, program: Option<[u8; 32]>) -> [u8; 32] {
    let named = companions.iter().flat_map(|(name, text)| [name.as_str().as_bytes(), text.as_bytes()]);
    let mut hash = Sha256::new();
    for part in std::iter::once(text.as_bytes()).chain(named).chain(program.as_ref().map(|digest| &digest[..])) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn names(service: &Service, expected: &str, findings: &mut Findings) {
    if service.name.as_str() != expected {
        findings
            .tell(
                Rule::NameDirectory,
                &service.name.span,
                format!(
                    "the service is called \"{}\", and its directory \"{}\"",
                    *service.name,
                    expected.escape_debug()
                ),
            )
            .hint("Give both the same name");
    }
}

/// Tells of each name that was there before.
fn doubled<'a>(
    rule: Rule,
    what: &str,
    names: impl Iterator<Item = (&'a str, &'a Range<usize>)>,
    findings: &mut Findings,
) {
    let mut seen = Vec::new();
    for (name, span) in names {
        if seen.contains(&name) {
            findings.tell(rule, span, format!("there is {what} \"{name}\" already"));
        }
        seen.push(name);
    }
}
