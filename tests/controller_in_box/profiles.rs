// SPDX-License-Identifier: GPL-3.0-or-later
//! The profiles for AppArmor, held against what the programs do: the kernel of a box has no AppArmor, and a rule that is
//! missing would be found by users.
//!
//! strace follows the controller through a life. What it opens, runs or connects to has to be in the profile.

mod matcher;
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;

use tails_box::{Options, Release, may_boot};

use self::matcher::Profile;
use crate::system::{System, UNIT};

/// Where strace is put, with its own libraries: those of the machine are of another release.
const STRACE: &str = "/opt/strace";
const OUTPUT: &str = "/run/strace.output";
const CALLS: &str = "trace=open,openat,openat2,creat,execve,connect,bind,sendto,sendmsg,unlink,unlinkat,rename,renameat,\
    renameat2,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,chmod,fchmodat,chown,fchownat,flock,\
    clone,clone3,fork,vfork,mmap";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/apparmor").join(name)
}

/// The profile as the parser sees it, with all that it includes.
fn profile(name: &str) -> Profile {
    let parse = |arguments: &[&str]| {
        let output = Command::new("apparmor_parser").args(arguments).arg(file(name)).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Compiled, and loaded into nothing.
    parse(&["--skip-kernel-load", "--skip-cache"]);
    Profile::parse(&parse(&["--preprocess"]))
}

/// Puts the strace of this computer into the machine.
fn bring_strace(system: &System) {
    let libraries = Command::new("ldd").arg("/usr/bin/strace").output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    for path in libraries.split_whitespace().filter(|word| word.starts_with('/')).chain(["/usr/bin/strace"]) {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        system.machine.copy(Path::new(path), &format!("{STRACE}/{name}"), "0755").unwrap();
    }
}

/// Has the controller's unit followed from its next start on.
fn follow(system: &System) {
    let loader = system.run(&["sh", "-c", &format!("ls {STRACE}/ld-*")]);
    let strace = format!("{} --library-path {STRACE} {STRACE}/strace", loader.trim());
    // -D: the program is the unit's first process, as ever. Its files are as they were; to be followed, it is kept from
    // less than it was: its memory is nobody's to read, and that is what strace does.
    let drop_in = format!(
        "[Service]\nExecStart=\nExecStart={strace} -D -f --seccomp-bpf -qq -y -s 512 -e {CALLS} -e signal=none -o {OUTPUT} \\\n\
        /usr/bin/tails-serverd\nSystemCallFilter=\nAmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\nCapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n\
        PrivateUsers=no\nKillMode=mixed\nReadWritePaths={OUTPUT}\n"
    );
    system.run(&["install", "--owner=tails-server", "/dev/null", OUTPUT]);
    system.machine.write(&format!("/run/systemd/system/{UNIT}.d/90-followed.conf"), &drop_in).unwrap();
    system.run(&["systemctl", "daemon-reload"]);
}

#[test]
fn the_profiles_allow_all_that_the_programs_do() {
    if !may_boot("the_profiles_allow_all_that_the_programs_do") {
        return;
    }
    let profiles = [("/usr/bin/tails-serverd", profile("usr.bin.tails-serverd"))];
    let [.., newest] = Release::ALL;
    let Some(system) = System::boot(newest, Options::new()) else { return };
    bring_strace(&system);
    follow(&system);
    // A life, from its beginning to its end.
    system.run(&["systemctl", "restart", UNIT]);
    system.start_web();
    system.start_tor();
    system.wait_for_tor();
    system.publish(&["80:8080", "--name", "kept", "--persistent", "--autostart"]);
    system.publish(&["81:8080", "--name", "amnesic"]);
    system.wait_for_state("kept", "waiting-for-tor");
    system.cli(&["enable", "ngircd"]);
    system.wait_for_state("ngircd", "waiting-for-tor");
    system.cli(&["set-option", "ngircd", "motd", "hello"]);
    system.wait_until_applied("ngircd");
    system.cli(&["--bus", "system", "status"]);
    system.attempt(&["doctor"]);
    system.attempt(&["check", "kept"]);
    system.run(&["systemctl", "reload", UNIT]);
    system.cli(&["disable", "ngircd"]);
    system.cli(&["remove", "amnesic", "--yes"]);
    system.run(&["systemctl", "stop", UNIT]);
    let used = trace::read(&system.run(&["cat", OUTPUT]), &profiles);

    let mut missing: Vec<_> = used.iter().filter(|(program, access)| !allowed(&profiles, program, access)).collect();
    missing.dedup();
    assert!(missing.is_empty(), "not in the profile: {missing:#?}");
    // The comparison compares something.
    for path in ["/run/tor/control", "/run/tails-server/bus", "/run/dbus/system_bus_socket", "/proc/net/tcp"] {
        let is_it = |(_, access): &(String, trace::Access)| access.path.ends_with(path.trim_start_matches("/proc"));
        assert!(used.iter().any(is_it), "nobody used {path}: {used:#?}");
    }
    println!("{} kinds of access compared", used.len());
    // Nothing can be written but what is ours.
    let (_, controller) = &profiles[0];
    for path in [
        "/etc/passwd",
        "/run/tails-server-helper/ngircd/outcome.json",
        "/usr/bin/tails-serverd",
        "/run/systemd/system/a",
    ] {
        assert!(!controller.allows(path, "w"), "{path} can be written");
    }
    for path in ["/home/amnesia/a", "/live/persistence/TailsData_unlocked/a", "/etc/shadow", "/root/a"] {
        assert!(!controller.allows(path, "r"), "{path} can be read");
    }
    assert!(!controller.allows("/usr/bin/sh", "x"), "something can be run");
}

fn allowed(profiles: &[(&str, Profile)], program: &str, access: &trace::Access) -> bool {
    profiles.iter().any(|(path, profile)| *path == program && profile.allows(&access.path, &access.needs))
}
