// SPDX-License-Identifier: GPL-3.0-or-later
//! What is in contrib/dbus/ is what the controller says of itself.

use std::fs;
use std::path::Path;

use tails_server::bus::api::{MANAGER_PATH, SERVICES_PATH};

use crate::house::House;

/// Ours, each in a file of its own.
const INTERFACES: &[(&str, &str)] = &[
    ("org.boum.tails.Server1.Archive", MANAGER_PATH),
    ("org.boum.tails.Server1.Diagnosis", MANAGER_PATH),
    ("org.boum.tails.Server1.Hooks", MANAGER_PATH),
    ("org.boum.tails.Server1.Manager", MANAGER_PATH),
    ("org.boum.tails.Server1.Service", "/org/boum/tails/Server1/services/web"),
];

fn introspect(house: &House, path: &str) -> String {
    let words = ["busctl", "--xml-interface", "introspect", "org.boum.tails.Server1", path];
    house.run(&words).succeeded().stdout
}

/// One interface of what an object says of itself, as a document.
fn interface(said: &str, name: &str) -> String {
    let begin = said.find(&format!("<interface name=\"{name}\"")).unwrap_or_else(|| panic!("no {name} in {said}"));
    let begin = said[..begin].rfind('\n').map_or(0, |line| line + 1);
    let end = said[begin..].find("</interface>").unwrap() + begin + "</interface>".len();
    // What is said of the whole stands before it.
    let comment = said[..begin].rfind("<!--").filter(|at| !said[*at..begin].contains("</"));
    let begin = comment.map_or(begin, |at| said[..at].rfind('\n').map_or(0, |line| line + 1));
    format!(
        "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object \
         Introspection 1.0//EN\"\n \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n{}\n</node>\n",
        &said[begin..end]
    )
}

/// Renew the files with TAILS_SERVER_BLESS=1. Once released, they are added to, and nothing else.
#[test]
fn the_files_say_what_the_controller_says() {
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web"]).succeeded();
    for (name, path) in INTERFACES {
        let said = interface(&introspect(&house, path), name);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contrib/dbus/{name}.xml"));
        if std::env::var_os("TAILS_SERVER_BLESS").is_some() {
            fs::write(&file, &said).unwrap();
        }
        assert!(
            fs::read_to_string(&file).unwrap() == said,
            "{name} says something else: TAILS_SERVER_BLESS=1 renews it"
        );
    }
}

#[test]
fn every_method_property_and_signal_is_documented() {
    for (name, _) in INTERFACES {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contrib/dbus/{name}.xml"));
        let text = fs::read_to_string(file).unwrap();
        let mut before = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let begins = ["<method ", "<property ", "<signal "].iter().any(|word| line.starts_with(word));
            assert!(!begins || before.ends_with("-->"), "{name}: nothing is said of {line}");
            before = line;
        }
    }
}

#[test]
fn the_policy_of_the_bus_lets_through_what_there_is_and_no_more() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = fs::read_to_string(root.join("contrib/dbus/org.boum.tails.Server1.conf")).unwrap();
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web"]).succeeded();
    let said = introspect(&house, MANAGER_PATH) + &introspect(&house, &format!("{SERVICES_PATH}/web"));
    let names = |text: &str, before: &str| -> std::collections::BTreeSet<String> {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&policy, "send_interface=\""), names(&said, "<interface name=\""));
}
