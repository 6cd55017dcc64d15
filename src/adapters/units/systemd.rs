// SPDX-License-Identifier: GPL-3.0-or-later
//! systemd over D-Bus, as far as we speak with it. org.freedesktop.systemd1(5)

use zbus::{DBusError as _, OwnedObjectPath};

use crate::controller::{ActKind, HostError, Unit};

/// systemd's name on the bus.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    /// Without it, systemd tells nobody of anything.
    fn subscribe(&self) -> zbus::Result<()>;

    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    /// The object of a unit, also of one that does not exist.
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

#[zbus::proxy(interface = "org.freedesktop.systemd1.Unit", default_service = "org.freedesktop.systemd1")]
pub(super) trait SystemdUnit {
    #[zbus(property)]
    fn active_state(&self) -> zbus::Result<String>;

    #[zbus(property)]
    fn load_state(&self) -> zbus::Result<String>;
}

#[zbus::proxy(interface = "org.freedesktop.systemd1.Service", default_service = "org.freedesktop.systemd1")]
pub(super) trait SystemdService {
    #[zbus(property)]
    fn result(&self) -> zbus::Result<String>;

    #[zbus(property)]
    fn exec_main_status(&self) -> zbus::Result<i32>;
}

/// How a unit is, from its words.
pub(super) fn unit_of(active_state: &str, result: &str, status: i32) -> Unit {
    match active_state {
        // What reads its configuration again serves meanwhile.
        "active" | "reloading" => Unit::Active,
        "activating" | "deactivating" => Unit::Activating,
        "failed" => Unit::Failed(last_words(result, status)),
        _ => Unit::Inactive,
    }
}

/// Why a service failed, in words. systemd.exec(5), $SERVICE_RESULT
fn last_words(result: &str, status: i32) -> String {
    match result {
        "exit-code" => format!("it ended with exit code {status}"),
        "signal" | "core-dump" => format!("it was ended by signal {status}"),
        "timeout" => "it took too long".to_owned(),
        "oom-kill" => "it took too much memory".to_owned(),
        "start-limit-hit" => "it ended too often in a row".to_owned(),
        _ => result.to_owned(),
    }
}

/// What systemd, or the bus, answers when it will not, whoever asks again.
const REFUSALS: &[&str] = &[
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.systemd1.UnitMasked",
];
/// What the bus answers when there is no systemd.
const ABSENCES: &[&str] = &[
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.Disconnected",
];

/// Why an act was not begun.
pub(super) fn understand(act: ActKind, cause: &zbus::Error) -> HostError {
    let (name, why) = if let zbus::Error::MethodError(name, message, _) = cause {
        (name.to_string(), message.clone())
    } else if let zbus::Error::FDO(error) = cause {
        (error.name().to_string(), error.description().map(str::to_owned))
    } else if let zbus::Error::InputOutput(_) = cause {
        return HostError::ConnectionLost;
    } else {
        return HostError::Failed { message: cause.to_string(), hint: None };
    };
    let why = why.unwrap_or_else(|| name.clone());
    if ABSENCES.contains(&name.as_str()) {
        HostError::ConnectionLost
    } else if REFUSALS.contains(&name.as_str()) {
        HostError::Refused { act, why }
    } else {
        HostError::Failed { message: why, hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_of_a_unit_is_one_of_four_things() {
        for (state, unit) in [
            ("active", Unit::Active),
            ("reloading", Unit::Active),
            ("activating", Unit::Activating),
            ("deactivating", Unit::Activating),
            ("inactive", Unit::Inactive),
            ("maintenance", Unit::Inactive),
            ("", Unit::Inactive),
            ("failed", Unit::Failed("it ended with exit code 3".to_owned())),
        ] {
            assert_eq!(unit_of(state, "exit-code", 3), unit, "{state}");
        }
    }
}
