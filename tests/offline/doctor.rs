// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server doctor`: each finding with its evidence, nothing else with it, and nothing in it that is a secret.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tornet::{Tor, TorOptions, wait_until};

use crate::given::{NO_TOR, controller, publish};
use crate::harness::{Answer, Controller, PATIENCE, cli_at};
use crate::peer::{Peer, obey, send, service_id};
use crate::words::{found, secrets_of};

/// All findings, and how the doctor ended.
fn doctor(controller: &Controller) -> (Vec<Value>, Answer) {
    let answer = controller.cli(["doctor", "--json"]);
    let findings: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:#?}"));
    for finding in &findings {
        for key in ["severity", "id", "looked-at", "found"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {finding:#}");
        }
        let is_bad = ["warning", "error"].contains(&finding["severity"].as_str().unwrap());
        assert!(!is_bad || finding["next-step"].is_string(), "{finding:#}");
    }
    let worst = findings.last().unwrap()["severity"].as_str().unwrap();
    let code = match worst {
        "error" => 1,
        "warning" => 7,
        _ => 0,
    };
    assert_eq!(answer.code, Some(code), "{answer:#?}");
    (findings, answer)
}

/// The severity and the evidence of a finding.
fn of(findings: &[Value], id: &str) -> (String, String) {
    let found = findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id}: {findings:#?}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("severity"), text("found"))
}

/// What is worse than a note.
fn bad(findings: &[Value]) -> Vec<&str> {
    let is_bad = |finding: &&Value| ["warning", "error"].contains(&finding["severity"].as_str().unwrap());
    findings.iter().filter(is_bad).map(|finding| finding["id"].as_str().unwrap()).collect()
}

/// What a Tor answers to the questions of the doctor, and what it says unasked once it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Fine,
    /// A filter that does not know the questions.
    Filtered,
    /// It has none of the services that it took.
    Forgetful,
    /// The clock is two hours behind.
    Skewed,
}

/// A controller whose runtime directory is in memory, with a Tor of this manner.
// Dropped in this order: the Tor removes its socket from the place, which has to be there.
struct Scene {
    controller: Controller,
    _tor: Peer,
    _memory: TempDir,
    _place: TempDir,
}

impl Scene {
    fn new(manner: Manner) -> Self {
        let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
        let control = place.path().join("control");
        let services = Arc::new(Mutex::new(Vec::new()));
        let tor = Peer::start(&control, move |stream| {
            let services = Arc::clone(&services);
            obey(stream, move |command, stream| {
                let mut had = services.lock().unwrap();
                if let Some(rest) = command.strip_prefix("ADD_ONION ") {
                    had.push(service_id(rest.split(' ').next().unwrap()));
                }
                let reply = match (command, manner) {
                    ("GETINFO onions/current" | "GETCONF DisableNetwork", Manner::Filtered) => {
                        "510 Command filtered\r\n".to_owned()
                    }
                    ("GETINFO onions/current", Manner::Forgetful) => "250-onions/current=\r\n250 OK\r\n".to_owned(),
                    ("GETINFO onions/current", _) if had.len() < 2 => {
                        format!("250-onions/current={}\r\n250 OK\r\n", had.join(""))
                    }
                    ("GETINFO onions/current", _) => {
                        format!("250+onions/current=\r\n{}\r\n.\r\n250 OK\r\n", had.join("\r\n"))
                    }
                    ("GETCONF DisableNetwork", _) => "250 DisableNetwork=0\r\n".to_owned(),
                    (_, Manner::Skewed) if command.starts_with("SETEVENTS") => {
                        "250 OK\r\n650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 SOURCE=CONSENSUS\r\n".to_owned()
                    }
                    (_, _) => return true,
                };
                send(stream, reply.as_bytes());
                false
            });
        });
        let mut controller = Controller::new(format!("unix:{}", control.display()));
        let memory = in_memory(&controller);
        controller.start();
        Self { controller, _tor: tor, _memory: memory, _place: place }
    }

    fn publish(&self, listener: &TcpListener) {
        let port = format!("80:{}", listener.local_addr().unwrap().port());
        self.controller.cli(["publish", &port, "--name", "web", "--wait", "--timeout", "60"]).succeeded();
    }
}

/// Puts the runtime directory into memory, wherever the temporary directory is.
fn in_memory(controller: &Controller) -> TempDir {
    let memory = tempfile::Builder::new().prefix("ts-").tempdir_in("/dev/shm").unwrap();
    let runtime = memory.path().join("run");
    fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
    symlink(runtime, controller.runtime()).unwrap();
    memory
}

#[test]
fn where_nothing_is_wrong_it_says_so_with_the_evidence() {
    let mut scene = Scene::new(Manner::Fine);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.publish(&listener);
    let (findings, answer) = doctor(&scene.controller);
    assert_eq!(bad(&findings), [""; 0], "{answer:#?}");
    assert!(answer.stderr.contains("Nothing is wrong, as far as could be looked at."), "{answer:#?}");
    for (id, evidence) in [
        ("controller", env!("CARGO_PKG_VERSION")),
        ("store-kept", "remembers 0 services"),
        ("store-amnesic", "remembers one service"),
        ("runtime-directory", "in memory"),
        ("control-port", "let the controller in"),
        ("control-filter", "nothing that was asked was kept back"),
        ("tor-version", "0.4.9.11"),
        ("clock-skew", "has not complained"),
        ("disable-network", "0: Tor may use the network"),
        ("tor-bootstrap", "100 % (Done)"),
        ("key-matches-address", "it does, for one service"),
        ("tor-has-services", "1, and each is one that it was given"),
        ("listener", "somebody does"),
        ("listener-exposed", "none of them"),
        ("publication", "published; 1 of 1 HSDirs"),
        ("firewall", "they are not"),
    ] {
        let (severity, found) = of(&findings, id);
        assert!(severity == "ok" && found.contains(evidence), "{id}: {severity} {found}");
    }
    // No systemd is here, and that is said.
    for id in ["controller-unit", "drop-ins"] {
        let (severity, found) = of(&findings, id);
        assert!(severity == "ok" || severity == "note" && found.starts_with("could not be looked at"), "{id}: {found}");
    }

    // The same in both forms, and nothing that only its owner may know.
    let text = scene.controller.cli(["doctor"]);
    let read: Value = serde_saphyr::from_str(&text.stdout).unwrap();
    assert_eq!(read, Value::Array(findings));
    assert_eq!(scene.controller.terminate().0.code(), Some(0));
    let said = format!("{text:?}{answer:?}");
    let secrets = secrets_of(&scene.controller, "web");
    assert_eq!(found(&secrets, &said), None, "{said}");
    let home = scene.controller.state();
    assert!(!said.contains(home.to_str().unwrap()), "{said}");
}

#[test]
fn what_tor_answers_is_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (manner, id, severity, evidence, all) in [
        (Manner::Filtered, "control-filter", "note", "kept back: DisableNetwork, the services", &[][..]),
        (Manner::Forgetful, "tor-has-services", "error", "not among them", &["tor-has-services"]),
        (Manner::Skewed, "clock-skew", "error", "120 minutes behind", &["clock-skew"]),
    ] {
        let scene = Scene::new(manner);
        scene.publish(&listener);
        let (findings, answer) = doctor(&scene.controller);
        assert_eq!(of(&findings, id).0, severity, "{answer:#?}");
        assert!(of(&findings, id).1.contains(evidence), "{answer:#?}");
        assert_eq!(bad(&findings), all, "{answer:#?}");
        assert_eq!(scene.controller.service_state("web"), "published", "it changes nothing");
    }
}

#[test]
fn a_tor_that_is_kept_off_the_network_is_found_by_its_setting() {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    let mut controller = Controller::new(format!("unix:{}", tor.control_socket().display()));
    let _memory = in_memory(&controller);
    controller.start();
    publish(&controller, "web", &[]);
    let connected = wait_until(PATIENCE, || {
        let (findings, _) = doctor(&controller);
        (of(&findings, "control-port").0 == "ok").then_some(findings)
    });
    let findings = connected.expect("a control connection");
    let (severity, evidence) = of(&findings, "disable-network");
    assert!(severity == "error" && evidence.starts_with("1: Tor is kept off the network"), "{evidence}");
    assert_eq!(of(&findings, "tor-bootstrap").0, "note");
    // The target of a port that nobody has.
    let silent = wait_until(PATIENCE, || {
        let (findings, _) = doctor(&controller);
        (of(&findings, "listener").0 == "warning").then_some(findings)
    });
    let findings = silent.expect("somebody has looked who listens");
    assert!(of(&findings, "listener").1.contains("nothing listens on 127.0.0.1:1"), "{findings:#?}");
    assert_eq!(bad(&findings), ["listener", "disable-network"]);
    assert_eq!(of(&findings, "tor-has-services"), ("ok".to_owned(), "0, and each is one that it was given".to_owned()));
}

#[test]
fn a_server_that_others_than_this_computer_reach_is_an_error() {
    let scene = Scene::new(Manner::Fine);
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    scene.publish(&everywhere);
    let (findings, answer) = doctor(&scene.controller);
    assert_eq!(bad(&findings), ["listener-exposed"], "{answer:#?}");
    let (severity, evidence) = of(&findings, "listener-exposed");
    let port = everywhere.local_addr().unwrap().port();
    assert_eq!((severity.as_str(), evidence), ("error", format!("something listens on 0.0.0.0:{port}")));
    assert!(answer.stderr.contains("Error: The doctor found one error"), "{answer:#?}");
    let finding = findings.last().unwrap();
    assert_eq!(finding["service"], "web");
    assert!(finding["cause"].as_str().unwrap().contains("without Tor"), "{finding:#}");
    assert!(finding["next-step"].as_str().unwrap().contains("127.0.0.1 alone"), "{finding:#}");
}

#[test]
fn a_damaged_store_is_found_in_its_place() {
    let mut controller = Controller::new(NO_TOR);
    let _memory = in_memory(&controller);
    controller.start();
    publish(&controller, "web", &["--persistent"]);
    controller.terminate();
    let database = controller.state().join("kept");
    for file in crate::given::files(&database).into_iter().filter(|file| fs::metadata(file).unwrap().len() > 0) {
        fs::write(file, "nothing of ours").unwrap();
    }
    controller.start();
    let (findings, answer) = doctor(&controller);
    assert!(["warning", "error"].contains(&of(&findings, "store-kept").0.as_str()), "{answer:#?}");
    assert_eq!(of(&findings, "store-amnesic").0, "ok");
    assert!(!answer.stdout.contains(".onion"), "{answer:#?}");
}

#[test]
fn without_a_tor_and_without_a_controller_it_says_what_is_missing() {
    let mut controller = controller();
    let lost = wait_until(PATIENCE, || {
        let (findings, _) = doctor(&controller);
        (of(&findings, "control-port").0 == "error").then_some(findings)
    });
    let findings = lost.expect("an attempt to connect has ended");
    assert!(of(&findings, "control-port").1.contains("there is no control socket"), "{findings:#?}");
    assert!(findings.iter().all(|finding| finding["id"] != "disable-network"), "{findings:#?}");

    controller.kill();
    let (findings, answer) = doctor(&controller);
    let last = findings.last().unwrap();
    assert_eq!((&last["id"], &last["severity"]), (&"controller".into(), &"error".into()));
    assert!(last["next-step"].as_str().unwrap().contains("tails-serverd --user"), "{answer:#?}");
    for id in ["tor-process", "tor-control-socket", "tor-cookie", "controller-unit", "drop-ins"] {
        of(&findings, id);
    }
    let nowhere = cli_at(Path::new("/nonexistent/bus"), ["doctor", "--json"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:#?}");
}

/// A controller that was started before there was a diagnosis.
struct Old;

#[zbus::interface(name = "org.boum.tails.Server1.Manager")]
impl Old {
    fn overview(&self) -> tails_server::bus::api::Overview {
        let tor = tails_server::bus::api::TorProperties {
            connected: false,
            version: None,
            bootstrap: 0,
            summary: String::new(),
            online: false,
            problem: None,
            hint: None,
            warnings: Vec::new(),
        };
        (tor, Vec::new(), std::collections::HashMap::new())
    }
}

#[test]
fn a_controller_that_does_not_know_the_question_is_older() {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let bus = place.path().join("bus");
    let listener = std::os::unix::net::UnixListener::bind(&bus).unwrap();
    // Ends with its one client.
    let serving = std::thread::spawn(move || {
        crate::manager::block_on(async move {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let builder = zbus::connection::Builder::unix_stream(stream).server(zbus::Guid::generate()).p2p();
            let connection = builder.serve_at(tails_server::bus::api::MANAGER_PATH, Old).build().await.unwrap();
            connection.closed().await;
        });
    });
    let answer = cli_at(&bus, ["doctor", "--json"]);
    serving.join().unwrap();
    let findings: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:#?}"));
    let (severity, evidence) = of(&findings, "controller");
    assert!(severity == "warning" && evidence.contains("older than this program"), "{answer:#?}");
    assert_eq!(answer.code, Some(7), "{answer:#?}");
}
