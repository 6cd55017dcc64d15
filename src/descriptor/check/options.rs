// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules of options.

use super::doubled;
use crate::descriptor::common::CommonOption;
use crate::descriptor::finding::{Findings, Rule};
use crate::descriptor::option::{Cost, OptionKind, OptionSpec};
use crate::descriptor::read::At;
use crate::descriptor::service::Service;

pub(super) fn check(service: &Service, findings: &mut Findings) {
    let names = service.option.iter().map(|option| (option.name().as_str(), &option.head.name.span));
    doubled(Rule::OptionDuplicate, "an option", names, findings);
    for option in &service.option {
        if CommonOption::reserves(option.name().as_str()) {
            findings
                .tell(
                    Rule::OptionReserved,
                    &option.head.name.span,
                    format!("every service has the option \"{}\"", option.name()),
                )
                .hint("Take it out; its default can be changed in [common]");
        }
        if option.is_probe() && option.head.change != Cost::Restart {
            findings.tell(Rule::OptionChange, &option.span, format!("\"{}\" can not be changed", option.name()));
        }
        // Where there is no room, no default fits, and that is no news.
        if has_room(option, findings) {
            check_default(option, findings);
        }
    }
}

fn has_room(option: &At<OptionSpec>, findings: &mut Findings) -> bool {
    let message = match &option.kind {
        OptionKind::Int(keys) if keys.min > keys.max => {
            format!("there is nothing between {} and {}", keys.min, keys.max)
        }
        OptionKind::String(keys) if !(0..=i64::from(keys.max_length.get())).contains(&keys.min_length) => {
            format!("no text has at least {} and at most {} characters", keys.min_length, keys.max_length)
        }
        OptionKind::Secret(keys) if keys.length > keys.max_length => {
            format!("a secret of {} characters is longer than {}", keys.length, keys.max_length)
        }
        OptionKind::Secret(keys) if keys.length.get() < 16 => {
            "a secret of less than 16 letters and digits can be guessed".to_owned()
        }
        OptionKind::Enum(keys) if keys.choices.is_empty() => "there is nothing to choose from".to_owned(),
        OptionKind::Enum(keys) => {
            let names = keys.choices.iter().map(|choice| (choice.value.as_str(), &keys.choices.span));
            doubled(Rule::OptionRange, "a choice", names, findings);
            return true;
        }
        OptionKind::Bool(_)
        | OptionKind::Int(_)
        | OptionKind::Port(_)
        | OptionKind::String(_)
        | OptionKind::Text(_)
        | OptionKind::Secret(_)
        | OptionKind::Folder(_)
        | OptionKind::TlsFingerprint(_)
        | OptionKind::SshHostKey(_) => return true,
    };
    findings.tell(Rule::OptionRange, &option.span, message);
    false
}

/// A default is a value like any other.
fn check_default(option: &At<OptionSpec>, findings: &mut Findings) {
    let (text, span) = match &option.kind {
        OptionKind::Int(keys) => (keys.default.value.to_string(), &keys.default.span),
        OptionKind::String(keys) => (keys.default.value.clone(), &keys.default.span),
        OptionKind::Text(keys) => (keys.default.value.clone(), &keys.default.span),
        OptionKind::Enum(keys) => (keys.default.value.clone(), &keys.default.span),
        OptionKind::Bool(_)
        | OptionKind::Port(_)
        | OptionKind::Secret(_)
        | OptionKind::Folder(_)
        | OptionKind::TlsFingerprint(_)
        | OptionKind::SshHostKey(_) => return,
    };
    if let Err(reason) = option.parse(&text) {
        // What stands nowhere is missed where the option begins.
        let span = if span.is_empty() { &option.span } else { span };
        findings.tell(
            Rule::OptionDefault,
            span,
            format!("the default of \"{}\" does not fit: {reason}", option.name()),
        );
    }
}
