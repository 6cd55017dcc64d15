// SPDX-License-Identifier: GPL-3.0-or-later
//! Settings of `tails-serverd`: which one wins, and what is refused with a hint.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tornet::wait_until;

use crate::given::{DAEMON, NO_TOR, Process, assert_refused, run};
use crate::harness::PATIENCE;

fn place() -> TempDir {
    tempfile::Builder::new().prefix("ts-").tempdir().unwrap()
}

/// `tails-serverd` with directories below `place` and no Tor, and nothing of this machine's environment.
fn daemon(place: &Path) -> Command {
    let mut command = Command::new(DAEMON);
    command.env_clear().arg("--user").args(["--control", NO_TOR]);
    command.env("XDG_RUNTIME_DIR", place.join("run")).env("XDG_STATE_HOME", place.join("state"));
    command.env("HOME", place).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether the controller listens there, once it listens anywhere of these.
fn listens_on(command: &mut Command, sockets: &[&Path]) -> usize {
    let _running = Process::start(command);
    let found = wait_until(PATIENCE, || sockets.iter().position(|socket| UnixStream::connect(socket).is_ok()));
    found.expect("a socket")
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let sockets = [path("flag"), path("variable"), path("file"), path("run/tails-server/bus")];
    let all: Vec<&Path> = sockets.iter().map(std::path::PathBuf::as_path).collect();
    let bus = |number: usize| format!("unix:{}", sockets[number].display());
    fs::create_dir_all(path(".config/tails-server")).unwrap();
    let file = path(".config/tails-server/settings.toml");
    let settings = |with_bus: &str| fs::write(&file, format!("log = \"debug\"\n{with_bus}")).unwrap();
    let in_file = format!("bus = \"{}\"\n", bus(2));

    settings("");
    assert_eq!(listens_on(&mut daemon(place.path()), &all), 3);
    settings(&in_file);
    assert_eq!(listens_on(&mut daemon(place.path()), &all), 2);
    assert_eq!(listens_on(daemon(place.path()).env("TAILS_SERVER_BUS", bus(1)), &all), 1);
    assert_eq!(listens_on(daemon(place.path()).env("TAILS_SERVER_BUS", bus(1)).args(["--bus", &bus(0)]), &all), 0);
    // The file by its own flag, in place of the default file.
    let other = path("other.toml");
    fs::write(&other, "").unwrap();
    assert_eq!(listens_on(daemon(place.path()).arg("--settings").arg(&other), &all), 3);
    assert_eq!(listens_on(daemon(place.path()).env("TAILS_SERVER_SETTINGS", &other), &all), 3);
}

#[test]
fn every_setting_can_stand_in_the_file_and_in_the_environment() {
    let help = run(Command::new(DAEMON).env_clear().arg("--help")).succeeded().stdout;
    let place = place();
    let file = place.path().join("all.toml");
    let values = [
        ("state-directory", place.path().join("s").display().to_string()),
        ("runtime-directory", place.path().join("r").display().to_string()),
        ("control", "unix:/nonexistent/control".to_owned()),
        ("control-cookie-file", "/nonexistent/cookie".to_owned()),
        ("control-password-file", "/dev/null".to_owned()),
        ("tor-config", "/nonexistent/torrc".to_owned()),
        ("bus", format!("unix:{}", place.path().join("b").display())),
        ("log", "warn".to_owned()),
    ];
    let bus = place.path().join("b");
    let lines: String = values.iter().map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
    fs::write(&file, lines).unwrap();
    let bare = || {
        let mut command = Command::new(DAEMON);
        command.env_clear().arg("--user").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert_eq!(listens_on(bare().arg("--settings").arg(&file), &[&bus]), 0);
    let mut by_environment = bare();
    by_environment.args(["--settings", "/dev/null"]);
    for (key, value) in &values {
        let variable = format!("TAILS_SERVER_{}", key.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{key} <")) && help.contains(&format!("[env: {variable}=]")), "{key}: {help}");
        by_environment.env(variable, value);
    }
    assert_eq!(listens_on(&mut by_environment, &[&bus]), 0);
    for made in ["s/kept", "r/amnesic"] {
        assert!(place.path().join(made).is_dir(), "{made}");
    }
}

#[test]
fn what_can_not_be_meant_is_refused_with_a_hint() {
    let place = place();
    let file = place.path().join("settings.toml");
    let name = file.display().to_string();
    for (text, words) in [
        ("log = \"info\"\nbogus = 1\n", &["unknown field `bogus`", "line 2"] as &[&str]),
        ("# a comment\n\nsim = true\n", &["`sim`", "line 3"]),
        ("control = \"ftp:localhost\"\n", &["line 1", "unix:/PATH"]),
        ("control = \"tcp:192.0.2.1:9051\"\n", &["line 1", "this machine"]),
        ("bus = \"unix:relative\"\n", &["line 1", "absolute"]),
        ("log = 3\n", &["line 1", "string"]),
        ("log = \n", &["line 1"]),
        ("log = \"info\"\nlog = \"debug\"\n", &["line 2", "duplicate key"]),
    ] {
        fs::write(&file, text).unwrap();
        let answer = run(daemon(place.path()).arg("--settings").arg(&file));
        assert_refused(answer, 1, &[words, &[&name, "tails-serverd --help"]].concat());
    }
    let missing = place.path().join("missing.toml");
    let answer = run(daemon(place.path()).arg("--settings").arg(&missing));
    assert_refused(answer, 1, &["Cannot read the settings", "missing.toml", "No such file"]);
    fs::write(&file, [0xff, 0xfe, b'\n']).unwrap();
    assert_refused(run(daemon(place.path()).arg("--settings").arg(&file)), 1, &[&name]);
    for (flag, value, words) in [
        ("--log", "inof", &["\"inof\"", "error, warn, info, debug or trace"] as &[&str]),
        ("--log", "info,zbus=loud", &["info,zbus=loud", "error, warn, info"]),
        ("--control-password-file", "/nonexistent/password", &["/nonexistent/password", "No such file"]),
        ("--state-directory", "/dev/null/x", &["/dev/null/x"]),
        ("--state-directory", "/proc/nothing", &["/proc/nothing"]),
        ("--runtime-directory", "/dev/null", &["/dev/null"]),
    ] {
        assert_refused(run(daemon(place.path()).args([flag, value])), 1, words);
    }
    for (flag, value, words) in [
        ("--control", "tcp:127.0.0.1:0", &["--control", "tcp:127.0.0.1:PORT"] as &[&str]),
        ("--control", "tcp:localhost:9051", &["--control", "tcp:127.0.0.1:PORT"]),
        ("--control", "unix:control", &["absolute"]),
        ("--control", "", &["--control"]),
        ("--bus", "session,system", &["one message bus"]),
        ("--bus", "unix:bus", &["absolute"]),
        ("--bus", "tcp:1", &["unix:PATH"]),
        ("--boss", "x", &["\"--boss\" is not known here", "tails-serverd --help"]),
    ] {
        let mut command = daemon(place.path());
        // Once is enough, even for this.
        let before: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        if flag == "--control" {
            command = Command::new(DAEMON);
            command.env_clear().args(before.iter().filter(|word| *word != "--control" && *word != NO_TOR));
        }
        assert_refused(run(command.args([flag, value])), 2, words);
    }
}

#[test]
fn without_an_environment_it_asks_where_things_belong() {
    let place = place();
    for (variable, words) in [
        ("XDG_RUNTIME_DIR", &["--runtime-directory DIRECTORY"] as &[&str]),
        ("XDG_STATE_HOME", &["--state-directory DIRECTORY"]),
    ] {
        assert_refused(run(daemon(place.path()).env_remove("HOME").env_remove(variable)), 1, words);
        // The specification: a relative path counts as none.
        assert_refused(run(daemon(place.path()).env_remove("HOME").env(variable, "here")), 1, words);
    }
}

#[test]
fn a_directory_in_which_others_could_replace_our_files_is_run() {
    for (directory, flag) in [("run/tails-server", "--runtime-directory"), ("state/tails-server", "--state-directory")]
    {
        for mode in [0o777, 0o770, 0o1777, 0o702] {
            let place = place();
            let path = place.path().join(directory);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let command = format!("chmod 700 {}", path.display());
            assert_refused(run(daemon(place.path()).arg(flag).arg(&path)), 1, &["Others can write", &command]);
        }
    }
    let place = place();
    if crate::given::root("a directory of another user") {
        let path = place.path().join("foreign");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        let answer = run(daemon(place.path()).arg("--runtime-directory").arg(&path));
        assert_refused(answer, 1, &["belongs to another user"]);
    }
    let file = place.path().join("bus");
    fs::write(&file, "precious").unwrap();
    let answer = run(daemon(place.path()).arg("--bus").arg(format!("unix:{}", file.display())));
    assert_refused(answer, 1, &["is not a socket", "--bus unix:PATH"]);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}
