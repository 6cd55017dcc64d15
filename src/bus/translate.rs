// SPDX-License-Identifier: GPL-3.0-or-later
//! Between the loop's types and those of the contract.

use tails_server_state::{Autostart, Exposure, Persistence, PortMap, PortMapping, ServiceName, VirtualPort, Wish};

use crate::bus::api::{ApiError, Overview, PublishOptions, ServiceProperties, StoreProblem, TorProperties};
use crate::controller::{PublishRequest, RequestError, RequestErrorKind, ServiceStatus, Snapshot, TorStatus};
use crate::errors::with_causes;

pub(super) fn overview(picture: &Snapshot) -> Overview {
    let store = picture.store_problems.iter();
    (
        tor(&picture.tor),
        store.map(|problem| StoreProblem { problem: problem.message.clone(), hint: problem.hint.clone() }).collect(),
        picture.services.iter().map(|(name, status)| (name.to_string(), service(status))).collect(),
    )
}

pub(super) fn service(status: &ServiceStatus) -> ServiceProperties {
    ServiceProperties {
        state: status.state.to_string(),
        enabled: status.wish == Wish::Enabled,
        running: status.running,
        persistence: status.record.persistence() == Persistence::Kept,
        autostart: status.record.autostart() == Autostart::On,
        ports: status
            .record
            .ports()
            .iter()
            .map(|mapping| (mapping.virtual_port.number(), mapping.target.to_string()))
            .collect(),
        uploads_confirmed: status.current.confirmed,
        uploads_attempted: status.current.attempted,
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
    }
}

pub(super) fn publish_request(ports: Vec<(u16, String)>, options: PublishOptions) -> Result<PublishRequest, ApiError> {
    let name = options.name.as_deref().map(service_name).transpose()?;
    // A list longer than any service has would only cost time to read.
    if ports.len() > PortMap::MAX {
        return Err(ApiError::Invalid(tails_server_state::InvalidPortMap::TooMany.to_string()));
    }
    let mappings = ports.into_iter().map(|(virtual_port, target)| {
        let number = virtual_port.try_into().map_err(|_| invalid(tails_server_state::InvalidPort::Zero))?;
        Ok(PortMapping { virtual_port: VirtualPort::new(number), target: target.parse().map_err(invalid)? })
    });
    let ports = PortMap::try_from(mappings.collect::<Result<Vec<_>, ApiError>>()?).map_err(invalid)?;
    let persistence = if options.persistence.unwrap_or(false) { Persistence::Kept } else { Persistence::Amnesic };
    let autostart = if options.autostart.unwrap_or(false) { Autostart::On } else { Autostart::Off };
    Ok(PublishRequest { name, ports, persistence, autostart, exposure: Exposure::default() })
}

pub(super) fn service_name(text: &str) -> Result<ServiceName, ApiError> {
    text.parse().map_err(invalid)
}

fn invalid(cause: impl std::error::Error) -> ApiError {
    ApiError::Invalid(cause.to_string())
}

impl From<RequestError> for ApiError {
    fn from(cause: RequestError) -> Self {
        let mut text = with_causes(&cause);
        if let Some(hint) = cause.hint() {
            text.push('\n');
            text.push_str(&hint);
        }
        match cause.kind() {
            RequestErrorKind::Unknown => Self::UnknownService(text),
            RequestErrorKind::Exists => Self::Exists(text),
            RequestErrorKind::Invalid => Self::Invalid(text),
            RequestErrorKind::Store => Self::Store(text),
            RequestErrorKind::Failed => Self::Failed(text),
        }
    }
}
