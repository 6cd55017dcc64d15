// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server doctor`: what the controller finds, and what only a look at this computer can find.
//!
//! What can not be looked at is a finding, too, and never a good one.

mod controller;
mod drop_ins;
mod finding;
mod firewall;
mod listeners;
mod packages;
mod program;
mod tor;

use tr::tr;

use self::finding::{Finding, Severity};
use crate::bus::api::{BusAddress, CatalogProperties, PartsProperties, ServiceProperties};
use crate::cli::error::Failure;
use crate::cli::language::English;
use crate::cli::log::Redactor;
use crate::cli::output::{Form, print};
use crate::cli::session::{ANSWER_PATIENCE, Questions, Session};
use crate::cli::talk::say;

/// What the controller knows, beside its findings.
struct Told {
    subjects: Vec<Subject>,
    /// Whether it simulates this computer: then a look at it says nothing.
    simulated: bool,
}

/// A service that the controller knows of.
struct Subject {
    name: String,
    /// Missing for one of the catalogue that nobody has enabled.
    service: Option<ServiceProperties>,
    parts: PartsProperties,
}

impl Subject {
    fn is_enabled(&self) -> bool {
        self.service.as_ref().is_some_and(|service| service.enabled)
    }
}

pub(super) async fn doctor(bus: Option<BusAddress>, form: Form) -> Result<(), Failure> {
    let english = English::for_programs(form);
    let mut findings = Vec::new();
    let told = match Session::connect(bus, ANSWER_PATIENCE, Questions::OfRight).await {
        Ok(session) => match ask(&session.with_agent().await, &mut findings).await {
            Ok(told) => Some(told),
            Err(failure) => {
                findings.push(controller::silent(&failure));
                None
            }
        },
        Err(failure) => {
            findings.push(controller::absent(&failure));
            findings.extend(tor::without_controller());
            None
        }
    };
    findings.extend(controller::unit(told.is_some()));
    match &told {
        Some(told) if told.simulated => {}
        told => findings.extend(on_this_computer(told.as_ref().map(|told| told.subjects.as_slice()))),
    }
    let redactor = Redactor::for_public();
    let mut findings: Vec<Finding> = findings.into_iter().map(|finding| finding.redacted(&redactor)).collect();
    // The worst where a terminal ends.
    findings.sort_by_key(|finding| finding.severity);
    if let Err(failure) = print(&findings, form)
        // Who has read enough of them still learns how it is by the exit code.
        && !failure.is_of_closed_pipe()
    {
        return Err(failure);
    }
    drop(english);
    conclude(&findings)
}

/// What the controller finds, and the services that it knows of.
async fn ask(session: &Session, findings: &mut Vec<Finding>) -> Result<Told, Failure> {
    let (_, _, mut services) = session.answer(session.manager.overview()).await?;
    let had = session.answer(session.manager.catalog()).await.map(|(had, _)| had).unwrap_or_default();
    let diagnosis = session.diagnosis().await?;
    let about = match session.answer(diagnosis.about()).await {
        Ok(about) => about,
        Err(error) if controller::does_not_know(&error) => {
            findings.push(controller::older());
            let alone = |(name, service)| Subject { name, service: Some(service), parts: none() };
            return Ok(Told { subjects: services.into_iter().map(alone).collect(), simulated: false });
        }
        Err(error) => return Err(error.into()),
    };
    findings.push(controller::version(&about.version));
    findings.extend(session.answer(diagnosis.examine()).await?.into_iter().map(Finding::from));
    let names: std::collections::BTreeSet<String> = services.keys().cloned().chain(hosted(&had)).collect();
    let mut subjects = Vec::new();
    for name in names {
        let parts = session.answer(diagnosis.parts(&name)).await?;
        subjects.push(Subject { service: services.remove(&name), parts, name });
    }
    Ok(Told { subjects, simulated: about.simulated })
}

const fn none() -> PartsProperties {
    PartsProperties { units: Vec::new(), packages: Vec::new() }
}

fn hosted(had: &std::collections::HashMap<String, CatalogProperties>) -> impl Iterator<Item = String> {
    had.iter().filter(|(_, described)| described.hosted).map(|(name, _)| name.clone())
}

/// What a look at this computer finds. Without a controller nobody knows which services there are.
fn on_this_computer(subjects: Option<&[Subject]>) -> Vec<Finding> {
    let mut findings = drop_ins::findings(subjects);
    if let Some(subjects) = subjects {
        findings.extend(listeners::findings(subjects));
        findings.extend(packages::findings(subjects));
    }
    findings.extend(firewall::findings(subjects));
    findings
}

fn conclude(findings: &[Finding]) -> Result<(), Failure> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        return Err(Failure::Ailing { errors, warnings });
    }
    say(&tr!("Nothing is wrong, as far as could be looked at."));
    Ok(())
}
