// SPDX-License-Identifier: GPL-3.0-or-later
//! The services that can be had and their options, as the contract has them.

use std::collections::HashMap;

use crate::bus::api::{CatalogProperties, ConnectionProperties, OptionProperties, Secrets, StoreProblem};
use crate::controller::{Available, ConnectionReport, InfoLineReport, OptionReport, Problem, Snapshot};

/// The services that can be had, and what is wrong with the catalogue as a whole.
pub(super) fn catalog(picture: &Snapshot) -> (HashMap<String, CatalogProperties>, Vec<StoreProblem>) {
    let services = picture.available.iter().map(|(name, available)| (name.to_string(), properties(available)));
    let problem = |problem: &Problem| StoreProblem { problem: problem.message.clone(), hint: problem.hint.clone() };
    (services.collect(), picture.catalog_problems.iter().map(problem).collect())
}

fn properties(available: &Available) -> CatalogProperties {
    CatalogProperties {
        title: available.title.clone(),
        description: available.description.clone(),
        documentation: available.documentation.clone(),
        client_application: available.client_application.clone(),
        icon: available.icon.clone(),
        persistent_paths: available.persistent_paths.clone(),
        targets: available.targets.clone(),
        hosted: available.hosted,
        installed: available.installed,
        problem: available.problem.as_ref().map(|problem| problem.message.clone()),
        hint: available.problem.as_ref().and_then(|problem| problem.hint.clone()),
    }
}

/// An option, with its value unless that is a secret.
pub(super) fn option(report: OptionReport) -> OptionProperties {
    OptionProperties {
        name: report.name,
        kind: report.kind.to_owned(),
        label: report.label,
        help: report.help,
        group: report.group.to_owned(),
        change: report.change.to_owned(),
        fits: report.fits,
        choices: report.choices,
        default: report.default,
        value: report.value.filter(|_| !report.is_secret).map(|value| value.expose().to_owned()),
        secret: report.is_secret,
        settable: report.is_settable,
    }
}

/// What visitors need to know, without secrets.
pub(super) fn connection(report: &ConnectionReport) -> ConnectionProperties {
    let line = |line: &InfoLineReport| {
        let value = if line.is_secret { "" } else { line.value.expose() };
        (line.label.clone(), value.to_owned(), line.is_secret)
    };
    ConnectionProperties {
        link: report.link.as_ref().filter(|link| !link.is_secret).map(|link| link.value.expose().to_owned()),
        lines: report.lines.iter().map(line).collect(),
    }
}

/// What is secret about a service.
pub(super) fn secrets(options: Vec<OptionReport>, report: &ConnectionReport) -> Secrets {
    let options = options.into_iter().filter(|option| option.is_secret);
    let lines = report.lines.iter().filter(|line| line.is_secret);
    Secrets {
        options: options.filter_map(|option| Some((option.name, option.value?.expose().to_owned()))).collect(),
        link: report.link.as_ref().filter(|link| link.is_secret).map(|link| link.value.expose().to_owned()),
        lines: lines.map(|line| (line.label.clone(), line.value.expose().to_owned())).collect(),
    }
}
