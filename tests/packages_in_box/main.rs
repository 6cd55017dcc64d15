// SPDX-License-Identifier: GPL-3.0-or-later
//! The Debian package, from its first installation to its purge, on real Debians.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests may fail by panicking"
)]

mod foreign;
mod numbers;
mod package;
mod quiet;
mod system;

use std::process::Command;

use tails_box::{Release, may_boot};

use package::packages;
use system::{NEW, OLD, System, UNIT};

/// What keeps Debian's own configuration from being opened to everybody while we are away.
const GUARD: &str = "/etc/systemd/system/ngircd.service.d/50-tails-server-guard.conf";
/// What keeps it from that when we are gone for good.
const MASKS: [&str; 3] =
    ["/etc/systemd/system/ngircd.service", "/etc/systemd/system/ssh.service", "/etc/systemd/system/ssh.socket"];
/// Where the files of the second service are.
const DATA: [&str; 3] = ["/srv/tails-sftp/files", "/var/lib/tails-sftp/ssh_host_ed25519_key", "/etc/tails-server"];

#[test]
fn a_package_lives_from_its_installation_to_its_purge_and_leaves_nothing() {
    if !may_boot("a_package_lives_from_its_installation_to_its_purge_and_leaves_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(mut system) = System::boot(release) else { continue };
        let (before, packages) = (system.tree(), system.installed());
        system.apt(&["install", OLD]);
        assert!(system.is_active(UNIT), "{release}: {}", system.log());
        // It is also tried again, and nobody would see it that the bus knew nothing of us at first.
        let log = system.run(&["journalctl", "--no-pager", "--unit", UNIT]);
        assert!(log.contains("ready") && !log.contains("not on the message bus"), "{release}: {log}");
        let address = enable(&system);
        let server = system.invocation("ngircd.service");

        let controller = system.invocation(UNIT);
        system.apt(&["install", NEW]);
        system.wait_for_state("ngircd", "waiting-for-tor");
        assert_ne!(system.invocation(UNIT), controller, "{release}: the new one runs");
        assert_eq!(system.invocation("ngircd.service"), server, "{release}: an upgrade of ours is none of the server");
        assert_eq!(system.address("ngircd"), address);

        system.machine.reboot().unwrap();
        system.wait_for_state("ngircd", "waiting-for-tor");
        assert_eq!(system.address("ngircd"), address, "{release}: nobody did anything");

        let (is_done, told) = system.try_apt(&["install", "--allow-downgrades", OLD]);
        assert!(!is_done, "{release}: {told}");
        let refusal = format!("Error: tails-server {} can not follow {}", package::OLD, package::NEW);
        assert!(told.contains(&refusal) && told.contains("apt purge tails-server"), "{told}");
        assert_eq!(system.run(&["dpkg", "--audit"]), "", "{release}: nothing is half done");
        system.wait_for_state("ngircd", "waiting-for-tor");
        assert_eq!(system.address("ngircd"), address);

        remove(&system, release);
        system.apt(&["install", NEW]);
        system.wait_for_state("ngircd", "waiting-for-tor");
        assert_eq!(system.address("ngircd"), address, "{release}: what is kept comes back");

        purge(&system, release);
        // What was installed for the servers is still there, as with any package that people have installed.
        let servers = system.installed().difference(&packages).cloned().collect::<Vec<_>>();
        assert!(servers.iter().any(|name| name == "ngircd"), "{release}: {servers:?}");
        let servers = servers.iter().map(String::as_str);
        system.run(&["dpkg", "--purge"].into_iter().chain(servers).collect::<Vec<_>>());
        let left: Vec<String> = system.tree().difference(&before).cloned().collect();
        assert_eq!(left, MASKS, "{release}: a mask is the administrator's");
    }
}

/// A service that is kept and starts at boot, and another one; the address of the first.
fn enable(system: &System) -> String {
    system.run(&["mkdir", "/etc/tails-server"]);
    system.cli(&["enable", "ngircd"]);
    system.cli(&["enable", "sftp"]);
    system.wait_for_state("sftp", "waiting-for-tor");
    for option in ["persistence", "autostart"] {
        system.cli(&["set-option", "ngircd", option, "on"]);
    }
    system.wait_for_state("ngircd", "waiting-for-tor");
    assert_eq!(system.listening(), ["127.0.0.1:22000", "127.0.0.1:6667"]);
    system.address("ngircd")
}

/// What is withdrawn is as before, what people have is kept, and nothing opens what nobody watches.
fn remove(system: &System, release: Release) {
    let told = system.apt(&["remove", "tails-server"]);
    for words in ["ngircd.service is kept from starting", "ssh.service is masked", "sudo apt purge tails-server"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let is_there = |path: &str| system.machine.attempt(&["test", "-e", path]).unwrap().status.success();
    assert!(DATA.into_iter().all(is_there), "{release}: what people have is kept");
    assert_eq!(system.listening(), [""; 0], "{release}");
    // Whether it is enabled is configuration in Debian, and stays until the purge.
    let link = format!("/etc/systemd/system/multi-user.target.wants/{UNIT}");
    assert_eq!(system.ours(), format!("{link}\n{GUARD}\n/etc/tails-server\n"), "{release}");
    assert!(system.run(&["ls", "/var/lib/tails-server"]).contains("kept"), "{release}");
    system.told(&["systemctl", "start", "ngircd.service"]);
    assert_eq!(system.listening(), [""; 0], "{release}: Debian's own configuration listens on every address");
}

/// Nothing of ours is left, and still nothing opens what nobody watches.
fn purge(system: &System, release: Release) {
    let told = system.apt(&["purge", "tails-server"]);
    assert!(told.contains("ngircd.service is masked") && told.contains("ssh.service is masked"), "{told}");
    assert_eq!(system.listening(), [""; 0], "{release}");
    assert_eq!(system.run(&[&["readlink"][..], &MASKS].concat()), "/dev/null\n".repeat(MASKS.len()), "{release}");
    system.told(&["systemctl", "start", "ngircd.service"]);
    assert_eq!(system.listening(), [""; 0], "{release}");
    assert_eq!(
        system.run(&["find", "/", "-xdev", "-name", "*tails-server*", "-not", "-path", "/var/lib/systemd/*"]),
        ""
    );
}

#[test]
fn lintian_finds_nothing_in_the_package() {
    if !may_boot("lintian_finds_nothing_in_the_package") {
        return;
    }
    let mut lintian = Command::new("lintian");
    let judged =
        lintian.args(["--fail-on=error,warning", "--tag-display-limit=0"]).arg(&packages().old).output().unwrap();
    let told = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{told}{}", String::from_utf8_lossy(&judged.stderr));
}
