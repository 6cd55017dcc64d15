// SPDX-License-Identifier: GPL-3.0-or-later
//! Between the loop's types and those of the contract.

use std::num::NonZeroU16;

use tails_server_state::{
    Allow, AuthorizedClient, Autostart, ClientAuthorization, ClientName, ClientPublicKey, ClientSecretKey, Exposure,
    InvalidClientKey, InvalidClientName, InvalidPort, InvalidPortMap, JoinedService, NewClient, NewClientKey,
    OnionAddress, OnionKey, Persistence, PortMap, PortMapping, SecretHeld, ServiceKind, ServiceName, ServiceRecord,
    VirtualPort, Wish,
};
use zeroize::Zeroizing;

use crate::bus::api::{
    ApiError, CheckAnswer, Client, JoinRequest, JoinedProperties, Overview, PendingRequest, PublishOptions,
    ServiceProperties, StoreProblem, TorProperties,
};
use crate::bus::clock;
use crate::bus::face::take_text;
use crate::controller::{
    Checked, Evidence, JoinedStatus, Problem, PublishRequest, ServiceStatus, Snapshot, TorStatus, VisitOutcome,
};

pub(super) fn overview(picture: &Snapshot) -> Overview {
    let store = picture.store_problems.iter();
    (
        tor(&picture.tor),
        store.map(|problem| StoreProblem { problem: problem.message.clone(), hint: problem.hint.clone() }).collect(),
        picture.services.iter().map(|(name, status)| (name.to_string(), service(status))).collect(),
    )
}

pub(super) const fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::None => "none",
        Evidence::Proven => "proven",
        Evidence::Counted => "counted",
    }
}

/// What the network answered about a service.
pub(super) fn check_answer(checked: Checked) -> CheckAnswer {
    let (visit, took, problem) = match checked.visit {
        VisitOutcome::Answered(took) => ("answered", Some(took), None),
        VisitOutcome::ServerRefused => ("server-refused", None, None),
        VisitOutcome::Failed(why) => ("failed", None, Some(why)),
        VisitOutcome::NotTried(why) => ("not-tried", None, Some(why)),
    };
    CheckAnswer {
        hsdir: checked.hsdir.fingerprint().to_owned(),
        asked_in_vain: checked.asked_in_vain,
        visit: visit.to_owned(),
        visit_milliseconds: took.map(|took| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        problem,
    }
}

/// What is the matter, and what a person can do about it; that is empty if nothing is to be done.
pub(super) fn problem(problem: &Problem) -> (String, String) {
    (problem.message.clone(), problem.hint.clone().unwrap_or_default())
}

/// Virtual ports and their targets.
pub(super) fn ports(record: &ServiceRecord) -> Vec<(u16, String)> {
    record.ports().iter().map(|mapping| (mapping.virtual_port.number(), mapping.target.to_string())).collect()
}

/// The properties of a service. The names of its clients are none of them: those are for whoever asks for them.
pub(super) fn service(status: &ServiceStatus) -> ServiceProperties {
    let exposure = status.record.exposure();
    let access = match status.record.kind() {
        ServiceKind::Described(access) => Some(access),
        ServiceKind::Published => None,
    };
    ServiceProperties {
        state: status.state.to_string(),
        enabled: status.wish == Wish::Enabled,
        running: status.running,
        described: status.record.kind().is_described(),
        installed: status.hosting.as_ref().map_or(Some(true), |hosting| hosting.installed),
        progress: status
            .hosting
            .as_ref()
            .and_then(|hosting| hosting.progress.as_ref())
            .map(|progress| (progress.percent, progress.what.clone())),
        options_applied: status.hosting.as_ref().and_then(|hosting| hosting.options_applied),
        allow_localhost: access.map(|access| access.localhost == Allow::Yes),
        allow_lan: access.map(|access| access.lan == Allow::Yes),
        persistence: status.record.persistence() == Persistence::Kept,
        autostart: status.record.autostart() == Autostart::On,
        ports: ports(&status.record),
        uploads_confirmed: status.current.confirmed,
        uploads_attempted: status.current.attempted,
        other_confirmed: status.other.confirmed,
        other_attempted: status.other.attempted,
        evidence: evidence(status.evidence).to_owned(),
        since: clock::seconds_since_1970(status.since),
        healed: status.healed,
        client_authorization: exposure.client_authorization == ClientAuthorization::On,
        clients: u32::try_from(status.clients.len()).unwrap_or(u32::MAX),
        access_settled: status.access_settled,
        max_streams: exposure.max_streams.map(|most| u32::from(most.number())),
        proof_of_work: exposure.proof_of_work.map(|defence| (defence.rate(), defence.burst())),
        problem: status.problem.as_ref().map(|problem| problem.message.clone()),
        hint: status.problem.as_ref().and_then(|problem| problem.hint.clone()),
    }
}

pub(super) fn tor(status: &TorStatus) -> TorProperties {
    TorProperties {
        connected: status.connected,
        version: status.version.clone(),
        bootstrap: status.bootstrap_percent,
        summary: status.bootstrap_summary.clone(),
        online: status.online,
        problem: status.problem.as_ref().map(|problem| problem.message.clone()),
        hint: status.problem.as_ref().and_then(|problem| problem.hint.clone()),
        warnings: status
            .warnings
            .iter()
            .map(|warning| (warning.message.clone(), warning.hint.clone().unwrap_or_default()))
            .collect(),
    }
}

pub(super) fn joined(status: &JoinedStatus) -> JoinedProperties {
    let joined = &status.joined;
    JoinedProperties {
        name: joined.name.to_string(),
        title: joined.title.clone(),
        ready: status.ready,
        ports: joined.ports.iter().map(|port| port.number()).collect(),
        expires: joined.expires,
        persistence: joined.persistence == Persistence::Kept,
        problem: status.problem.as_ref().map(|problem| problem.message.clone()),
        hint: status.problem.as_ref().and_then(|problem| problem.hint.clone()),
    }
}

pub(super) fn client(client: &AuthorizedClient) -> Client {
    (client.name.to_string(), client.public_key.base32(), client.secret == SecretHeld::Here)
}

pub(super) fn pending_request(request: &tails_server_state::PendingRequest) -> PendingRequest {
    (request.name.to_string(), request.public_key.base32(), request.persistence == Persistence::Kept)
}

pub(super) fn publish_request(ports: Vec<(u16, String)>, options: PublishOptions) -> Result<PublishRequest, ApiError> {
    let name = options.name.as_deref().map(service_name).transpose()?;
    // A list longer than any service has would only cost time to read.
    if ports.len() > PortMap::MAX {
        return Err(invalid(InvalidPortMap::TooMany));
    }
    let mappings = ports.into_iter().map(|(virtual_port, target)| {
        Ok(PortMapping { virtual_port: port(virtual_port)?, target: target.parse().map_err(invalid)? })
    });
    let ports = PortMap::try_from(mappings.collect::<Result<Vec<_>, ApiError>>()?).map_err(invalid)?;
    let persistence = place(options.persistence.unwrap_or(false));
    let autostart = if options.autostart.unwrap_or(false) { Autostart::On } else { Autostart::Off };
    let is_private = options.client_authorization.unwrap_or(false);
    let client_authorization = if is_private { ClientAuthorization::On } else { ClientAuthorization::Off };
    let exposure = Exposure { client_authorization, ..Exposure::default() };
    let wish = if options.enabled.unwrap_or(true) { Wish::Enabled } else { Wish::Disabled };
    Ok(PublishRequest { name, ports, persistence, autostart, exposure, wish })
}

/// A service of somebody else, and the key that opens it.
pub(super) async fn join_request(request: JoinRequest) -> Result<(JoinedService, Option<ClientSecretKey>), ApiError> {
    let JoinRequest { name, address, key, title, ports, note, expires, persistence } = request;
    let address = Zeroizing::new(address);
    let key = match key {
        Some(key) => Some(take_text(key).await?),
        None => None,
    };
    let note = match note {
        Some(note) => take_text(note).await?,
        None => Zeroizing::default(),
    };
    let ports = ports.unwrap_or_default();
    // A list longer than any service has would only cost time to read.
    if ports.len() > PortMap::MAX {
        return Err(invalid(InvalidPortMap::TooMany));
    }
    let service = JoinedService {
        name: service_name(&name)?,
        address: OnionAddress::parse(&address).map_err(invalid)?,
        persistence: place(persistence.unwrap_or(false)),
        title,
        ports: ports.into_iter().map(port).collect::<Result<_, _>>()?,
        note: note.to_string(),
        expires,
    };
    let key = key.map(|key| ClientSecretKey::parse(&key).map_err(|cause| bad_key(&cause))).transpose()?;
    Ok((service, key))
}

/// A client to let in; a key is made for it if it brings none.
pub(super) fn new_client(name: &str, public_key: &str) -> Result<NewClient, ApiError> {
    let name = client_name(name)?;
    let key = if public_key.is_empty() {
        let made = ClientSecretKey::generate();
        NewClientKey::Made(made.map_err(|_| ApiError::Failed("the system has no random numbers for a new key".into()))?)
    } else {
        NewClientKey::Brought(self::public_key(public_key)?)
    };
    Ok(NewClient { name, key })
}

/// The key of a service; nothing where there are no bytes.
pub(super) fn onion_key(bytes: &[u8]) -> Result<OnionKey, ApiError> {
    let expanded = bytes.try_into();
    let expanded = expanded.map_err(|_| ApiError::Invalid(format!("a key has {} bytes", OnionKey::BYTES)))?;
    OnionKey::from_expanded(expanded).map_err(invalid)
}

pub(super) fn public_key(text: &str) -> Result<ClientPublicKey, ApiError> {
    ClientPublicKey::parse(text).map_err(|cause| bad_key(&cause))
}

pub(super) const fn place(persistence: bool) -> Persistence {
    if persistence { Persistence::Kept } else { Persistence::Amnesic }
}

pub(super) fn service_name(text: &str) -> Result<ServiceName, ApiError> {
    text.parse().map_err(invalid)
}

pub(super) fn client_name(text: &str) -> Result<ClientName, ApiError> {
    let hint = "Use small letters, digits and hyphens, and begin with a letter, such as alice";
    text.parse().map_err(|cause: InvalidClientName| ApiError::Invalid(format!("{cause}\n{hint}")))
}

fn port(number: u16) -> Result<VirtualPort, ApiError> {
    NonZeroU16::new(number).map(VirtualPort::new).ok_or_else(|| invalid(InvalidPort::Zero))
}

fn bad_key(cause: &InvalidClientKey) -> ApiError {
    let hint = match cause {
        InvalidClientKey::Form => "Copy the whole key, as it was given to you",
        InvalidClientKey::LowOrder | InvalidClientKey::NonCanonical => {
            "No program makes such a key: have a new one made, and be careful with whoever sent it"
        }
    };
    ApiError::Invalid(format!("{cause}\n{hint}"))
}

fn invalid(cause: impl std::error::Error) -> ApiError {
    ApiError::Invalid(cause.to_string())
}
