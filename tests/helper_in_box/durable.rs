// SPDX-License-Identifier: GPL-3.0-or-later
//! What is installed is on the disk; and what a power cut has left of an installation that had not come so far is mended.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot, wait_until};

use crate::host::{CONTROLLER, Host, PATIENCE, wishes};

const SERVICE: &str = "mumble";
const PACKAGE: &str = "mumble-server";
const HERE: &str = "127.0.0.1:64738";
const LEDGER: &str = "/var/lib/tails-server-helper/mumble.json";
/// Of a package that was there before.
const FOREIGN: &str = "/etc/adduser.conf";

impl Host {
    /// The files of configuration that the package brings.
    fn configuration(&self) -> Vec<String> {
        let list = self.run(&["dpkg-query", "--show", "--showformat=${Conffiles}\n", PACKAGE]);
        list.lines().filter_map(|line| Some(line.trim().split_once(' ')?.0.to_owned())).collect()
    }

    /// What dpkg finds wrong with the packages that were brought; a box may do without manuals.
    fn damage(&self) -> Vec<String> {
        let ledger: Value = serde_json::from_str(&self.run(&["cat", LEDGER])).unwrap();
        let brought = ledger["brought"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        let found: Vec<String> = brought
            .map(|name| self.machine.attempt(&["dpkg", "--verify", &name]).unwrap())
            .flat_map(|answer| answer.stdout.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        found.into_iter().filter(|line| !line.contains(" /usr/share/")).collect()
    }

    fn wish_it(&self) {
        self.wish(SERVICE, &wishes(SERVICE, json!({ "server-password": "abc" })));
    }

    /// It can be applied, and runs.
    fn works(&self, what: &str) {
        self.wish_it();
        assert_eq!(self.damage(), [""; 0], "{what}");
        self.done("apply", SERVICE);
        self.wait_listening(HERE);
        assert_eq!(self.listening(), [HERE], "{what}");
    }
}

#[test]
fn a_full_disk_keeps_no_server_from_being_withdrawn() {
    if !may_boot("a_full_disk_keeps_no_server_from_being_withdrawn") {
        return;
    }
    // All that Tails has below /var/lib is in memory, and there root has nothing in reserve.
    let fill = "mkdir /run/small && mount -t tmpfs -o size=64k tmpfs /run/small
        cp -a /var/lib/tails-server-helper/. /run/small/ && mount --bind /run/small /var/lib/tails-server-helper
        chmod 0700 /run/small && ! cat /dev/zero > /run/small/.full";
    let Some(host) = Host::boot(Release::Trixie, Options::new()) else { return };
    host.done("install", "sftp");
    host.wish("sftp", &wishes("sftp", json!({ "password": "abc" })));
    host.done("apply", "sftp");
    host.wait_listening("127.0.0.1:22000");
    host.run(&["sh", "-c", fill]);
    host.done("withdraw", "sftp");
    assert_eq!(host.listening(), [""; 0]);
    host.run(&["rm", "/run/small/.full"]);
    // What stands in the ledger is gone already, and that is no mistake.
    host.done("apply", "sftp");
    host.wait_listening("127.0.0.1:22000");
}

#[test]
fn what_a_power_cut_has_left_of_an_installation_is_not_used_but_mended() {
    if !may_boot("what_a_power_cut_has_left_of_an_installation_is_not_used_but_mended") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        let watch = host.machine.watch_listeners().unwrap();
        host.wish_it();
        let packages = host.packages();
        host.done("install", SERVICE);
        let (etc, installed) = (host.etc(), host.packages());
        host.machine.write(FOREIGN, "").unwrap();
        let configuration = host.configuration();
        assert!(!configuration.is_empty(), "{release}");
        let program = host.run(&["dpkg", "--listfiles", PACKAGE]);
        let program = program
            .lines()
            .find(|path| ["/usr/sbin/", "/usr/bin/"].iter().any(|place| path.starts_with(place)))
            .unwrap();

        // Each of the files is lost in each way.
        for round in 0..2 {
            host.run(&["rm", program]);
            for (number, file) in configuration.iter().enumerate() {
                if number % 2 == round {
                    host.run(&["truncate", "--size=0", file]);
                } else {
                    host.run(&["rm", file]);
                }
            }
            host.run(&["sed", "--in-place", "s/\"unfinished\":false/\"unfinished\":true/", LEDGER]);
            assert_ne!(host.damage(), [""; 0]);

            let refused = host.refused("apply", SERVICE);
            assert!(refused.contains("cut off"), "{release}: {refused}");
            assert_eq!(host.outcome(SERVICE)["installed"], false, "{release}");
            // As long as it can not be had, either.
            host.run(&["mount", "-t", "tmpfs", "none", "/srv/repository"]);
            host.run(&["apt-get", "clean"]);
            let refused = host.refused("install", SERVICE);
            assert!(refused.contains("could not be downloaded"), "{release}: {refused}");
            assert_eq!(host.outcome(SERVICE)["installed"], false, "{release}");
            assert!(host.refused("apply", SERVICE).contains("cut off"), "{release}");
            host.run(&["umount", "/srv/repository"]);

            let outcome = host.done("install", SERVICE);
            assert_eq!(outcome.get("installed"), None, "{release}: {outcome}");
            assert_eq!(host.listening(), [""; 0], "{release}: it started by itself");
            let mut changed = host.etc_differences(&etc);
            // dpkg puts aside what it finds, in case that somebody has written it.
            changed.retain(|path| !path.ends_with(".dpkg-old"));
            assert_eq!(changed, [FOREIGN], "{release}: only that is as somebody else wants it");
            assert_eq!(host.packages(), installed, "{release}");
            host.works(&release.to_string());
            host.done("withdraw", SERVICE);
        }
        host.done("uninstall", SERVICE);
        assert_eq!(host.packages(), packages, "{release}");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}

#[test]
fn what_was_installed_is_whole_after_a_power_cut() {
    if !may_boot("what_was_installed_is_whole_after_a_power_cut") {
        return;
    }
    for release in Release::ALL {
        let Some(mut host) = Host::boot(release, Options::new().with_disk()) else { continue };
        // The installation of the helper itself.
        host.run(&["sync"]);
        for round in 0..3 {
            host.done("install", SERVICE);
            // Less than the disk waits by itself before it writes anything.
            thread::sleep(Duration::from_millis(200));
            host.machine.power_cut().unwrap();
            assert_eq!(host.listening(), [""; 0], "{release}");
            host.works(&format!("{release}, {round}"));
            host.done("uninstall", SERVICE);
        }
    }
}

#[test]
fn after_a_power_cut_while_the_installation_ends_the_next_one_mends_what_was_lost() {
    if !may_boot("after_a_power_cut_while_the_installation_ends_the_next_one_mends_what_was_lost") {
        return;
    }
    let mut damaged = Vec::new();
    for release in Release::ALL {
        let Some(mut host) = Host::boot(release, Options::new().with_disk()) else { continue };
        host.run(&["sync"]);
        for round in 0..3 {
            let unit = format!("tails-server-install@{SERVICE}.service");
            assert!(host.ask(CONTROLLER, "StartUnit", &["ss", &unit, "replace"]).status.success());
            let status = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", PACKAGE];
            let is_there = || (host.machine.attempt(&status).unwrap().stdout == "installed").then_some(());
            assert!(wait_until(PATIENCE, is_there).is_some(), "{release}: {}", host.machine.journal().unwrap());
            host.machine.power_cut().unwrap();
            assert_eq!(host.listening(), [""; 0], "{release}");
            host.wish_it();
            if !host.damage().is_empty() {
                damaged.push(host.damage());
                assert!(host.refused("apply", SERVICE).contains("cut off"), "{release}: what is damaged is not used");
            }
            host.done("install", SERVICE);
            assert_eq!(host.listening(), [""; 0], "{release}");
            host.works(&format!("{release}, {round}"));
            host.done("uninstall", SERVICE);
        }
    }
    println!("{damaged:?}");
    assert!(!damaged.is_empty(), "nothing was ever lost, so nothing was mended");
}
