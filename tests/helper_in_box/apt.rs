// SPDX-License-Identifier: GPL-3.0-or-later
//! Packages that can not be had, that somebody else works with, or that somebody has left half done.

use serde_json::json;
use tails_box::{Options, Release, may_boot, wait_until};

use crate::host::{CONTROLLER, Host, PATIENCE, wishes};

const SERVICE: &str = "ngircd";
const GOOD: &str = "deb [trusted=yes] file:/srv/repository ./\n";
const MISSING: &str = "deb [trusted=yes] file:/srv/none ./\n";

/// Makes a package whose configuration fails as long as nobody has mended it, and a repository of it.
const FAKE: &str = r#"
set -e
mkdir -p "/srv/fake/tree-$1/DEBIAN" && cd "/srv/fake/tree-$1"
printf 'Package: %s\nVersion: 99\nArchitecture: all\nMaintainer: nobody\nDescription: a test\n' "$1" >DEBIAN/control
printf '#!/bin/sh\ntest -e /srv/fake/mended\n' >DEBIAN/postinst
chmod 755 DEBIAN/postinst
cd /srv/fake
dpkg-deb --build "tree-$1" "$1.deb"
{
    dpkg-deb --field "$1.deb"
    printf 'Filename: ./%s.deb\nSize: %s\n' "$1" "$(stat --format=%s "$1.deb")"
    printf 'SHA256: %s\n\n' "$(sha256sum "$1.deb" | cut --delimiter=' ' --fields=1)"
} >>Packages"#;

impl Host {
    fn sources(&self, text: &str) {
        self.machine.write("/etc/apt/sources.list", text).unwrap();
    }

    /// What is masked.
    fn masked(&self) -> String {
        self.run(&["find", "/etc/systemd/system", "-lname", "/dev/null"])
    }

    /// All that an installation may leave behind.
    fn remains(&self) -> (Vec<String>, String, String) {
        let packages = self.run(&["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]);
        let ours = self.run(&["find", "/var/lib/tails-server-helper", "/etc/systemd", "-type", "f"]);
        (packages.lines().map(str::to_owned).collect(), self.masked(), ours)
    }

    /// Somebody locks a file as apt and dpkg do, until [`Host::unlock`].
    fn lock(&self, file: &str) {
        let script = r#"use Fcntl; open(F, ">>", $ARGV[0]) or die $!;
            my $lock = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
            fcntl(F, F_SETLK, $lock) or die $!; open(D, ">", "/run/locked"); sleep"#;
        self.run(&["mkdir", "-p", "/var/lib/apt/lists"]);
        self.run(&["systemd-run", "--quiet", "--collect", "--unit=locker", "perl", "-e", script, file]);
        let is_locked = || self.machine.attempt(&["test", "-e", "/run/locked"]).unwrap().status.success().then_some(());
        assert!(wait_until(PATIENCE, is_locked).is_some(), "{}", self.machine.journal().unwrap());
    }

    fn unlock(&self) {
        self.run(&["systemctl", "stop", "locker.service"]);
        self.run(&["rm", "/run/locked"]);
    }
}

#[test]
fn without_a_repository_it_is_said_what_to_do_and_nothing_is_left() {
    if !may_boot("without_a_repository_it_is_said_what_to_do_and_nothing_is_left") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        // The ledgers' directory is there.
        host.done("withdraw", SERVICE);
        let before = host.remains();
        for sources in [MISSING, "deb [trusted=yes] http://127.0.0.1:9/debian ./\n"] {
            host.sources(sources);
            let refused = host.refused("install", SERVICE);
            assert!(refused.contains("could not be downloaded: Failed to fetch"), "{release}, {sources}: {refused}");
            assert!(host.outcome(SERVICE)["hint"].as_str().unwrap().contains("Connect to the network"), "{release}");
            assert_eq!(host.remains(), before, "{release}: {sources}");
        }
        // What there is is known, and can not be downloaded.
        host.sources(GOOD);
        host.run(&["apt-get", "-qq", "update"]);
        host.run(&["sh", "-c", "mkdir /srv/index && cp /srv/repository/Packages /srv/repository/Release /srv/index"]);
        host.run(&["mount", "--bind", "/srv/index", "/srv/repository"]);
        let refused = host.refused("install", SERVICE);
        assert!(refused.contains("could not be downloaded: Failed to fetch"), "{release}: {refused}");
        assert_eq!(host.remains(), before, "{release}");
        host.run(&["umount", "/srv/repository"]);
        // One repository that is gone is no reason to do without the others.
        host.run(&["sh", "-c", "rm -r /var/lib/apt/lists/*"]);
        host.sources(&[MISSING, GOOD].concat());
        host.done("install", SERVICE);
        assert_eq!(host.masked(), before.1, "{release}");
    }
}

#[test]
fn a_list_of_packages_that_is_out_of_date_is_renewed() {
    if !may_boot("a_list_of_packages_that_is_out_of_date_is_renewed") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        // Compressed: apt has only a link to one that is not.
        let script = r#"mkdir /srv/moved && cd /srv/moved && ln -s ../repository/*.deb .
            sed 's/^Filename: .*ngircd_/&0/' ../repository/Packages | gzip >Packages.gz"#;
        host.run(&["bash", "-c", script]);
        host.sources("deb [trusted=yes] file:/srv/moved ./\n");
        host.run(&["apt-get", "-qq", "update"]);
        host.run(&["sh", "-c", "gzip --stdout /srv/repository/Packages >/srv/moved/Packages.gz"]);
        host.done("install", SERVICE);
    }
}

#[test]
fn who_works_with_packages_is_waited_for() {
    if !may_boot("who_works_with_packages_is_waited_for") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        for (act, service, file) in [
            // Of apt update; nobody has done that here before.
            ("install", "ngircd", "/var/lib/apt/lists/lock"),
            ("install", "mumble", "/var/cache/apt/archives/lock"),
            ("install", "gobby", "/var/lib/dpkg/lock-frontend"),
            ("install", "prosody", "/var/lib/dpkg/lock"),
            ("uninstall", "ngircd", "/var/lib/dpkg/lock-frontend"),
        ] {
            host.lock(file);
            let unit = format!("tails-server-{act}@{service}.service");
            assert!(host.ask(CONTROLLER, "StartUnit", &["ss", &unit, "replace"]).status.success());
            let path = format!("/run/tails-server-helper/{service}/progress.json");
            let progress = || host.machine.attempt(&["cat", &path]).unwrap().stdout;
            let is_told = wait_until(PATIENCE, || progress().contains("waiting for perl").then_some(()));
            assert!(is_told.is_some(), "{release}, {file}: {}\n{}", progress(), host.machine.journal().unwrap());
            host.unlock();
            // It goes on; this waits for its end.
            host.done(act, service);
        }
    }
}

#[test]
fn what_somebody_left_half_installed_is_configured_and_does_not_start() {
    if !may_boot("what_somebody_left_half_installed_is_configured_and_does_not_start") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        let watch = host.machine.watch_listeners().unwrap();
        let script = "apt-get -qq update && cd /tmp && apt-get -qq --yes --download-only install ngircd \
                      && dpkg --unpack /srv/repository/ngircd_*.deb";
        host.run(&["bash", "-c", script]);
        host.done("install", SERVICE);
        assert_eq!(host.listening(), [""; 0], "{release}: it started by itself");
        host.wish(SERVICE, &wishes(SERVICE, json!({ "password": "abc" })));
        host.done("apply", SERVICE);
        host.wait_listening("127.0.0.1:6667");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}

#[test]
fn what_a_power_cut_left_marked_as_to_be_unpacked_again_is_unpacked_again() {
    if !may_boot("what_a_power_cut_left_marked_as_to_be_unpacked_again_is_unpacked_again") {
        return;
    }
    let [.., newest] = Release::ALL;
    let Some(host) = Host::boot(newest, Options::new()) else { return };
    host.done("install", SERVICE);
    for state in ["half-installed", "unpacked"] {
        let script = format!("/^Package: ngircd$/,/^$/ s/^Status: .*/Status: install reinstreq {state}/");
        host.run(&["sed", "--in-place", &script, "/var/lib/dpkg/status"]);
        host.done("install", SERVICE);
    }
}

#[test]
fn a_package_that_can_not_be_configured_is_named_and_is_in_nobody_elses_way() {
    if !may_boot("a_package_that_can_not_be_configured_is_named_and_is_in_nobody_elses_way") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        for package in ["broken", "ngircd"] {
            host.run(&["bash", "-c", FAKE, "fake", package]);
        }
        assert!(!host.machine.attempt(&["dpkg", "--install", "/srv/fake/broken.deb"]).unwrap().status.success());
        let outcome = host.done("install", "gobby");
        assert!(outcome["message"].as_str().unwrap().contains("broken"), "{release}: {outcome}");

        host.done("uninstall", "gobby");

        host.sources(&[GOOD, "deb [trusted=yes] file:/srv/fake ./\n"].concat());
        host.run(&["apt-get", "-qq", "update"]);
        let refused = host.refused("install", SERVICE);
        assert_eq!(refused, "these packages are only half installed: broken, ngircd", "{release}");
        assert!(host.outcome(SERVICE)["hint"].as_str().unwrap().contains("dpkg --configure --pending"), "{release}");
        assert!(host.masked().contains("ngircd.service"), "{release}: what is half there could start");
        host.run(&["touch", "/srv/fake/mended"]);
        host.done("install", SERVICE);
        assert!(!host.masked().contains("ngircd.service"), "{release}");
    }
}
