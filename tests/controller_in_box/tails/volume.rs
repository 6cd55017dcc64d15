// SPDX-License-Identifier: GPL-3.0-or-later
//! Persistent Storage is turned off for Tails Server, and on again, in a session in which services run.

use std::path::Path;
use std::process::Command;

use tails_box::{may_boot, wait_until};

use super::Tails;
use crate::system::PATIENCE;

const SERVICE: &str = "ngircd";
const HERE: &str = "127.0.0.1:6667";
/// Somebody without any rights who does not stop asking.
const ASK: &str = "while :; do busctl call org.boum.tails.Server1 / org.freedesktop.DBus.Peer Ping; done";

#[test]
fn what_is_kept_goes_with_the_volume_and_comes_back_with_it_and_what_is_not_stays() {
    if !may_boot("what_is_kept_goes_with_the_volume_and_comes_back_with_it_and_what_is_not_stays") {
        return;
    }
    let Some(tails) = Tails::boot() else { return };
    tails.start_web();
    tails.cli(&["enable", SERVICE]);
    for option in ["persistence", "autostart"] {
        tails.cli(&["set-option", SERVICE, option, "on"]);
    }
    let kept = tails.address(SERVICE);
    let amnesic = tails.publish(&["80:8080", "--name", "web"]);
    tails.wait_for_state(SERVICE, "waiting-for-tor");

    // Whoever asks on the bus has systemd start a controller that is stopped, and it would open what is to be unmounted.
    let asking = ["systemd-run", "--quiet", "--uid=nobody", "--unit=asking", "sh", "-c", ASK];
    tails.run(&asking);
    // A umount that fails, as something is busy there, fails the script.
    tails.run(&["deactivate"]);
    tails.run(&["systemctl", "stop", "asking.service"]);
    wait_for_names(&tails, &["web"]);
    assert_eq!(tails.address("web"), amnesic);
    let ended = wait_until(PATIENCE, || (!tails.listening().contains(&HERE.to_owned())).then_some(()));
    assert!(ended.is_some(), "its server runs on: {:?}\n{}", tails.status_now(SERVICE), tails.log());
    let beneath = ["find", "/var/lib/tails-server", "/var/lib/tails-server-data", "-mindepth", "1"];
    assert_eq!(tails.run(&beneath), "", "in memory there is nothing of it");

    tails.unlock();
    wait_for_names(&tails, &[SERVICE, "web"]);
    assert_eq!((tails.address(SERVICE), tails.address("web")), (kept, amnesic));
}

/// What Tails has where the class goes is played, and so are commands.
#[test]
fn the_feature_needs_no_name_that_tails_does_not_have_and_leaves_no_mask() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new("python3");
    python.arg(top.join("tests/controller_in_box/tails/feature.py"));
    let played = python.arg(top.join("contrib/tails/persistent-storage/feature.py")).output().unwrap();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let lines = std::fs::read_to_string(top.join("contrib/tails/persistent-storage/persistence.conf")).unwrap();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(String::from_utf8_lossy(&played.stdout).lines().collect::<Vec<_>>(), lines);
}

/// Waits until these are the services; nobody answers at times.
fn wait_for_names(tails: &Tails, names: &[&str]) {
    let names_now = || {
        let answer = tails.attempt(&["--json", "status"]);
        let status: serde_json::Value = serde_json::from_str(&answer.stdout).ok()?;
        let services = status["services"].as_array()?.clone();
        Some(services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let there = wait_until(PATIENCE, || (names_now()? == names).then_some(()));
    assert!(there.is_some(), "not {names:?}: {}", tails.log());
}
