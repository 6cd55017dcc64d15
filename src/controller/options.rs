// SPDX-License-Identifier: GPL-3.0-or-later
//! The options that the descriptor of a service gives it: set, reset, and told with what fits them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use tails_server_state::{
    Allow, Autostart, Change, ClientAuthorization, Exposure, MaxStreams, OptionName, OptionText, Persistence, PortMap,
    PortMapping, ProofOfWork, ServiceName, ServiceRecord, Store, StoredService, Target, VirtualPort, Wish,
};

use crate::controller::defaults;
use crate::controller::error::RequestError;
use crate::controller::remember::{begin, find, find_descriptor, new_secret};
use crate::controller::repertoire::Repertoire;
use crate::controller::status::Snapshot;
use crate::controller::wishes;
use crate::descriptor::{
    Common, CommonOption, InfoLine, InvalidValue, OptionKind, OptionSpec, OptionValue, OptionValues, Port, Scope,
    ServiceDescriptor,
};

/// Typing errors per letters that are worth asking "did you mean", as for names of services.
const LETTERS_PER_ERROR: usize = 3;
/// How the option begins that is the port of a port on the onion service.
const VIRTUAL_PORT: &str = "virtual-port";

/// An option of a service, and all about it that people see.
#[derive(Debug)]
pub struct OptionReport {
    /// Its name.
    pub name: String,
    /// The type, in one word.
    pub kind: &'static str,
    /// Its name in the window.
    pub label: String,
    /// A sentence about it; empty if its name says all.
    pub help: String,
    /// Where the window shows it.
    pub group: &'static str,
    /// What it costs to change it.
    pub change: &'static str,
    /// What fits it, in words.
    pub fits: String,
    /// The words that fit it, if there are only some.
    pub choices: Vec<String>,
    /// What it is without a word; nothing for what is generated or found out.
    pub default: Option<String>,
    /// What it is; nothing for what is not found out yet.
    pub value: Option<OptionText>,
    /// Whether it is shown only when asked for.
    pub is_secret: bool,
    /// Whether it can be set.
    pub is_settable: bool,
}

/// What visitors need to know.
#[derive(Debug, Default)]
pub struct ConnectionReport {
    /// A link that the client application opens.
    pub link: Option<InfoLineReport>,
    /// What goes into an invitation, beside the address and the ports.
    pub lines: Vec<InfoLineReport>,
}

/// One thing that visitors need to know.
#[derive(Debug)]
pub struct InfoLineReport {
    /// What it is.
    pub label: String,
    /// The value.
    pub value: OptionText,
    /// Whether it is shown only when asked for.
    pub is_secret: bool,
}

/// Gives an option a value. A service that can be had and is not remembered yet is remembered, disabled.
pub(super) fn set(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    option: &str,
    text: &OptionText,
) -> Result<Change, RequestError> {
    let descriptor = described(store, repertoire, name, option)?;
    if let Some(port) = port_of(&descriptor, option) {
        let number: VirtualPort = text.expose().parse()?;
        return set_virtual_port(store, repertoire, name, &port.target.value, number);
    }
    ensure_fits(name, &descriptor, option, text)?;
    let service = remembered(store, repertoire, name)?;
    let mut options = store.options(name)?;
    let key = put(repertoire, &descriptor, &service, &mut options, option, text)?;
    Ok(store.set_option(name, &key, text)?)
}

/// Whether a value fits an option of its descriptor.
pub(super) fn ensure_fits(
    name: &ServiceName,
    descriptor: &ServiceDescriptor,
    option: &str,
    text: &OptionText,
) -> Result<(), RequestError> {
    let reason = spec(name, descriptor, option)?.parse(text.expose()).err();
    reason.map_or(Ok(()), |reason| Err(RequestError::Value { option: option.to_owned(), reason }))
}

/// Puts a value that fits among the others, if the server can be told of all of them.
pub(super) fn put(
    repertoire: &Repertoire,
    descriptor: &ServiceDescriptor,
    service: &StoredService,
    options: &mut BTreeMap<OptionName, OptionText>,
    option: &str,
    text: &OptionText,
) -> Result<OptionName, RequestError> {
    let key: OptionName = option.parse().map_err(|_| RequestError::Bug("an option has a name that is none"))?;
    let before = options.insert(key.clone(), OptionText::new(text.expose()));
    ensure_renders(repertoire, descriptor, service, options).inspect_err(|_| match before {
        Some(before) => drop(options.insert(key.clone(), before)),
        None => drop(options.remove(&key)),
    })?;
    Ok(key)
}

/// Gives an option its default again; a secret is made anew.
pub(super) fn reset(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    option: &str,
) -> Result<Change, RequestError> {
    let found = look_up(store, repertoire, name)?;
    let common = found.as_ref().map(|(descriptor, _)| &*descriptor.common);
    if let Some(reset) = defaults::reset(store, repertoire, name, common, option) {
        return reset;
    }
    let descriptor = described(store, repertoire, name, option)?;
    if let Some(port) = port_of(&descriptor, option) {
        let number = port.default_virtual_port().unwrap_or(wishes::WEB);
        return set_virtual_port(store, repertoire, name, &port.target.value, number);
    }
    let spec = spec(name, &descriptor, option)?;
    if spec.is_probe() {
        return Err(RequestError::Value { option: option.to_owned(), reason: InvalidValue::ReadOnly });
    }
    remembered(store, repertoire, name)?;
    if let Some((key, text)) = new_secret(&spec).map_err(RequestError::Random)? {
        return Ok(store.set_option(name, &key, &text)?);
    }
    let key: OptionName = option.parse().map_err(|_| RequestError::Bug("an option has a name that is none"))?;
    Ok(store.reset_option(name, &key)?)
}

/// All options that the descriptor of a service gives it. None for a port that is published as it is.
pub(super) fn all(
    store: &Store,
    repertoire: &Repertoire,
    picture: &Snapshot,
    name: &ServiceName,
) -> Result<Vec<OptionReport>, RequestError> {
    let Some((descriptor, service)) = look_up(store, repertoire, name)? else { return Ok(Vec::new()) };
    let known = match &service {
        Some(_) => store.options(name)?,
        None => BTreeMap::new(),
    };
    let specs = descriptor.options();
    let values = wishes::values(&specs, &known).map_err(RequestError::Random)?;
    let ports = descriptor.port.iter().enumerate().map(|(at, port)| {
        let record = service.as_ref().map(|service| &service.record);
        let of = |record| wishes::virtual_ports(&descriptor, record).find(|(known, _)| known.name == port.name);
        let number = record.and_then(of).map(|(_, number)| number).or_else(|| port.default_virtual_port());
        port_report(at, port, number.unwrap_or(wishes::WEB))
    });
    let ports = ports.filter(|_| descriptor.common.offers(CommonOption::VirtualPort)).collect::<Vec<_>>();
    let probes = picture.services.get(name).and_then(|status| status.hosting.as_ref()).map(|hosting| &hosting.probes);
    let options = specs.iter().map(|spec| {
        let probe = probes.and_then(|probes| probes.get(spec.name().as_str()));
        let value = values.value(spec.name().as_str()).map(OptionValue::expose);
        // A secret that nobody has made yet is not this one, which was made for the question alone.
        let value = value.filter(|_| !spec.is_secret() || service.is_some());
        report(spec, value.as_deref().or(probe.map(String::as_str)))
    });
    let common = common_reports(&descriptor.common, service.as_ref().map(|service| &service.record));
    Ok(ports.into_iter().chain(options).chain(common).collect())
}

/// What visitors need to know of a service, beside its address and its ports.
pub(super) fn connection(
    store: &Store,
    repertoire: &Repertoire,
    picture: &Snapshot,
    name: &ServiceName,
) -> Result<ConnectionReport, RequestError> {
    let Some((descriptor, Some(service))) = look_up(store, repertoire, name)? else {
        return Ok(ConnectionReport::default());
    };
    let mut values = wishes::values(&descriptor.options(), &store.options(name)?).map_err(RequestError::Random)?;
    let hosting = picture.services.get(name).and_then(|status| status.hosting.as_ref());
    for (option, found) in hosting.into_iter().flat_map(|hosting| &hosting.probes) {
        values.probed(option, found.clone());
    }
    let scope = scope(repertoire, &descriptor, &service, &values);
    let info = descriptor.connection_info(&scope).map_err(RequestError::CannotRender)?;
    let line = |line: InfoLine| InfoLineReport {
        value: OptionText::new(line.value.expose()),
        label: line.label,
        is_secret: line.is_secret,
    };
    Ok(ConnectionReport { link: info.uri.map(line), lines: info.lines.into_iter().map(line).collect() })
}

type Found = (Arc<ServiceDescriptor>, Option<StoredService>);

/// The descriptor of a service and what is remembered of it. None for a port that is published as it is.
fn look_up(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<Option<Found>, RequestError> {
    let service = find(store, name);
    if service.as_ref().is_some_and(|service| !service.record.kind().is_described()) {
        return Ok(None);
    }
    Ok(Some((find_descriptor(repertoire, name)?, service)))
}

/// The descriptor of a service whose options are to be changed.
fn described(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    option: &str,
) -> Result<Arc<ServiceDescriptor>, RequestError> {
    match look_up(store, repertoire, name)? {
        Some((descriptor, _)) => Ok(descriptor),
        None => Err(unknown(name, option, CommonOption::ALL.iter().map(|common| common.as_str().to_owned()))),
    }
}

/// What is remembered of the service; if that is nothing, it is remembered now.
fn remembered(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<StoredService, RequestError> {
    if find(store, name).is_none() {
        begin(store, repertoire, name, Wish::Disabled, Ok)?;
    }
    find(store, name).ok_or_else(|| RequestError::Unknown(name.clone()))
}

fn spec(name: &ServiceName, descriptor: &ServiceDescriptor, option: &str) -> Result<OptionSpec, RequestError> {
    let common = CommonOption::ALL.iter().filter(|common| descriptor.common.offers(**common));
    let common = common.map(|common| common.as_str().to_owned());
    let names = descriptor.option.iter().map(|spec| spec.name().to_string()).chain(common);
    descriptor.find_option(option).cloned().ok_or_else(|| unknown(name, option, names))
}

pub(super) fn unknown(service: &ServiceName, option: &str, known: impl Iterator<Item = String>) -> RequestError {
    let errors = known.map(|candidate| (strsim::osa_distance(option, &candidate), candidate));
    let near = errors.filter(|(errors, known)| errors * LETTERS_PER_ERROR <= option.len().max(known.len()));
    let similar = near.min().map(|(_, candidate)| candidate);
    RequestError::UnknownOption { service: service.clone(), option: option.escape_debug().to_string(), similar }
}

/// A value that the configuration can not carry is refused before it is remembered, and not when the server is to start.
fn ensure_renders(
    repertoire: &Repertoire,
    descriptor: &ServiceDescriptor,
    service: &StoredService,
    options: &BTreeMap<OptionName, OptionText>,
) -> Result<(), RequestError> {
    let values = wishes::values(&descriptor.options(), options).map_err(RequestError::Random)?;
    let scope = scope(repertoire, descriptor, service, &values);
    descriptor.render(&scope).map_err(RequestError::CannotRender)?;
    descriptor.connection_info(&scope).map_err(RequestError::CannotRender)?;
    Ok(())
}

fn scope<'a>(
    repertoire: &Repertoire,
    descriptor: &ServiceDescriptor,
    service: &'a StoredService,
    values: &'a OptionValues,
) -> Scope<'a> {
    let scope = Scope::new(values, &service.address, repertoire.debian());
    let ports = wishes::virtual_ports(descriptor, &service.record);
    ports.fold(scope, |scope, (port, number)| scope.with_virtual_port(port.name.value.as_str(), number))
}

/// The port that `virtual-port` or `virtual-port-NAME` is about.
pub(super) fn port_of<'a>(descriptor: &'a ServiceDescriptor, option: &str) -> Option<&'a Port> {
    let rest = option.strip_prefix(VIRTUAL_PORT).filter(|_| descriptor.common.offers(CommonOption::VirtualPort))?;
    let mut ports = descriptor.port.iter().enumerate();
    let found = ports.find(|(at, port)| rest == suffix(*at, port))?;
    Some(&found.1.value)
}

/// What follows `virtual-port` in the name of the option: nothing for the main port.
fn suffix(at: usize, port: &Port) -> String {
    if at == 0 { String::new() } else { format!("-{}", port.name.value) }
}

fn set_virtual_port(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    target: &Target,
    number: VirtualPort,
) -> Result<Change, RequestError> {
    let service = remembered(store, repertoire, name)?;
    let descriptor = find_descriptor(repertoire, name)?;
    Ok(store.set_record(&with_virtual_port(&descriptor, service.record, target, number)?)?)
}

/// The record with another number for the port with this target.
pub(super) fn with_virtual_port(
    descriptor: &ServiceDescriptor,
    record: ServiceRecord,
    target: &Target,
    number: VirtualPort,
) -> Result<ServiceRecord, RequestError> {
    let mappings = wishes::mappings(descriptor, &record).into_iter().map(|mapping| {
        let virtual_port = if mapping.target == *target { number } else { mapping.virtual_port };
        PortMapping { virtual_port, ..mapping }
    });
    let ports = PortMap::try_from(mappings.collect::<Vec<_>>()).map_err(|_| RequestError::PortTaken(number))?;
    Ok(record.with_ports(ports))
}

fn port_report(at: usize, port: &Port, number: VirtualPort) -> OptionReport {
    OptionReport {
        name: format!("{VIRTUAL_PORT}{}", suffix(at, port)),
        kind: "port",
        label: "Port".to_owned(),
        help: "The port of the onion service.".to_owned(),
        group: "connection",
        change: "republish",
        fits: "1 to 65535".to_owned(),
        choices: Vec::new(),
        default: Some(port.default_virtual_port().unwrap_or(wishes::WEB).to_string()),
        value: Some(OptionText::new(&number.to_string())),
        is_secret: false,
        is_settable: true,
    }
}

/// The options that every service has, but for the ports.
fn common_reports(common: &Common, record: Option<&ServiceRecord>) -> Vec<OptionReport> {
    let switch = |is_on| if is_on { "on" } else { "off" }.to_owned();
    let number = |most: Option<u16>| most.map_or_else(|| switch(false), |most| most.to_string());
    let exposure = record.map(|record| *record.exposure());
    let access = record.map(wishes::local_access);
    let defence = |defence: Option<ProofOfWork>| {
        defence.map_or_else(|| switch(false), |pow| format!("{}:{}", pow.rate(), pow.burst()))
    };
    let offered = CommonOption::ALL.iter().copied().filter(|option| common.offers(*option));
    let of = |option: CommonOption| {
        let (kind, fits, default, value, label) = match option {
            // Each port has its own.
            CommonOption::VirtualPort => return None,
            CommonOption::Persistence => {
                let value = record.map(|record| switch(record.persistence() == Persistence::Kept));
                ("bool", "on or off", switch(common.persistence), value, "Keep after a restart")
            }
            CommonOption::Autostart => {
                let value = record.map(|record| switch(record.autostart() == Autostart::On));
                ("bool", "on or off", switch(common.autostart), value, "Start by itself")
            }
            CommonOption::AllowLocalhost => {
                let value = access.map(|access| switch(access.localhost == Allow::Yes));
                ("bool", "on or off", switch(common.allow_localhost), value, "Reachable from this computer")
            }
            CommonOption::AllowLan => {
                let value = access.map(|access| switch(access.lan == Allow::Yes));
                ("bool", "on or off", switch(common.allow_lan), value, "Reachable from the local network")
            }
            CommonOption::ClientAuthorization => {
                let is_on = |exposure: Exposure| switch(exposure.client_authorization == ClientAuthorization::On);
                let default = switch(common.client_authorization);
                ("bool", "on or off", default, exposure.map(is_on), "Only for authorised clients")
            }
            CommonOption::MaxStreams => {
                let value = exposure.map(|exposure| number(exposure.max_streams.map(MaxStreams::number)));
                let default = number(common.max_streams.map(NonZeroU16::get));
                ("int", "1 to 65535, or off", default, value, "Most streams of a visitor")
            }
            CommonOption::Pow => {
                let default = defence(common.pow.then(ProofOfWork::default));
                let value = exposure.map(|exposure| defence(exposure.proof_of_work));
                ("string", "on, off or RATE:BURST", default, value, "Defence against floods")
            }
        };
        Some(OptionReport {
            name: option.as_str().to_owned(),
            kind,
            label: label.to_owned(),
            help: String::new(),
            group: if option == CommonOption::ClientAuthorization { "access" } else { "service" },
            change: common_change(option),
            fits: fits.to_owned(),
            choices: Vec::new(),
            value: Some(OptionText::new(&value.unwrap_or_else(|| default.clone()))),
            default: Some(default),
            is_secret: false,
            is_settable: true,
        })
    };
    offered.filter_map(of).collect()
}

/// What it costs to change an option that every service has.
const fn common_change(option: CommonOption) -> &'static str {
    match option {
        CommonOption::Autostart | CommonOption::Persistence => "nothing",
        CommonOption::AllowLocalhost | CommonOption::AllowLan => "restart",
        CommonOption::VirtualPort
        | CommonOption::ClientAuthorization
        | CommonOption::MaxStreams
        | CommonOption::Pow => "republish",
    }
}

fn report(spec: &OptionSpec, value: Option<&str>) -> OptionReport {
    let choices = match &spec.kind {
        OptionKind::Enum(keys) => keys.choices.value.iter().map(|choice| choice.value.to_string()).collect(),
        OptionKind::Bool(_)
        | OptionKind::Int(_)
        | OptionKind::Port(_)
        | OptionKind::String(_)
        | OptionKind::Text(_)
        | OptionKind::Secret(_)
        | OptionKind::Folder(_)
        | OptionKind::TlsFingerprint(_)
        | OptionKind::SshHostKey(_) => Vec::new(),
    };
    OptionReport {
        name: spec.name().to_string(),
        kind: spec.head.r#type.as_str(),
        label: spec.head.label.to_string(),
        help: spec.head.help.as_ref().map(ToString::to_string).unwrap_or_default(),
        group: spec.head.group.as_str(),
        change: spec.head.change.as_str(),
        fits: fits(&spec.kind),
        choices,
        default: spec.default().map(|value| value.expose().into_owned()),
        value: value.map(OptionText::new),
        is_secret: spec.is_secret(),
        is_settable: !spec.is_probe(),
    }
}

/// What fits an option, in words.
fn fits(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Bool(_) => "true or false".to_owned(),
        OptionKind::Int(keys) => {
            let unit = keys.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
            format!("{} to {}{unit}", keys.min, keys.max)
        }
        OptionKind::Port(_) => "1 to 65535".to_owned(),
        OptionKind::String(keys) => {
            format!("one line of at most {} {}", keys.max_length, keys.characters.about())
        }
        OptionKind::Text(keys) => format!("lines of at most {} characters in all", keys.max_length),
        OptionKind::Enum(keys) => {
            keys.choices.value.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ")
        }
        OptionKind::Secret(keys) => format!("at most {} {}", keys.max_length, keys.characters.about()),
        OptionKind::Folder(_) => "the path of a folder".to_owned(),
        OptionKind::TlsFingerprint(_) | OptionKind::SshHostKey(_) => "found out, never set".to_owned(),
    }
}
