// SPDX-License-Identifier: GPL-3.0-or-later
//! Clients of private services, options and checks on the command line, with a simulated machine.

use std::process::Command;

use serde_json::Value;

use crate::given::{CLI, NO_TOR, assert_refused, controller, publish, run};
use crate::harness::{Answer, Controller};

/// A public key whose secret key is not here: RFC 7748, 6.1, Alice's.
const PUBLIC_KEY: &str = "QUQPACJQWRJ2OVDLP5OHDIXAGMG6DPCATWVZVNFPYO5PKJKPJJVA";

/// A controller in a simulated machine, where everything is published within seconds.
pub(crate) fn simulated() -> Controller {
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim"]);
    controller.start();
    controller
}

pub(crate) fn json(controller: &Controller, arguments: &[&str]) -> Value {
    let answer = controller.cli([arguments, &["--json"]].concat()).succeeded();
    serde_json::from_str(&answer.stdout).unwrap_or_else(|cause| panic!("{cause}: {answer:#?}"))
}

fn option(controller: &Controller, name: &str, option: &str) -> String {
    controller.cli(["get-option", name, option]).succeeded().stdout.trim_end().to_owned()
}

fn assert_says(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?} in {answer:#?}");
    }
}

#[test]
fn an_access_begins_with_add_and_ends_with_remove() {
    let controller = simulated();
    controller.publish("web", &["80:1"], &["--private", "--client", "alice", "--client", "bob"]);
    assert_eq!(controller.status("web")["clients"], 2);
    let added = controller.cli(["client", "add", "web", "carol", "--public-key", PUBLIC_KEY]).succeeded();
    assert!(added.stdout.contains(PUBLIC_KEY) && !added.stderr.contains("client show"), "{added:#?}");
    let list = json(&controller, &["client", "list", "web"]);
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    assert_eq!((&list[0]["secret-here"], &list[2]["secret-here"]), (&true.into(), &false.into()));

    let shown = json(&controller, &["client", "show", "web", "alice"]);
    let line = shown["auth-private"].as_str().unwrap();
    let credential = tails_server_state::ClientCredential::parse(line).unwrap();
    assert_eq!(credential.address.display_unredacted(), controller.address("web"));
    assert_eq!(credential.key.public_key().base32(), list[0]["public-key"].as_str().unwrap());
    assert_eq!(shown["tor-browser-key"], credential.key.expose_base32().as_str());
    let code = controller.cli(["client", "show", "web", "alice", "--qr"]).succeeded();
    assert!(code.stderr.contains('█') && !code.stderr.contains('\x1b') && !code.stdout.contains('█'), "{code:#?}");

    controller.cli(["client", "rename", "web", "alice", "dora"]).succeeded();
    let removed = controller.cli(["client", "remove", "web", "dora", "--yes"]).succeeded();
    assert_says(
        &removed,
        &["access of \"dora\" to \"web\" ended at 20", "Z.", "can connect again once it is published"],
    );
    assert_eq!(controller.status("web")["access-settled"], true);
    controller.cli(["disable", "web"]).succeeded();
    let removed = controller.cli(["client", "remove", "web", "bob", "--yes"]).succeeded();
    assert_says(&removed, &["access of \"bob\" to \"web\" ended at 20", "is disabled", "tails-server enable web"]);
    assert!(!removed.stderr.contains("can connect again"), "{removed:#?}");
    controller.cli(["enable", "web"]).succeeded();
    controller.cli(["client", "remove", "web", "carol", "--yes"]).succeeded();
    let status = controller.status("web");
    assert_eq!((&status["state"], &status["clients"]), (&"failed".into(), &0.into()));
    assert!(status["hint"].as_str().unwrap().contains("client add"), "{status}");
    // None of the names is in what everybody who asks for the state is told.
    for asked in [&["status"] as &[&str], &["info", "web", "--details"], &["list"]] {
        assert!(!controller.cli(asked).succeeded().stdout.contains("carol"));
    }
    for secret in [line, credential.key.expose_base32().as_str()] {
        assert!(!controller.log().contains(secret));
    }
}

#[test]
fn what_opens_a_service_asks_and_what_closes_it_waits() {
    let controller = simulated();
    controller.publish("web", &["80:1"], &[]);
    let added = controller.cli(["client", "add", "web", "alice"]).succeeded();
    assert_says(&added, &["is off", "set-option web client-authorization on", "client show web alice"]);
    let removed = controller.cli(["client", "remove", "web", "alice", "--yes"]).succeeded();
    assert_says(&removed, &["is off", "\"alice\" too"]);

    let closed = controller.cli(["set-option", "web", "client-authorization", "on"]).succeeded();
    assert_says(
        &closed,
        &["has no clients", "invite web --for CLIENT", "nobody is connected who is not one of its clients"],
    );
    assert_eq!(controller.service_state("web"), "failed");
    let asked = controller.cli(["set-option", "web", "client-authorization", "off"]).failed(6);
    assert_says(&asked, &["WARNING", "all former clients", "entry guard", "Nothing was changed", "--yes"]);
    assert_eq!(option(&controller, "web", "client-authorization"), "on");
    let opened = controller.cli(["set-option", "web", "client-authorization", "off", "--yes"]).succeeded();
    assert_says(&opened, &["WARNING", "is off."]);
    controller.wait_for_state("web", "published");
    // Nothing to warn of where nothing is opened.
    let again = controller.cli(["set-option", "web", "client-authorization", "off"]).succeeded();
    assert!(!again.stderr.contains("WARNING") && again.stderr.contains("already"), "{again:#?}");
}

#[test]
fn options_keep_the_value_that_they_are_given() {
    let controller = controller();
    publish(&controller, "web", &["--persistent"]);
    for (name, value, shown) in [
        ("autostart", "on", "on"),
        ("autostart", "off", "off"),
        ("max-streams", "100", "100"),
        ("max-streams", "off", "off"),
        ("pow", "on", "250:2500"),
        ("pow", "5:50", "5:50"),
        ("pow", "off", "off"),
    ] {
        controller.cli(["set-option", "web", name, value]).succeeded();
        assert_eq!(option(&controller, "web", name), shown, "{name} {value}");
    }
    controller.cli(["set-option", "web", "pow", "5:50"]).succeeded();
    assert_eq!(json(&controller, &["get-option", "web", "pow"])["value"], "5:50");
    let options = &json(&controller, &["info", "web"])["options"];
    assert_eq!((&options["pow"], &options["max-streams"]), (&"5:50".into(), &Value::Null));
}

#[test]
fn what_makes_no_sense_for_clients_is_refused_and_changes_nothing() {
    let controller = controller();
    publish(&controller, "web", &["--private", "--client", "alice", "--client", "carol"]);
    let weak = "A".repeat(52);
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["client", "add", "wbe", "bob"], 3, &["Did you mean \"web\"?"]),
        (&["client", "add", "web", "alice"], 2, &["has a client named \"alice\" already"]),
        (&["client", "add", "web", "Alice"], 2, &["small letter", "such as alice"]),
        (&["client", "add", "web", "bob", "--public-key", "abc"], 2, &["52 characters"]),
        (&["client", "add", "web", "bob", "--public-key", &weak], 2, &["weak"]),
        (&["client", "list", "wbe"], 3, &["Did you mean \"web\"?"]),
        (&["client", "show", "web", "alic"], 3, &["no client \"alic\"", "Did you mean \"alice\"?"]),
        (&["client", "rename", "web", "alicia", "bob"], 3, &["no client \"alicia\"", "client list web"]),
        (&["client", "rename", "web", "alice", "carol"], 2, &["a client named \"carol\" already"]),
        (&["client", "remove", "web", "carl", "--yes"], 3, &["Did you mean \"carol\"?"]),
        (&["client", "remove", "web", "carol"], 6, &["Nothing was removed", "--yes"]),
        (&["client", "remove", "mumble", "carol", "--yes"], 3, &["\"mumble\" does not exist"]),
        (&["client"], 2, &[]),
        (&["set-option", "web", "colour", "red"], 2, &["has no option \"colour\""]),
        (&["set-option", "web", "pow", "2:1"], 2, &["burst", "RATE:BURST"]),
        (&["set-option", "web", "max-streams", "0"], 2, &["1 to 65535"]),
        (&["set-option", "web", "autostart", "on"], 2, &["persistence"]),
        (&["set-option", "wbe", "pow", "on"], 3, &["Did you mean \"web\"?"]),
        (&["get-option", "wbe", "pow"], 3, &["Did you mean \"web\"?"]),
        (&["check", "wbe"], 3, &["Did you mean \"web\"?"]),
        (&["check", "web"], 1, &["no control connection", "tails-server status"]),
        (&["publish", "80:1", "--client", "alice"], 2, &["--private"]),
    ];
    for (arguments, code, words) in table {
        if arguments.len() > 1 {
            assert_refused(controller.cli(*arguments), *code, words);
        } else {
            assert_eq!(controller.cli(*arguments).code, Some(*code));
        }
    }
    let brought = ["client", "add", "web", "bob", "--public-key", PUBLIC_KEY];
    controller.cli(brought).succeeded();
    assert_refused(controller.cli(["client", "show", "web", "bob"]), 1, &["made by the client"]);
    let same = ["client", "add", "web", "eve", "--public-key", PUBLIC_KEY];
    assert_refused(controller.cli(same), 2, &["\"bob\"", "has this key already"]);
    let list = json(&controller, &["client", "list", "web"]);
    assert_eq!(list.as_array().unwrap().len(), 3, "{list}");
}

#[test]
fn an_access_that_may_go_on_is_no_success() {
    // Without a Tor nobody can say who is connected.
    let controller = controller();
    publish(&controller, "web", &["--private", "--client", "alice", "--client", "bob"]);
    let removed = controller.cli(["client", "remove", "web", "alice", "--yes"]);
    assert!(!removed.stderr.contains("can not connect"), "nobody knows: {removed:#?}");
    assert_refused(removed, 5, &["\"alice\" is removed", "not certain", "tails-server disable web", "access-settled"]);
    let list = json(&controller, &["client", "list", "web"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "removed all the same: {list}");
    let disabled = controller.cli(["disable", "web"]).succeeded();
    assert_says(&disabled, &["as soon as Tor answers"]);
}

#[test]
fn a_check_waits_and_says_which_relay_has_the_descriptor() {
    let controller = simulated();
    controller.cli(["publish", "80:1", "--name", "web"]).succeeded();
    let checked = json(&controller, &["check", "web", "--wait", "--timeout", "60"]);
    assert_eq!((&checked["found"], checked["hsdir"].as_str().unwrap().len()), (&true.into(), 40));
    let details = json(&controller, &["info", "web", "--details"]);
    let details = &details["details"];
    assert_eq!((&details["evidence"], &details["healed"]), (&"proven".into(), &0.into()), "{details}");
    assert!(details["since"].as_str().unwrap().starts_with("20"), "{details}");
    for key in ["uploads-confirmed", "next-uploads-confirmed", "next-uploads-attempted"] {
        assert!(details[key].is_u64(), "{key}: {details}");
    }
    let since = |controller: &Controller| controller.status("web")["since"].clone();
    let before = since(&controller);
    controller.cli(["set-option", "web", "autostart", "off"]).succeeded();
    assert_eq!(since(&controller), before, "the same state, since the same second");
    controller.cli(["disable", "web"]).succeeded();
    for check in [&["check", "web", "--wait"] as &[&str], &["check", "web"], &["check", "web", "--no-visit"]] {
        assert_refused(controller.cli(check), 1, &["\"web\" is disabled", "tails-server enable web"]);
    }
}

#[test]
fn help_has_words_and_examples_for_every_verb_below_a_verb() {
    let help = |arguments: &[&str]| run(Command::new(CLI).env_clear().args(arguments)).succeeded().stdout;
    for (above, number) in [("client", 5), ("key", 3)] {
        let overview = help(&[above, "--help"]);
        let listed =
            overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let verbs: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(verbs.len(), number, "{overview}");
        for verb in verbs {
            let text = help(&[above, verb, "--help"]);
            assert!(!text.lines().next().unwrap().ends_with('.'), "{text}");
            let mut examples = text.lines().skip_while(|line| *line != "Examples:").skip(1);
            // What an example begins with may be another verb.
            let example = format!("  tails-server {above} {verb} ");
            assert!(examples.any(|line| line.starts_with(&example)), "{text}");
        }
    }
}
