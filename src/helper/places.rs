// SPDX-License-Identifier: GPL-3.0-or-later
//! Where everything is: the contract between the controller and the helper.

/// The wishes, one file for each service, written by the controller.
pub(super) const WISHES: &str = "/run/tails-server/wishes";
/// Who the controller runs as.
pub(super) const CONTROLLER: &str = "tails-server";
/// What the helper tells, and what it has rendered, in memory: a directory for each service.
pub(super) const STATE: &str = "/run/tails-server-helper";
/// What has to be known after a reboot, so that it can be undone.
pub(super) const LEDGERS: &str = "/var/lib/tails-server-helper";
/// Persistent data: a directory for each service.
pub(super) const KEPT: &str = "/var/lib/tails-server-data";
/// Units and drop-ins that a reboot forgets.
pub(super) const RUNTIME_UNITS: &str = "/run/systemd/system";
/// Units and drop-ins of the administrator, which stay.
pub(super) const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// The descriptors as installed, and those of the administrator, which take their place.
pub(super) const DESCRIPTORS: [&str; 2] = ["/usr/share/tails-server/services", "/etc/tails-server/services"];
