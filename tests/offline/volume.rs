// SPDX-License-Identifier: GPL-3.0-or-later
//! The volume of what is kept: there, not yet, never, torn off, and another one. It is mounted as Tails does it: the
//! directory on the volume is bound over ours.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tornet::wait_until;

use crate::disk::{INSIDE, run_inside};
use crate::given::{DAEMON, NO_TOR, Process, assert_refused, run};
use crate::harness::{Controller, PATIENCE, cli_at};

const NOT_THERE: [&str; 2] = ["Persistent Storage is not there", "Unlock Persistent Storage when Tails starts"];

/// A stick with a file system of its own.
struct Stick {
    mounted: PathBuf,
    over: PathBuf,
}

impl Stick {
    /// Plugged in, and bound nowhere yet.
    fn new(root: &Path, over: &Path) -> Self {
        assert!(std::env::var_os(INSIDE).is_some(), "started by another test only");
        let (image, mounted) = (root.join("image"), root.join("stick"));
        fs::File::create(&image).unwrap().set_len(64 * 1024 * 1024).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)).succeeded();
        private(&mounted);
        private(over);
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mounted)).succeeded();
        Self { mounted, over: over.to_owned() }
    }

    /// Binds a directory of it, which is made first.
    fn bind(&self, name: &str) {
        let directory = self.mounted.join(name);
        if !directory.exists() {
            private(&directory);
        }
        run(Command::new("mount").arg("--bind").arg(directory).arg(&self.over)).succeeded();
    }

    fn unbind(&self, how: &[&str]) -> bool {
        Command::new("umount").args(how).arg(&self.over).output().unwrap().status.success()
    }

    /// Nothing can be read from it or written to it any more.
    fn tear_off(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.mounted)).succeeded();
    }

    fn files(&self, name: &str) -> usize {
        fs::read_dir(self.mounted.join(name)).unwrap().count()
    }

    /// What is in the directory that it is bound over, where nothing may ever be.
    fn assert_nothing_beneath(&self) {
        let look = Command::new("unshare")
            .args(["--mount", "sh", "-c", "umount -l \"$1\" 2>/dev/null; ls -A \"$1\"", "sh"])
            .arg(&self.over)
            .output()
            .unwrap();
        assert!(look.status.success(), "{look:?}");
        assert_eq!(String::from_utf8_lossy(&look.stdout), "", "beneath the volume");
    }
}

fn private(path: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}

fn controller(more: &[&str]) -> (Controller, Stick, tempfile::TempDir) {
    let controller = Controller::new(NO_TOR);
    let state = controller.state();
    let root = tempfile::tempdir().unwrap();
    let stick = Stick::new(root.path(), &state);
    let mut arguments = vec!["--sim", "--kept-needs-mount", state.to_str().unwrap()];
    arguments.extend(more);
    (controller.arguments(&arguments), stick, root)
}

fn problems(controller: &Controller) -> String {
    let overview: Value = serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).unwrap();
    overview["store-problems"].to_string()
}

fn wait_for_problem(controller: &Controller, expected: Option<&str>) {
    let is_so = wait_until(PATIENCE, || {
        let problems = problems(controller);
        expected.map_or(problems == "null", |words| problems.contains(words)).then_some(())
    });
    assert!(is_so.is_some(), "never {expected:?}: {}\n{}", problems(controller), controller.log());
}

fn names(controller: &Controller) -> Vec<String> {
    let rows: Value = serde_json::from_str(&controller.cli(["list", "--json"]).succeeded().stdout).unwrap();
    let known = rows.as_array().unwrap().iter().filter(|row| row["state"] != "available");
    known.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn assert_works_without(controller: &Controller, stick: &Stick, name: &str) {
    controller.publish(name, &["80:1"], &[]);
    assert_refused(controller.cli(["publish", "80:1", "--name", "refused", "--persistent"]), 1, &NOT_THERE);
    assert_refused(controller.cli(["set-option", name, "persistence", "on"]), 1, &NOT_THERE);
    let doctor = controller.cli(["doctor", "--json"]).stdout;
    assert!(doctor.contains(NOT_THERE[0]) && doctor.contains(NOT_THERE[1]), "{doctor}");
    let list = controller.cli(["list"]).succeeded();
    assert!(format!("{}{}", list.stdout, list.stderr).contains(NOT_THERE[0]), "{list:?}");
    stick.assert_nothing_beneath();
}

fn reboot(controller: &mut Controller) {
    controller.terminate();
    fs::remove_dir_all(controller.runtime().join("simulated-amnesic")).unwrap();
}

#[test]
fn what_is_kept_waits_for_its_volume_and_comes_up_with_it() {
    run_inside("volume::waits");
}

#[test]
#[ignore = "started by another test"]
fn waits() {
    let (mut controller, stick, _root) = controller(&[]);
    // Never there.
    controller.start();
    assert_works_without(&controller, &stick, "pad");
    // Made in the session.
    stick.bind("first");
    wait_for_problem(&controller, None);
    let address = controller.publish("web", &["80:1"], &["--persistent", "--autostart"]);
    let pad = controller.address("pad");
    assert_eq!(names(&controller), ["pad", "web"]);
    assert!(stick.files("first") > 0);
    stick.assert_nothing_beneath();
    // Unmounted in order: not under the controller's hands, and once it is told to end.
    assert!(!stick.unbind(&[]), "nothing held the volume: is it written to?");
    controller.terminate();
    assert!(stick.unbind(&[]), "the volume is held by somebody else");
    stick.assert_nothing_beneath();
    controller.start();
    wait_for_problem(&controller, Some(NOT_THERE[0]));
    assert_eq!((names(&controller), controller.address("pad")), (vec!["pad".to_owned()], pad));
    // A boot, at which it is unlocked late.
    reboot(&mut controller);
    controller.start();
    assert_works_without(&controller, &stick, "chat");
    assert_eq!(names(&controller), ["chat"]);
    stick.bind("first");
    controller_has(&controller, "web");
    controller.wait_for_state("web", "published");
    assert_eq!(controller.address("web"), address);
    // One at which it is there from the beginning.
    reboot(&mut controller);
    controller.start();
    controller.wait_for_state("web", "published");
    assert_eq!((problems(&controller), controller.address("web")), ("null".to_owned(), address));
    controller.terminate();
    assert!(stick.unbind(&[]));
}

fn controller_has(controller: &Controller, name: &str) {
    let there = wait_until(PATIENCE, || names(controller).iter().any(|known| known == name).then_some(()));
    assert!(there.is_some(), "no {name}: {:?}\n{}", names(controller), controller.log());
}

#[test]
fn a_volume_that_is_torn_off_takes_nothing_down_and_what_comes_in_its_place_counts() {
    run_inside("volume::torn");
}

#[test]
#[ignore = "started by another test"]
fn torn() {
    let (mut controller, stick, _root) = controller(&[]);
    stick.bind("first");
    controller.start();
    let address = controller.publish("web", &["80:1"], &["--persistent", "--autostart"]);
    controller.publish("other", &["80:1"], &["--persistent"]);
    assert!(stick.unbind(&["-l"]));
    wait_for_problem(&controller, Some(NOT_THERE[0]));
    // What is published stays so, and can be withdrawn.
    assert_eq!(
        (names(&controller), controller.service_state("web")),
        (vec!["other".into(), "web".into()], "published".into())
    );
    controller.cli(["disable", "other"]).succeeded();
    assert_works_without(&controller, &stick, "pad");
    // Nothing of the volume is held: it can be put away.
    assert!(run(Command::new("umount").arg(&stick.mounted)).code == Some(0), "the volume is still held");
    run(Command::new("mount").args(["-o", "loop"]).arg(stick.mounted.with_file_name("image")).arg(&stick.mounted))
        .succeeded();
    // Another one in its place: what was on the first is gone from sight, and from Tor.
    stick.bind("second");
    wait_for_problem(&controller, None);
    assert_eq!(names(&controller), ["pad"]);
    let amnesic = controller.publish("web", &["80:2"], &[]);
    controller.terminate();
    assert!(stick.unbind(&[]));
    controller.start();
    // The first again, with a service of that name: the amnesic one is what runs.
    stick.bind("first");
    wait_for_problem(&controller, None);
    controller_has(&controller, "other");
    assert_eq!(controller.address("web"), amnesic);
    controller.cli(["remove", "web", "--yes"]).succeeded();
    assert_eq!((controller.address("web"), controller.service_state("web")), (address, "disabled".to_owned()));
}

#[test]
fn a_stick_that_is_pulled_out_leaves_what_is_amnesic_published() {
    run_inside("volume::pulled");
}

#[test]
#[ignore = "started by another test"]
fn pulled() {
    let (mut controller, stick, _root) = controller(&[]);
    stick.bind("first");
    controller.start();
    controller.publish("web", &["80:1"], &["--persistent"]);
    controller.publish("pad", &["80:1"], &[]);
    stick.tear_off();
    let refused = controller.cli(["publish", "80:1", "--name", "lost", "--persistent"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    wait_for_problem(&controller, Some("state"));
    controller.publish("chat", &["80:1"], &[]);
    for name in ["web", "pad", "chat"] {
        assert_eq!(controller.service_state(name), "published", "{name}");
    }
    let (ended, _) = controller.terminate();
    assert!(ended.success(), "{}", controller.log());
    stick.assert_nothing_beneath();
}

#[test]
fn the_settings_for_tails_are_understood() {
    let place = tempfile::tempdir().unwrap();
    let (state, bus) = (place.path().join("state"), place.path().join("run/bus"));
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/tails/persistent-storage/settings.toml");
    let mut command = Command::new(DAEMON);
    command.env_clear().args(["--user", "--sim", "--settings"]).arg(settings).arg("--state-directory").arg(&state);
    command.arg("--runtime-directory").arg(place.path().join("run"));
    let _running = Process::start(&mut command);
    let there = wait_until(PATIENCE, || std::os::unix::net::UnixStream::connect(&bus).ok());
    assert!(there.is_some());
    let told = cli_at(&bus, ["status", "--json"]).succeeded().stdout;
    assert!(told.contains("nothing is mounted on /var/lib/tails-server-data"), "{told}");
    assert!(!state.exists());
}
