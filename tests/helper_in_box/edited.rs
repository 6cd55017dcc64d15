// SPDX-License-Identifier: GPL-3.0-or-later
//! Descriptors that change while a server runs: nothing is applied that the controller has not read, and nothing of the
//! server before is left behind.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot, wait_until};
use tempfile::TempDir;

use crate::host::{CONTROLLER, Host, PATIENCE, digest, wishes};

const SERVICE: &str = "gobby";
const HERE: &str = "127.0.0.1:6523";
const OWN: &str = "/etc/tails-server/services/gobby";
/// A program that never ends.
const HOOK: &str = "#!/bin/sh\nexec sleep infinity\n";

/// The shipped descriptor with another unit, and with this at its end; what a controller that has read it wishes.
fn edit(host: &Host, unit: &str, more: &str) -> Value {
    let directory = TempDir::new().unwrap();
    let service = directory.path().join(SERVICE);
    fs::create_dir(&service).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services").join(SERVICE);
    for name in ["infinoted.conf", "service.toml", "tails-gobby.service"] {
        let text = fs::read_to_string(shipped.join(name)).unwrap();
        let text = text.replace("tails-gobby.service", unit);
        let text = if name == "service.toml" { text + more } else { text };
        fs::write(service.join(name.replace("tails-gobby.service", unit)), text).unwrap();
    }
    fs::write(service.join("hook"), HOOK).unwrap();
    host.run(&["rm", "-rf", OWN]);
    for file in fs::read_dir(&service).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let mode = if name == "hook" { "0755" } else { "0644" };
        fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        host.machine.copy(&file.path(), &format!("{OWN}/{name}"), mode).unwrap();
    }
    let mut wishes = wishes(SERVICE, json!({ "password": "abc" }));
    wishes["descriptor"] = digest(directory.path(), SERVICE).into();
    wishes
}

fn is_active(host: &Host, unit: &str) -> bool {
    host.machine.attempt(&["systemctl", "is-active", "--quiet", unit]).unwrap().status.success()
}

#[test]
fn a_changed_descriptor_is_applied_whole_and_only_for_a_controller_that_knows_it() {
    if !may_boot("a_changed_descriptor_is_applied_whole_and_only_for_a_controller_that_knows_it") {
        return;
    }
    let Some(host) = Host::boot(Release::Bookworm, Options::new()) else { return };
    host.done("install", SERVICE);
    let known = wishes(SERVICE, json!({ "password": "abc" }));
    host.wish(SERVICE, &known);
    let outcome = host.done("apply", SERVICE);
    assert_eq!(outcome["descriptor"], known["descriptor"]);
    host.wait_listening(HERE);

    let edited = edit(&host, "tails-other.service", "");
    let refused = host.refused("apply", SERVICE);
    assert!(refused.contains("have changed since the controller started"), "{refused}");
    assert!(host.outcome(SERVICE)["hint"].as_str().unwrap().contains("systemctl restart tails-serverd"));
    assert!(is_active(&host, "tails-gobby.service"), "refused before anything changes");

    host.wish(SERVICE, &edited);
    let outcome = host.done("apply", SERVICE);
    assert_eq!(
        (&outcome["unit"], &outcome["descriptor"]),
        (&"tails-other.service".into(), &edited["descriptor"]),
        "{outcome}"
    );
    host.wait_listening(HERE);
    assert!(is_active(&host, "tails-other.service") && !is_active(&host, "tails-gobby.service"));
    let left = host.run(&["find", "/run/systemd/system", "-name", "tails-gobby.service*"]);
    assert_eq!(left, "", "nothing of the unit before");

    // An act that never ends, and is killed: what the act before has told is not so any more.
    let hung = edit(&host, "tails-other.service", "\n[hook]\nprogram = \"hook\"\nmoments = [\"configured\"]\n");
    host.wish(SERVICE, &hung);
    let unit = format!("tails-server-apply@{SERVICE}.service");
    let answer = host.ask(CONTROLLER, "StartUnit", &["ss", &unit, "replace"]);
    assert!(answer.status.success(), "{}", answer.stderr);
    let has_begun = || (host.outcome(SERVICE)["result"] == "begun").then_some(());
    assert!(wait_until(PATIENCE, has_begun).is_some(), "{}", host.outcome(SERVICE));
    host.run(&["systemctl", "kill", "--signal=KILL", &unit]);
    let _ = host.machine.attempt(&["systemctl", "stop", &unit]).unwrap();
    let outcome = host.outcome(SERVICE);
    assert_eq!((&outcome["act"], &outcome["result"]), (&"apply".into(), &"begun".into()), "{outcome}");

    // Without a descriptor at all.
    host.run(&["rm", "-rf", OWN, "/usr/share/tails-server/services/gobby"]);
    host.done("withdraw", SERVICE);
    assert!(host.listening().is_empty(), "{:?}", host.listening());
    assert_eq!(host.traces(SERVICE), "outcome.json\n");
}
