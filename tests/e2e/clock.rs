// SPDX-License-Identifier: GPL-3.0-or-later
//! The clock is set while the controller runs, by hours and by years, as htpdate does it in Tails after each start.
//!
//! libfaketime plays it to our programs alone, by a file: the clock of this machine, and that of Tor, are left as they are. What
//! measures time by itself, as the kernel's monotonic clock, goes on, as it does when a clock is set.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tornet::{Tor, Website, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, visit};
use crate::outage::Watch;

/// How much two looks at a clock may differ.
const TOLERANCE: u64 = 3;
const HOUR: i64 = 60 * 60;

/// A clock that can be set.
struct Clock {
    file: PathBuf,
}

impl Clock {
    /// One that is right, with its file in this directory.
    fn new(directory: &Path) -> Self {
        let clock = Self { file: directory.join("clock") };
        clock.set(0);
        clock
    }

    /// Sets it so many seconds off.
    fn set(&self, offset: i64) {
        let half = self.file.with_extension("half");
        let set = fs::write(&half, format!("{offset:+}\n")).and_then(|()| fs::rename(half, &self.file));
        set.expect("a clock");
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
        assert!(Path::new(&library).exists(), "{library}, of Debian's package libfaketime, is missing");
        vec![
            ("LD_PRELOAD", library.into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
    }
}

/// Now on a clock that is so many seconds off, in seconds since 1970.
fn now(offset: i64) -> u64 {
    let true_now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    true_now.as_secs().checked_add_signed(offset).expect("a time after 1970")
}

/// Ahead, behind, at the beginning of 1970 where computers begin that have lost their time, and right.
fn settings() -> [(&'static str, i64); 4] {
    let to_1970 = -i64::try_from(now(0)).expect("a time that fits") + 5;
    [("26 h ahead", 26 * HOUR), ("26 h behind", -26 * HOUR), ("1970", to_1970), ("right", 0)]
}

/// When a service came into its state, as `status --json` has it.
fn since(controller: &Controller, name: &str) -> u64 {
    let text = controller.status(name)["since"].as_str().expect("a time").to_owned();
    let time = humantime::parse_rfc3339(&text).expect("a time");
    time.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// The line of a service in `status`.
fn glance(controller: &Controller, name: &str) -> String {
    let told = controller.cli(["status"]).succeeded().stdout;
    told.lines().find(|line| line.split_whitespace().any(|word| word == name)).expect("its line").to_owned()
}

/// What is told of a service that came into its state at this moment is true by the clock as it is now.
fn tells_its_age(controller: &Controller, name: &str, (what, offset): (&str, i64), at: Instant) {
    let (since, now, age) = (since(controller, name), now(offset), at.elapsed().as_secs());
    assert!(since <= now + TOLERANCE, "{what}: {name} is so since {since}, and it is {now}");
    // Nothing was before 1970.
    let expected = now.saturating_sub(age);
    assert!(since.abs_diff(expected) <= TOLERANCE, "{what}: {name} is so since {since} and not {expected}");
    let line = glance(controller, name);
    assert!(line.contains(" s ") || line.contains(" min "), "{what}: {line}");
}

/// A controller under this clock, with a tor that is under the right one.
fn start(clock: &Clock) -> (Tor, Controller) {
    let tor = host_tor();
    let control = format!("unix:{}", tor.control_socket().display());
    let mut controller = Controller::new(control).environment(clock.environment());
    controller.start();
    (tor, controller)
}

#[test]
fn nothing_changes_for_a_service_when_the_clock_is_set_and_its_age_is_told_by_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::new(directory.path());
    let (_tor, mut controller) = start(&clock);
    let watch = Watch::start(&controller.bus());
    let site = Website::start("a page").unwrap();
    let port = format!("80:{}", site.port());
    let address = controller.publish("web", &[&port], &["--persistent", "--autostart"]);
    assert_eq!(visit(&address, 80), "a page");
    let (published, age) = (Instant::now(), now(0) - since(&controller, "web"));
    let published = published.checked_sub(Duration::from_secs(age)).unwrap();
    let before = watch.changes_of("web");
    let passphrase = directory.path().join("passphrase");
    fs::write(&passphrase, "correct horse battery\n").unwrap();

    for (number, setting) in settings().into_iter().enumerate() {
        clock.set(setting.1);
        tells_its_age(&controller, "web", setting, published);
        // Another one takes its whole way meanwhile: nothing hangs, and whatever would become of the first has had its time.
        let other = format!("other-{number}");
        controller.publish(&other, &[&port], &[]);
        let other_since = since(&controller, &other);
        assert!(now(setting.1) - other_since < PATIENCE.as_secs(), "{}: {other_since}", setting.0);
        tells_its_age(&controller, "web", setting, published);
        assert_eq!(watch.changes_of("web"), before, "{}: {}", setting.0, controller.log());
        let backup = directory.path().join(format!("backup-{number}"));
        let of_backup = [backup.as_os_str(), "--passphrase-file".as_ref(), passphrase.as_os_str()];
        controller.cli([&["backup".as_ref()], &of_backup[..]].concat()).succeeded();
        let restored = controller.cli([&["restore".as_ref(), "--dry-run".as_ref()], &of_backup[..]].concat());
        assert!(restored.succeeded().stdout.contains("web"), "{}", setting.0);
    }
    assert_eq!(visit(&address, 80), "a page");

    // What is kept is found again, by a controller that ended well and by one that did not.
    clock.set(settings()[2].1);
    controller.terminate();
    controller.start();
    controller.wait_for_state("web", "published");
    assert_eq!(controller.address("web"), address);
    clock.set(settings()[0].1);
    controller.kill();
    controller.start();
    controller.wait_for_state("web", "published");
    assert_eq!((controller.address("web"), visit(&address, 80)), (address, "a page".to_owned()));
    let log = controller.log();
    assert!(!log.contains("bug:") && !log.contains("panicked"), "{log}");
}

#[test]
fn tor_is_waited_for_as_before_when_the_clock_is_set() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::new(directory.path());
    let (tor, controller) = start(&clock);
    let site = Website::start("a page").unwrap();
    let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
    for setting in settings() {
        let watch = Watch::start(&controller.bus());
        tor.kill();
        controller.wait_for_state("web", "waiting-for-tor");
        let waiting = Instant::now();
        clock.set(setting.1);
        let told = since(&controller, "web");
        assert!(told.abs_diff(now(setting.1)) < PATIENCE.as_secs(), "{}: {told}", setting.0);
        tor.start().unwrap();
        controller.wait_for_state("web", "published");
        let last = || watch.changes_of("web").pop().filter(|(state, _)| state == "published");
        assert!(wait_until(PATIENCE, last).is_some(), "{}", setting.0);
        eprintln!("{}: published {:.1?} after Tor went", setting.0, waiting.elapsed());
        let states: Vec<String> = watch.changes_of("web").into_iter().map(|(state, _)| state).collect();
        let mut states: Vec<&str> = states.iter().map(String::as_str).collect();
        states.dedup();
        // The first is how it was when it was asked.
        let way = ["published", "waiting-for-tor", "publishing", "published"];
        assert!(states == way || states == way[1..], "{}: {states:?}", setting.0);
    }
    assert_eq!(visit(&address, 80), "a page");
}
