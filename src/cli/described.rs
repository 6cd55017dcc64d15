// SPDX-License-Identifier: GPL-3.0-or-later
//! A service of the catalogue as `tails-server info` prints it.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tails_server_state::Target;

use crate::bus::api::{CatalogProperties, ConnectionProperties, OptionProperties, ServiceProperties};
use crate::cli::output::{DetailsView, in_words};
use crate::cli::show::Depth;

/// What stands for a secret that nobody asked for.
const HIDDEN: &str = "(hidden: see --show-secrets)";

/// All that is known of a service.
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    pub(super) described: CatalogProperties,
    /// Missing if nothing is remembered of it.
    pub(super) service: Option<ServiceProperties>,
    pub(super) details: Option<DetailsView>,
    pub(super) address: Option<String>,
    pub(super) options: Vec<OptionProperties>,
    pub(super) connection: Option<ConnectionProperties>,
}

/// All about one service of the catalogue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DescribedView {
    name: String,
    title: String,
    description: String,
    state: String,
    installed: Option<bool>,
    running: bool,
    published: bool,
    address: Option<String>,
    local_port: Option<u16>,
    remote_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    persistent_paths: Vec<String>,
    clients: u32,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    connection: Pairs,
    options: Pairs,
    #[serde(skip_serializing_if = "Option::is_none")]
    documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_application: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    option_details: Vec<OptionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsView>,
}

/// What fits an option.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct OptionView {
    name: String,
    default: Value,
    fits: String,
    change_costs: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    help: String,
}

/// Keys and values in their order.
#[derive(Debug)]
struct Pairs(Vec<(String, Value)>);

impl Pairs {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl DescribedView {
    pub(super) fn new(parts: Parts<'_>, depth: Depth) -> Self {
        let Parts { name, described, service, details, address, options, connection } = parts;
        let service = service.as_ref();
        let state = match service {
            Some(service) => service.state.as_str(),
            None if described.problem.is_none() => "available",
            None => "unavailable",
        };
        let main = described.targets.first();
        let virtual_port = options.iter().find(|option| option.name == "virtual-port");
        let remote = |main: &String| {
            let mapping = service?.ports.iter().find(|(_, target)| target == main)?;
            Some(mapping.0)
        };
        let (problem, hint) = match service {
            Some(service) => (service.problem.as_deref(), service.hint.as_deref()),
            None => (described.problem.as_deref(), described.hint.as_deref()),
        };
        let (problem, hint) = (in_words(problem), in_words(hint));
        Self {
            name: name.to_owned(),
            title: described.title,
            description: described.description,
            state: state.to_owned(),
            installed: service.map_or(described.installed, |service| service.installed),
            running: service.is_some_and(|service| service.running),
            published: state == "published",
            address,
            local_port: main.and_then(|target| local_port(target)),
            remote_port: main
                .and_then(remote)
                .or_else(|| virtual_port.and_then(|option| option.value.as_ref()).and_then(|port| port.parse().ok())),
            problem,
            hint,
            persistent_paths: described.persistent_paths,
            clients: service.map_or(0, |service| service.clients),
            connection: Pairs(connection.map(|connection| lines(connection, depth)).unwrap_or_default()),
            options: Pairs(options.iter().map(|option| (option.name.clone(), value(option, depth))).collect()),
            documentation: depth.details.then_some(described.documentation),
            client_application: depth.details.then_some(described.client_application),
            option_details: if depth.details { options.iter().map(OptionView::new).collect() } else { Vec::new() },
            details,
        }
    }
}

impl OptionView {
    fn new(option: &OptionProperties) -> Self {
        Self {
            name: option.name.clone(),
            default: option.default.as_ref().map_or(Value::Null, |default| typed(&option.kind, default)),
            fits: option.fits.clone(),
            change_costs: option.change.clone(),
            help: option.help.clone(),
        }
    }
}

fn lines(connection: ConnectionProperties, depth: Depth) -> Vec<(String, Value)> {
    let link = connection.link.map(|link| ("Link".to_owned(), Value::from(link)));
    let line = |(label, value, is_secret): (String, String, bool)| {
        let value = if is_secret && !depth.secrets { HIDDEN.to_owned() } else { value };
        (label, Value::from(value))
    };
    link.into_iter().chain(connection.lines.into_iter().map(line)).collect()
}

/// The value of an option, as what it is: a number as a number.
fn value(option: &OptionProperties, depth: Depth) -> Value {
    match &option.value {
        None if option.secret && !depth.secrets => Value::from(HIDDEN),
        None => Value::Null,
        Some(text) => typed(&option.kind, text),
    }
}

fn typed(kind: &str, text: &str) -> Value {
    match (kind, text) {
        ("bool", "on" | "true") => Value::from(true),
        ("bool", "off" | "false") => Value::from(false),
        ("int" | "port", _) => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        (_, _) => Value::from(text),
    }
}

fn local_port(target: &str) -> Option<u16> {
    match target.parse().ok()? {
        Target::Tcp(address) => Some(address.port()),
        Target::Unix(_) => None,
    }
}
