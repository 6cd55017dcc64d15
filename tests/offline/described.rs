// SPDX-License-Identifier: GPL-3.0-or-later
//! Services of the catalogue on the command line, on a simulated machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tornet::wait_until;

use crate::given::NO_TOR;
use crate::harness::{Answer, Controller, PATIENCE};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services")
}

fn simulated(services: &Path) -> Controller {
    let services = services.to_str().unwrap();
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", services]);
    controller.start();
    controller
}

fn json(controller: &Controller, arguments: &[&str]) -> Value {
    let answer = controller.cli([arguments, &["--json"]].concat()).succeeded();
    serde_json::from_str(&answer.stdout).unwrap_or_else(|cause| panic!("{cause}: {answer:#?}"))
}

fn row<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

fn assert_refused(answer: Answer, code: i32, words: &[&str]) {
    let answer = answer.failed(code);
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?} in {answer:#?}");
    }
}

#[test]
fn a_service_that_begins_closed_is_opened_by_nobody_who_was_not_warned_also_before_it_is_remembered() {
    let controller = simulated(&shipped());
    let open = ["set-option", "ssh", "client-authorization", "off"];
    assert_refused(controller.cli(open), 6, &["WARNING", "knowing the address is enough"]);
    assert_eq!(controller.cli(["get-option", "ssh", "client-authorization"]).succeeded().stdout, "on\n");
    controller.cli([&open[..], &["--yes"]].concat()).succeeded();
    assert_eq!(controller.cli(["get-option", "ssh", "client-authorization"]).succeeded().stdout, "off\n");
    // What is open already needs no warning.
    let again = controller.cli(open).succeeded();
    assert!(!again.stderr.contains("WARNING"), "{again:#?}");
}

#[test]
fn mumble_is_enabled_from_the_catalogue_and_known_by_its_options() {
    let mut controller = simulated(&shipped());
    let list = json(&controller, &["list"]);
    let (mumble, names) = (row(&list, "mumble"), list.as_array().unwrap().len());
    assert!(names >= 7 && mumble["state"] == "available" && mumble["installed"] == false, "{mumble}");
    let before = json(&controller, &["info", "mumble"]);
    assert_eq!((&before["address"], &before["remote-port"]), (&Value::Null, &64738.into()));
    assert_eq!(before["options"]["server-password"], "(hidden: see --show-secrets)");

    let waited = controller.cli(["enable", "mumble", "--wait", "--timeout", "60"]).succeeded();
    for shown in ["mumble: installing, 43 % (mumble)", "mumble: starting", "mumble: publishing"] {
        assert!(waited.stderr.contains(shown), "{shown}: {waited:#?}");
    }
    let info = waited.stdout;
    for line in [
        "description: A voice chat server with high quality and low latency",
        "installed: true",
        "running: true",
        "published: true",
        "local-port: 64738",
        "remote-port: 64738",
        "persistent-paths:",
        "options:",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
    let list = json(&controller, &["list"]);
    assert_eq!((&row(&list, "mumble")["state"], &row(&list, "mumble")["enabled"]), (&"published".into(), &true.into()));
    assert_eq!(controller.status("mumble")["installed"], true);

    // A secret is told to whoever asks for it, and to nobody else.
    let password = controller.cli(["get-option", "mumble", "server-password"]).succeeded().stdout;
    let password = password.trim_end();
    assert_eq!(password.len(), 20);
    let hidden = ["info mumble", "info mumble --details", "info mumble --json", "list", "status", "status mumble"];
    for asked in hidden {
        let told = controller.cli(asked.split(' ')).succeeded();
        assert!(!format!("{told:?}").contains(password), "{asked}");
    }
    let shown = json(&controller, &["info", "mumble", "--show-secrets"]);
    assert_eq!(
        (&shown["options"]["server-password"], &shown["connection"]["Password"]),
        (&password.into(), &password.into())
    );
    assert!(shown["connection"]["Link"].as_str().unwrap().starts_with("mumble://"), "{shown}");
    assert!(!controller.log().contains(password));

    // It goes into invitations.
    let invitation = controller.cli(["invite", "mumble", "--for", "alice"]).succeeded();
    let invitation = tails_server::invitation::Invitation::parse(&invitation.stdout).unwrap();
    let details: Vec<_> = invitation.details().iter().map(|detail| (detail.label(), detail.expose_value())).collect();
    assert_eq!(details, [("Password", password)]);

    let address = controller.address("mumble");
    controller.kill();
    controller.start();
    controller.wait_for_state("mumble", "published");
    assert_eq!(controller.address("mumble"), address);
    let disabled = controller.cli(["disable", "mumble"]).succeeded();
    assert!(disabled.stderr.contains("is withdrawn"), "{disabled:#?}");
    assert_eq!(controller.service_state("mumble"), "disabled");
}

#[test]
fn options_of_a_service_are_set_reset_and_judged() {
    let controller = simulated(&shipped());
    let get = |option: &str| controller.cli(["get-option", "mumble", option]).succeeded().stdout.trim_end().to_owned();
    // Before it is enabled, and also what can be chosen only then.
    for (option, value, shown) in [
        ("persistence", "on", "on"),
        ("autostart", "true", "on"),
        ("allow-lan", "on", "on"),
        ("allow-localhost", "off", "off"),
        ("max-users", "7", "7"),
        ("require-certificate", "yes", "true"),
        ("virtual-port", "1234", "1234"),
        ("max-streams", "100", "100"),
        ("welcome-message", "Hello \"all\" of you", "Hello \"all\" of you"),
    ] {
        controller.cli(["set-option", "mumble", option, value]).succeeded();
        assert_eq!(get(option), shown, "{option}");
    }
    assert_eq!(controller.service_state("mumble"), "disabled", "remembered, and not enabled");
    let details = json(&controller, &["info", "mumble", "--details"]);
    let options = &details["options"];
    assert_eq!((&options["max-users"], &options["require-certificate"]), (&7.into(), &true.into()));
    assert_eq!((&options["persistence"], &options["allow-lan"]), (&true.into(), &true.into()));
    assert_eq!(details["remote-port"], 1234);
    let described = details["option-details"].as_array().unwrap();
    let most = described.iter().find(|option| option["name"] == "max-users").unwrap();
    assert_eq!((&most["default"], &most["fits"]), (&100.into(), &"1 to 1000".into()));

    let mut command = controller.cli_command(["set-option", "mumble", "server-password", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correcthorse\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(get("server-password"), "correcthorse");
    controller.cli(["reset-option", "mumble", "server-password"]).succeeded();
    assert!(get("server-password").len() == 20);
    controller.cli(["reset-option", "mumble", "max-users"]).succeeded();
    assert_eq!(get("max-users"), "100");

    let table: &[(&[&str], i32, &[&str])] = &[
        (&["set-option", "mumble", "max-user", "7"], 2, &["Did you mean \"max-users\"?"]),
        (&["set-option", "mumble", "max-users", "0"], 2, &["1 to 1000"]),
        (&["set-option", "mumble", "virtual-port", "0"], 2, &["1 to 65535"]),
        (&["set-option", "mumble", "tls-fingerprint", "AB"], 2, &["can not be set"]),
        (&["get-option", "mumble", "max-user"], 2, &["Did you mean \"max-users\"?"]),
        (&["reset-option", "mumble", "max-user"], 2, &["Did you mean \"max-users\"?"]),
        (&["enable", "mumbel"], 3, &["Did you mean \"mumble\"?"]),
        (&["info", "mumbel"], 3, &["Did you mean \"mumble\"?"]),
        (&["set-option", "mumbel", "max-users", "7"], 3, &["Did you mean \"mumble\"?"]),
        (&["uninstall", "mumble"], 6, &["--yes"]),
    ];
    for (arguments, code, words) in table {
        assert_refused(controller.cli(*arguments), *code, words);
    }
}

#[test]
fn what_is_uninstalled_can_be_enabled_again() {
    let controller = simulated(&shipped());
    controller.cli(["enable", "mumble", "--wait", "--timeout", "60"]).succeeded();
    let address = controller.address("mumble");
    let gone = controller.cli(["uninstall", "mumble", "--yes"]).succeeded();
    assert!(gone.stderr.contains("is uninstalled") && gone.stderr.contains("are kept"), "{gone:#?}");
    let status = controller.status("mumble");
    assert_eq!((&status["state"], &status["installed"]), (&"disabled".into(), &false.into()));
    controller.cli(["enable", "mumble", "--wait", "--timeout", "60"]).succeeded();
    assert_eq!(controller.address("mumble"), address);
    let removed = controller.cli(["remove", "mumble", "--yes"]).succeeded();
    let words = ["its address and its key are gone", "is uninstalled, and its data are deleted"];
    assert!(words.iter().all(|word| removed.stderr.contains(word)), "{removed:#?}");
    assert_eq!(row(&json(&controller, &["list"]), "mumble")["state"], "available");
}

#[test]
fn a_broken_descriptor_breaks_one_service_and_a_person_has_services_of_ports_alone() {
    let directory = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let add = |name: &str, text: &str| {
        let place = directory.path().join(name);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("service.toml"), text).unwrap();
        for (path, mode) in
            [(directory.path().to_owned(), 0o755), (place.clone(), 0o755), (place.join("service.toml"), 0o644)]
        {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let descriptor = |name: &str, more: &str| {
        format!(
            "format = 1\nname = '{name}'\ntitle = 'Pad'\ndescription = 'A pad'\ndocumentation = 'https://example.org/'\n\
             icon = 'test'\n[client]\napplication = 'test'\ntitle = 'Test'\n[[port]]\nname = 'main'\ntarget = 9001\n\
             virtual-port = 80\n[[option]]\nname = 'greeting'\ntype = 'string'\nlabel = 'Greeting'\n{more}[connection]\n\
             [[connection.line]]\nlabel = 'Greeting'\nvalue = '{{{{ option.greeting }}}}'\n"
        )
    };
    add("pad", &descriptor("pad", ""));
    add("broken", "format = 1\nname = 'broken'\n");
    add("big", &descriptor("big", "[install]\npackages = ['big-server']\n"));
    // A controller that has a Tor to speak with and no host.
    let services = directory.path().to_str().unwrap();
    let mut controller = Controller::new(NO_TOR).arguments(&["--services-directory", services]);
    controller.start();
    let list = json(&controller, &["list"]);
    let broken = row(&list, "broken");
    assert_eq!(broken["state"], "unavailable");
    assert!(broken["problem"].as_str().unwrap().contains("service.toml"), "{broken}");
    assert_refused(controller.cli(["enable", "broken"]), 1, &["service.toml", "lint"]);
    assert_refused(controller.cli(["enable", "big"]), 1, &["installs packages", "system's controller"]);
    assert_eq!(row(&list, "big")["state"], "unavailable");
    assert_eq!(row(&list, "pad")["state"], "available");

    controller.cli(["set-option", "pad", "greeting", "Hello"]).succeeded();
    controller.cli(["enable", "pad"]).succeeded();
    controller.wait_for_state("pad", "starting");
    let info = json(&controller, &["info", "pad"]);
    assert_eq!((&info["local-port"], &info["remote-port"]), (&9001.into(), &80.into()));
    assert_eq!((&info["connection"]["Greeting"], &info["options"]["greeting"]), (&"Hello".into(), &"Hello".into()));
    // It is known once somebody has looked.
    let silent = wait_until(PATIENCE, || {
        let problem = controller.status("pad")["problem"].as_str()?.to_owned();
        problem.contains("nothing listens on 127.0.0.1:9001").then_some(())
    });
    assert!(silent.is_some(), "{}", controller.status("pad"));
}
