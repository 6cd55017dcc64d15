// SPDX-License-Identifier: GPL-3.0-or-later
//! Nothing of a machine outlives its owner: no process, no mount, no loop device, no control group.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tails_box::{Machine, Options, Release, may_boot, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
/// Set for the process that is to be killed.
const OWNER: &str = "TAILS_BOX_TEST_OWNER";

/// The process of the other tests here: it has a machine until something happens to it.
#[test]
#[ignore = "started by the others"]
fn owner() {
    let how = std::env::var(OWNER).unwrap();
    let machine = Machine::boot(Release::Trixie, Options::new().with_lan().with_disk()).unwrap();
    machine.run(&["systemd-run", "--quiet", "sleep", "infinity"]).unwrap();
    println!("\nrunning");
    // The end of the input: the other has seen all.
    std::io::stdin().lines().for_each(drop);
    assert_ne!(how, "panics", "as it was asked to");
    drop(machine);
}

/// What there is of a machine.
struct Remains {
    processes: Vec<u32>,
    /// A loop device, and the file behind it.
    disk: (String, String),
    group: String,
}

impl Remains {
    /// What is there while the machine runs.
    fn of(owner: u32) -> Self {
        let processes = descendants(owner);
        let disk = processes.iter().find_map(|pid| {
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
            let layer = mounts.lines().find(|line| line.contains(" /run/layer "))?;
            layer.split(' ').find(|word| word.starts_with("/dev/loop")).map(str::to_owned)
        });
        let disk = disk.unwrap();
        let file = file_behind(&disk);
        assert!(!file.is_empty());
        Self { processes, disk: (disk, file), group: format!("tails-box-{owner}-0") }
    }

    /// What is still there.
    fn left(&self) -> Vec<String> {
        let processes = self.processes.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists());
        let mut left: Vec<String> = processes.map(|pid| format!("process {pid}")).collect();
        if file_behind(&self.disk.0) == self.disk.1 {
            left.push(self.disk.0.clone());
        }
        left.extend(groups().into_iter().filter(|group| *group == self.group));
        left
    }
}

/// All processes below one.
fn descendants(ancestor: u32) -> Vec<u32> {
    let output = Command::new("pgrep").args(["--parent", &ancestor.to_string()]).output().unwrap();
    let children = String::from_utf8(output.stdout).unwrap();
    let children: Vec<u32> = children.lines().map(|pid| pid.parse().unwrap()).collect();
    let below: Vec<u32> = children.iter().flat_map(|&child| descendants(child)).collect();
    [children, below].concat()
}

fn file_behind(disk: &str) -> String {
    let output = Command::new("losetup").args(["--noheadings", "--output", "BACK-MAJ:MIN,BACK-INO", disk]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// All control groups at the top.
fn groups() -> Vec<String> {
    let script = "mount -t cgroup2 cgroup2 /mnt && ls /mnt";
    let output = Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", script]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn start_owner(how: &str) -> (Child, Remains) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env(OWNER, how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap() == "running"));
    let remains = Remains::of(child.id());
    // The guard, its inner process, systemd-nspawn's two and the machine's own at the least.
    assert!(remains.processes.len() > 8, "{:?}", remains.processes);
    assert!(remains.left().len() > 9, "{:?}", remains.left());
    (child, remains)
}

fn assert_nothing_is_left(remains: &Remains) {
    let gone = wait_until(PATIENCE, || remains.left().is_empty().then_some(()));
    assert!(gone.is_some(), "left over: {:?}", remains.left());
}

#[test]
fn sigkill_of_the_owner_leaves_nothing() {
    if !may_boot("sigkill_of_the_owner_leaves_nothing") {
        return;
    }
    let (mut owner, remains) = start_owner("is killed");
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_nothing_is_left(&remains);
}

#[test]
fn a_test_that_panics_leaves_nothing() {
    if !may_boot("a_test_that_panics_leaves_nothing") {
        return;
    }
    let (mut owner, remains) = start_owner("panics");
    drop(owner.stdin.take());
    assert!(!owner.wait().unwrap().success());
    // With the owner all is over already: what it did in its drop it did to the end.
    assert_eq!(remains.left(), Vec::<String>::new());
}
