// SPDX-License-Identifier: GPL-3.0-or-later
//! Both ends of an invitation, each with a controller of its own; the one that joins has a real tor without a network.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tails_server::invitation::{Access, Expiry, Invitation};
use tails_server_state::{ClientSecretKey, OnionKey};
use tornet::{Tor, TorOptions};

use crate::clients::{json, simulated};
use crate::given::{CLI, assert_refused, controller, publish};
use crate::harness::{Answer, Controller};

/// Runs the command with this on its standard input.
fn with_input(controller: &Controller, arguments: &[&str], input: &str) -> Answer {
    let bus = format!("unix:{}", controller.bus().display());
    let mut command = Command::new(CLI);
    command.env_clear().args(arguments).args(["--bus", &bus]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn an_invitation_is_followed_with_two_commands() {
    let (host, tor) = (simulated(), Tor::offline(TorOptions::client()).unwrap());
    let mut guest = Controller::with(&tor);
    let address = host.publish("web", &["80:1", "443:2"], &[]);
    host.cli(["set-option", "web", "client-authorization", "on"]).succeeded();
    let written = host.cli(["invite", "web", "--for", "alice", "--expires", "7d", "--title", "Chess club"]).succeeded();
    assert!(written.stdout.starts_with("-----BEGIN TAILS SERVER INVITATION-----\n"), "{written:#?}");
    for words in ["join` takes it until 20", "only `client remove` ends the access", "Whoever reads it"] {
        assert!(written.stderr.contains(words), "{words}: {written:#?}");
    }
    assert!(host.cli(["client", "list", "web"]).succeeded().stdout.contains("alice"));
    // Said again, it is the same access.
    let again = host.cli(["invite", "web", "--for", "alice", "--expires", "7d", "--title", "Chess club", "--qr"]);
    assert!(again.succeeded().stderr.contains('█'));

    let shown = with_input(&guest, &["join"], &written.stdout);
    assert_refused(shown, 6, &["Chess club", &address, "80, 443", "You are    alice", "Nothing was joined"]);
    assert_eq!(json(&guest, &["joined"]), serde_json::json!([]));
    let joined = with_input(&guest, &["join", "--persistent", "--yes"], &written.stdout).succeeded();
    assert!(joined.stdout.contains("name: chess-club") && joined.stdout.contains("ready: true"), "{joined:#?}");
    assert!(joined.stderr.contains("works at once"), "{joined:#?}");
    let list = guest.cli(["joined"]).succeeded().stdout;
    assert!(list.contains("chess-club") && !list.contains(&address[..20]), "{list}");
    let one = json(&guest, &["joined", "chess-club"]);
    assert_eq!((&one["address"], &one["ports"]), (&address.clone().into(), &serde_json::json!([80, 443])));
    let key = json(&host, &["client", "show", "web", "alice"])["tor-browser-key"].as_str().unwrap().to_owned();
    let held = || tor.control().unwrap().command("ONION_CLIENT_AUTH_VIEW").unwrap().join("\n");
    assert!(held().contains(&address[..56]), "Tor has the credential: {}", held());

    guest.kill();
    guest.start();
    guest.cli(["joined", "chess-club"]).succeeded();
    with_input(&guest, &["join", "-", "--yes"], &written.stdout).succeeded();
    assert_refused(guest.cli(["leave", "chess-club"]), 6, &["Nothing was removed", "--yes"]);
    guest.cli(["leave", "chess-club", "--yes"]).succeeded();
    assert_refused(guest.cli(["leave", "chess-club", "--yes"]), 3, &["no service \"chess-club\""]);
    for log in [guest.log(), host.log()] {
        for secret in [&key, &address[..20], "alice", "Chess"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

#[test]
fn a_request_is_answered_with_an_invitation_that_is_of_use_to_nobody_else() {
    let host = simulated();
    let (guest, stranger) = (simulated(), simulated());
    host.publish("web", &["80:1"], &["--private", "--client", "bob"]);
    let request = guest.cli(["request", "--name", "alice", "--persistent"]).succeeded().stdout;
    assert_eq!(guest.cli(["request", "--name", "alice"]).succeeded().stdout, request, "asked again, it is the same");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("request.txt");
    fs::write(&file, &request).unwrap();
    let file = file.to_str().unwrap();
    let refused = host.cli(["invite", "web", "--for", "bob", "--request", file]);
    assert_refused(refused, 1, &["\"bob\" of \"web\" has another key", "--for"]);
    let invitation = host.cli(["invite", "web", "--request", &request]).succeeded();
    assert!(invitation.stderr.contains("Only \"alice\""), "{invitation:#?}");
    assert_eq!(host.cli(["invite", "web", "--for", "alice", "--request", file]).succeeded().stdout, invitation.stdout);
    assert_eq!(with_input(&host, &["invite", "web", "--request", "-"], &request).succeeded().stdout, invitation.stdout);
    let text = &invitation.stdout;
    assert_refused(stranger.cli(["join", text, "--yes"]), 3, &["No request with this key"]);
    // There is no secret in it: it may stand on a command line.
    let joined = guest.cli(["join", text, "--yes", "--name", "chess"]).succeeded();
    assert!(joined.stdout.contains("name: chess") && joined.stdout.contains("persistence: true"), "{joined:#?}");
    assert!(joined.stderr.contains("your request \"alice\""), "{joined:#?}");
    assert_ne!(guest.cli(["request", "--name", "alice"]).succeeded().stdout, request, "it is answered");
}

#[test]
fn an_invitation_is_written_into_a_new_file_that_nobody_else_can_read() {
    let host = simulated();
    host.publish("web", &["80:1"], &[]);
    let place = tempfile::tempdir().unwrap();
    for (name, begins) in
        [("a.txt", &b"-----BEGIN"[..]), ("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a", b"-----BEGIN")]
    {
        let path = place.path().join(name);
        let arguments = ["invite", "web", "--for", "alice", "--output", path.to_str().unwrap()];
        let written = host.cli(arguments).succeeded();
        assert!(written.stdout.is_empty() && written.stderr.contains("open to everybody"), "{written:#?}");
        assert!(fs::read(&path).unwrap().starts_with(begins), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert_refused(host.cli(arguments), 1, &["File exists", "does not exist yet"]);
    }
}

#[test]
fn what_can_not_be_joined_is_named_and_nothing_is_remembered() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let address = OnionKey::generate().unwrap().address();
    let (key, other) = (ClientSecretKey::generate().unwrap(), ClientSecretKey::generate().unwrap());
    let new = || Invitation::new(address, ["80".parse().unwrap()]).unwrap();
    let line = format!("{}:descriptor:x25519:{}", address.service_id(), key.expose_base32().as_str());
    let secret = new().with_access(Access::Key(key)).expose_text().to_string();
    let expired = new().with_expiry(Expiry::from_unix_seconds(1_000_000_000).unwrap()).expose_text().to_string();
    let foreign = new().with_access(Access::Requested(other.public_key())).expose_text().to_string();
    let damaged = secret.replacen("TAILSINVAE", "TAILSINVAE7", 1);
    let request = controller.cli(["request", "--name", "me"]).succeeded().stdout;
    let old = "expyuzz4wqqyqhjn.onion:descriptor:x25519:O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA";
    for (text, code, words) in [
        (expired.as_str(), 1, &["expired at 2001-09-09T01:46:40Z", "new one"] as &[&str]),
        (&damaged, 2, &["damaged", "Copy it once more"]),
        (&foreign, 3, &["No request with this key"]),
        (&request, 2, &["a request to be invited", "invite NAME"]),
        (old, 2, &["version 2", "56 characters"]),
        ("", 2, &["nothing to read"]),
        ("Dear Alice", 2, &["neither an invitation nor a request", "BEGIN"]),
        (&address.display_unredacted(), 2, &["bare onion address", "Tor Browser"]),
    ] {
        assert_refused(with_input(&controller, &["join", "--yes"], text), code, words);
    }
    for text in [secret.as_str(), &line] {
        let refused = controller.cli(["join", text, "--yes"]);
        assert_refused(refused, 2, &["secret", "history of the shell", "tails-server join -"]);
    }
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["join", "/nonexistent/invitation"], 1, &["/nonexistent/invitation", "No such file"]),
        (&["joined", "chess"], 3, &["no service \"chess\"", "tails-server joined"]),
        (&["invite", "web"], 2, &["--for"]),
        (&["invite", "wbe", "--for", "alice"], 3, &["Did you mean \"web\"?"]),
        (&["invite", "web", "--for", "alice", "--expires", "soon"], 2, &["7d"]),
        (&["invite", "web", "--for", "alice", "--title", "a\nb"], 2, &["line break"]),
        (&["invite", "web", "--for", "alice", "--request", &secret], 2, &["not a request"]),
        (&["request"], 2, &["--name"]),
    ];
    for (arguments, code, words) in table {
        assert_refused(controller.cli(*arguments), *code, words);
    }
    assert_eq!(json(&controller, &["joined"]), serde_json::json!([]));
    // Without a Tor it is remembered, and that is not yet enough.
    let waiting = with_input(&controller, &["join", "--yes", "--name", "chess"], &line);
    assert_refused(waiting, 5, &["\"chess\" is remembered", "can not reach it yet", "tails-server joined"]);
    assert_eq!(json(&controller, &["joined", "chess"])["ready"], false);
    let elsewhere = new_line();
    let taken = with_input(&controller, &["join", "--yes", "--name", "chess"], &elsewhere);
    assert_refused(taken, 2, &["another service as \"chess\"", "--name", "leave chess"]);
}

/// A line of an `.auth_private` file for another service.
fn new_line() -> String {
    let (address, key) = (OnionKey::generate().unwrap().address(), ClientSecretKey::generate().unwrap());
    format!("{}:descriptor:x25519:{}", address.service_id(), key.expose_base32().as_str())
}
