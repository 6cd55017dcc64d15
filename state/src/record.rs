// SPDX-License-Identifier: GPL-3.0-or-later
//! The wishes for one service.

use serde::{Deserialize, Serialize};

use crate::described::ServiceKind;
use crate::exposure::Exposure;
use crate::name::ServiceName;
use crate::port::PortMap;

/// Where a service is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// On the persistent volume: the address survives a reboot.
    Kept,
    /// In memory: it survives a crash of ours, and is gone after a reboot.
    Amnesic,
}

/// Whether a kept service is enabled after a boot without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autostart {
    /// Enabled after every boot.
    On,
    /// Remembered, and enabled only when asked for.
    Off,
}

/// Whether a service is wanted in this session, from boot to shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It should be published.
    Enabled,
    /// It should not, and nothing of it should be up.
    Disabled,
}

/// What the user wishes of one service, beyond whether it is enabled at the moment (that is [`Wish`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ServiceRecord(Fields);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    name: ServiceName,
    persistence: Persistence,
    autostart: Autostart,
    ports: PortMap,
    #[serde(default)]
    exposure: Exposure,
    kind: ServiceKind,
}

impl ServiceRecord {
    /// A record of a service that is open to everybody who knows the address.
    ///
    /// # Errors
    /// [`InvalidRecord::AutostartForgets`]: what is not kept can not come back after a boot.
    pub fn new(
        name: ServiceName,
        persistence: Persistence,
        autostart: Autostart,
        ports: PortMap,
    ) -> Result<Self, InvalidRecord> {
        Fields { name, persistence, autostart, ports, exposure: Exposure::default(), kind: ServiceKind::Published }
            .try_into()
    }

    /// The same service, open to others.
    #[must_use]
    pub fn with_exposure(self, exposure: Exposure) -> Self {
        Self(Fields { exposure, ..self.0 })
    }

    /// The same service, of another kind.
    #[must_use]
    pub fn of_kind(self, kind: ServiceKind) -> Self {
        Self(Fields { kind, ..self.0 })
    }

    /// The same service with other ports.
    #[must_use]
    pub fn with_ports(self, ports: PortMap) -> Self {
        Self(Fields { ports, ..self.0 })
    }

    /// The same service with or without autostart.
    ///
    /// # Errors
    /// As [`ServiceRecord::new`].
    pub fn with_autostart(self, autostart: Autostart) -> Result<Self, InvalidRecord> {
        Fields { autostart, ..self.0 }.try_into()
    }

    /// The same service, remembered elsewhere. Autostart falls off with what is kept.
    #[must_use]
    pub fn with_persistence(self, persistence: Persistence) -> Self {
        let autostart = match persistence {
            Persistence::Kept => self.0.autostart,
            Persistence::Amnesic => Autostart::Off,
        };
        Self(Fields { persistence, autostart, ..self.0 })
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &ServiceName {
        &self.0.name
    }

    /// Where it is remembered.
    #[must_use]
    pub const fn persistence(&self) -> Persistence {
        self.0.persistence
    }

    /// Whether it is enabled after a boot.
    #[must_use]
    pub const fn autostart(&self) -> Autostart {
        self.0.autostart
    }

    /// The virtual ports and their targets.
    #[must_use]
    pub const fn ports(&self) -> &PortMap {
        &self.0.ports
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> ServiceKind {
        self.0.kind
    }

    /// To whom it is open.
    #[must_use]
    pub const fn exposure(&self) -> &Exposure {
        &self.0.exposure
    }
}

impl TryFrom<Fields> for ServiceRecord {
    type Error = InvalidRecord;

    fn try_from(fields: Fields) -> Result<Self, InvalidRecord> {
        match (fields.persistence, fields.autostart) {
            (Persistence::Amnesic, Autostart::On) => Err(InvalidRecord::AutostartForgets),
            (Persistence::Kept, Autostart::On | Autostart::Off) | (Persistence::Amnesic, Autostart::Off) => {
                Ok(Self(fields))
            }
        }
    }
}

impl From<ServiceRecord> for Fields {
    fn from(record: ServiceRecord) -> Self {
        record.0
    }
}

/// Why wishes contradict one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Autostart without persistence.
    #[error("autostart needs persistence: a service that is forgotten at shutdown can not start after a boot")]
    AutostartForgets,
}
