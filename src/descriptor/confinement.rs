// SPDX-License-Identifier: GPL-3.0-or-later
//! What a server needs beyond the narrowest confinement, and the settings of its unit that follow.

use super::places::ServicePath;
use super::read::{table, words};

words! {
    /// A capability of capabilities(7).
    pub enum Capability {
        /// Ports below 1024.
        NetBindService = "net-bind-service",
        /// Becoming another user.
        Setuid = "setuid",
        /// Becoming another group.
        Setgid = "setgid",
        /// Giving files away.
        Chown = "chown",
        /// Reading and writing the files of all users.
        DacOverride = "dac-override",
        /// Acting as the owner of all files.
        Fowner = "fowner",
        /// Ending processes of other users.
        Kill = "kill",
        /// Another root directory.
        SysChroot = "sys-chroot",
        /// Writing to the audit log, which logins do.
        AuditWrite = "audit-write",
    }
}

words! {
    /// What of the system a server may change.
    pub enum System {
        /// Nothing but the paths that it names.
        ReadOnly = "read-only",
        /// What its user may: for logins.
        Writable = "writable",
    }
}

words! {
    /// What of the people's home directories a server sees.
    pub enum Home {
        /// Nothing.
        Hidden = "hidden",
        /// What its user may.
        Visible = "visible",
    }
}

table! {
    /// What the server needs beyond the narrowest confinement. Speaking past Tor is in no descriptor's power.
    pub struct Confinement {
        /// Capabilities that it keeps, also as root.
        many capabilities: Capability,
        /// Directories that it writes beside the persistent ones.
        many writable: ServicePath,
        /// What of the system it may change.
        or(System::ReadOnly) system: System,
        /// What of the home directories it sees.
        or(Home::Hidden) home: Home,
        /// Whether programs with set-user-ID work below it.
        or(false) new_privileges: bool,
        /// Whether it writes machine code and runs it.
        or(false) executable_memory: bool,
        /// Whether it uses devices.
        or(false) devices: bool,
        /// Whether it asks for real-time scheduling.
        or(false) realtime: bool,
    }
}

impl Confinement {
    /// The settings for section `[Service]`, in order. Lists are emptied first: what the packaged unit allows does not count.
    #[must_use]
    pub fn settings(&self, persistent: &[&ServicePath]) -> Vec<(&'static str, String)> {
        let mut settings: Vec<(&'static str, String)> =
            ALWAYS.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let mut set = |key, value: &str| settings.push((key, value.to_owned()));
        let yes_unless = |loosened: bool| if loosened { "no" } else { "yes" };
        let names: Vec<String> = self
            .capabilities
            .iter()
            .map(|one| format!("CAP_{}", one.as_str().to_uppercase().replace('-', "_")))
            .collect();
        if !names.is_empty() {
            set("CapabilityBoundingSet", &names.join(" "));
        }
        set("NoNewPrivileges", yes_unless(self.new_privileges));
        set("RestrictSUIDSGID", yes_unless(self.new_privileges));
        set("MemoryDenyWriteExecute", yes_unless(self.executable_memory));
        set("PrivateDevices", yes_unless(self.devices));
        set("RestrictRealtime", yes_unless(self.realtime));
        set(
            "ProtectSystem",
            match self.system {
                System::ReadOnly => "strict",
                System::Writable => "no",
            },
        );
        set(
            "ProtectHome",
            match self.home {
                Home::Hidden => "tmpfs",
                Home::Visible => "no",
            },
        );
        if self.system == System::ReadOnly {
            // Over the bus, Avahi would announce it to the local network, and others would fetch for it. Logins need it.
            set("InaccessiblePaths", "-/run/dbus");
            // A login may run whatever there is, and look at all of it.
            set("ProtectProc", "invisible");
            set("SystemCallFilter", "");
            set("SystemCallFilter", "@system-service");
            if self.capabilities.contains(&Capability::SysChroot) {
                set("SystemCallFilter", "chroot");
            }
            set("SystemCallErrorNumber", "EPERM");
            for path in self.writable.iter().chain(persistent.iter().copied()) {
                // `-`: a path that is not there yet is no reason not to start.
                set("ReadWritePaths", &format!("-{path}"));
            }
        }
        settings
    }
}

/// What holds for every server. systemd.exec(5), systemd.resource-control(5)
const ALWAYS: &[(&str, &str)] = &[
    ("IPAddressAllow", ""),
    // Not all of 127.0.0.0/8: a resolver that listens on 127.0.0.53 asks the network for whoever asks it.
    ("IPAddressAllow", "127.0.0.1/32 ::1/128"),
    ("IPAddressDeny", "any"),
    ("RestrictAddressFamilies", ""),
    // Netlink tells of the computer's own interfaces, and nothing leaves by it.
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ReadWritePaths", ""),
    ("InaccessiblePaths", ""),
    // Who asks these has asked the network.
    ("InaccessiblePaths", "-/run/avahi-daemon -/run/nscd -/run/systemd/resolve/io.systemd.Resolve"),
    ("PrivateTmp", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("RemoveIPC", "yes"),
    ("RestrictNamespaces", "yes"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("UMask", "0077"),
];

#[cfg(test)]
mod tests {
    use toml::Spanned;
    use toml::de::{DeTable, DeValue};

    use super::*;
    use crate::descriptor::finding::Findings;
    use crate::descriptor::read::Read;

    fn confinement(text: &str) -> Confinement {
        let table = DeTable::parse(text).unwrap().into_inner();
        Confinement::read(&Spanned::new(0..0, DeValue::Table(table)), &mut Findings::default()).unwrap()
    }

    /// What systemd makes of a list of settings, of which an empty value forgets those before.
    fn effective(settings: &[(&'static str, String)], key: &str) -> Vec<String> {
        settings.iter().filter(|(name, _)| *name == key).fold(Vec::new(), |mut so_far, (_, value)| {
            if value.is_empty() {
                so_far.clear();
            } else {
                so_far.push(value.clone());
            }
            so_far
        })
    }

    #[test]
    fn no_descriptor_lets_a_server_speak_past_tor() {
        let loosest = "capabilities = ['net-bind-service', 'setuid', 'setgid', 'chown', 'dac-override', 'fowner', 'kill', \
                       'sys-chroot', 'audit-write']\nwritable = ['/srv/x']\nsystem = 'writable'\nhome = 'visible'\n\
                       new-privileges = true\nexecutable-memory = true\ndevices = true\nrealtime = true\n";
        for text in ["", loosest] {
            let settings = confinement(text).settings(&[]);
            assert_eq!(effective(&settings, "IPAddressDeny"), ["any"]);
            assert_eq!(effective(&settings, "IPAddressAllow"), ["127.0.0.1/32 ::1/128"]);
            assert!(effective(&settings, "InaccessiblePaths")[0].contains("/run/avahi-daemon"));
            assert_eq!(effective(&settings, "RestrictAddressFamilies"), ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]);
        }
    }

    #[test]
    fn without_a_word_the_confinement_is_the_narrowest() {
        let settings = confinement("").settings(&[]);
        for (key, value) in [
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "tmpfs"),
            ("MemoryDenyWriteExecute", "yes"),
            ("PrivateDevices", "yes"),
            ("SystemCallFilter", "@system-service"),
        ] {
            assert_eq!(effective(&settings, key), [value], "{key}");
        }
        assert!(effective(&settings, "CapabilityBoundingSet").is_empty());
        assert!(effective(&settings, "ReadWritePaths").is_empty());
        // infinoted, for one, has Avahi announce it to the local network wherever it finds the bus.
        assert!(effective(&settings, "InaccessiblePaths").contains(&"-/run/dbus".to_owned()));
    }

    #[test]
    fn what_is_asked_for_is_given_and_no_more() {
        let settings = confinement("capabilities = ['setuid', 'sys-chroot']\nwritable = ['/run/x']").settings(&[]);
        assert_eq!(effective(&settings, "CapabilityBoundingSet"), ["CAP_SETUID CAP_SYS_CHROOT"]);
        assert_eq!(effective(&settings, "ReadWritePaths"), ["-/run/x"]);
        assert_eq!(effective(&settings, "NoNewPrivileges"), ["yes"]);
    }
}
