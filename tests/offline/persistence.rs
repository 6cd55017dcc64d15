// SPDX-License-Identifier: GPL-3.0-or-later
//! Keeping a service that is there already, and forgetting it at shutdown again, through the real programs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::given::{Dice, NO_TOR, assert_refused, files, publish};
use crate::harness::{Answer, Controller};

fn simulated() -> Controller {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    let services = services.to_str().unwrap();
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", services]);
    controller.start();
    controller
}

/// What is in memory is gone.
fn reboot(controller: &mut Controller) {
    controller.terminate();
    fs::remove_dir_all(controller.runtime().join("simulated-amnesic")).unwrap();
    controller.start();
}

fn get(controller: &Controller, name: &str, option: &str) -> String {
    controller.cli(["get-option", name, option]).succeeded().stdout.trim_end().to_owned()
}

fn names(controller: &Controller) -> Vec<String> {
    let rows: Value = serde_json::from_str(&controller.cli(["list", "--json"]).succeeded().stdout).unwrap();
    let known = rows.as_array().unwrap().iter().filter(|row| row["state"] != "available");
    known.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn assert_says(answer: Answer, words: &[&str]) {
    let answer = answer.succeeded();
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?} in {answer:#?}");
    }
}

/// The secret key of a service, as bytes.
fn key(controller: &Controller, name: &str) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("exported");
    controller.cli(["key", "export", name, "--output", directory.to_str().unwrap()]).succeeded();
    let bytes = fs::read(directory.join("hs_ed25519_secret_key")).unwrap();
    bytes[32..].to_vec()
}

fn is_in(directory: &Path, secret: &[u8]) -> bool {
    let holds = |path: &std::path::PathBuf| {
        // An export under way may have got its name meanwhile. Nearly all of a database is zeros.
        let bytes = fs::read(path).unwrap_or_default();
        let bytes: Vec<u8> = bytes.chunks(64).filter(|part| *part != [0; 64]).flatten().copied().collect();
        bytes.windows(secret.len()).any(|window| window == secret)
    };
    files(directory).iter().any(holds)
}

#[test]
fn a_service_is_kept_from_the_moment_that_somebody_says_so_and_forgotten_when_they_say_that() {
    let mut controller = simulated();
    let address = controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let client = controller.cli(["client", "show", "web", "alice"]).succeeded().stdout;
    assert_eq!(
        (get(&controller, "web", "persistence").as_str(), controller.state().join("simulated-kept").is_dir()),
        ("off", true)
    );
    let secret = key(&controller, "web");
    let kept = controller.state().join("simulated-kept");
    assert!(!is_in(&kept, &secret));
    assert_refused(
        controller.cli(["set-option", "web", "autostart", "on"]),
        2,
        &["needs persistence", "tails-server set-option web persistence on"],
    );

    let on = controller.cli(["set-option", "web", "persistence", "on"]);
    assert_says(on, &["persistence of \"web\" is on.", "survive a shutdown", "set-option web autostart on"]);
    assert_says(controller.cli(["set-option", "web", "persistence", "on"]), &["is on already."]);
    assert_eq!(controller.service_state("web"), "published");
    let info: Value = serde_json::from_str(&controller.cli(["info", "web", "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&info["options"]["persistence"], &info["options"]["autostart"]), (&true.into(), &false.into()));
    assert!(is_in(&kept, &secret) && !is_in(&controller.runtime(), &secret));
    reboot(&mut controller);
    assert_eq!((controller.address("web"), controller.service_state("web").as_str()), (address.clone(), "disabled"));
    assert_eq!(controller.cli(["client", "show", "web", "alice"]).succeeded().stdout, client);
    controller.cli(["set-option", "web", "autostart", "on"]).succeeded();
    reboot(&mut controller);
    controller.wait_for_state("web", "published");

    let off = controller.cli(["set-option", "web", "persistence", "off"]);
    assert_says(
        off,
        &["persistence of \"web\" is off.", "autostart of \"web\" is off, too", "forgotten, address and all"],
    );
    assert_eq!(
        (get(&controller, "web", "persistence"), get(&controller, "web", "autostart")),
        ("off".into(), "off".into())
    );
    assert_eq!((controller.address("web"), controller.service_state("web").as_str()), (address.clone(), "published"));
    assert!(!is_in(&kept, &secret), "the key is gone from the volume");
    // A crash is no shutdown.
    controller.kill();
    controller.start();
    controller.wait_for_state("web", "published");
    assert_eq!((controller.address("web"), get(&controller, "web", "persistence")), (address, "off".into()));
    reboot(&mut controller);
    assert_eq!(names(&controller), Vec::<String>::new());
}

#[test]
fn defaults_are_off_but_what_a_descriptor_says_and_none_opens_a_service() {
    let controller = simulated();
    publish(&controller, "web", &["--private", "--persistent", "--autostart"]);
    assert_says(
        controller.cli(["reset-option", "web", "persistence"]),
        &["is off.", "autostart of \"web\" is off, too"],
    );
    assert_says(controller.cli(["reset-option", "web", "persistence"]), &["is off already."]);
    controller.cli(["set-option", "web", "max-streams", "9"]).succeeded();
    controller.cli(["reset-option", "web", "max-streams"]).succeeded();
    assert_eq!(get(&controller, "web", "max-streams"), "off");
    let opening = controller.cli(["reset-option", "web", "client-authorization"]);
    assert_refused(opening, 2, &["open to everybody", "set-option web client-authorization off"]);
    assert_eq!(get(&controller, "web", "client-authorization"), "on");
    controller.cli(["set-option", "mumble", "persistence", "on"]).succeeded();
    controller.cli(["reset-option", "mumble", "persistence"]).succeeded();
    assert_eq!(
        (get(&controller, "mumble", "persistence"), get(&controller, "mumble", "allow-lan")),
        ("off".into(), "off".into())
    );
}

#[test]
fn a_described_service_that_runs_is_kept_with_its_data_and_left_alone_when_it_is_not() {
    let mut controller = simulated();
    controller.cli(["enable", "mumble", "--wait", "--timeout", "60"]).succeeded();
    let (address, password) = (controller.address("mumble"), get(&controller, "mumble", "server-password"));
    let on = controller.cli(["set-option", "mumble", "persistence", "on"]);
    assert_says(on, &["persistence of \"mumble\" is on.", "those that it has already are copied there"]);
    controller.wait_for_state("mumble", "published");
    controller.cli(["set-option", "mumble", "autostart", "on"]).succeeded();
    reboot(&mut controller);
    controller.wait_for_state("mumble", "published");
    assert_eq!(
        (controller.address("mumble"), get(&controller, "mumble", "server-password")),
        (address.clone(), password)
    );
    let off = controller.cli(["set-option", "mumble", "persistence", "off"]);
    let data = [
        "autostart of \"mumble\" is off, too",
        "Its data on the persistent volume stay there",
        "tails-server uninstall mumble",
    ];
    assert_says(off, &data);
    controller.wait_for_state("mumble", "published");
    assert_eq!(controller.address("mumble"), address);
    reboot(&mut controller);
    assert_eq!(names(&controller), Vec::<String>::new());
}

#[test]
fn without_the_persistent_volume_nothing_is_changed() {
    let mut controller = simulated();
    controller.terminate();
    let (kept, away) = (controller.state().join("simulated-kept"), controller.state().join("away"));
    fs::rename(&kept, &away).unwrap();
    std::os::unix::fs::symlink("/nonexistent", &kept).unwrap();
    controller.start();
    let address = publish(&controller, "web", &[]);
    assert_refused(controller.cli(["set-option", "web", "persistence", "on"]), 1, &[kept.to_str().unwrap()]);
    assert_eq!((controller.address("web"), get(&controller, "web", "persistence")), (address, "off".into()));
}

#[test]
fn a_controller_that_is_killed_while_a_service_moves_has_it_once_and_whole() {
    let mut controller = simulated();
    let address = controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let client = controller.cli(["client", "show", "web", "alice"]).succeeded().stdout;
    let mut dice = Dice::new(11);
    let (mut moved, mut stayed) = (0, 0);
    let mut round = 0;
    while round < 100 && (moved < 6 || stayed < 6) {
        round += 1;
        let before = get(&controller, "web", "persistence");
        let wished = if before == "on" { "off" } else { "on" };
        let mut command = controller.cli_command(["set-option", "web", "persistence", wished]);
        let mut asking =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Not to wait for anything: to hit any moment of what follows.
        std::thread::sleep(Duration::from_micros(dice.roll(60_000)));
        controller.kill();
        let is_acknowledged = asking.wait().unwrap().success();
        controller.start();
        let found = get(&controller, "web", "persistence");
        assert!(
            found == wished || !is_acknowledged && found == before,
            "{round}: {before}, {wished}, and then {found}"
        );
        if found == wished {
            moved += 1
        } else {
            stayed += 1
        }
        assert_eq!(
            (names(&controller), controller.address("web")),
            (vec!["web".to_owned()], address.clone()),
            "{round}"
        );
        assert_eq!(controller.cli(["client", "show", "web", "alice"]).succeeded().stdout, client);
    }
    controller.wait_for_state("web", "published");
    println!("{round} kills: it had moved {moved} times, and {stayed} times it had not");
    assert!(moved > 0 && stayed > 0, "the kills missed what they should hit");
}
