// SPDX-License-Identifier: GPL-3.0-or-later
//! Attempts that more than one process has a part in.

use tails_box::wait_until;

use super::Who;
use super::scene::Scene;
use crate::system::{PATIENCE, UNIT};

const NAME: &str = "org.boum.tails.Server1";
const REQUEST_NAME: &str = "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su \
    org.boum.tails.Server1 3";

/// Starts a program of somebody that goes on; what it prints comes to a file that root can read.
fn begin(scene: &Scene<'_>, unit: &str, user: &str, script: &str) -> String {
    let output = format!("/run/{unit}.output");
    let (name, uid) = (format!("--unit={unit}"), format!("--uid={user}"));
    let (stdout, stderr) = (format!("--property=StandardOutput=file:{output}"), "--property=StandardError=null");
    scene.system.run(&["systemd-run", "--quiet", "--collect", &name, &uid, &stdout, stderr, "bash", "-c", script]);
    output
}

/// Ends it; all that it printed.
fn end(scene: &Scene<'_>, unit: &str, output: &str) -> String {
    // It may have ended by itself, and is forgotten then.
    scene.system.machine.attempt(&["systemctl", "stop", unit]).unwrap();
    scene.system.run(&["cat", output])
}

/// Waits until it has printed this; `act` is done again each time that it has not.
fn wait_for(scene: &Scene<'_>, output: &str, text: &str, act: impl Fn()) {
    let is_there = || {
        act();
        scene.system.machine.attempt(&["grep", "-q", text, output]).unwrap().status.success().then_some(())
    };
    assert!(wait_until(PATIENCE, is_there).is_some(), "no {text:?} in {}", scene.system.run(&["cat", output]));
}

/// Links of theirs at all places where everybody may write, and a look at what comes there, while a server goes and comes.
pub(super) fn temporary(scene: &Scene<'_>, people: &[Who]) {
    const PLANT: &str = "for place in /tmp /var/tmp /dev/shm; do
            for name in ngircd ngircd.conf tails-server tails-server-helper .tails-server-half fileutl.message apt.sig; do
                ln -s /home/amnesia/target $place/$name || ln -s /etc/passwd $place/$name-too
            done
        done";
    // inotify(7): whatever is made there, or comes there, however short.
    const WATCH: &str = r#"exec perl -e '$| = 1;
        my %call = (x86_64 => [294, 254], aarch64 => [26, 27]); chomp(my $machine = `uname -m`);
        my $queue = syscall($call{$machine}[0], 0); $queue >= 0 or die "$!\n";
        for my $place ("/tmp", "/var/tmp", "/dev/shm") {
            my $path = $place; syscall($call{$machine}[1], $queue, $path, 0x180) >= 0 or die "$!\n";
        }
        print "ready\n"; open(my $events, "<&=", $queue) or die "$!\n";
        while (sysread($events, my $read, 65536)) {
            while (length $read) {
                my (undef, undef, undef, $length) = unpack("lLLL", substr($read, 0, 16, ""));
                print unpack("Z*", substr($read, 0, $length, "")), "\n";
            }
        }'"#;
    let watchers: Vec<_> = people
        .iter()
        .map(|who| {
            scene.run_as(Some(*who), PLANT);
            let unit = format!("watcher-{}", who.user());
            (begin(scene, &unit, who.user(), WATCH), unit)
        })
        .collect();
    for (output, _) in &watchers {
        wait_for(scene, output, "^ready", || ());
    }
    scene.system.cli(&["uninstall", "ngircd", "--yes"]);
    scene.system.cli(&["enable", "ngircd"]);
    scene.system.wait_for_state("ngircd", "waiting-for-tor");
    for (output, unit) in watchers {
        scene.system.run(&["touch", "/tmp/the-end"]);
        wait_for(scene, &output, "the-end", || ());
        let seen = end(scene, &unit, &output);
        // Below these nobody but root comes.
        let is_private = |line: &str| line.starts_with("systemd-private-") || line.ends_with("-too");
        let strange: Vec<&str> =
            seen.lines().filter(|line| !is_private(line) && !matches!(*line, "ready" | "the-end")).collect();
        assert!(strange.is_empty() && seen.contains("systemd-private-"), "{strange:#?} in {seen}");
        scene.system.run(&["rm", "/tmp/the-end"]);
    }
    assert!(!scene.system.machine.attempt(&["test", "-e", "/home/amnesia/target"]).unwrap().status.success());
    scene.system.run(&["find", "/tmp", "/var/tmp", "/dev/shm", "-type", "l", "-delete"]);
}

pub(super) fn link(scene: &Scene<'_>, people: &[Who]) {
    let &[who] = people else { unreachable!("it is for one") };
    scene.system.run(&["systemctl", "stop", UNIT]);
    let script = "mv /run/tails-server/wishes/ngircd.json /run/tails-server/own.json || exit 1
        ln -s /etc/shadow /run/tails-server/wishes/ngircd.json || exit 1
        systemctl --no-ask-password start tails-server-apply@ngircd.service
        cat /run/tails-server-helper/ngircd/outcome.json
        mv /run/tails-server/own.json /run/tails-server/wishes/ngircd.json";
    let answer = scene.run_as(Some(who), script);
    assert!(answer.stdout.contains("a link leads to the file"), "{answer:?}");
    assert!(!answer.stdout.contains("root:"), "{answer:?}");
    scene.system.run(&["systemctl", "start", UNIT]);
    scene.system.wait_for_state("ngircd", "waiting-for-tor");
    scene.system.wait_until_applied("ngircd");
}

pub(super) fn crowd(scene: &Scene<'_>, people: &[Who]) {
    // What is too much is not answered at all.
    const CROWD: &str = "for once in $(seq 300); do
            busctl --timeout=2 call org.boum.tails.Server1 /org/boum/tails/Server1 org.freedesktop.DBus.Properties \
                GetAll s org.boum.tails.Server1.Manager &
        done; wait; echo all went; sleep infinity";
    let crowds: Vec<_> = people
        .iter()
        .map(|who| {
            let unit = format!("crowd-{}", who.user());
            let output = begin(scene, &unit, who.user(), CROWD);
            (*who, unit, output)
        })
        .collect();
    // People with rights are answered all the while: in the crowd's first moments, and until it went.
    for (_, _, output) in &crowds {
        wait_for(scene, output, "^all went", || {
            assert_eq!(scene.system.cli(&["--bus", "system", "status", "--json"]).matches("\"name\"").count(), 3);
        });
    }
    for (who, unit, output) in crowds {
        scene.holds_no_secret(who, &end(scene, &unit, &output));
    }
}

pub(super) fn before_it_starts(scene: &Scene<'_>, people: &[Who]) {
    scene.system.run(&["systemctl", "stop", UNIT]);
    for who in people {
        let answer = scene.run_as(Some(*who), REQUEST_NAME);
        assert!(!answer.status.success() && answer.stderr.contains("denied"), "{who:?}: {answer:?}");
    }
    scene.system.run(&["systemctl", "start", UNIT]);
    let owner = scene.system.run(&["busctl", "status", NAME]);
    assert!(owner.contains("Unit=tails-serverd.service"), "{owner}");
    scene.system.wait_for_tor();
}

/// Something that everybody hears.
fn mark(scene: &Scene<'_>, word: &str) {
    scene.system.run(&["busctl", "emit", "/mark", "org.example.Mark", word]);
}

pub(super) fn eavesdrop(scene: &Scene<'_>, people: &[Who]) {
    let ears: Vec<_> = people
        .iter()
        .map(|who| {
            let unit = format!("ear-{}", who.user());
            // It asks for all, and where that is refused for what others are sent.
            let output = begin(scene, &unit, who.user(), "exec dbus-monitor --system");
            wait_for(scene, &output, "member=Begin", || mark(scene, "Begin"));
            (*who, unit, output)
        })
        .collect();
    let system = scene.system;
    let on_bus = |words: &[&str]| system.cli(&[&["--bus", "system"], words].concat());
    on_bus(&["address", "kept"]);
    let password = on_bus(&["get-option", "ngircd", "password"]);
    let published: serde_json::Value =
        serde_json::from_str(&on_bus(&["--json", "publish", "90:8080", "--name", "another"])).unwrap();
    let address = published["address"].as_str().unwrap().trim_end_matches(".onion").to_owned();
    let set = r#"echo AnotherPassword9876x | tails-server --bus system set-option ngircd password -
        printf %s "$0" | tails-server --bus system set-option ngircd password -"#;
    system.run(&["sh", "-c", set, password.trim()]);
    on_bus(&["remove", "another", "--yes"]);
    system.wait_until_applied("ngircd");
    for (who, unit, output) in ears {
        wait_for(scene, &output, "member=End", || mark(scene, "End"));
        let heard = end(scene, &unit, &output);
        assert!(heard.contains("/org/boum/tails/Server1/services/another"), "it heard nothing: {heard}");
        scene.holds_no_secret(who, &heard);
        assert!(!heard.contains(&address) && !heard.contains("AnotherPassword"), "{heard}");
        assert!(!heard.contains("method call"), "it heard what others were asked: {heard}");
    }
}

pub(super) fn false_signals(scene: &Scene<'_>, people: &[Who]) {
    const LIES: &str = "for destination in '' --destination=$LISTENER; do
            busctl emit $destination /org/boum/tails/Server1/services/kept org.freedesktop.DBus.Properties PropertiesChanged \
                'sa{sv}as' org.boum.tails.Server1.Service 1 State s published 0 || exit 1
            busctl emit $destination /org/boum/tails/Server1 org.freedesktop.DBus.ObjectManager InterfacesRemoved \
                oas /org/boum/tails/Server1/services/amnesic 1 org.boum.tails.Server1.Service || exit 1
        done";
    let output = begin(scene, "watch", "root", "exec tails-server --bus system watch --json");
    wait_for(scene, &output, "amnesic", || ());
    let process = scene.process("watch.service");
    let clients = scene.system.run(&["busctl", "--no-pager", "--no-legend", "list"]);
    let of_watch = |line: &&str| line.split_whitespace().nth(1) == Some(process.as_str());
    let listener = clients.lines().find(of_watch).and_then(|line| line.split_whitespace().next()).unwrap().to_owned();
    for who in people {
        let answer = scene.run_as(Some(*who), &format!("LISTENER={listener}\n{LIES}"));
        assert!(answer.status.success(), "who may not send it proves nothing: {answer:?}");
    }
    scene.system.publish(&["91:8080", "--name", "truth"]);
    wait_for(scene, &output, "truth", || ());
    scene.system.cli(&["remove", "truth", "--yes"]);
    wait_for(scene, &output, "removed", || ());
    let seen = end(scene, "watch", &output);
    let is_believed =
        seen.contains(r#""state":"published""#) || seen.contains(r#""change":"removed","name":"amnesic""#);
    assert!(!is_believed && seen.contains(r#""change":"removed","name":"truth""#), "{seen}");
}

pub(super) fn connect_to_server(scene: &Scene<'_>, people: &[Who]) {
    const CONNECT: &str = "exec 3<>/dev/tcp/127.0.0.1/6667";
    let tor = ["setpriv", "--reuid=debian-tor", "--regid=debian-tor", "--clear-groups", "bash", "-c", CONNECT];
    scene.system.run(&tor);
    for who in people {
        let answer = scene.run_as(Some(*who), CONNECT);
        assert!(!answer.status.success() && answer.stderr.contains("refused"), "{who:?}: {answer:?}");
    }
}
