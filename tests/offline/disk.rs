// SPDX-License-Identifier: GPL-3.0-or-later
//! Disks that are full or read-only. The tests mount in a mount namespace of their own, so that nothing is left mounted.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tails_server::bus::api::ApiError;
use tails_server_state::{Autostart, Persistence};
use tornet::wait_until;

use crate::given::{NO_TOR, assert_refused, publish, root, run};
use crate::harness::{Controller, PATIENCE};
use crate::manager;

pub(crate) const INSIDE: &str = "TAILS_SERVER_TEST_INSIDE";

/// Runs the ignored test of that name where it may mount.
pub(crate) fn run_inside(test: &str) {
    if !root(test) {
        return;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}; see above");
}

/// A file system of its own in memory, at a directory.
struct Medium(PathBuf);

impl Medium {
    fn new(path: &Path, size: &str) -> Self {
        assert!(std::env::var_os(INSIDE).is_some(), "started by another test only");
        DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
        let options = format!("size={size},mode=700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path)).succeeded();
        Self(path.to_owned())
    }

    /// One of ext4, in an image.
    fn of_image(image: &Path, path: &Path) -> Self {
        assert!(std::env::var_os(INSIDE).is_some(), "started by another test only");
        DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(path)).succeeded();
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        Self(path.to_owned())
    }

    fn remount(&self, how: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0)).succeeded();
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        for length in [65536, 512, 1] {
            let block = vec![b'x'; length];
            while filler.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        // Gone with the namespace at the latest.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn list(controller: &Controller) -> Vec<String> {
    let rows: Value = serde_json::from_str(&controller.cli(["list", "--json"]).succeeded().stdout).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn problems(controller: &Controller) -> String {
    let overview: Value = serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).unwrap();
    overview["store-problems"].to_string()
}

/// Publishes until there is no room, and returns which were acknowledged.
fn publish_until_refused(controller: &Controller, options: &[&str], start: usize) -> Vec<String> {
    let mut there = Vec::new();
    // As large as can be: there is room in the files that are there already.
    let ports: Vec<(u16, String)> = (1..=32).map(|port| (port, format!("unix:/{port:0>100}"))).collect();
    let ports: Vec<(u16, &str)> = ports.iter().map(|(port, target)| (*port, target.as_str())).collect();
    let place = if options.is_empty() { Persistence::Amnesic } else { Persistence::Kept };
    let there = manager::block_on(async {
        let manager = manager::connect(&controller.bus()).await.unwrap();
        for number in start..start + 2000 {
            let name = format!("more-{number}");
            match manager.publish(&ports, manager::options(&name, place, Autostart::Off)).await {
                Ok(_) => there.push(name),
                Err(ApiError::Store(_)) => return there,
                Err(other) => panic!("{other}"),
            }
        }
        panic!("it never was full");
    });
    let answer = controller.cli([&["publish", "80:1", "--name", "one-more"], options].concat());
    assert_refused(answer, 1, &["no room left", "Free some space, or remove a service"]);
    there
}

#[test]
fn a_full_disk_loses_nothing_and_is_told_of() {
    run_inside("disk::full");
}

#[test]
#[ignore = "started by another test"]
fn full() {
    // It gets full wherever the database and its exports happen to be then.
    for size in ["5m", "6m", "7m", "9m"] {
        for (place, options) in [("state", &["--persistent"] as &[&str]), ("run", &[])] {
            full_of(size, place, options);
        }
    }
}

fn full_of(size: &str, place: &str, options: &[&str]) {
    let mut controller = Controller::new(NO_TOR);
    let path = if place == "state" { controller.state() } else { controller.runtime() };
    let medium = Medium::new(&path, size);
    controller.start();
    let address = publish(&controller, "web", options);

    medium.fill();
    let mut there = publish_until_refused(&controller, options, 0);
    println!("{place} of {size}: {} more services were acknowledged", there.len());
    there.push("web".to_owned());
    there.sort();
    assert_eq!(list(&controller), there);
    assert_eq!(controller.address("web"), address);
    medium.free();
    publish(&controller, "after", options);

    // A start on a full disk.
    medium.fill();
    there.extend(publish_until_refused(&controller, options, 5000));
    there.push("after".to_owned());
    there.sort();
    controller.terminate();
    controller.start();
    assert_eq!(list(&controller), there, "{}", controller.log());
    assert_eq!(controller.address("web"), address);
    // Removing needs no room, and makes some; whoever else is there may take that.
    controller.cli(["remove", "after", "--yes"]).succeeded();
    controller.cli(["disable", "web"]).succeeded();
    medium.fill();
    controller.cli(["remove", "more-0", "--yes"]).succeeded();
    medium.free();
    publish(&controller, "last", options);
    controller.kill();
    controller.start();
    there.retain(|name| name != "after" && name != "more-0");
    there.push("last".to_owned());
    there.sort();
    assert_eq!(list(&controller), there);
    assert_eq!(controller.address("web"), address);
    assert!(!controller.log().contains("panicked") && !controller.log().contains("bug:"), "{}", controller.log());
}

#[test]
fn a_first_start_on_a_full_disk_waits_for_room() {
    run_inside("disk::full_from_the_start");
}

#[test]
#[ignore = "started by another test"]
fn full_from_the_start() {
    let mut controller = Controller::new(NO_TOR);
    let medium = Medium::new(&controller.state(), "4m");
    medium.fill();
    controller.start();
    assert!(problems(&controller).contains("no room left"), "{} {}", problems(&controller), controller.log());
    let answer = controller.cli(["publish", "80:1", "--name", "web", "--persistent"]);
    assert_refused(answer, 1, &["no room left", "Free some space"]);
    publish(&controller, "pad", &[]);
    medium.free();
    let works = wait_until(PATIENCE, || {
        let answer = controller.cli(["publish", "80:1", "--name", "web", "--persistent"]);
        (answer.code == Some(0)).then_some(())
    });
    assert!(works.is_some(), "{}", controller.log());
    assert_eq!(problems(&controller), "null");
    assert_eq!(list(&controller), ["pad", "web"]);
}

#[test]
fn a_read_only_disk_is_named_and_left_as_it_is() {
    run_inside("disk::read_only");
}

#[test]
#[ignore = "started by another test"]
fn read_only() {
    let mut controller = Controller::new(NO_TOR);
    let medium = Medium::new(&controller.state(), "8m");
    controller.start();
    let address = publish(&controller, "web", &["--persistent"]);
    controller.terminate();

    // Who starts it has to mend it.
    medium.remount("ro");
    let mut command = controller.command();
    let answer = run(&mut command);
    let kept = controller.state().join("kept").display().to_string();
    assert_refused(without_log(answer), 1, &["read-only", &kept, "for writing"]);
    assert!(!controller.bus().exists());

    medium.remount("rw");
    controller.start();
    assert_eq!(list(&controller), ["web"]);
    assert_eq!(controller.address("web"), address);
    publish(&controller, "second", &["--persistent"]);

    // Nothing there yet, and no way to make it.
    let other = Controller::new(NO_TOR);
    let medium = Medium::new(&other.state(), "8m");
    medium.remount("ro");
    let answer = run(&mut other.command());
    assert_refused(without_log(answer), 1, &["read-only"]);
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
}

#[test]
fn a_disk_that_fails_while_the_controller_runs_is_told_of() {
    run_inside("disk::failing");
}

#[test]
#[ignore = "started by another test"]
fn failing() {
    let mut controller = Controller::new(NO_TOR);
    let image = controller.runtime().with_extension("image");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)).succeeded();
    let medium = Medium::of_image(&image, &controller.state());
    controller.start();
    let address = publish(&controller, "web", &["--persistent"]);

    // What ext4 does by itself after an error of the medium.
    medium.remount("abort");
    let answer = controller.cli(["publish", "80:1", "--name", "second", "--persistent"]);
    assert_refused(answer, 1, &["for writing"]);
    assert_eq!(controller.cli(["remove", "web", "--yes"]).code, Some(1));
    assert!(problems(&controller).contains("read-only"), "{}", problems(&controller));
    publish(&controller, "pad", &[]);
    assert_eq!(list(&controller), ["pad", "web"]);
    assert_eq!(controller.address("web"), address);

    // Mended, and started again.
    let (status, _) = controller.terminate();
    assert_eq!(status.code(), Some(0), "{}", controller.log());
    drop(medium);
    let _medium = Medium::of_image(&image, &controller.state());
    controller.start();
    assert_eq!(list(&controller), ["pad", "web"]);
    assert_eq!(controller.address("web"), address);
    assert_eq!(problems(&controller), "null");
    assert!(!controller.log().contains("panicked") && !controller.log().contains("bug:"), "{}", controller.log());
}

/// The answer without what was logged before it.
fn without_log(mut answer: crate::harness::Answer) -> crate::harness::Answer {
    let lines = answer.stderr.lines().skip_while(|line| !line.starts_with("Error: "));
    answer.stderr = lines.collect::<Vec<_>>().join("\n");
    answer
}

#[test]
fn a_backup_that_finds_no_room_leaves_nothing_and_says_what_to_do() {
    run_inside("disk::backup_without_room");
}

#[test]
#[ignore = "started by another test"]
fn backup_without_room() {
    let controller = crate::given::controller();
    publish(&controller, "web", &[]);
    let place = tempfile::tempdir().unwrap();
    let passphrase = place.path().join("passphrase");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    let medium = Medium::new(&place.path().join("stick"), "64k");
    let file = medium.0.join("services.age");
    let backup =
        || controller.cli(["backup", file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()]);
    medium.fill();
    let answer = backup();
    assert!(!answer.stderr.contains("Os {") && !answer.stderr.contains("IoError"), "{answer:?}");
    assert_refused(answer, 1, &["Caused by: No space left on device", "another disk"]);
    let left: Vec<_> = fs::read_dir(&medium.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["filler"]);
    medium.free();
    backup().succeeded();
}
