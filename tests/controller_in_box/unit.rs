// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller's unit: how little it may do, and what systemd does with it.

use std::time::{Duration, Instant};

use tails_box::{Options, Release, may_boot, wait_until};

use crate::system::{PATIENCE, System, UNIT};

/// systemd-analyze(1) security: 0 may do nothing, 10 everything.
const MOST_EXPOSED: f32 = 1.0;
const LONGEST_STOP: Duration = Duration::from_secs(5);
/// A watchdog that does not let the test wait for a minute.
const IMPATIENT: &str = "[Service]\nWatchdogSec=3\n";

fn property(system: &System, name: &str) -> String {
    system.run(&["systemctl", "show", "--value", &format!("--property={name}"), UNIT]).trim().to_owned()
}

/// What systemd-analyze makes of the unit that runs.
fn exposure(system: &System) -> f32 {
    let judged = system.run(&["systemd-analyze", "security", "--no-pager", UNIT]);
    let (_, last) = judged.rsplit_once("level for tails-serverd.service: ").unwrap_or_else(|| unreachable!("{judged}"));
    last.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn its_unit_may_do_little_and_systemd_reloads_stops_and_revives_it() {
    if !may_boot("its_unit_may_do_little_and_systemd_reloads_stops_and_revives_it") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release, Options::new()) else { continue };
        let exposed = exposure(&system);
        assert!(exposed <= MOST_EXPOSED, "{release}: {exposed}");
        system.start_web();
        system.start_tor();
        let address = system.publish(&["80:8080", "--name", "web"]);
        system.wait_for_tor();

        // What is in its memory is in no file and nobody's to read.
        let status = system.run(&["cat", &format!("/proc/{}/limits", property(&system, "MainPID"))]);
        let cores = status.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(cores.split_whitespace().nth(4), Some("0"), "{release}: {cores}");
        let memory = format!("/proc/{}/mem", property(&system, "MainPID"));
        let same_user = ["setpriv", "--reuid=tails-server", "--regid=tails-server", "--clear-groups", "head", "-c1"];
        let read = system.machine.attempt(&[&same_user[..], &[&memory]].concat()).unwrap();
        assert!(read.stderr.contains("Permission denied"), "{release}: {read:?}");

        if release == Release::Trixie {
            // systemd 257: other users keep their names there, so that it sees whose a cookie is.
            let users = system.run(&["cat", &format!("/proc/{}/uid_map", property(&system, "MainPID"))]);
            assert_eq!(users.split_whitespace().collect::<Vec<_>>(), ["0", "0", "65536"]);
            // A descriptor of the administrator is there without a restart.
            let text = system.run(&["cat", "/usr/share/tails-server/services/ngircd/service.toml"]);
            let directory = "/etc/tails-server/services/lobby";
            system.run(&["mkdir", "-p", "/etc/tails-server/services"]);
            system.run(&["cp", "-r", "/usr/share/tails-server/services/ngircd", directory]);
            let text = text.replace("name = \"ngircd\"", "name = \"lobby\"");
            system.machine.write(&format!("{directory}/service.toml"), &text).unwrap();
            assert!(!system.cli(&["list"]).contains("lobby"));
            system.run(&["systemctl", "reload", UNIT]);
            assert!(system.cli(&["list"]).contains("lobby"), "{}", system.cli(&["list"]));
        }

        // One that hangs is no controller: it is started again, and all is as it was.
        system.machine.write(&format!("/run/systemd/system/{UNIT}.d/impatient.conf"), IMPATIENT).unwrap();
        system.run(&["systemctl", "daemon-reload"]);
        system.run(&["systemctl", "restart", UNIT]);
        let before = property(&system, "MainPID");
        system.run(&["kill", "-STOP", &before]);
        let revived = wait_until(PATIENCE, || {
            let now = property(&system, "MainPID");
            (now != before && now != "0" && property(&system, "ActiveState") == "active").then_some(())
        });
        assert!(revived.is_some(), "{release}: {}", system.log());
        assert!(system.log().contains("Watchdog timeout"), "{release}");
        assert_eq!(system.address("web"), address, "{release}: what is amnesic outlives a crash");

        let began = Instant::now();
        system.run(&["systemctl", "stop", UNIT]);
        let took = began.elapsed();
        assert!(took < LONGEST_STOP, "{release}: {took:?}");
        assert_eq!(property(&system, "Result"), "success", "{release}: it ended by itself");
        println!("{release}: exposure {exposed}, stopped after {took:?}");
    }
}
