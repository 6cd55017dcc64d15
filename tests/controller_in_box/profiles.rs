// SPDX-License-Identifier: GPL-3.0-or-later
//! The profiles for AppArmor, held against what the programs do: the kernel of a box has no AppArmor, and a rule that is
//! missing would be found by users.
//!
//! strace follows the controller and the helper through a life. What they open, run or connect to has to be in the profiles.

mod enforced;
mod matcher;
mod trace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tails_box::{Options, Release, may_boot};
use tails_server::descriptor::ServicePath;

use self::matcher::Profile;
use crate::system::{System, UNIT};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/apparmor");
/// Where strace is put, with its own libraries: those of the machine are of another release.
const STRACE: &str = "/opt/strace";
const OUTPUT: &str = "/run/strace.output";
const HELPER: &str = "/usr/lib/tails-server/tails-server-helper";
const ACTS: [&str; 4] = ["apply", "install", "uninstall", "withdraw"];
const CALLS: &str = "trace=open,openat,openat2,creat,execve,connect,bind,sendto,sendmsg,unlink,unlinkat,rename,renameat,\
    renameat2,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,chmod,fchmodat,chown,fchownat,flock,\
    clone,clone3,fork,vfork,mmap";

fn file(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// The profiles of a file as the parser sees them, with all that they include.
fn profiles(name: &str) -> BTreeMap<String, Profile> {
    let parse = |arguments: &[&str]| {
        let places = ["--Include", DIRECTORY, "--Include", "/etc/apparmor.d"];
        let output = Command::new("apparmor_parser").args(arguments).args(places).arg(file(name)).output().unwrap();
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

/// Has the units followed from their next start on: the controller's and those of the helper.
fn follow(system: &System) {
    let loader = system.run(&["sh", "-c", &format!("ls {STRACE}/ld-*")]);
    let strace = format!("{} --library-path {STRACE} {STRACE}/strace", loader.trim());
    // -D: the program is the unit's first process, as ever. -A: an act is done more than once.
    let words = format!("{strace} -D -A -f --seccomp-bpf -qq -y -s 512 -e {CALLS} -e signal=none -o");
    // Its files are as they were; to be followed, it is kept from less than it was: its memory is nobody's to read, and that is
    // what strace does.
    let drop_in = format!(
        "[Service]\nExecStart=\nExecStart={words} {OUTPUT} /usr/bin/tails-serverd\nSystemCallFilter=\n\
        AmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\nCapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n\
        PrivateUsers=no\nKillMode=mixed\nReadWritePaths={OUTPUT}\n"
    );
    system.run(&["install", "--owner=tails-server", "/dev/null", OUTPUT]);
    system.machine.write(&format!("/run/systemd/system/{UNIT}.d/90-followed.conf"), &drop_in).unwrap();
    for act in ACTS {
        let drop_in = format!(
            "[Service]\nExecStart=\nExecStart={words} {OUTPUT}.{act} {HELPER} {act} %i\nSystemCallFilter=\n\
            CapabilityBoundingSet=CAP_SYS_PTRACE\n"
        );
        let path = format!("/run/systemd/system/tails-server-{act}@.service.d/90-followed.conf");
        system.machine.write(&path, &drop_in).unwrap();
    }
    system.run(&["systemctl", "daemon-reload"]);
}

/// The profile that a program is put under when it is run: by its path, or by its unit.
fn entered(program: &str, call: &str) -> Option<String> {
    match program {
        "/usr/bin/tails-serverd" => Some(String::from("tails-serverd")),
        HELPER => ACTS.into_iter().find(|act| call.contains(&format!("\"{act}\""))).map(of_act),
        _ => None,
    }
}

fn of_act(act: &str) -> String {
    format!("tails-server-helper-{act}")
}

/// A life of the controller, from its beginning to its end.
fn live(system: &System) {
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
    system.wait_for_state("ngircd", "disabled");
    system.cli(&["uninstall", "ngircd", "--yes"]);
    system.cli(&["remove", "amnesic", "--yes"]);
    system.run(&["systemctl", "stop", UNIT]);
}

#[test]
fn the_profiles_allow_all_that_the_programs_do() {
    if !may_boot("the_profiles_allow_all_that_the_programs_do") {
        return;
    }
    let mut profiles = profiles("usr.bin.tails-serverd");
    profiles.extend(self::profiles("usr.lib.tails-server.tails-server-helper"));
    let [.., newest] = Release::ALL;
    let Some(system) = System::boot(newest, Options::new()) else { return };
    bring_strace(&system);
    follow(&system);
    live(&system);
    let output = system.run(&["sh", "-c", &format!("cat {OUTPUT} {OUTPUT}.*")]);
    let used = trace::read(&output, &profiles, entered);

    let is_missing = |(name, access): &&(String, trace::Access)| !profiles[name].allows(&access.path, &access.needs);
    let missing: Vec<_> = used.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "not in the profile: {missing:#?}");
    // The comparison compares something.
    for (name, path) in [
        ("tails-serverd", "/run/tor/control"),
        ("tails-serverd", "/run/tails-server/bus"),
        ("tails-serverd", "/run/dbus/system_bus_socket"),
        ("tails-serverd", "/net/tcp"),
        ("tails-server-helper-install", "/usr/bin/apt-get"),
        ("tails-server-helper-apply", "/usr/bin/systemctl"),
        ("tails-server-helper-withdraw", "/run/tails-server-helper/ngircd/outcome.json"),
        ("tails-server-helper-uninstall", "/usr/bin/apt-get"),
    ] {
        let is_it = |(other, access): &(String, trace::Access)| other == name && access.path.ends_with(path);
        assert!(used.iter().any(is_it), "nobody used {path} under {name}: {used:#?}");
    }
    println!("{} kinds of access compared", used.len());
    // Nothing can be written but what is ours.
    let controller = &profiles["tails-serverd"];
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

/// The units that run the helper name their profiles, and each of these keeps it from what is no matter of a service.
#[test]
fn the_profiles_of_the_helper_keep_each_act_from_what_belongs_to_no_service() {
    let profiles = profiles("usr.lib.tails-server.tails-server-helper");
    for act in ACTS {
        let name = of_act(act);
        let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contrib/systemd/tails-server-{act}@.service"));
        let unit = std::fs::read_to_string(unit).unwrap();
        assert!(unit.contains(&format!("\nAppArmorProfile=-{name}\n")), "{act}: {unit}");
        let profile = &profiles[&name];
        for place in ServicePath::FORBIDDEN.iter().filter(|place| !is_the_acts_own(act, place)) {
            for path in [(*place).to_owned(), format!("{place}/a"), format!("{place}/a/b")] {
                assert!(!profile.allows(&path, "w"), "{act} may write {path}");
            }
        }
        for path in
            ["/var/lib/tails-server/store/db", "/var/lib/tor/keys/a", "/etc/sudoers.d/a", "/root/a", "/home/a/b"]
        {
            assert!(!profile.allows(path, "r"), "{act} may read {path}");
        }
        assert!(!profile.allows("/usr/bin/python3", "x"), "{act} may run anything");
        assert!(profile.allows("/run/tails-server-helper/mumble/outcome.json", "w"), "{act} may do nothing");
    }
    assert!(profiles["tails-server-helper-apply"].allows("/srv/tails-sftp/files", "w"));
    assert_eq!(profiles.len(), 4);
}

/// What is no service's, and is there for an act to write all the same.
fn is_the_acts_own(act: &str, place: &str) -> bool {
    match place {
        // Drop-ins; where things are written down; data.
        "/run/systemd" | "/run/tails-server-helper" | "/var/lib/tails-server-helper" => true,
        "/var/lib/tails-server-data" => act != "install",
        // Guards of units.
        "/etc/systemd" => matches!(act, "install" | "uninstall"),
        // The password of a user, which a hook may set.
        "/etc/passwd" | "/etc/group" | "/etc/shadow" | "/etc/gshadow" => act != "install",
        // One setting of the kernel.
        "/proc" => true,
        _ => false,
    }
}
