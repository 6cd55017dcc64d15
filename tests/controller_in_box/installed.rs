// SPDX-License-Identifier: GPL-3.0-or-later
//! Tails Server is installed, updated and removed.

use tails_box::{Options, Release, may_boot};

use crate::system::{SOURCE, System};

#[test]
fn an_update_brings_services_back_and_what_is_removed_leaves_nothing_but_what_people_have() {
    if !may_boot("an_update_brings_services_back_and_what_is_removed_leaves_nothing_but_what_people_have") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release, Options::new()) else { continue };
        system.cli(&["enable", "ngircd"]);
        system.wait_for_state("ngircd", "waiting-for-tor");
        let address = system.address("ngircd");
        let server = system.run(&["systemctl", "show", "--value", "--property=InvocationID", "ngircd.service"]);

        system.install();
        system.wait_for_state("ngircd", "waiting-for-tor");
        assert_eq!(system.address("ngircd"), address);
        let after = system.run(&["systemctl", "show", "--value", "--property=InvocationID", "ngircd.service"]);
        assert_eq!(after, server, "{release}: an update of the controller is none of the server");
        // The address is nobody's business but of those who may ask; the journal says what was logged.
        assert!(!system.log().contains(&address), "{release}");

        let remove = || system.run(&[&format!("{SOURCE}/contrib/install"), "--remove"]);
        // The one that somebody ended in the midst of it goes on.
        system.run(&["/usr/lib/tails-server/withdraw-all"]);
        system.run(&["rm", "/usr/lib/tails-server/tails-server-helper", "/usr/bin/tails-serverd"]);
        remove();
        remove();
        assert_eq!(system.listening(), [""; 0], "{release}");
        let places = ["/usr/bin", "/usr/lib", "/usr/share", "/etc", "/run"];
        let find =
            [&["find"][..], &places, &["-name", "*tails-server*", "-not", "-path", "*/systemd/units/*"]].concat();
        // Debian's own configuration of it listens on every address, also after an upgrade.
        let guard = "/etc/systemd/system/ngircd.service.d/50-tails-server-guard.conf\n";
        assert_eq!(system.run(&find), guard, "{release}");
        assert!(system.run(&["ls", "/var/lib/tails-server"]).contains("kept"), "{release}: what people have");
    }
}
