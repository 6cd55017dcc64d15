// SPDX-License-Identifier: GPL-3.0-or-later
//! `key export`, `import` and `renew`: an address that moves.

use std::fs;

use crate::clients::simulated;
use crate::given::{assert_refused, controller, publish};

#[test]
fn an_exported_key_can_be_imported_with_its_address_and_its_clients() {
    let controller = simulated();
    let address = controller.publish("web", &["80:1"], &["--private", "--client", "alice"]);
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("web");
    let path = directory.to_str().unwrap();
    let exported = controller.cli(["key", "export", "web", "--output", path]).succeeded();
    assert!(exported.stdout.is_empty() && exported.stderr.contains("is the service"), "{exported:#?}");
    assert_eq!(fs::read_to_string(directory.join("hostname")).unwrap().trim(), address);
    assert!(directory.join("authorized_clients/alice.auth").is_file());

    let taken = controller.publish("other", &["80:1"], &[]);
    let import = ["key", "import", "other", path, "--yes"];
    assert_refused(controller.cli(import), 1, &["one client", "open to everybody", "client-authorization on"]);
    controller.cli(["set-option", "other", "client-authorization", "on"]).succeeded();
    assert_refused(controller.cli(import), 2, &["\"web\" has this address already"]);
    assert_eq!(controller.address("other"), taken);
    controller.cli(["remove", "web", "--yes"]).succeeded();
    assert_refused(controller.cli(&import[..4]), 6, &["Old address", &taken, &address, "Nothing was changed"]);
    let imported = controller.cli(import).succeeded();
    assert!(imported.stdout.contains(&address), "{imported:#?}");
    assert_eq!(controller.address("other"), address);
    assert!(controller.cli(["client", "list", "other"]).succeeded().stdout.contains("alice"));
    controller.cli(import).succeeded();
    controller.wait_for_state("other", "published");
    let log = controller.log();
    assert!(!log.contains(&address[..20]) && !log.contains(&taken[..20]), "{log}");
}

#[test]
fn a_new_key_is_asked_about_and_a_bad_file_changes_nothing() {
    let controller = controller();
    let address = publish(&controller, "web", &["--persistent"]);
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = place.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let short = file("short", b"== ed25519v1-secret: type0 ==\0\0\0abc");
    let old = file("private_key", b"-----BEGIN RSA PRIVATE KEY-----\nMIICXQ");
    let other = file("other", b"not a key at all");
    let empty = place.path().to_str().unwrap();
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["key", "import", "web", &short, "--yes"], 1, &["cut off"]),
        (&["key", "import", "web", &old, "--yes"], 1, &["version 2"]),
        (&["key", "import", "web", empty, "--yes"], 1, &["version 2"]),
        (&["key", "import", "web", &other, "--yes"], 1, &["not a key file", "HiddenServiceDir"]),
        (&["key", "import", "web", "/nonexistent/key", "--yes"], 1, &["No such file"]),
        (&["key", "export", "web", "--output", "/nonexistent/x"], 1, &["No such file"]),
        (&["key", "renew", "web"], 6, &["Old address", &address, "Nothing was changed", "--yes"]),
        (&["key", "renew", "wbe", "--yes"], 3, &["Did you mean \"web\"?"]),
        (&["key", "export", "web", "--output", empty], 1, &["not empty"]),
        (&["key", "export", "wbe", "--output", "/nonexistent/x"], 3, &["Did you mean \"web\"?"]),
    ];
    for (arguments, code, words) in table {
        assert_refused(controller.cli(*arguments), *code, words);
    }
    assert_eq!(controller.address("web"), address);
    let renewed = controller.cli(["key", "renew", "web", "--yes"]).succeeded();
    assert!(renewed.stdout.contains(&controller.address("web")) && renewed.stderr.contains(&address), "{renewed:#?}");
    assert_ne!(controller.address("web"), address);
}
