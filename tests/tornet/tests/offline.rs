// SPDX-License-Identifier: GPL-3.0-or-later
//! One tor without a network: how it starts, ends and lets people in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tornet::{Authentication, Control, Error, Tor, TorOptions, wait_until};

#[test]
fn it_survives_every_way_to_end_and_keeps_its_places() {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    let (socket, first) = (tor.control_socket().to_owned(), tor.pid().unwrap());
    assert!(socket.as_os_str().len() < 108, "{}", socket.display());

    tor.kill();
    assert_eq!(tor.pid(), None);
    assert!(socket.exists(), "a killed tor leaves a stale socket");
    assert!(UnixStream::connect(&socket).is_err());
    assert!(matches!(tor.control(), Err(Error::NotRunning { .. })));

    tor.start().unwrap();
    assert_ne!(tor.pid().unwrap(), first);
    tor.terminate().unwrap();
    assert!(!socket.exists(), "a tor that ends by itself removes its socket");

    let mark = tor.data_directory().join("mark");
    std::fs::write(&mark, "").unwrap();
    tor.start().unwrap();
    assert!(mark.exists());
    tor.start_fresh().unwrap();
    assert!(!mark.exists());

    tor.reload().unwrap();
    tor.set_conf("MaxCircuitDirtiness=60").unwrap();
    assert_eq!(tor.control().unwrap().command("GETCONF MaxCircuitDirtiness").unwrap(), ["MaxCircuitDirtiness=60"]);
    assert_eq!(tor.control().unwrap().info("onions/current").unwrap(), "");
    assert_eq!(tor.control().unwrap().command("GETCONF DisableNetwork").unwrap(), ["DisableNetwork=1"]);
}

#[test]
fn each_authentication_is_the_one_that_tor_offers() {
    for (authentication, methods) in [
        (Authentication::Cookie, "METHODS=COOKIE,SAFECOOKIE "),
        (Authentication::Password("secret".into()), "METHODS=HASHEDPASSWORD"),
        (Authentication::Nothing, "METHODS=NULL"),
    ] {
        let tor = Tor::offline(TorOptions::host().authentication(authentication).with_control_port()).unwrap();
        let offer = Control::connect(tor.control_socket()).unwrap().command("PROTOCOLINFO 1").unwrap().join(" ");
        assert!(offer.contains(methods), "{offer}");
        assert!(tor.control().unwrap().info("version").unwrap().starts_with("0."));

        let mut stream = TcpStream::connect(("127.0.0.1", tor.control_port().unwrap())).unwrap();
        stream.write_all(b"PROTOCOLINFO 1\r\nQUIT\r\n").unwrap();
        let mut same_offer = String::new();
        stream.read_to_string(&mut same_offer).unwrap();
        assert!(same_offer.contains(methods), "{same_offer}");
    }
}

#[test]
fn a_tor_that_dies_is_reported_with_its_last_words() {
    let error = Tor::offline(TorOptions::host().line("NoSuchOption 1")).unwrap_err();
    assert!(matches!(&error, Error::Ended { .. }), "{error}");
    assert!(error.to_string().contains("Unknown option 'NoSuchOption'"), "{error}");
}

/// Not a test by itself: the other process of the next one.
#[test]
#[ignore = "runs inside a_static_that_is_never_dropped_is_cleaned_up_too"]
fn leave_a_tor_in_a_static() {
    static TOR: OnceLock<Tor> = OnceLock::new();
    let tor = TOR.get_or_init(|| Tor::offline(TorOptions::host()).unwrap());
    println!("\npid {}", tor.pid().unwrap());
    println!("torrc {}", tor.torrc().display());
}

#[test]
fn a_static_that_is_never_dropped_is_cleaned_up_too() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "leave_a_tor_in_a_static", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<_> = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(process.wait().unwrap().success());
    let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let (pid, torrc) = (field("pid "), field("torrc "));
    let command_line =
        || std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    let gone = wait_until(Duration::from_secs(10), || {
        let directory_gone = !std::path::Path::new(&torrc).exists();
        (directory_gone && !command_line().contains(&torrc)).then_some(())
    });
    assert!(gone.is_some(), "still there: {} {torrc}", command_line());
}
