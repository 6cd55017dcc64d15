// SPDX-License-Identifier: GPL-3.0-or-later
//! Why settings can not be brought about.

use tails_server_state::ServiceName;
use tr::tr;

/// Why settings can not be brought about. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SettingsError {
    #[error("{}", tr!("line {line} of the settings is wrong: {why}", line, why = tr!(why)))]
    Form { line: usize, why: String },
    #[error("{}", tr!("the settings are for a newer Tails Server: they have version {version}", version))]
    TooNew { version: u32 },
    #[error("{}", tr!("line {line} of the settings is wrong: service \"{service}\" has no option \"{option}\"", line, service, option))]
    UnknownOption { line: usize, service: ServiceName, option: String, similar: Option<String> },
    #[error("{}", tr!("service \"{service}\" has other ports here: {here}", service, here))]
    OtherPorts { service: ServiceName, here: String },
    #[error("{}", tr!("service \"{service}\" is one of the catalogue here, and the settings publish a port under its name", service))]
    OtherKind { service: ServiceName },
    #[error("{}", tr!("the settings do not say which ports service \"{service}\" has, and it is not in the catalogue", service))]
    NoPorts { service: ServiceName },
}

impl SettingsError {
    pub(in crate::cli) fn hint(&self) -> String {
        match self {
            Self::Form { .. } => tr!("See `tails-server import-settings --help` for how they are written"),
            Self::TooNew { .. } => tr!("Import them with the version that exported them, or a later one"),
            Self::UnknownOption { service, similar: None, .. } => {
                tr!("See `tails-server info {service} --details`", service)
            }
            Self::UnknownOption { service, similar: Some(similar), .. } => {
                tr!("Did you mean \"{similar}\"? See `tails-server info {service} --details`", similar, service)
            }
            Self::OtherPorts { service, .. } | Self::OtherKind { service } => {
                tr!("Change the settings, or remove the service first: tails-server remove {service}", service)
            }
            Self::NoPorts { .. } => {
                tr!("Add a line such as ports = [\"80:8080\"]; the catalogue is in `tails-server list`")
            }
        }
    }
}
