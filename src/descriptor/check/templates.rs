// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules of templates: of files, of the link and of the lines for visitors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tails_server_state::OnionAddress;

use super::Companions;
use crate::descriptor::finding::{Finding, Findings, Rule, did_you_mean};
use crate::descriptor::names::CompanionName;
use crate::descriptor::option::{OptionKind, OptionValues};
use crate::descriptor::scope::{Audience, Debian, Scope, vocabulary};
use crate::descriptor::service::Service;
use crate::descriptor::tables::File;
use crate::descriptor::template::{Medium, RenderError, Template, misplaced};

pub(super) fn check(
    service: &Service,
    companions: &dyn Companions,
    texts: &mut BTreeMap<CompanionName, String>,
    findings: &mut Findings,
) {
    let mut used = BTreeSet::new();
    let server = vocabulary(service, Audience::Server);
    for file in &service.file {
        match companions.text(&file.template) {
            Err(reason) => {
                let message = format!("the template \"{}\" can not be read: {reason}", *file.template);
                findings.tell(Rule::CompanionMissing, &file.template.span, message);
            }
            Ok(source) => {
                check_file(service, file, &source, &server, &mut used, findings);
                texts.insert(file.template.value.clone(), source);
            }
        }
    }
    check_connection(service, &mut used, findings);
    unused(service, &used, findings);
    if !findings.has_error() {
        try_out(service, texts, findings);
    }
}

/// What can not be seen in a template shows when it is rendered: with the defaults, and with the other of each choice.
fn try_out(service: &Service, texts: &BTreeMap<CompanionName, String>, findings: &mut Findings) {
    let address = OnionAddress::from_public_key(ed25519_base()).expect("the base point is a public key");
    // Two for a switch, and for text that is there or not.
    let choices = service
        .option
        .iter()
        .map(|option| if let OptionKind::Enum(keys) = &option.kind { keys.choices.len().max(2) } else { 2 });
    let rounds = choices.max().unwrap_or(1).min(MOST_ROUNDS);
    for (round, debian) in (0..rounds).flat_map(|round| Debian::KNOWN.map(|debian| (round, debian))) {
        let values = OptionValues::samples(&service.options(), round);
        let scope = Scope::new(&values, &address, debian);
        let server = scope.context(service, Audience::Server);
        let visitors = scope.context(service, Audience::Visitors);
        let files = service.file.iter().map(|file| {
            let source = texts.get(&file.template.value).map_or("", String::as_str);
            (file.template.as_str(), source, Medium::File(file.format), &server, &file.template.span)
        });
        let uri = service.connection.uri.iter().map(|uri| ("uri", uri.as_str(), Medium::Uri, &visitors, &uri.span));
        let lines = service.connection.line.iter().map(|line| {
            let value = &line.value.value;
            (line.label.as_str(), value.as_str(), Medium::Line, &visitors, &value.span)
        });
        for (name, source, medium, context, span) in files.chain(uri).chain(lines) {
            let rendered = Template::parse(name, source, medium).and_then(|template| template.render(context));
            if let Err(error) = rendered {
                findings.tell(Rule::TemplateRender, span, error.to_string());
                return;
            }
        }
    }
}

/// The base point of the curve: a public key that nobody uses, for an address that nobody has. RFC 8032, 5.1
const fn ed25519_base() -> [u8; 32] {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    bytes
}

/// Enough for the words of any enum that people choose from.
const MOST_ROUNDS: usize = 16;

fn check_file(
    service: &Service,
    file: &File,
    source: &str,
    known: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let name = file.template.as_str();
    let here = |rule, span: Range<usize>, message: String| Finding {
        rule,
        companion: Some(name.to_owned()),
        span,
        message,
        hint: None,
    };
    if let Some((span, reason)) = misplaced(source, file.format) {
        findings.add(here(Rule::TemplateQuoted, span, format!("a value can not be printed here: {reason}")));
    }
    let template = match Template::parse(name, source, Medium::File(file.format)) {
        Ok(template) => template,
        Err(error) => {
            let (span, message) = place(&error, source);
            findings.add(here(Rule::TemplateSyntax, span, format!("the template can not be read: {message}")));
            return;
        }
    };
    for reference in template.references() {
        if !known.contains(&reference) {
            let span = find(source, &reference);
            let message = format!("there is no \"{reference}\" for a template of the server");
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            findings.add(here(Rule::TemplateReference, span, message)).maybe(did_you_mean(&reference, &known));
        }
        used.insert(reference);
    }
    if let Some(secret) = service.names_a_secret(&template)
        && file.mode.is_open()
    {
        let span = if file.mode.span.is_empty() { &file.template.span } else { &file.mode.span };
        findings
            .tell(Rule::FileSecret, span, format!("everybody may read this file, and \"{secret}\" is in it"))
            .hint("Give it the server's group and mode = \"0640\"");
    }
}

fn check_connection(service: &Service, used: &mut BTreeSet<String>, findings: &mut Findings) {
    let known = vocabulary(service, Audience::Visitors);
    let uri = service.connection.uri.iter().map(|uri| (&uri.value, &uri.span, Medium::Uri, None));
    let lines = service.connection.line.iter().map(|line| {
        let value = &line.value.value;
        (&value.value, &value.span, Medium::Line, Some((line.value.secret, &line.span)))
    });
    for (source, span, medium, secrecy) in uri.chain(lines) {
        let template = match Template::parse("connection", source, medium) {
            Ok(template) => template,
            Err(error) => {
                let (_, message) = place(&error, source);
                findings.tell(Rule::TemplateSyntax, span, format!("the template can not be read: {message}"));
                continue;
            }
        };
        for reference in template.references() {
            if !known.contains(&reference) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                findings
                    .tell(Rule::TemplateReference, span, format!("there is no \"{reference}\" for visitors"))
                    .maybe(did_you_mean(&reference, &known));
            }
            used.insert(reference);
        }
        match (secrecy, service.names_a_secret(&template)) {
            (Some((false, _)), Some(secret)) => findings
                .tell(Rule::ConnectionSecret, span, format!("this line shows the secret \"{secret}\" to whoever looks"))
                .hint("Add: secret = true"),
            (Some((true, line)), None) => {
                findings.tell(Rule::ConnectionOpen, line, "there is no secret in this line");
            }
            (Some(_) | None, _) => {}
        }
    }
}

/// An option that nothing names changes nothing, unless a hook reads it.
fn unused(service: &Service, used: &BTreeSet<String>, findings: &mut Findings) {
    if service.hook.is_some() {
        return;
    }
    for option in &service.option {
        if !used.contains(&format!("option.{}", option.name().variable())) {
            findings
                .tell(
                    Rule::OptionUnused,
                    &option.head.name.span,
                    format!("nothing uses the option \"{}\"", option.name()),
                )
                .hint(format!("Name it in a template as {{{{ option.{} }}}}", option.name().variable()));
        }
    }
}

/// Where an error is, and what is the matter.
fn place(error: &RenderError, source: &str) -> (Range<usize>, String) {
    match error {
        RenderError::CannotCarry { .. } => (0..0, error.to_string()),
        RenderError::Template { line, message, .. } => {
            let before: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
            (before..before, message.clone())
        }
    }
}

/// Where a name stands first.
fn find(source: &str, reference: &str) -> Range<usize> {
    source.find(reference).map_or(0..0, |at| at..at + reference.len())
}
