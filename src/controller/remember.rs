// SPDX-License-Identifier: GPL-3.0-or-later
//! Carrying out a request: all of it is remembering. What follows from it is the plan's business.

use std::sync::Arc;

use tails_server_state::{
    Allow, Autostart, Change, ClientAuthorization, Exposure, InvalidRecord, LocalAccess, MaxStreams, OnionKey,
    OptionName, OptionText, Persistence, PortMap, PortMapping, ProofOfWork, ServiceKind, ServiceName, ServiceRecord,
    Store, StoreError, StoredService, Target, Wish,
};
use tracing::{debug, warn};

use crate::controller::error::RequestError;
use crate::controller::handle::{PublishRequest, RecordChange};
use crate::controller::repertoire::{Repertoire, Unavailable};
use crate::controller::wishes::{self, Wishes};
use crate::descriptor::{CommonOption, OptionKind, OptionSpec, SecretText, ServiceDescriptor};
use crate::errors::with_causes;

/// Remembers a new service, with a new key, and whether it is wanted.
pub(super) fn publish(store: &Store, request: PublishRequest) -> Result<(ServiceName, Change), RequestError> {
    let PublishRequest { name, ports, persistence, autostart, exposure, wish } = request;
    let services = store.services();
    let name = match name {
        Some(name) => name,
        None => free_name(&ports, &services)?,
    };
    let record = ServiceRecord::new(name.clone(), persistence, autostart, ports)?.with_exposure(exposure);
    match services.iter().find(|service| *service.record.name() == name) {
        Some(same) if same.record == record => Ok((name.clone(), store.set_wish(&name, wish)?)),
        Some(_) => Err(RequestError::Exists(name)),
        None => {
            let key = OnionKey::generate().map_err(RequestError::Random)?;
            store.add(&record, &key, wish)?;
            Ok((name, Change::Changed))
        }
    }
}

/// Forgets a service. One that is not there is an error: a typing error must not look like a removal.
pub(super) fn remove(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<Change, RequestError> {
    let is_hosted =
        find(store, name).is_some_and(|service| service.record.kind().is_described()) && repertoire.may_be_hosted(name);
    let removed = if is_hosted { store.remove_and_uninstall(name) } else { store.remove(name) };
    match removed? {
        Change::Changed => Ok(Change::Changed),
        Change::Unchanged => Err(RequestError::Unknown(name.clone())),
    }
}

/// Remembers that the server of a service is to be uninstalled, and its data deleted. Nobody knows whether there is
/// something: data outlive the packages.
pub(super) fn uninstall(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<Change, RequestError> {
    if store.uninstalls().contains_key(name) {
        return Ok(Change::Unchanged);
    }
    let service = find(store, name);
    if service.as_ref().is_some_and(|service| !service.record.kind().is_described()) {
        return Err(RequestError::NothingInstalled(name.clone()));
    }
    if service.is_none() || !repertoire.may_be_hosted(name) {
        find_descriptor(repertoire, name)?;
    }
    if !repertoire.may_be_hosted(name) {
        return Err(RequestError::NothingInstalled(name.clone()));
    }
    if service.is_some_and(|service| service.wish == Wish::Enabled) {
        return Err(RequestError::StillEnabled(name.clone()));
    }
    Ok(store.uninstall(name)?)
}

/// Remembers that a service is wanted. One that is not remembered yet is remembered as its descriptor says.
pub(super) fn enable(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<Change, RequestError> {
    match find(store, name) {
        Some(service) => {
            if service.record.kind().is_described() {
                find_descriptor(repertoire, name)?;
                make_secrets_of(store, repertoire, name)?;
            }
            Ok(store.set_wish(name, Wish::Enabled)?)
        }
        None => {
            begin(store, repertoire, name, Wish::Enabled, Ok)?;
            Ok(Change::Changed)
        }
    }
}

/// Changes something about a service. One that can be had and is not remembered yet is remembered, disabled.
pub(super) fn change(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    change: RecordChange,
) -> Result<Change, RequestError> {
    let offered = |descriptor: &ServiceDescriptor| ensure_offered(name, descriptor, change);
    match find(store, name) {
        Some(service) => {
            if service.record.kind().is_described() {
                offered(&*find_descriptor(repertoire, name)?)?;
            }
            match change {
                RecordChange::Persistence(place) => Ok(store.set_persistence(name, place)?),
                RecordChange::Autostart(_)
                | RecordChange::ClientAuthorization(_)
                | RecordChange::MaxStreams(_)
                | RecordChange::ProofOfWork(_)
                | RecordChange::AllowLocalhost(_)
                | RecordChange::AllowLan(_) => Ok(store.set_record(&changed(service.record, change)?)?),
            }
        }
        None => {
            offered(&*find_descriptor(repertoire, name)?)?;
            begin(store, repertoire, name, Wish::Disabled, |record| changed(record, change))?;
            Ok(Change::Changed)
        }
    }
}

pub(super) fn changed(record: ServiceRecord, change: RecordChange) -> Result<ServiceRecord, RequestError> {
    let mut exposure = *record.exposure();
    let kind = record.kind();
    let with_access = |record: ServiceRecord, change: &dyn Fn(&mut LocalAccess)| match kind {
        ServiceKind::Described(mut access) => {
            change(&mut access);
            Ok(record.of_kind(ServiceKind::Described(access)))
        }
        ServiceKind::Published => Err(not_described(&record, "allow-localhost and allow-lan")),
    };
    match change {
        RecordChange::Autostart(autostart) => {
            let name = record.name().clone();
            record.with_autostart(autostart).map_err(|InvalidRecord::AutostartForgets| RequestError::Forgets(name))
        }
        RecordChange::ClientAuthorization(authorization) => {
            exposure.client_authorization = authorization;
            Ok(record.with_exposure(exposure))
        }
        RecordChange::MaxStreams(most) => {
            exposure.max_streams = most;
            Ok(record.with_exposure(exposure))
        }
        RecordChange::ProofOfWork(defence) => {
            exposure.proof_of_work = defence;
            Ok(record.with_exposure(exposure))
        }
        RecordChange::Persistence(place) => Ok(record.with_persistence(place)),
        RecordChange::AllowLocalhost(allow) => with_access(record, &|access| access.localhost = allow),
        RecordChange::AllowLan(allow) => with_access(record, &|access| access.lan = allow),
    }
}

fn not_described(record: &ServiceRecord, option: &str) -> RequestError {
    RequestError::UnknownOption { service: record.name().clone(), option: option.to_owned(), similar: None }
}

/// A descriptor may withhold options that every service has.
pub(super) fn ensure_offered(
    name: &ServiceName,
    descriptor: &ServiceDescriptor,
    change: RecordChange,
) -> Result<(), RequestError> {
    let option = match change {
        RecordChange::Autostart(_) => CommonOption::Autostart,
        RecordChange::ClientAuthorization(_) => CommonOption::ClientAuthorization,
        RecordChange::MaxStreams(_) => CommonOption::MaxStreams,
        RecordChange::ProofOfWork(_) => CommonOption::Pow,
        RecordChange::Persistence(_) => CommonOption::Persistence,
        RecordChange::AllowLocalhost(_) => CommonOption::AllowLocalhost,
        RecordChange::AllowLan(_) => CommonOption::AllowLan,
    };
    if descriptor.common.offers(option) {
        return Ok(());
    }
    let option = option.as_str().to_owned();
    Err(RequestError::UnknownOption { service: name.clone(), option, similar: None })
}

pub(super) fn find(store: &Store, name: &ServiceName) -> Option<StoredService> {
    store.services().into_iter().find(|service| service.record.name() == name)
}

/// The descriptor of a service, if it can be had here.
pub(super) fn find_descriptor(
    repertoire: &Repertoire,
    name: &ServiceName,
) -> Result<Arc<ServiceDescriptor>, RequestError> {
    repertoire.find(name).map_err(|cause| match cause {
        Unavailable::Unknown(name) => RequestError::Unknown(name),
        cause @ (Unavailable::Broken(_) | Unavailable::NeedsHost(_)) => {
            RequestError::Unavailable { name: name.clone(), cause }
        }
    })
}

/// Remembers a service as its descriptor says, but for what `change` does.
pub(super) fn begin(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    wish: Wish,
    change: impl FnOnce(ServiceRecord) -> Result<ServiceRecord, RequestError>,
) -> Result<(), RequestError> {
    ensure_nobody_has_it(store)?;
    let descriptor = find_descriptor(repertoire, name)?;
    let record = change(fresh_record(name, &descriptor)?)?;
    let key = OnionKey::generate().map_err(RequestError::Random)?;
    let mut secrets = Vec::new();
    for option in descriptor.options() {
        secrets.extend(new_secret(&option).map_err(RequestError::Random)?);
    }
    Ok(store.add_with_options(&record, &key, wish, &secrets)?)
}

/// What can not be read may have a service of the same name.
pub(super) fn ensure_nobody_has_it(store: &Store) -> Result<(), RequestError> {
    for place in [Persistence::Kept, Persistence::Amnesic] {
        // Of two services with one name, one of which is on a volume that is not there, the amnesic one is what runs.
        let problem = store.problem(place).filter(|problem| !matches!(**problem, StoreError::NotMounted { .. }));
        if let Some(problem) = problem {
            return Err(RequestError::Store((*problem).clone()));
        }
    }
    Ok(())
}

/// The record of a service that nobody has changed anything about.
pub(super) fn fresh_record(name: &ServiceName, descriptor: &ServiceDescriptor) -> Result<ServiceRecord, RequestError> {
    let common = &descriptor.common;
    let allow = |allowed| if allowed { Allow::Yes } else { Allow::No };
    let place = if common.persistence { Persistence::Kept } else { Persistence::Amnesic };
    let autostart = if common.autostart { Autostart::On } else { Autostart::Off };
    let ports = descriptor.port.iter().map(|port| PortMapping {
        virtual_port: port.default_virtual_port().unwrap_or(wishes::WEB),
        target: port.target.value.clone(),
    });
    let ports = PortMap::try_from(ports.collect::<Vec<_>>());
    let ports = ports.map_err(|_| RequestError::Bug("a descriptor has ports that can not be"))?;
    let authorization = if common.client_authorization { ClientAuthorization::On } else { ClientAuthorization::Off };
    let exposure = Exposure {
        client_authorization: authorization,
        max_streams: common.max_streams.map(MaxStreams::new),
        proof_of_work: common.pow.then(ProofOfWork::default),
    };
    // Withheld means off.
    let localhost = common.allow_localhost && common.offers(CommonOption::AllowLocalhost);
    let access = LocalAccess { localhost: allow(localhost), lan: allow(common.allow_lan) };
    let record = ServiceRecord::new(name.clone(), place, autostart, ports)?;
    Ok(record.with_exposure(exposure).of_kind(ServiceKind::Described(access)))
}

/// A new value of an option, if it is a secret.
pub(super) fn new_secret(option: &OptionSpec) -> Result<Option<(OptionName, OptionText)>, getrandom::Error> {
    let OptionKind::Secret(keys) = &option.kind else { return Ok(None) };
    let secret = SecretText::generate(keys.length.get())?;
    let name = option.name().as_str().parse();
    Ok(name.ok().map(|name| (name, OptionText::new(secret.expose()))))
}

/// Makes the secrets that described services do not have yet.
pub(super) fn make_secrets(store: &Store, repertoire: &Repertoire) {
    for service in store.services().iter().filter(|service| service.record.kind().is_described()) {
        let name = service.record.name();
        if let Err(cause) = make_secrets_of(store, repertoire, name) {
            // Its state says what is missing.
            warn!(service = %name, "its secrets could not be made");
            debug!(service = %name, error = with_causes(&cause), "its secrets could not be made");
        }
    }
}

fn make_secrets_of(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<(), RequestError> {
    let Ok(descriptor) = repertoire.find(name) else { return Ok(()) };
    let known = store.options(name)?;
    for option in descriptor.options() {
        if known.keys().any(|known| known.as_str() == option.name().as_str()) {
            continue;
        }
        if let Some((option, text)) = new_secret(&option).map_err(RequestError::Random)? {
            store.set_option(name, &option, &text)?;
        }
    }
    Ok(())
}

/// The wishes for a service as they are now.
pub(super) fn wishes(store: &Store, repertoire: &Repertoire, name: &ServiceName) -> Result<Wishes, RequestError> {
    let service = find(store, name).ok_or_else(|| RequestError::Unknown(name.clone()))?;
    let descriptor = find_descriptor(repertoire, name)?;
    Ok(wishes::render(&service, &descriptor, &store.options(name)?)?)
}

/// A name that nobody has, after the first target: `port-8080`, or the file name of a socket. A service with the same
/// ports and such a name is the same service.
fn free_name(ports: &PortMap, services: &[StoredService]) -> Result<ServiceName, RequestError> {
    let base = match ports.iter().next().map(|mapping| &mapping.target) {
        Some(Target::Tcp(address)) => format!("port-{}", address.port()),
        Some(Target::Unix(path)) => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            let letters: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(24).collect();
            letters.trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned()
        }
        None => String::new(),
    };
    let base = if base.is_empty() { "socket".to_owned() } else { base };
    let candidates = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
    for candidate in candidates.take(services.len() + 1) {
        let name: ServiceName = candidate.parse().map_err(|_| RequestError::Bug("a made name is no name"))?;
        match services.iter().find(|service| *service.record.name() == name) {
            Some(taken) if taken.record.ports() != ports => (),
            Some(_) | None => return Ok(name),
        }
    }
    Err(RequestError::Bug("more names are taken than there are services"))
}
