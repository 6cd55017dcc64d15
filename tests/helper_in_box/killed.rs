// SPDX-License-Identifier: GPL-3.0-or-later
//! Acts that are killed, at moments all over them: the next run makes it whole, and meanwhile nothing was open.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tails_box::{Options, Release, may_boot};

use crate::host::{CONTROLLER, Host, wishes};

const SERVICE: &str = "mumble";
const HERE: &str = "127.0.0.1:64738";

impl Host {
    /// Has an act started, and lets it go on for so long; its unit.
    fn begin(&self, act: &str, delay: Duration) -> String {
        let unit = format!("tails-server-{act}@{SERVICE}.service");
        let answer = self.ask(CONTROLLER, "StartUnit", &["ss", &unit, "replace"]);
        assert!(answer.status.success(), "{}", answer.stderr);
        // The moments are what the tests are about; nothing waits for anything.
        thread::sleep(delay);
        unit
    }

    /// Has an act started, and all of it killed after so long; whether it was still going on.
    fn kill_after(&self, act: &str, delay: Duration) -> bool {
        let unit = self.begin(act, delay);
        let killed = self.machine.attempt(&["systemctl", "kill", "--signal=KILL", &unit]).unwrap();
        // It may take a moment until systemd has noticed; what has ended by itself is not there to be stopped.
        let _ = self.machine.attempt(&["systemctl", "stop", &unit]).unwrap();
        killed.status.success()
    }

    /// How long an act takes here, so that moments can be spread over it.
    fn measure(&self, act: &str) -> Duration {
        let begun = Instant::now();
        self.done(act, SERVICE);
        begun.elapsed()
    }
}

#[test]
fn an_act_that_is_killed_anywhere_is_made_whole_by_the_next_run_and_nothing_was_open() {
    if !may_boot("an_act_that_is_killed_anywhere_is_made_whole_by_the_next_run_and_nothing_was_open") {
        return;
    }
    let Some(host) = Host::boot(Release::Bookworm, Options::new()) else { return };
    let watch = host.machine.watch_listeners().unwrap();
    host.wish(SERVICE, &wishes(SERVICE, json!({ "server-password": "abc" })));
    let (before, packages) = (host.etc(), host.packages());
    let install = host.measure("install");
    let packaged = host.etc();
    let apply = host.measure("apply");
    let withdraw = host.measure("withdraw");
    let uninstall = host.measure("uninstall");
    println!("install {install:?}, apply {apply:?}, withdraw {withdraw:?}, uninstall {uninstall:?}");

    let mut hits = BTreeMap::from([("install", 0), ("apply", 0), ("withdraw", 0), ("uninstall", 0)]);
    for part in 0..6 {
        let at = |whole: Duration| whole * (2 * part + 1) / 12;
        *hits.get_mut("install").unwrap() += u32::from(host.kill_after("install", at(install)));
        assert!(host.listening().is_empty(), "{part}: {:?}", host.listening());
        host.done("install", SERVICE);
        assert!(host.listening().is_empty(), "{part}: {:?}", host.listening());
        assert_eq!(host.etc_differences(&packaged), [""; 0], "{part}");

        *hits.get_mut("apply").unwrap() += u32::from(host.kill_after("apply", at(apply)));
        host.done("apply", SERVICE);
        host.wait_listening(HERE);

        *hits.get_mut("withdraw").unwrap() += u32::from(host.kill_after("withdraw", at(withdraw)));
        host.done("withdraw", SERVICE);
        assert!(host.listening().is_empty(), "{part}: {:?}", host.listening());
        assert_eq!(host.etc_differences(&packaged), [""; 0], "{part}");
        assert_eq!(host.traces(SERVICE), "outcome.json\n", "{part}");

        *hits.get_mut("uninstall").unwrap() += u32::from(host.kill_after("uninstall", at(uninstall)));
        host.done("uninstall", SERVICE);
        assert_eq!(host.run(&["sh", "-c", "dpkg -l mumble-server 2>/dev/null | grep ^ii || true"]), "", "{part}");
    }
    println!("killed while they went on: {hits:?}");
    assert!(hits.values().all(|hits| *hits >= 2), "{hits:?}");
    assert_eq!(host.packages(), packages);
    // What stays are the accounts, and a cache that has another order.
    let accounts = ["/etc/group", "/etc/gshadow", "/etc/ld.so.cache", "/etc/passwd", "/etc/shadow"];
    let left = host.etc_differences(&before);
    assert!(left.iter().all(|path| accounts.contains(&path.trim_end_matches('-'))), "{left:?}");
    assert_eq!(watch.reachable().unwrap(), []);
}

#[test]
fn after_a_power_cut_in_an_act_nothing_runs_and_the_next_run_makes_it_whole() {
    if !may_boot("after_a_power_cut_in_an_act_nothing_runs_and_the_next_run_makes_it_whole") {
        return;
    }
    let Some(mut host) = Host::boot(Release::Bookworm, Options::new().with_disk()) else { return };
    // The installation of the helper itself.
    host.run(&["sync"]);
    let wish = |host: &Host| {
        let mut wishes = wishes(SERVICE, json!({ "server-password": "abc" }));
        wishes["persistence"] = json!(true);
        host.wish(SERVICE, &wishes);
    };
    let mut certificate = None;
    for (done, act, delay) in
        [("", "install", 1500), ("install", "install", 4000), ("install", "apply", 700), ("apply", "withdraw", 150)]
    {
        wish(&host);
        if !done.is_empty() {
            host.done(done, SERVICE);
        }
        host.begin(act, Duration::from_millis(delay));
        host.machine.power_cut().unwrap();
        assert!(host.listening().is_empty(), "{act}: {:?}", host.listening());
        wish(&host);
        host.done("install", SERVICE);
        assert!(host.listening().is_empty(), "{act}: {:?}", host.listening());
        let outcome = host.done("apply", SERVICE);
        host.wait_listening(HERE);
        assert_eq!(host.listening(), [HERE]);
        let shown = outcome["probes"]["tls-fingerprint"].clone();
        assert_eq!(*certificate.get_or_insert(shown.clone()), shown, "{act}: what was told once is kept");
    }
    host.machine.reboot().unwrap();
    assert!(host.listening().is_empty(), "nothing starts at boot but by the controller: {:?}", host.listening());
    host.done("withdraw", SERVICE);
}
