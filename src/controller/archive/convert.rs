// SPDX-License-Identifier: GPL-3.0-or-later
//! Between what is remembered and the form in which it leaves the store. What is read comes from a file: whatever a live type
//! refuses is refused here.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use tails_server_state::{
    Allow, Autostart, ClientAuthorization, ClientName, ClientPublicKey, ClientSecretKey, Exposure, HeldJoined,
    HeldRequest, HeldService, Holdings, JoinedService, LocalAccess, MOST_CLIENTS, MaxStreams, NewClient, NewClientKey,
    OnionAddress, OnionKey, OptionName, OptionText, Persistence, PortMap, PortMapping, ProofOfWork, ServiceKind,
    ServiceName, ServiceRecord, VirtualPort, Wish,
};
use zeroize::Zeroizing;

use super::InvalidArchive;
use super::form::{self, Secret};

/// Writes all of it.
pub(super) fn write(holdings: &Holdings) -> Option<Zeroizing<Vec<u8>>> {
    form::render(&form::Remembered {
        format: form::FORMAT.to_owned(),
        version: form::VERSION,
        services: holdings.services.iter().map(service).collect(),
        joined: holdings.joined.iter().map(joined).collect(),
        requests: holdings.requests.iter().map(request).collect(),
    })
}

fn service(held: &HeldService) -> form::Service {
    let HeldService { record, key, wish, clients, options } = held;
    let exposure = record.exposure();
    let client = |client: &NewClient| form::Client {
        name: client.name.to_string(),
        public_key: client.key.public_key().base32(),
        secret_key: client.key.secret().map(|key| Secret(key.expose_base32())),
    };
    let option = |(name, value): (&OptionName, &OptionText)| form::OptionValue {
        name: name.to_string(),
        value: Secret::of(value.expose().as_bytes()),
    };
    form::Service {
        name: record.name().to_string(),
        enabled: *wish == Wish::Enabled,
        persistence: record.persistence() == Persistence::Kept,
        autostart: record.autostart() == Autostart::On,
        ports: record.ports().iter().map(ToString::to_string).collect(),
        client_authorization: exposure.client_authorization == ClientAuthorization::On,
        max_streams: exposure.max_streams.map(MaxStreams::number),
        pow: exposure.proof_of_work.map(|pow| form::ProofOfWork { rate: pow.rate(), burst: pow.burst() }),
        described: match record.kind() {
            ServiceKind::Published => None,
            ServiceKind::Described(access) => Some(form::LocalAccess {
                allow_localhost: access.localhost == Allow::Yes,
                allow_lan: access.lan == Allow::Yes,
            }),
        },
        address: key.address().display_unredacted(),
        key: Secret::of(key.expose_expanded()),
        clients: clients.iter().map(client).collect(),
        options: options.iter().map(option).collect(),
    }
}

fn joined(held: &HeldJoined) -> form::Joined {
    let HeldJoined { service, key } = held;
    form::Joined {
        name: service.name.to_string(),
        persistence: service.persistence == Persistence::Kept,
        address: service.address.display_unredacted(),
        secret_key: key.as_ref().map(|key| Secret(key.expose_base32())),
        title: service.title.clone(),
        ports: service.ports.iter().map(|port| port.number()).collect(),
        note: Secret::of(service.note.as_bytes()),
        expires: service.expires,
    }
}

fn request(held: &HeldRequest) -> form::Request {
    form::Request {
        name: held.name.to_string(),
        persistence: held.persistence == Persistence::Kept,
        secret_key: Secret(held.key.expose_base32()),
    }
}

/// Reads all of it.
pub(super) fn read(bytes: &[u8]) -> Result<Holdings, InvalidArchive> {
    let head: form::Head = form::parse(bytes).ok_or(InvalidArchive::NotOurs)?;
    match (head.format.as_str(), head.version) {
        (form::FORMAT, form::VERSION) => {}
        (form::FORMAT, version) if version > form::VERSION => return Err(InvalidArchive::TooNew(version)),
        _ => return Err(InvalidArchive::NotOurs),
    }
    let form::Remembered { services, joined, requests, .. } = form::parse(bytes).ok_or(InvalidArchive::Form)?;
    let holdings = Holdings {
        services: each(services, |service| service.name.clone(), read_service)?,
        joined: each(joined, |joined| joined.name.clone(), read_joined)?,
        requests: each(requests, |request| request.name.clone(), read_request)?,
    };
    let is_twice = |addresses: Vec<OnionAddress>| addresses.iter().collect::<BTreeSet<_>>().len() < addresses.len();
    let own = holdings.services.iter().map(|service| service.key.address()).collect();
    let others = holdings.joined.iter().map(|joined| joined.service.address).collect();
    if is_twice(own) || is_twice(others) { Err(InvalidArchive::Form) } else { Ok(holdings) }
}

/// Reads each of them; no name may be there twice.
fn each<F, T>(
    forms: Vec<F>,
    name: impl Fn(&F) -> String,
    read: impl Fn(F) -> Option<T>,
) -> Result<Vec<T>, InvalidArchive> {
    let mut names = BTreeSet::new();
    let read = |form| {
        let name = name(&form);
        let found = if names.contains(&name) { None } else { read(form) };
        names.insert(name.clone());
        // What is no name may be anything, and is not repeated.
        found.ok_or_else(|| match name.parse::<ServiceName>() {
            Ok(name) => InvalidArchive::Entry(name.to_string()),
            Err(_) => InvalidArchive::Form,
        })
    };
    forms.into_iter().map(read).collect()
}

fn read_service(form: form::Service) -> Option<HeldService> {
    let ports = form.ports.iter().map(|port| port.parse::<PortMapping>().ok()).collect::<Option<Vec<_>>>()?;
    let autostart = if form.autostart { Autostart::On } else { Autostart::Off };
    let (name, ports) = (form.name.parse().ok()?, PortMap::try_from(ports).ok()?);
    let max_streams = form.max_streams.map(|most| NonZeroU16::new(most).map(MaxStreams::new).ok_or(()));
    let proof_of_work = form.pow.map(|pow| ProofOfWork::new(pow.rate, pow.burst));
    let is_private = form.client_authorization;
    let exposure = Exposure {
        client_authorization: if is_private { ClientAuthorization::On } else { ClientAuthorization::Off },
        max_streams: max_streams.transpose().ok()?,
        proof_of_work: proof_of_work.transpose().ok()?,
    };
    let allow = |allowed| if allowed { Allow::Yes } else { Allow::No };
    let kind = form.described.map_or(ServiceKind::Published, |access| {
        ServiceKind::Described(LocalAccess { localhost: allow(access.allow_localhost), lan: allow(access.allow_lan) })
    });
    let record = ServiceRecord::new(name, place(form.persistence), autostart, ports).ok()?;
    let key = OnionKey::from_expanded(form.key.bytes()?.as_slice().try_into().ok()?).ok()?;
    // What the file says of itself has to be true, or it was tampered with by somebody who did not know how.
    if OnionAddress::parse(&form.address).ok()? != key.address() {
        return None;
    }
    Some(HeldService {
        record: record.with_exposure(exposure).of_kind(kind),
        key,
        wish: if form.enabled { Wish::Enabled } else { Wish::Disabled },
        clients: read_clients(form.clients)?,
        options: read_options(&form.options)?,
    })
}

fn read_clients(forms: Vec<form::Client>) -> Option<Vec<NewClient>> {
    if forms.len() > MOST_CLIENTS {
        return None;
    }
    let (mut names, mut keys) = (BTreeSet::<ClientName>::new(), BTreeSet::new());
    let client = |form: form::Client| {
        let (name, public) = (form.name.parse::<ClientName>().ok()?, ClientPublicKey::parse(&form.public_key).ok()?);
        let key = match form.secret_key {
            Some(secret) => NewClientKey::Made(ClientSecretKey::parse(&secret.0).ok()?),
            None => NewClientKey::Brought(public),
        };
        let is_new = names.insert(name.clone()) && keys.insert(public);
        (is_new && key.public_key() == public).then_some(NewClient { name, key })
    };
    forms.into_iter().map(client).collect()
}

fn read_options(forms: &[form::OptionValue]) -> Option<BTreeMap<OptionName, OptionText>> {
    let option = |form: &form::OptionValue| Some((form.name.parse().ok()?, OptionText::new(&text(&form.value)?)));
    let options: BTreeMap<_, _> = forms.iter().map(option).collect::<Option<_>>()?;
    (options.len() == forms.len()).then_some(options)
}

fn read_joined(form: form::Joined) -> Option<HeldJoined> {
    let port = |port| NonZeroU16::new(port).map(VirtualPort::new);
    if form.ports.len() > PortMap::MAX {
        return None;
    }
    let key = form.secret_key.map(|key| ClientSecretKey::parse(&key.0));
    let service = JoinedService {
        name: form.name.parse().ok()?,
        address: OnionAddress::parse(&form.address).ok()?,
        persistence: place(form.persistence),
        title: form.title,
        ports: form.ports.into_iter().map(port).collect::<Option<_>>()?,
        note: text(&form.note)?.to_string(),
        expires: form.expires,
    };
    Some(HeldJoined { service, key: key.transpose().ok()? })
}

fn read_request(form: form::Request) -> Option<HeldRequest> {
    let key = ClientSecretKey::parse(&form.secret_key.0).ok()?;
    Some(HeldRequest { name: form.name.parse().ok()?, key, persistence: place(form.persistence) })
}

const fn place(persistence: bool) -> Persistence {
    if persistence { Persistence::Kept } else { Persistence::Amnesic }
}

fn text(secret: &Secret) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(std::str::from_utf8(&secret.bytes()?).ok()?.to_owned()))
}
