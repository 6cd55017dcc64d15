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
        println!("{release}: {configuration:?}");
        let program = host.run(&["dpkg", "--listfiles", PACKAGE]);
        let program = program.lines().find(|path| path.starts_with("/usr/sbin/")).unwrap();

        // Each of the files is lost in each way.
        for (emptied, missing) in [(0, 1), (1, 0)] {
            let [emptied, missing] = [emptied, missing].map(|number| &configuration[number]);
            host.run(&["truncate", "--size=0", emptied]);
            host.run(&["rm", missing, program]);
            host.run(&["sed", "--in-place", "s/\"unfinished\":false/\"unfinished\":true/", LEDGER]);
            assert_ne!(host.damage(), [""; 0]);

            let refused = host.refused("apply", SERVICE);
            assert!(refused.contains("cut off"), "{release}: {refused}");
            assert_eq!(host.outcome(SERVICE)["installed"], false, "{release}");
            // As long as it can not be had, either.
            host.run(&["mv", "/srv/repository", "/srv/elsewhere"]);
            host.run(&["apt-get", "clean"]);
            let refused = host.refused("install", SERVICE);
            println!("{release}: {refused}");
            assert_eq!(host.outcome(SERVICE)["installed"], false, "{release}");
            assert!(host.refused("apply", SERVICE).contains("cut off"), "{release}");
            host.run(&["mv", "/srv/elsewhere", "/srv/repository"]);

            let outcome = host.done("install", SERVICE);
            assert_eq!(outcome.get("installed"), None, "{release}: {outcome}");
            assert_eq!(host.listening(), [""; 0], "{release}: it started by itself");
            assert_eq!(host.etc_differences(&etc), [FOREIGN], "{release}: only that is as somebody else wants it");
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
    for release in Release::ALL {
        let Some(mut host) = Host::boot(release, Options::new().with_disk()) else { continue };
        host.run(&["sync"]);
        let mut damaged = 0;
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
                damaged += 1;
                println!("{release}, {round}: {:?}", host.damage());
                assert_eq!(host.act("apply", SERVICE)["installed"], false, "{release}: what is damaged is not used");
            }
            host.done("install", SERVICE);
            assert_eq!(host.listening(), [""; 0], "{release}");
            host.works(&format!("{release}, {round}"));
            host.done("uninstall", SERVICE);
        }
        println!("{release}: {damaged} were damaged");
    }
}
