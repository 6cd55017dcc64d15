// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server watch`

use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use crate::bus::api::{ServiceProperties, TorProperties};
use crate::cli::error::Failure;
use crate::cli::output::{Form, print_line, time};
use crate::cli::session::Session;

/// One line of `watch --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
enum Change<'a> {
    #[serde(rename_all = "kebab-case")]
    Service {
        name: &'a str,
        state: &'a str,
        running: bool,
        published: bool,
        uploads_confirmed: u32,
        uploads_attempted: u32,
        next_uploads_confirmed: u32,
        next_uploads_attempted: u32,
        evidence: &'a str,
        since: String,
        healed: u32,
        clients: u32,
        access_settled: bool,
        problem: Option<&'a str>,
    },
    Removed {
        name: &'a str,
    },
    #[serde(rename_all = "kebab-case")]
    Joined {
        name: &'a str,
        ready: bool,
        problem: Option<&'a str>,
    },
    Left {
        name: &'a str,
    },
    #[serde(rename_all = "kebab-case")]
    Tor {
        online: bool,
        connected: bool,
        bootstrap: u8,
        summary: &'a str,
        problem: Option<&'a str>,
        warnings: Vec<&'a str>,
    },
}

pub(super) async fn watch(session: &Session, form: Form) -> Result<(), Failure> {
    let mut services = session.manager.receive_service_changed().await?;
    let mut removals = session.manager.receive_service_removed().await?;
    let mut tor = session.manager.receive_tor_changed().await?;
    let mut joined = session.manager.receive_joined_changed().await?;
    let mut left = session.manager.receive_joined_removed().await?;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            changed = services.next() => {
                let changed = changed.ok_or(Failure::ControllerEnded)?;
                let changed = changed.args()?;
                line(&service(&changed.name, &changed.properties), form)?;
            }
            removed = removals.next() => {
                let removed = removed.ok_or(Failure::ControllerEnded)?;
                line(&Change::Removed { name: &removed.args()?.name }, form)?;
            }
            changed = tor.next() => {
                let changed = changed.ok_or(Failure::ControllerEnded)?;
                line(&tor_change(&changed.args()?.properties), form)?;
            }
            changed = joined.next() => {
                let changed = changed.ok_or(Failure::ControllerEnded)?;
                let changed = changed.args()?;
                let problem = changed.properties.problem.as_deref();
                line(&Change::Joined { name: &changed.name, ready: changed.properties.ready, problem }, form)?;
            }
            removed = left.next() => {
                let removed = removed.ok_or(Failure::ControllerEnded)?;
                line(&Change::Left { name: &removed.args()?.name }, form)?;
            }
            _ = &mut interrupted => return Ok(()),
        }
    }
}

fn service<'a>(name: &'a str, properties: &'a ServiceProperties) -> Change<'a> {
    Change::Service {
        name,
        state: &properties.state,
        running: properties.running,
        published: properties.state == "published",
        uploads_confirmed: properties.uploads_confirmed,
        uploads_attempted: properties.uploads_attempted,
        next_uploads_confirmed: properties.other_confirmed,
        next_uploads_attempted: properties.other_attempted,
        evidence: &properties.evidence,
        since: time(properties.since),
        healed: properties.healed,
        clients: properties.clients,
        access_settled: properties.access_settled,
        problem: properties.problem.as_deref(),
    }
}

fn tor_change(properties: &TorProperties) -> Change<'_> {
    Change::Tor {
        online: properties.online,
        connected: properties.connected,
        bootstrap: properties.bootstrap,
        summary: &properties.summary,
        problem: properties.problem.as_deref(),
        warnings: properties.warnings.iter().map(|(problem, _)| problem.as_str()).collect(),
    }
}

fn line(change: &Change<'_>, form: Form) -> Result<(), Failure> {
    let text = match form {
        Form::Json => serde_json::to_string(change).map_err(|cause| Failure::Print(cause.into()))?,
        Form::Yaml => in_words(change),
    };
    print_line(&text)
}

fn in_words(change: &Change<'_>) -> String {
    let with = |text: String, problem: Option<&str>| match problem {
        Some(problem) => format!("{text} ({problem})"),
        None => text,
    };
    match change {
        Change::Service {
            name,
            state,
            uploads_confirmed,
            uploads_attempted,
            next_uploads_confirmed,
            next_uploads_attempted,
            access_settled,
            problem,
            ..
        } => {
            let next = format!("next {next_uploads_confirmed}/{next_uploads_attempted}");
            let ending = if *access_settled { "" } else { ", an access is ending" };
            with(format!("{name} {state} {uploads_confirmed}/{uploads_attempted}, {next}{ending}"), *problem)
        }
        Change::Removed { name } => format!("{name} removed"),
        Change::Joined { name, ready, problem } => {
            with(format!("{name} joined, {}", if *ready { "ready" } else { "not ready" }), *problem)
        }
        Change::Left { name } => format!("{name} left"),
        Change::Tor { online, connected, bootstrap, problem, warnings, .. } => {
            let word = match (connected, online) {
                (false, _) => "not connected",
                (true, false) => "not online",
                (true, true) => "online",
            };
            let also = warnings.iter().map(|warning| format!(", {warning}")).collect::<String>();
            with(format!("Tor {word} {bootstrap} %{also}"), *problem)
        }
    }
}
