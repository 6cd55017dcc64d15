// SPDX-License-Identifier: GPL-3.0-or-later
//! Who may have what done, and what is not believed.

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot, wait_until};

use crate::host::{ADDRESS, CONTROLLER, Host, PATIENCE, wishes};

#[test]
fn the_controller_may_have_these_acts_done_and_nothing_else_and_others_nothing() {
    if !may_boot("the_controller_may_have_these_acts_done_and_nothing_else_and_others_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        let allowed = |user: &str, method: &str, arguments: &[&str]| {
            let answer = host.ask(user, method, arguments);
            let refused = answer.stderr.contains("authentication required") || answer.stderr.contains("ccess denied");
            assert!(answer.status.success() || refused, "{method} {arguments:?}: {}", answer.stderr);
            !refused
        };
        // So that there is something to kill: acts wait for it.
        host.done("withdraw", "ngircd");
        // Whatever they can open, others can lock; and still nothing waits for them.
        let script = r#"for place in $(find /run/tails-server-helper 2>/dev/null); do
            flock -x "$place" sleep infinity & done; wait"#;
        host.run(&["systemd-run", "--quiet", "--unit=others", "--uid=nobody", "sh", "-c", script]);
        let is_held = || {
            let count = r#"pgrep --uid nobody --exact sleep | wc -l"#;
            (host.run(&["sh", "-c", count]).trim().parse::<u32>().unwrap() >= 2).then_some(())
        };
        assert!(wait_until(PATIENCE, is_held).is_some(), "{release}: what everybody may read is locked");
        host.done("withdraw", "ngircd");
        host.run(&["systemctl", "stop", "others.service"]);
        host.run(&["systemd-run", "flock", "/run/tails-server-helper/.locks/ngircd", "sleep", "infinity"]);
        let start = |user: &str, unit: &str| allowed(user, "StartUnit", &["ss", unit, "replace"]);
        for act in ["install", "apply", "withdraw", "uninstall"] {
            let unit = format!("tails-server-{act}@ngircd.service");
            assert!(start(CONTROLLER, &unit), "{release}: {unit}");
            assert!(!start("nobody", &unit), "{release}: others than the controller");
            for method in ["RestartUnit", "ReloadUnit"] {
                assert!(!allowed(CONTROLLER, method, &["ss", &unit, "replace"]), "{release}: {method}");
            }
            assert!(!allowed(CONTROLLER, "KillUnit", &["ssi", &unit, "all", "9"]));
            assert!(!allowed(CONTROLLER, "SetUnitProperties", &["sba(sv)", &unit, "true", "0"]));
            assert!(allowed(CONTROLLER, "StopUnit", &["ss", &unit, "replace"]));
        }
        for unit in ["tor.service", "reboot.target", "tails-server-apply@a_b.service", "tails-server-apply@.service"] {
            // The last is no unit that could be started at all.
            assert!(!host.ask(CONTROLLER, "StartUnit", &["ss", unit, "replace"]).status.success(), "{unit}");
        }
        assert!(!allowed(CONTROLLER, "Reload", &[]));
        assert!(!allowed(CONTROLLER, "MaskUnitFiles", &["asbb", "1", "dbus.service", "true", "true"]));
        let transient = ["ssa(sv)a(sa(sv))", "x.service", "replace", "1", "Description", "s", "x", "0"];
        assert!(!allowed(CONTROLLER, "StartTransientUnit", &transient));
    }
}

#[test]
fn what_is_not_as_agreed_is_refused_by_its_name_and_nothing_changes() {
    if !may_boot("what_is_not_as_agreed_is_refused_by_its_name_and_nothing_changes") {
        return;
    }
    let Some(host) = Host::boot(Release::Bookworm, Options::new()) else { return };
    hostile_names(&host);
    host.done("install", "ngircd");
    hostile_values(&host);
    hostile_files(&host);
    hostile_places(&host);
    hostile_descriptors(&host);
    assert!(host.listening().is_empty(), "{:?}", host.listening());
    let good = wishes("ngircd", json!({ "password": "abc" }));
    host.wish("ngircd", &good);
    host.done("apply", "ngircd");
}

fn hostile_names(host: &Host) {
    for name in ["../mumble", "a/b", "a.b", "a\nb", "", "A", "-x", "--help=x"] {
        let answer = host.machine.attempt(&["/usr/lib/tails-server/tails-server-helper", "apply", name]).unwrap();
        assert_eq!(answer.status.code(), Some(2), "{name:?}: {}{}", answer.stdout, answer.stderr);
    }
    let traces = || host.run(&["find", "/run/tails-server-helper", "/var/lib/tails-server-helper"]);
    let before = traces();
    for act in ["install", "apply", "withdraw", "uninstall"] {
        let words = ["/usr/lib/tails-server/tails-server-helper", act, "nothing"];
        let answer = host.machine.attempt(&words).unwrap();
        // What nobody knows is withdrawn and uninstalled already.
        let is_so = matches!(act, "withdraw" | "uninstall");
        assert_eq!(answer.status.success(), is_so, "{act}: {}", answer.stderr);
        assert_eq!(answer.stderr.contains("here is no service \"nothing\""), !is_so, "{act}: {}", answer.stderr);
        assert_eq!(traces(), before, "{act}");
    }
    // What has no descriptor any more can be withdrawn all the same.
    host.run(&["mkdir", "/run/tails-server-helper/gone"]);
    host.done("withdraw", "gone");
}

/// Wishes for ngircd with one thing in them that is wrong, and what is said of it.
fn hostile_values(host: &Host) {
    let with = |pointer: &str, value: Value| {
        let mut wishes = wishes("ngircd", json!({ "password": "abc" }));
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        wishes.pointer_mut(parent).unwrap()[key] = value;
        wishes
    };
    for (wishes, said) in [
        (with("/options/max-users", json!("0")), "\"max-users\" does not fit"),
        (with("/options/password", json!("a\nListen = 0.0.0.0")), "\"password\" does not fit"),
        (with("/options/channel", json!("x\n[Operator]")), "\"channel\" does not fit"),
        (with("/options/motd", json!("a\u{0}b")), "\"motd\" does not fit"),
        (with("/options/no-such", json!("1")), "no option \"no-such\""),
        (with("/options/max-users", json!(7)), "does not follow the contract"),
        (with("/options", json!({})), "the secret \"password\" is missing"),
        (with("/virtual-ports/other", json!(80)), "no port \"other\""),
        (with("/virtual-ports/irc", json!(0)), "does not follow the contract"),
        (with("/address", json!("example.com")), "the address"),
        (with("/address", json!(ADDRESS.replace('p', "q"))), "the address"),
        (with("/service", json!("mumble")), "they are for \"mumble\""),
        (with("/format", json!(2)), "of format 2"),
        (with("/hook", json!("/bin/sh")), "does not follow the contract"),
        (with("/allow-lan", json!("yes")), "does not follow the contract"),
    ] {
        host.wish("ngircd", &wishes);
        let refused = host.refused("apply", "ngircd");
        assert!(refused.contains(said), "{refused:?} does not say {said:?}");
        assert!(!refused.contains("0.0.0.0"), "a value is told: {refused}");
    }
}

/// Something else in the place of the file.
fn hostile_files(host: &Host) {
    const FILE: &str = "/run/tails-server/wishes/ngircd.json";
    let good = wishes("ngircd", json!({ "password": "abc" })).to_string();
    host.machine.write("/root/good.json", &good).unwrap();
    for (script, said) in [
        ("true", "there is no file"),
        ("echo nonsense > $1; chown tails-server $1", "does not follow the contract"),
        ("cp /root/good.json $1; chown nobody $1; chmod 644 $1", "belongs to user 65534"),
        ("cp /root/good.json $1; chown tails-server $1; chmod 666 $1", "written by others"),
        ("ln -s /root/good.json $1", "a link leads"),
        ("mkfifo $1; chown tails-server $1", "no regular file"),
        ("mkdir $1", "no regular file"),
        ("head -c 10485760 /dev/zero > $1; chown tails-server $1", "larger than 262144"),
    ] {
        host.run(&["sh", "-c", &format!("rm -rf $1; {script}"), "hostile", FILE]);
        let refused = host.refused("apply", "ngircd");
        assert!(refused.contains(said), "{script}: {refused:?} does not say {said:?}");
    }
    host.run(&["rm", "-rf", FILE]);
    // The directory itself.
    host.run(&["sh", "-c", "mkdir /tmp/x && cp /root/good.json /tmp/x/ngircd.json && chown -R tails-server /tmp/x"]);
    host.run(&["sh", "-c", "mv /run/tails-server/wishes /run/w && ln -s /tmp/x /run/tails-server/wishes"]);
    assert!(host.refused("apply", "ngircd").contains("a link leads"));
    host.run(&["sh", "-c", "rm /run/tails-server/wishes && mv /run/w /run/tails-server/wishes"]);
}

/// Something else in the place of the helper's own directories.
fn hostile_places(host: &Host) {
    host.wish("ngircd", &wishes("ngircd", json!({ "password": "abc" })));
    for place in ["/run/tails-server-helper/ngircd/files", "/var/lib/tails-server-helper"] {
        for script in [
            "mkdir -p /tmp/elsewhere && mv $1 /tmp/kept && ln -s /tmp/elsewhere $1",
            "mv $1 /tmp/kept && mkdir $1 && chown nobody $1",
            "mv $1 /tmp/kept && mkdir $1 && chmod 777 $1",
            "mv $1 /tmp/kept && echo > $1",
        ] {
            host.run(&["mkdir", "-p", place]);
            host.run(&["sh", "-c", script, "hostile", place]);
            let refused = host.refused("apply", "ngircd");
            assert!(refused.contains(" is refused: "), "{place}, {script}: {refused}");
            host.run(&["sh", "-c", "rm -rf $1 && mv /tmp/kept $1", "hostile", place]);
        }
    }
    assert_eq!(host.run(&["find", "/tmp/elsewhere", "-mindepth", "1"]), "");
}

/// Descriptors that others could have written.
fn hostile_descriptors(host: &Host) {
    let own = "/etc/tails-server/services/ngircd";
    host.run(&["mkdir", "-p", "/etc/tails-server/services"]);
    for script in [
        "cp -r /usr/share/tails-server/services/ngircd $1 && chmod 666 $1/service.toml",
        "cp -r /usr/share/tails-server/services/ngircd $1 && chown nobody $1/ngircd.conf",
        "cp -r /usr/share/tails-server/services/ngircd $1 && chmod 777 $1",
        "ln -s /usr/share/tails-server/services/ngircd $1",
    ] {
        host.run(&["sh", "-c", script, "hostile", own]);
        for act in ["install", "apply"] {
            let refused = host.refused(act, "ngircd");
            assert!(refused.starts_with("the descriptor of \"ngircd\" can not be used"), "{script}: {refused}");
        }
        host.run(&["rm", "-rf", own]);
    }
}
