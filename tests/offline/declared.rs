// SPDX-License-Identifier: GPL-3.0-or-later
//! `export-settings` and `import-settings`: what is published, brought about by a file.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::given::{NO_TOR, assert_refused, publish};
use crate::harness::{Answer, Controller};

pub(crate) fn described() -> Controller {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    let mut controller =
        Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", services.to_str().unwrap()]);
    controller.start();
    controller
}

fn export(controller: &Controller) -> String {
    controller.cli(["export-settings"]).succeeded().stdout
}

struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn import(&self, controller: &Controller, text: &str, options: &[&str]) -> Answer {
        let path = self.0.path().join("settings.toml");
        fs::write(&path, text).unwrap();
        controller.cli([&["import-settings", path.to_str().unwrap(), "--json"], options].concat())
    }
}

fn steps(answer: Answer) -> Vec<Value> {
    serde_json::from_str(&answer.succeeded().stdout).unwrap()
}

#[test]
fn settings_bring_the_same_about_elsewhere_and_twice_is_once() {
    let (one, other, file) = (described(), described(), File::new());
    let address = publish(&one, "web", &["--persistent", "--autostart", "--private", "--client", "alice"]);
    publish(&one, "pad", &[]);
    one.cli(["set-option", "pad", "pow", "10:20"]).succeeded();
    one.cli(["disable", "pad"]).succeeded();
    one.cli(["set-option", "mumble", "welcome-message", "say \"hi\" \\o/"]).succeeded();
    one.cli(["enable", "mumble"]).succeeded();
    let password = one.cli(["get-option", "mumble", "server-password"]).succeeded().stdout;
    let settings = export(&one);
    for secret in [&address[..20], "alice", password.trim()] {
        assert!(!settings.contains(secret), "{secret} in {settings}");
    }
    let path = file.0.path().join("exported.toml");
    one.cli(["export-settings", path.to_str().unwrap()]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), settings);
    assert_refused(one.cli(["export-settings", path.to_str().unwrap()]), 2, &["exists already"]);

    assert_eq!(steps(file.import(&one, &settings, &[])), Vec::<Value>::new());
    publish(&other, "stays", &[]);
    let planned = steps(file.import(&other, &settings, &["--dry-run"]));
    assert!(!planned.is_empty() && !export(&other).contains("[services.web]"));
    let imported = file.import(&other, &settings, &[]);
    for words in ["1 service is not in the settings", "client add web CLIENT"] {
        assert!(imported.stderr.replace("One service", "1 service").contains(words), "{imported:#?}");
    }
    assert_eq!(steps(imported), planned);
    let again = file.import(&other, &settings, &[]);
    assert!(again.stderr.contains("nothing to change"), "{again:#?}");
    assert_eq!(steps(again), Vec::<Value>::new());
    other.cli(["remove", "stays", "--yes"]).succeeded();
    assert_eq!(export(&other), settings);
    assert_eq!(other.service_state("pad"), "disabled");
    assert_ne!(other.address("web"), address);
}

#[test]
fn nothing_is_opened_without_being_asked_and_nothing_is_done_by_half() {
    let (controller, file) = (described(), File::new());
    publish(&controller, "web", &["--private"]);
    let open = "version = 1\n[services.web.options]\nclient-authorization = false\n";
    assert_refused(file.import(&controller, open, &[]), 6, &["open to everybody", "Nothing was changed", "--yes"]);
    assert_eq!(controller.cli(["get-option", "web", "client-authorization"]).succeeded().stdout.trim(), "on");
    let begin = "version = 1\n[services.new]\nports = [\"80:1\"]\n";
    for (rest, code, words) in [
        ("[services.web]\nports = [\"81:1\"]\n", 2, &["other ports here", "remove web"][..]),
        ("[services.web]\nprts = 1\n", 2, &["Line 5", "unknown field"]),
        ("[services.web.options]\nautostrt = true\n", 2, &["Line 5", "Did you mean \"autostart\""]),
        ("[services.nobody]\nenabled = true\n", 2, &["which ports", "nobody"]),
        ("[services.mumble]\nports = [\"80:1\"]\n", 2, &["catalogue"]),
        ("[services.web\n", 2, &["Line 4"]),
    ] {
        assert_refused(file.import(&controller, &format!("{begin}{rest}"), &["--yes"]), code, words);
    }
    assert_refused(file.import(&controller, "version = 2\n", &[]), 2, &["newer Tails Server"]);
    assert!(!export(&controller).contains("[services.new]"));
    let opened = steps(file.import(&controller, open, &["--yes"]));
    assert_eq!(opened.len(), 1);
    assert_eq!(controller.cli(["get-option", "web", "client-authorization"]).succeeded().stdout.trim(), "off");
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_line_and_nothing_is_changed() {
    let (controller, file) = (described(), File::new());
    publish(&controller, "web", &[]);
    let before = export(&controller);
    let text = "\
version = 1
[services.a]
ports = [\"80:1\"]
[services.a.options]
persistence = true
autostart = true
max-streams = 7
[services.web.options]
max-streams = 0
pow = \"2:1\"
autostart = true
colour = \"red\"
[services.mumble.options]
max-users = 100000
virtual-port = 0
welcome-message = \"fits\"
welcome-mesage = \"fits\"
[services.pad]
prots = []
ports = [\"80:1\", \"x\"]
";
    let answer = file.import(&controller, text, &["--yes"]);
    for (line, words) in [
        (9, "streams of a client"),
        (10, "proof-of-work"),
        (11, "autostart needs persistence"),
        (12, "no option \"colour\""),
        (14, "max-users"),
        (15, "at least 1"),
        (17, "Did you mean \"welcome-message\""),
        (19, "unknown field"),
        (20, "a target"),
    ] {
        let is_it = |told: &str| told.starts_with(&format!("line {line}: ")) && told.contains(words);
        assert!(answer.stderr.lines().any(is_it), "{line} {words}: {answer:#?}");
    }
    assert!(!answer.stderr.contains("line 16") && answer.stdout.is_empty(), "{answer:#?}");
    assert_refused(answer, 2, &["wrong in 9 places", "nothing was changed"]);
    // What would be refused is refused by --dry-run, too, and a single one is the error itself.
    let one = "version = 1\n[services.a]\nports = [\"80:1\"]\n[services.a.options]\nmax-streams = 0\n";
    for options in [&["--yes"][..], &["--dry-run"]] {
        assert_refused(file.import(&controller, one, options), 2, &["Error: Line 5", "such as 100"]);
    }
    assert_eq!(export(&controller), before);
}

#[test]
fn settings_that_open_a_service_to_the_local_network_say_so_and_need_a_yes() {
    let (controller, file) = (described(), File::new());
    let open = "version = 1\n[services.mumble.options]\nallow-lan = true\n";
    let words = ["\"mumble\" gets open to all computers in the local network", "Nothing was changed", "--yes"];
    assert_refused(file.import(&controller, open, &[]), 6, &words);
    assert!(!export(&controller).contains("mumble"));
    let opened = file.import(&controller, open, &["--yes"]);
    assert!(opened.stderr.contains(words[0]), "{opened:#?}");
    assert_eq!(steps(opened).len(), 1);
    let again = file.import(&controller, open, &[]);
    assert!(!again.stderr.contains("WARNING"), "{again:#?}");
    assert_eq!(steps(again).len(), 0);
    // Whoever sets the option is told, too.
    controller.cli(["set-option", "mumble", "allow-lan", "off"]).succeeded();
    let set = controller.cli(["set-option", "mumble", "allow-lan", "on"]);
    assert!(set.stderr.contains(words[0]), "{set:#?}");
    let again = controller.cli(["set-option", "mumble", "allow-lan", "on"]).succeeded();
    assert!(!again.stderr.contains("WARNING"), "{again:#?}");
}

#[test]
fn settings_are_the_same_as_json_and_can_be_imported_from_it() {
    let (one, other, file) = (described(), described(), File::new());
    publish(&one, "web", &["--persistent", "--autostart"]);
    one.cli(["set-option", "web", "max-streams", "7"]).succeeded();
    one.cli(["set-option", "mumble", "welcome-message", "say \"hi\" \\o/"]).succeeded();
    let json = one.cli(["export-settings", "--json"]).succeeded().stdout;
    let view: Value = serde_json::from_str(&json).unwrap();
    let web = &view["services"]["web"];
    assert_eq!(
        (&view["version"], &web["enabled"], &web["options"]["max-streams"]),
        (&1.into(), &true.into(), &7.into())
    );
    assert_eq!(view["services"]["mumble"]["options"]["welcome-message"], "say \"hi\" \\o/");
    let path = file.0.path().join("exported.json");
    one.cli(["export-settings", path.to_str().unwrap(), "--json"]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), json);
    steps(file.import(&other, &json, &[]));
    assert_eq!(export(&other), export(&one));
    let wrong = json.replace("\"max-streams\": 7", "\"max-streams\": 0");
    assert_refused(file.import(&other, &wrong, &[]), 2, &["services.web.options.max-streams", "such as 100"]);
}
