// SPDX-License-Identifier: GPL-3.0-or-later
//! Standard output: the same keys as YAML and as JSON.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tails_server_state::Target;
use tr::tr;

use crate::bus::api::{CatalogProperties, ServiceProperties, StoreProblem, TorProperties};
use crate::cli::error::Failure;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Yaml,
    Json,
}

/// Writes a result to standard output.
pub(super) fn print(value: &impl Serialize, form: Form) -> Result<(), Failure> {
    let text = match form {
        Form::Yaml => serde_saphyr::to_string(value).map_err(|cause| Failure::Print(cause.into()))?,
        Form::Json => serde_json::to_string_pretty(value).map_err(|cause| Failure::Print(cause.into()))?,
    };
    print_line(text.trim_end())
}

/// Writes one line, or text that is complete but for its last line feed, to standard output.
pub(super) fn print_line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|cause| Failure::Print(cause.into()))
}

/// Writes text that is complete but for its last line feed to standard output; none if it is empty.
pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    if text.is_empty() { Ok(()) } else { print_line(text) }
}

/// A time as RFC 3339, in UTC.
pub(super) fn time(seconds_since_1970: u64) -> String {
    // RFC 3339, and what writes it, ends with the year 9999.
    const LATEST: u64 = 253_402_300_799;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds_since_1970.min(LATEST));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Now, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A service in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
    name: String,
    /// `available` and `unavailable` are those of the catalogue that nobody has enabled yet.
    state: String,
    enabled: bool,
    installed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    ports: Vec<String>,
    persistence: bool,
    autostart: bool,
    client_authorization: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The rows of all services by name, and then of those that can be had.
pub(super) fn rows(
    services: HashMap<String, ServiceProperties>,
    mut had: HashMap<String, CatalogProperties>,
) -> Vec<Row> {
    had.retain(|name, _| !services.contains_key(name));
    let mut rows: Vec<Row> = services
        .into_iter()
        .map(|(name, service)| Row {
            name,
            state: service.state,
            enabled: service.enabled,
            installed: service.installed,
            description: None,
            ports: service.ports.iter().map(|(port, target)| format!("{port}:{target}")).collect(),
            persistence: service.persistence,
            autostart: service.autostart,
            client_authorization: service.client_authorization,
            problem: service.problem,
            hint: service.hint,
        })
        .collect();
    rows.sort_by(|one, two| one.name.cmp(&two.name));
    let mut available: Vec<Row> = had.into_iter().map(|(name, described)| available(name, described)).collect();
    available.sort_by(|one, two| one.name.cmp(&two.name));
    rows.extend(available);
    rows
}

fn available(name: String, described: CatalogProperties) -> Row {
    Row {
        name,
        state: if described.problem.is_none() { "available" } else { "unavailable" }.to_owned(),
        enabled: false,
        installed: described.installed,
        description: Some(described.description).filter(|description| !description.is_empty()),
        ports: described.targets,
        persistence: false,
        autostart: false,
        client_authorization: false,
        problem: described.problem,
        hint: described.hint,
    }
}

/// Tor, what is wrong with the store, and all services.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OverviewView {
    tor: TorView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    store_problems: Vec<ProblemView>,
    services: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct TorView {
    online: bool,
    connected: bool,
    version: Option<String>,
    bootstrap: u8,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ProblemView>,
}

#[derive(Debug, Serialize)]
struct ProblemView {
    problem: String,
    hint: Option<String>,
}

impl OverviewView {
    pub(super) fn new(
        tor: TorProperties,
        store: Vec<StoreProblem>,
        services: HashMap<String, ServiceProperties>,
    ) -> Self {
        Self {
            tor: TorView {
                online: tor.online,
                connected: tor.connected,
                version: tor.version,
                bootstrap: tor.bootstrap,
                summary: tor.summary,
                problem: tor.problem,
                hint: tor.hint,
                warnings: tor
                    .warnings
                    .into_iter()
                    .map(|(problem, hint)| ProblemView { problem, hint: Some(hint).filter(|hint| !hint.is_empty()) })
                    .collect(),
            },
            store_problems: store
                .into_iter()
                .map(|StoreProblem { problem, hint }| ProblemView { problem, hint })
                .collect(),
            services: rows(services, HashMap::new()),
        }
    }
}

/// How one service is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StatusView {
    name: String,
    state: String,
    installed: bool,
    running: bool,
    published: bool,
    since: String,
    evidence: String,
    uploads_confirmed: u32,
    uploads_attempted: u32,
    next_uploads_confirmed: u32,
    next_uploads_attempted: u32,
    client_authorization: bool,
    clients: u32,
    access_settled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    options_applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    server_log: Vec<String>,
}

impl StatusView {
    pub(super) fn new(name: &str, service: &ServiceProperties, server_log: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            state: service.state.clone(),
            // Where nobody knows, it is not certain.
            installed: service.installed == Some(true),
            running: service.running,
            published: service.state == "published",
            since: time(service.since),
            evidence: service.evidence.clone(),
            uploads_confirmed: service.uploads_confirmed,
            uploads_attempted: service.uploads_attempted,
            next_uploads_confirmed: service.other_confirmed,
            next_uploads_attempted: service.other_attempted,
            client_authorization: service.client_authorization,
            clients: service.clients,
            access_settled: service.access_settled,
            options_applied: service.options_applied,
            problem: in_words(service.problem.as_deref()),
            hint: in_words(service.hint.as_deref()).or_else(|| unsaid(service)),
            server_log,
        }
    }
}

/// All about one service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct InfoView {
    name: String,
    description: String,
    state: String,
    installed: bool,
    running: bool,
    published: bool,
    address: String,
    local_port: Option<u16>,
    remote_port: Option<u16>,
    ports: Vec<PortView>,
    persistent_paths: Vec<String>,
    clients: u32,
    options: OptionsView,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct PortView {
    virtual_port: u16,
    target: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct OptionsView {
    virtual_port: Option<u16>,
    persistence: bool,
    autostart: bool,
    client_authorization: bool,
    max_streams: Option<u32>,
    pow: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DetailsView {
    enabled: bool,
    since: String,
    evidence: String,
    uploads_confirmed: u32,
    uploads_attempted: u32,
    next_uploads_confirmed: u32,
    next_uploads_attempted: u32,
    healed: u32,
    access_settled: bool,
    problem: Option<String>,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    server_log: Vec<String>,
}

impl InfoView {
    pub(super) fn new(name: &str, address: String, service: &ServiceProperties, details: Option<DetailsView>) -> Self {
        let first = service.ports.first();
        let remote_port = first.map(|(port, _)| *port);
        Self {
            name: name.to_owned(),
            description: describe(service),
            state: service.state.clone(),
            installed: service.installed == Some(true),
            running: service.running,
            published: service.state == "published",
            address,
            local_port: first.and_then(|(_, target)| target.parse().ok()).and_then(|target| match target {
                Target::Tcp(address) => Some(address.port()),
                Target::Unix(_) => None,
            }),
            remote_port,
            ports: service
                .ports
                .iter()
                .map(|(port, target)| PortView { virtual_port: *port, target: target.clone() })
                .collect(),
            persistent_paths: Vec::new(),
            clients: service.clients,
            options: OptionsView {
                virtual_port: remote_port,
                persistence: service.persistence,
                autostart: service.autostart,
                client_authorization: service.client_authorization,
                max_streams: service.max_streams,
                pow: service.proof_of_work.map(|(rate, burst)| format!("{rate}:{burst}")),
            },
            details,
        }
    }
}

impl DetailsView {
    pub(super) fn new(service: &ServiceProperties, server_log: Vec<String>) -> Self {
        Self {
            enabled: service.enabled,
            since: time(service.since),
            evidence: service.evidence.clone(),
            uploads_confirmed: service.uploads_confirmed,
            uploads_attempted: service.uploads_attempted,
            next_uploads_confirmed: service.other_confirmed,
            next_uploads_attempted: service.other_attempted,
            healed: service.healed,
            access_settled: service.access_settled,
            problem: in_words(service.problem.as_deref()),
            hint: in_words(service.hint.as_deref()),
            server_log,
        }
    }
}

fn describe(service: &ServiceProperties) -> String {
    let targets: Vec<&str> = service.ports.iter().map(|(_, target)| target.as_str()).collect();
    format!("What listens on {} of this computer", targets.join(", "))
}

/// What to do where nothing is wrong yet, and a person waits.
fn unsaid(service: &ServiceProperties) -> Option<String> {
    let is_early = service.state == "starting" && service.problem.is_none();
    is_early.then(|| tr!("Who listens on its target is being looked at; ask again in a moment"))
}

/// What the controller says, for a person. Programs are told in English: whoever prints for them sees to that.
pub(super) fn in_words(text: Option<&str>) -> Option<String> {
    text.map(|text| tr!(text))
}
