// SPDX-License-Identifier: GPL-3.0-or-later
//! One service from nothing to nothing: installed, applied, withdrawn.

use serde_json::json;
use tails_box::{NEIGHBOUR_ADDRESS, Options, Release, may_boot, wait_until};

use crate::host::{CONTROLLER, Host, PATIENCE, wishes};

const UNIT: &str = "mumble-server.service";
const HERE: &str = "127.0.0.1:64738";

#[test]
fn a_server_is_installed_configured_confined_and_withdrawn_and_nobody_else_ever_reaches_it() {
    if !may_boot("a_server_is_installed_configured_confined_and_withdrawn_and_nobody_else_ever_reaches_it") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new().with_lan()) else { continue };
        let watch = host.machine.watch_listeners().unwrap();
        assert!(host.refused("apply", "mumble").contains("refused"), "there are no wishes yet");
        host.wish("mumble", &wishes("mumble", json!({ "server-password": "s3cret" })));
        assert!(host.refused("apply", "mumble").contains("not installed"));

        let unit = "tails-server-install@mumble.service";
        assert!(host.ask(CONTROLLER, "StartUnit", &["ss", unit, "replace"]).status.success());
        let told = || host.machine.run_as(CONTROLLER, &["cat", "/run/tails-server-helper/mumble/progress.json"]).ok();
        let is_told = wait_until(PATIENCE, || told()?.contains("\"what\":\"mumble-server\"").then_some(()));
        assert!(is_told.is_some(), "{release}: nobody says how far it is");
        host.done("install", "mumble");
        assert!(host.listening().is_empty(), "{release}: {:?}", host.listening());
        // As an upgrade does it.
        let upgrade = ["apt-get", "-qq", "--yes", "--reinstall", "install", "mumble-server"];
        host.run(&upgrade);
        assert!(host.listening().is_empty(), "{release}: {:?}", host.listening());
        let packaged = host.etc();
        let outcome = host.done("apply", "mumble");
        assert_eq!(outcome["unit"], UNIT);
        host.wait_listening(HERE);
        assert_eq!(host.listening(), [HERE], "{release}");

        let options = json!({ "server-password": "s3cret", "welcome-message": "Hello \"you\"", "max-users": "7" });
        host.wish("mumble", &wishes("mumble", options));
        host.done("apply", "mumble");
        host.wait_listening(HERE);
        let path =
            host.run(&["sh", "-c", "ls /etc/mumble/mumble-server.ini /etc/mumble-server.ini 2>/dev/null || true"]);
        let seen = host.seen_by(UNIT, path.trim());
        assert!(seen.contains("welcometext=\"Hello \\\"you\\\"\"\nusers=7"), "{seen}");
        assert!(seen.contains("serverpassword=\"s3cret\""));
        let pid = host.main_pid(UNIT);
        host.done("apply", "mumble");
        assert_eq!(host.main_pid(UNIT), pid, "the same wishes again change nothing");

        // What the unit does not have anything to do with can be reached from this machine; but not from inside.
        let outside = host.machine.neighbour().unwrap().listen().unwrap();
        let port = outside.local_addr().unwrap().port();
        assert!(host.connects_from("dbus.service", NEIGHBOUR_ADDRESS, port), "{release}");
        assert!(!host.connects_from(UNIT, NEIGHBOUR_ADDRESS, port), "{release}: the server speaks past Tor");

        // The certificate that people see is the one that they are told about.
        let words = ["openssl", "s_client", "-connect", HERE, "-tls1_2"];
        let hello = host.machine.attempt(&words).unwrap();
        assert!(hello.stdout.contains("BEGIN CERTIFICATE"), "{release}: {} {}", hello.stdout, hello.stderr);
        host.machine.write("/tmp/seen.pem", &hello.stdout).unwrap();
        let seen = host.run(&["openssl", "x509", "-in", "/tmp/seen.pem", "-noout", "-fingerprint", "-sha256"]);
        let told = host.outcome("mumble")["probes"]["tls-fingerprint"].as_str().unwrap().to_owned();
        assert_eq!(seen.trim().split_once('=').unwrap().1, told);

        // Version is the first message of either side: type 0.
        let script = r#"exec 3< <(exec openssl s_client -connect "$1" -quiet 2>/dev/null)
            head -c 2 <&3 | od -An -tx1
            kill $!"#;
        assert_eq!(host.run(&["bash", "-c", script, "version", HERE]).trim(), "00 00", "{release}");

        host.run(&upgrade);
        host.wait_listening(HERE);
        assert_eq!(host.listening(), [HERE], "{release}");
        assert!(host.seen_by(UNIT, path.trim()).contains("host=127.0.0.1\n"));

        host.done("withdraw", "mumble");
        assert_eq!(host.listening(), [""; 0]);
        assert_eq!(host.etc(), packaged, "{release}: packaged files are as they were");
        assert_eq!(host.traces("mumble"), "outcome.json\n");

        // One that is enabled, and was removed but for its configuration: in Debian 12 the init script stays.
        let ours = ["/var/lib/tails-server-helper/mumble.json", "/etc/systemd/system/mumble-server.service.d"];
        host.run(&[&["rm", "-r"][..], &ours].concat());
        host.run(&["systemctl", "enable", UNIT]);
        host.run(&["apt-get", "-qq", "--yes", "remove", "mumble-server"]);
        host.done("install", "mumble");
        assert!(host.listening().is_empty(), "{release}: {:?}", host.listening());
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}
