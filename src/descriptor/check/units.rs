// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules of units, hooks and key pairs.

use std::collections::BTreeMap;

use super::{Companions, doubled};
use crate::descriptor::finding::{Findings, Rule};
use crate::descriptor::names::CompanionName;
use crate::descriptor::option::OptionKind;
use crate::descriptor::service::Service;
use crate::descriptor::tables::{KeyPairKind, Unit};

/// SHA-256 of the hook, if there is one.
pub(super) fn check(
    service: &Service,
    companions: &dyn Companions,
    texts: &mut BTreeMap<CompanionName, String>,
    findings: &mut Findings,
) -> Option<[u8; 32]> {
    let mut program = None;
    if let Some(unit) = &service.unit {
        check_unit(unit, companions, texts, findings);
    }
    if let Some(hook) = &service.hook {
        match companions.program(&hook.program) {
            Ok(digest) => program = Some(digest),
            Err(reason) => {
                let message = format!("the program \"{}\" can not be run: {reason}", *hook.program);
                findings.tell(Rule::CompanionMissing, &hook.program.span, message);
            }
        }
        if hook.moments.is_empty() {
            findings.tell(Rule::FieldEmpty, &hook.moments.span, "the program is never called");
        }
    }
    let names = service.key_pair.iter().map(|pair| (pair.name.as_str(), &pair.name.span));
    doubled(Rule::KeyPairName, "a key pair", names, findings);
    check_probes(service, findings);
    program
}

fn check_unit(
    unit: &Unit,
    companions: &dyn Companions,
    texts: &mut BTreeMap<CompanionName, String>,
    findings: &mut Findings,
) {
    for name in unit.name.iter().filter(|name| !name.as_str().ends_with(".service")) {
        findings.tell(Rule::UnitName, &unit.name.span, format!("\"{name}\" is no service"));
    }
    let Some(provided) = &unit.provided else { return };
    if unit.name.iter().count() != 1 || unit.name.iter().any(|name| name.as_str().contains('@')) {
        findings
            .tell(Rule::UnitProvided, &unit.name.span, "a provided unit has one name, and is no template")
            .hint("Give it one name, such as tails-NAME.service");
    }
    match companions.text(provided) {
        Err(reason) => {
            let message = format!("the unit \"{}\" can not be read: {reason}", provided.value);
            findings.tell(Rule::CompanionMissing, &provided.span, message);
        }
        Ok(text) => {
            if !text.contains("[Service]") || !text.contains("ExecStart=") {
                let message = format!("\"{}\" starts nothing: it has no [Service] with ExecStart=", provided.value);
                findings.tell(Rule::UnitProvided, &provided.span, message);
            }
            texts.insert(provided.value.clone(), text);
        }
    }
}

/// What is found out is found out of a key pair of the right kind.
fn check_probes(service: &Service, findings: &mut Findings) {
    for option in &service.option {
        let Some(probe) = option.probe() else { continue };
        let wanted = match &option.kind {
            OptionKind::SshHostKey(_) => KeyPairKind::Ssh,
            OptionKind::TlsFingerprint(_)
            | OptionKind::Bool(_)
            | OptionKind::Int(_)
            | OptionKind::Port(_)
            | OptionKind::String(_)
            | OptionKind::Text(_)
            | OptionKind::Enum(_)
            | OptionKind::Secret(_)
            | OptionKind::Folder(_) => KeyPairKind::Tls,
        };
        let (name, span) = (&probe.key_pair.value, &probe.key_pair.span);
        match service.find_key_pair(name) {
            None => {
                let known: Vec<&str> = service.key_pair.iter().map(|pair| pair.name.as_str()).collect();
                findings
                    .tell(Rule::KeyPairName, span, format!("there is no key pair \"{name}\""))
                    .maybe(crate::descriptor::finding::did_you_mean(name.as_str(), &known));
            }
            Some(pair) if pair.kind != wanted => {
                let message =
                    format!("the key pair \"{name}\" is for {}, not for {}", pair.kind.as_str(), wanted.as_str());
                findings.tell(Rule::KeyPairName, span, message);
            }
            Some(_) => {}
        }
    }
}
