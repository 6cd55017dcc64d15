// SPDX-License-Identifier: GPL-3.0-or-later
//! The real programs in German: no sentence of the template is said in English.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use clap::CommandFactory;
use serde_json::Value;
use tails_server::cli::{Arguments, Topic, help_in_words};

use crate::harness::{Controller, PATIENCE};
use crate::po;
use crate::source::root;

const GERMAN: (&str, &str) = ("LC_ALL", "de_DE.UTF-8");

/// Pieces of sentences that are translated otherwise, long enough to be nothing else.
fn english() -> Vec<String> {
    let (_, entries) = po::read(&fs::read_to_string(root().join("contrib/po/de.po")).unwrap());
    let german: Vec<String> = entries.values().flat_map(|entry| &entry.translations).map(|text| flat(text)).collect();
    let texts = entries.values().flat_map(|entry| [Some(&entry.text), entry.plural.as_ref()]).flatten();
    let pieces = texts.flat_map(|text| text.split('{').map(|piece| flat(piece.rsplit('}').next().unwrap())));
    let pieces: HashSet<String> = pieces.filter(|piece| piece.split(' ').count() >= 3).collect();
    let pieces: Vec<String> =
        pieces.into_iter().filter(|piece| !german.iter().any(|german| german.contains(piece.as_str()))).collect();
    assert!(pieces.len() > 400, "{}", pieces.len());
    pieces
}

/// A text on one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts that something was said, and all of it in German.
fn is_german(english: &[String], said: &str) {
    let flat = flat(said);
    assert!(!flat.is_empty());
    for piece in english {
        assert!(!flat.contains(piece.as_str()), "in English: {piece:?}\n{said}");
    }
}

fn run(arguments: &[&str], (name, value): (&str, &str)) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
    let output = command.env_clear().env(name, value).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// The verbs of the tree, each as it is typed.
fn verbs(command: &clap::Command, before: &[String], found: &mut Vec<Vec<String>>) {
    for verb in command.get_subcommands() {
        let typed = [before, &[verb.get_name().to_owned()]].concat();
        verbs(verb, &typed, found);
        found.push(typed);
    }
}

#[test]
fn the_help_of_every_verb_is_german() {
    let english = english();
    let mut all = vec![Vec::new()];
    verbs(&Arguments::command(), &[], &mut all);
    assert!(all.len() > 25, "{all:?}");
    for verb in all {
        for flag in ["--help", "-h"] {
            let arguments: Vec<&str> = verb.iter().map(String::as_str).chain([flag]).collect();
            let (code, said) = run(&arguments, GERMAN);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("\nAufruf: tails-server") && said.contains("\nOptionen:\n"), "{said}");
            is_german(&english, &said);
        }
    }
    let (_, said) = run(&["--help"], ("LANG", "en_US.UTF-8"));
    assert!(said.contains("\nUsage: tails-server [OPTIONS] <COMMAND>\n"), "{said}");
}

#[test]
fn help_that_is_translated_word_by_word_is_the_same_help() {
    fn compare(own: &mut clap::Command, other: &mut clap::Command) {
        let text = |command: &mut clap::Command, is_long: bool| {
            let text = if is_long { command.render_long_help() } else { command.render_help() };
            let text = flat(&text.to_string()).replace("TAILS_SERVER_BUS=]", "TAILS_SERVER_BUS]");
            let text = text.replace(" (see more with '--help')", "").replace(" (see a summary with '-h')", "");
            // Names of values stand in a column there.
            ["text", "json"]
                .iter()
                .fold(text, |text, name| text.replace(&format!("- {name}:  "), &format!("- {name}: ")))
        };
        for is_long in [false, true] {
            assert_eq!(text(own, is_long), text(other, is_long));
        }
        let names: Vec<String> = own.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for name in &names {
            compare(own.find_subcommand_mut(name).unwrap(), other.find_subcommand_mut(name).unwrap());
        }
    }
    let mut own = Arguments::command();
    own.build();
    compare(&mut help_in_words(Arguments::command(), &|text| text.to_owned()), &mut own);
}

#[test]
fn what_is_refused_without_a_controller_is_refused_in_german() {
    let english = english();
    let nobody = "--bus=unix:/nonexistent/bus";
    for (arguments, code, words) in [
        (&["frobnicate"][..], 2, "Fehler: Es gibt keinen Befehl „frobnicate“\nHinweis: Siehe `tails-server --help`\n"),
        (&["enabel", "web"], 2, "Hinweis: Meinten Sie „enable“? Siehe `tails-server --help`\n"),
        (&["client", "add"], 2, "Fehler: SERVICE, CLIENT fehlen\n"),
        (&["enable"], 2, "Fehler: NAME fehlt\n"),
        (&["enable", "Web"], 2, "Ursache: der Name eines Dienstes beginnt mit einem kleinen Buchstaben\n"),
        (&["publish", "0"], 2, "Ursache: ein Port ist mindestens 1\n"),
        (
            &["enable", "web", "--wait", "--timeout", "x"],
            2,
            "Ursache: das ist eine Anzahl von Sekunden, zum Beispiel 60\n",
        ),
        (&["list", "--frob"], 2, "Fehler: „--frob“ ist hier nicht bekannt\n"),
        (&["list", "--bus", ""], 2, "Fehler: --bus <ADDRESS> darf nicht leer sein\n"),
        (&["enable", "web", "--timeout", "5"], 2, "Fehler: --wait fehlt\n"),
        (&["remove", "web", "--yes", "--yes"], 2, "Fehler: --yes darf nur einmal angegeben werden\n"),
        (
            &["publish", "8080", "--autostart"],
            2,
            "Hinweis: Ergänzen Sie --persistent, oder lassen Sie --autostart weg\n",
        ),
        (&["publish", "unix:/nonexistent/socket"], 2, "Fehler: Es gibt keinen Socket /nonexistent/socket\n"),
        (&["list", nobody], 4, "Fehler: Das Steuerprogramm läuft nicht: Auf /nonexistent/bus antwortet nichts\n"),
        (&["lint", "/nonexistent/x.toml"], 1, "Ursache: Datei oder Verzeichnis nicht gefunden\n"),
    ] {
        let (ended, said) = run(arguments, GERMAN);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(words), "{arguments:?}\n{said}");
        is_german(&english, &said);
    }
}

#[test]
fn a_life_of_a_service_is_told_in_german() {
    let english = english();
    let mut controller = Controller::new("unix:/nonexistent/control").arguments(&["--sim"]);
    controller.start();
    let said = |arguments: &[&str], code: i32| {
        let mut command = controller.cli_command(arguments);
        let output = command.env(GERMAN.0, GERMAN.1).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
        text
    };
    for (arguments, code, words) in [
        (&["publish", "80:1", "--name", "web", "--private", "--client", "alice"][..], 0, ""),
        (&["client", "add", "web", "bob"], 0, "Was „bob“ braucht, um sich zu verbinden:"),
        (&["client", "show", "web", "bob"], 0, "Wer das hat, kann sich als „bob“ mit „web“ verbinden."),
        (&["client", "rename", "web", "bob", "carol"], 0, "„bob“ heißt jetzt „carol“; der Zugang ist derselbe."),
        (&["client", "rename", "web", "alice", "carol"], 2, "hat schon einen Client namens „carol“"),
        (&["client", "remove", "web", "carol", "--yes"], 0, "Der Zugang von „carol“ zu „web“ endete um "),
        (&["client", "remove", "web", "alise", "--yes"], 3, "Meinten Sie „alice“?"),
        (&["client", "remove", "web", "alice"], 6, "Nichts wurde entfernt: Es gibt kein Terminal"),
        (&["invite", "web", "--for", "alice", "--expires", "7d"], 0, "So folgt man ihr: tails-server join"),
        (
            &["set-option", "web", "max-streams", "many"],
            2,
            "Die meisten Streams eines Clients sind eine Zahl von 1 bis 65535",
        ),
        (&["set-option", "web", "max-streams", "100"], 0, "max-streams von „web“ ist 100."),
        (&["set-option", "web", "client-authorization", "off", "--yes"], 0, "WARNUNG: "),
        (&["get-option", "web", "frob"], 2, "Der Dienst „web“ hat keine Option „frob“"),
        (&["key", "renew", "web", "--yes"], 0, "„web“ hat eine neue Adresse; sagen Sie es den Besuchern."),
        (&["joined"], 0, "Sie sind noch keinem Dienst von anderen beigetreten."),
        (&["request", "--name", "alice"], 0, "Der Schlüssel dazu wird vergessen"),
        (&["leave", "chess", "--yes"], 3, "Sie sind keinem Dienst „chess“ beigetreten"),
        (&["remove", "web", "--yes"], 0, "„web“, die Adresse und der Schlüssel sind weg."),
        (&["enable", "web"], 3, "Fehler: Den Dienst „web“ gibt es nicht"),
    ] {
        let text = said(arguments, code);
        assert!(text.contains(words), "{arguments:?}\n{text}");
        is_german(&english, &text);
    }
}

/// What the command line says on both streams, in German.
fn shown(controller: &Controller, arguments: &[&str], code: i32) -> String {
    let mut command = controller.cli_command(arguments);
    command.env(GERMAN.0, GERMAN.1).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
    text
}

#[test]
fn what_is_shown_and_found_out_is_german_and_data_are_not() {
    let english = english();
    let mut controller = Controller::new("unix:/nonexistent/control").arguments(&["--sim"]);
    controller.start();
    let nobody = "er lässt nur autorisierte Clients ein, und es gibt keine: Er ist zurückgezogen";
    for (arguments, code, words) in [
        (&["status"][..], 0, "Es gibt noch keine Dienste."),
        (
            &["publish", "80:1", "--name", "web", "--private", "--wait"],
            1,
            "Um ihn zu vergessen:   tails-server remove web",
        ),
        (&["publish", "80:1", "--name", "pad", "--wait"], 0, "pad: wird veröffentlicht, 0 von "),
        (&["enable", "pad"], 0, "„pad“ ist schon aktiviert."),
        (&["enable", "web", "--wait"], 1, nobody),
        (&["status"], 0, "  NAME  ZUSTAND    SEIT"),
        (&["status"], 0, nobody),
        (&["list"], 0, "  NAME  ZUSTAND    PORTS"),
        (&["status", "web"], 0, "state: failed\n"),
        (&["status", "web"], 0, &format!("\nproblem: \"{nobody}\"")),
        (&["info", "web", "--details"], 0, &format!("  problem: \"{nobody}\"")),
        (&["plan"], 0, "  what: ihn veröffentlichen\n"),
        (&["plan", "pad"], 0, "  what: nichts\n"),
        (&["plan", "pad"], 0, "Es gibt nichts zu tun."),
        (&["plan", "mumbel"], 3, "Den Dienst „mumbel“ gibt es nicht"),
        (&["doctor"], 1, "  looked-at: ob das Steuerprogramm antwortet\n  found: ja; die Version ist "),
        (&["doctor"], 1, "Fehler: Die Diagnose ergab einen Fehler und "),
        (&["disable", "pad"], 0, "„pad“ ist zurückgezogen; die Adresse bleibt."),
        (&["check", "pad"], 1, "Der Dienst „pad“ ist deaktiviert"),
        (&["install", "pad"], 2, "Der Dienst „pad“ hat keinen Server, den Tails Server installieren würde"),
        (&["help", "staets"], 2, "Es gibt keinen Befehl und kein Thema „staets“\nHinweis: Meinten Sie „states“?"),
    ] {
        let text = shown(&controller, arguments, code);
        assert!(text.contains(words), "{arguments:?}\n{text}");
        is_german(&english, &text);
    }
    let all =
        [&["plan", "web"][..], &["doctor"], &["status"], &["list"], &["status", "web"], &["info", "web", "--details"]];
    for arguments in all {
        let data = |language: &str| {
            let mut command = controller.cli_command(arguments);
            let output = command.env(GERMAN.0, language).arg("--json").stdout(Stdio::piped()).output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        assert_eq!(data(GERMAN.1), data("C"), "{arguments:?}");
    }
}

#[test]
fn backups_and_settings_are_told_of_in_german() {
    let english = english();
    let mut controller = Controller::new("unix:/nonexistent/control").arguments(&["--sim"]);
    controller.start();
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (backup, passphrase, settings, wrong) = (path("backup"), path("passphrase"), path("settings"), path("wrong"));
    fs::write(&passphrase, "a long passphrase\n").unwrap();
    fs::write(&wrong, "version = 1\n[services.Web]\n").unwrap();
    let with = ["--passphrase-file", &passphrase];
    for (arguments, code, words) in [
        (&["publish", "80:1", "--name", "web", "--wait"][..], 0, "Der Dienst übersteht Neustarts von Tor"),
        (&["backup", &backup, with[0], with[1]], 0, "Bewahren Sie beide getrennt auf."),
        (&["backup", &backup, with[0], with[1]], 2, "Keine wird überschrieben"),
        (&["restore", &backup, with[0], with[1], "--dry-run"], 0, "= web: ist hier so wie in der Sicherung\n"),
        (&["restore", &backup, with[0], "/nonexistent/file"], 1, "deren erste Zeile die Passphrase ist"),
        (&["restore", &passphrase, with[0], with[1]], 1, "ist keine Sicherung von Tails Server"),
        (&["export-settings", &settings], 0, "Die Einstellungen stehen in "),
        (&["import-settings", &settings], 0, "Es gibt nichts zu ändern."),
        (&["import-settings", &wrong], 2, "beginnt mit einem kleinen Buchstaben\nHinweis: Wie sie geschrieben werden"),
        (&["remove", "web", "--yes"], 0, "Niemand kann sich verbinden, und Besucher, die verbunden waren, "),
        (&["restore", &backup, with[0], with[1]], 6, "Nichts wurde wiederhergestellt: Es gibt kein Terminal"),
        (&["restore", &backup, with[0], with[1], "--yes"], 0, "Eines ist wiederhergestellt."),
        (&["remove", "web", "--yes"], 0, "„web“, die Adresse und der Schlüssel sind weg."),
        (&["import-settings", &settings], 0, "„web“ ist neu, mit einer neuen Adresse."),
    ] {
        let text = shown(&controller, arguments, code);
        assert!(text.contains(words), "{arguments:?}\n{text}");
        is_german(&english, &text);
    }
}

#[test]
fn what_happens_is_told_in_german() {
    let mut controller = Controller::new("unix:/nonexistent/control").arguments(&["--sim"]);
    controller.start();
    let mut command = controller.cli_command(["watch"]);
    let mut watching = command.env(GERMAN.0, GERMAN.1).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (tell, told) = channel();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let reading = thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let next = || told.recv_timeout(PATIENCE).unwrap();
    // How things are comes first: from then on nothing is missed.
    assert!(next().contains(" Tor "));
    shown(&controller, &["publish", "80:1", "--name", "web", "--wait"], 0);
    shown(&controller, &["remove", "web", "--yes"], 0);
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.ends_with(" web entfernt") || line.ends_with(" web removed")) {
        lines.push(next());
    }
    let has = |end: &str| lines.iter().any(|line| line.ends_with(end));
    assert!(has(" web published 4/4, danach 0/0") && has(" web entfernt"), "{lines:#?}");
    watching.kill().unwrap();
    watching.wait().unwrap();
    let _ = reading.join();
}

#[test]
fn help_topics_are_german_and_fit() {
    let english = english();
    for topic in Topic::ALL {
        let (code, said) = run(&["help", topic.name()], GERMAN);
        assert_eq!(code, Some(0), "{said}");
        is_german(&english, &said);
        let commands = |text: &str| text.lines().filter(|line| line.starts_with("  tails-server")).count();
        assert_eq!(commands(&said), commands(&topic.text()), "{said}");
        let widest = said.lines().map(|line| line.chars().count()).max();
        // What an exit code means may be longer than a line.
        assert!(widest <= Some(80) || topic == Topic::ExitCodes, "{topic:?}: {widest:?}");
    }
}
