// SPDX-License-Identifier: GPL-3.0-or-later
//! Where nothing may start: in an image that is being built, and where the administrator says so.

use tails_box::{Release, may_boot};

use crate::system::{NEW, OLD, System, UNIT};

/// Where the image is.
const IMAGE: &str = "/run/image/root";
/// As whoever builds an image has it: the files of a system and nothing of it running, no systemd, no bus.
const MAKE_IMAGE: &str = "mkdir /run/image && mount -t tmpfs tmpfs /run/image && cd /run/image && mkdir upper work root
    mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root && mount --rbind /dev root/dev
    mount -t proc proc root/proc";
/// Data of a server; some to which a link leads, which the user of a server may have laid; what others use, too; and a volume.
const MAKE_DATA: &str = r#"mkdir -p /srv/data/of /srv/other/data /srv/empty /srv/used /etc/tails-server
    touch /srv/data/of/it /srv/other/data/kept /srv/used/kept
    ln -s other /srv/link
    echo '{"data":["/srv/data","/srv/link/data"],"scaffold":["/srv/empty","/srv/used"]}' > /var/lib/tails-server-helper/it.json
    mount -t tmpfs tmpfs /var/lib/tails-server-data
    touch /var/lib/tails-server-data/kept"#;
const LINKS: [&str; 2] = [
    "/etc/systemd/system/multi-user.target.wants/tails-serverd.service",
    "/etc/systemd/system/dbus-org.boum.tails.Server1.service",
];

#[test]
fn in_an_image_it_is_installed_and_enabled_and_starts_nothing() {
    if !may_boot("in_an_image_it_is_installed_and_enabled_and_starts_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release) else { continue };
        system.run(&["sh", "-e", "-c", MAKE_IMAGE]);
        let (is_done, told) = system.told(&["chroot", IMAGE, "dpkg", "--install", OLD]);
        assert!(is_done && !told.contains("rror"), "{release}: {told}");
        for path in LINKS {
            // Below /lib or /usr/lib, which is the same.
            let to = system.run(&["readlink", &format!("{IMAGE}{path}")]);
            assert!(to.ends_with(&format!("/lib/systemd/system/{UNIT}\n")), "{release}: {to}");
        }
        system.run(&["grep", "^tails-server:", &format!("{IMAGE}/etc/passwd")]);
        system.run(&["test", "-d", &format!("{IMAGE}/var/lib/tails-server-helper")]);
        assert!(!system.told(&["pgrep", "--exact", "tails-serverd"]).0, "{release}: something runs");
        system.run(&["chroot", IMAGE, "dpkg", "--install", NEW]);
        system.run(&["chroot", IMAGE, "sh", "-e", "-c", MAKE_DATA]);
        system.run(&["chroot", IMAGE, "dpkg", "--remove", "tails-server"]);
        let (is_done, told) = system.told(&["chroot", IMAGE, "dpkg", "--purge", "tails-server"]);
        assert!(is_done && told.contains("/var/lib/tails-server-data is on a volume of its own"), "{release}: {told}");
        let left = ["find", IMAGE, "-xdev", "-name", "*tails-server*"];
        assert_eq!(system.run(&left), format!("{IMAGE}/var/lib/tails-server-data\n"), "{release}");
        for kept in ["/srv/other/data/kept", "/srv/used/kept", "/var/lib/tails-server-data/kept"] {
            system.run(&["test", "-e", &format!("{IMAGE}{kept}")]);
        }
        for gone in ["/srv/data", "/srv/empty"] {
            system.run(&["test", "!", "-e", &format!("{IMAGE}{gone}")]);
        }
    }
}

#[test]
fn what_an_administrator_has_forbidden_does_not_start() {
    if !may_boot("what_an_administrator_has_forbidden_does_not_start") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release) else { continue };
        let policy = "/usr/sbin/policy-rc.d";
        system.machine.write(policy, "#!/bin/sh\nexit 101\n").unwrap();
        system.run(&["chmod", "755", policy]);
        system.apt(&["install", OLD]);
        assert!(!system.is_active(UNIT), "{release}");
        system.run(&["systemctl", "is-enabled", UNIT]);
        system.run(&["rm", policy]);

        system.run(&["systemctl", "disable", UNIT]);
        system.apt(&["install", NEW]);
        assert!(!system.is_active(UNIT), "{release}: it was disabled");
        assert_eq!(system.told(&["systemctl", "is-enabled", UNIT]).1, "disabled\n", "{release}");

        system.apt(&["purge", "tails-server"]);
        system.run(&["systemctl", "mask", UNIT]);
        system.apt(&["install", OLD]);
        assert!(!system.is_active(UNIT), "{release}: it was masked");
        assert_eq!(system.told(&["systemctl", "is-enabled", UNIT]).1, "masked\n", "{release}");
    }
}
