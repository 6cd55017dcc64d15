// SPDX-License-Identifier: GPL-3.0-or-later
//! The profiles on a kernel that enforces them, in the machine that `tests/apparmor/run` boots and has loaded them in. What was
//! denied is told there, from the kernel's log; here everything goes as without them, but for a hook that means no good.

use std::path::Path;

use tails_box::{Options, Release, may_boot, wait_until};

use super::live;
use crate::system::{PATIENCE, System, UNIT};

const OWN: &str = "/etc/tails-server/services/ngircd";
const REPORT: &str = "/srv/probe/report";

/// systemd waits for a word that never comes.
const BROKEN: &str = "[Service]\nType=notify\nExecStart=\nExecStart=/bin/sh -c 'echo last words; exit 4'\n";

/// A hook that takes what it gets: it has root's rights. What it got is in its report.
const GREEDY: &str = r#"#!/bin/sh
{
    echo "begun: $1"
    for path in /var/lib/tails-server/* /var/lib/tor/* /etc/sudoers.d/somebody /root/passphrase; do
        if (read -r line <"$path") 2>/dev/null; then echo "reads $path"; fi
    done
    for path in /etc/sudoers.d /etc/tor /etc/polkit-1 /etc/tails-server/services /var/lib/tails-server /run/tails-server /usr/bin /root; do
        if (echo >"$path/own") 2>/dev/null; then echo "writes $path"; fi
    done
    for program in /usr/bin/apt-get /usr/bin/id /usr/bin/systemd-run; do
        if "$program" --version >/dev/null 2>&1; then echo "runs $program"; fi
    done
} >/srv/probe/report
"#;

/// A descriptor of the administrator's, which has that hook.
const LAID: &str = r#"mkdir -p /etc/sudoers.d /srv/probe "$1" && cp /usr/share/tails-server/services/ngircd/* "$1" &&
    echo x >/etc/sudoers.d/somebody && echo x >/root/passphrase &&
    printf '\n[hook]\nprogram = "hook"\nmoments = ["configured", "withdrawn"]\n' >>"$1/service.toml" && chmod 755 "$1/hook""#;

fn report_of(system: &System, moment: &str) -> String {
    let told = || {
        Some(system.machine.attempt(&["cat", REPORT]).unwrap().stdout)
            .filter(|report| report.contains(&format!("begun: {moment}")))
    };
    wait_until(PATIENCE, told).unwrap_or_else(|| unreachable!("no hook: {}", system.log()))
}

#[test]
#[ignore = "on a kernel that has AppArmor: tests/apparmor/run"]
fn under_the_profiles_all_goes_as_without_them_and_a_greedy_hook_gets_nothing() {
    if !may_boot("under_the_profiles_all_goes_as_without_them_and_a_greedy_hook_gets_nothing") {
        return;
    }
    assert!(Path::new("/sys/kernel/security/apparmor/profiles").exists(), "this kernel has no AppArmor");
    let [.., newest] = Release::ALL;
    let Some(system) = System::boot(newest, Options::new().with_lan()) else { return };
    live(&system);
    system.run(&["systemctl", "start", UNIT]);
    let process = system.run(&["systemctl", "show", "--value", "--property=MainPID", UNIT]);
    let profile = system.run(&["cat", &format!("/proc/{}/attr/apparmor/current", process.trim())]);
    assert!(profile.starts_with("tails-serverd"), "the controller is {profile}");
    system.wait_for_tor();

    // Keys of SSH, a user, a hook with a password; data that become persistent and are given up again.
    system.cli(&["enable", "sftp"]);
    system.wait_for_state("sftp", "waiting-for-tor");
    for (option, value) in [("persistence", "on"), ("read-only", "on"), ("persistence", "off")] {
        system.cli(&["set-option", "sftp", option, value]);
        system.wait_until_applied("sftp");
    }
    system.cli(&["disable", "sftp"]);
    system.wait_for_state("sftp", "disabled");
    system.cli(&["uninstall", "sftp", "--yes"]);

    // The firewall, and the words of a server that does not start.
    system.cli(&["enable", "ngircd"]);
    system.wait_for_state("ngircd", "waiting-for-tor");
    for value in ["on", "off"] {
        system.cli(&["set-option", "ngircd", "allow-lan", value]);
        system.wait_until_applied("ngircd");
    }
    system.cli(&["disable", "ngircd"]);
    system.wait_for_state("ngircd", "disabled");
    let broken = "/etc/systemd/system/ngircd.service.d/90-broken.conf";
    system.machine.write(broken, BROKEN).unwrap();
    system.run(&["systemctl", "daemon-reload"]);
    system.attempt(&["enable", "ngircd"]);
    let failed = wait_until(PATIENCE, || system.status("ngircd").to_string().contains("last words").then_some(()));
    assert!(failed.is_some(), "{:#}", system.status("ngircd"));
    system.cli(&["disable", "ngircd"]);
    system.wait_for_state("ngircd", "disabled");
    system.run(&["rm", broken]);
    system.run(&["systemctl", "daemon-reload"]);

    let hook = format!("{OWN}/hook");
    system.machine.write(&hook, GREEDY).unwrap();
    system.run(&["sh", "-ec", LAID, "lay", OWN]);
    system.run(&["systemctl", "reload", UNIT]);
    system.cli(&["enable", "ngircd"]);
    assert_eq!(report_of(&system, "configured"), "begun: configured\n");
    system.wait_until_applied("ngircd");
    system.cli(&["disable", "ngircd"]);
    assert_eq!(report_of(&system, "withdrawn"), "begun: withdrawn\n");
    system.wait_for_state("ngircd", "disabled");
    system.cli(&["uninstall", "ngircd", "--yes"]);
}
