// SPDX-License-Identifier: GPL-3.0-or-later
//! Who is let in, who may read what, and what is never written down.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tornet::{Authentication, Tor, TorOptions, Website, wait_until};

use crate::given::{CLI, Process, assert_refused, controller, files, publish, root, run};
use crate::harness::{Controller, PATIENCE};
use crate::manager;
use crate::peer::{Peer, obey};
use crate::words::{found, secrets_of};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn directories(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![root.to_owned()];
    for entry in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        found.extend(directories(&entry));
    }
    found
}

#[test]
fn whatever_the_umask_is_everything_is_for_its_user_alone() {
    let controller = Controller::new(crate::given::NO_TOR);
    let command = controller.command();
    let mut loose = Command::new("sh");
    loose.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    let mut process = Process::start(loose.env_clear().env("PATH", std::env::var_os("PATH").unwrap()));
    wait_until(PATIENCE, || UnixStream::connect(controller.bus()).ok()).expect("it listens");
    publish(&controller, "web", &["--persistent"]);
    publish(&controller, "pad", &[]);
    controller.cli(["remove", "web", "--yes"]).succeeded();
    publish(&controller, "web", &["--persistent"]);
    process.signal(rustix::process::Signal::TERM);
    process.end();
    for place in [controller.state(), controller.runtime()] {
        for directory in directories(&place) {
            assert_eq!(mode(&directory), 0o700, "{}", directory.display());
        }
        let files = files(&place);
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
}

#[test]
fn the_socket_is_for_its_user_alone() {
    let controller = controller();
    assert_eq!(mode(&controller.bus()), 0o600);
    assert_eq!(mode(&controller.runtime()), 0o700);
}

#[test]
fn another_user_is_refused_even_where_the_modes_let_him_through() {
    if !root("another user") {
        return;
    }
    let controller = controller();
    let address = publish(&controller, "web", &[]);
    let everybody = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let place = controller.runtime().parent().unwrap().to_owned();
    // A copy of the program where everybody may start it.
    let program = place.join("tails-server");
    fs::copy(CLI, &program).unwrap();
    everybody(&program, 0o755);
    let other = |arguments: &[&str]| {
        let bus = format!("unix:{}", controller.bus().display());
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(arguments);
        run(command.args(["--bus", &bus]))
    };
    everybody(&place, 0o755);
    assert_refused(other(&["list"]), 4, &["does not let you in", "Permission denied", "as the user"]);
    everybody(&controller.runtime(), 0o755);
    assert_refused(other(&["list"]), 4, &["does not let you in", "Permission denied", "as the user"]);
    everybody(&controller.bus(), 0o666);
    for arguments in [&["list"] as &[&str], &["address", "web"], &["remove", "web", "--yes"], &["publish", "80"]] {
        assert_refused(other(arguments), 4, &["does not let you in", "as the user"]);
    }
    assert!(controller.log().contains("refused a client of another user"), "{}", controller.log());
    assert_eq!(controller.address("web"), address);
}

#[test]
fn neither_address_nor_key_is_in_any_log_nor_in_the_process_table() {
    let site = Website::start("page").unwrap();
    for level in ["info", "debug", "trace"] {
        let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
        let socket = place.path().join("control");
        let peer = Peer::start(&socket, |stream| obey(stream, |_, _| true));
        let mut controller = Controller::new(format!("unix:{}", socket.display())).arguments(&["--log", level]);
        controller.start();
        for (name, options) in [("web", &["--persistent"] as &[&str]), ("pad", &[])] {
            controller.publish(name, &[&format!("80:{}", site.port())], options);
        }
        controller.publish("second", &[&format!("80:{}", site.port())], &[]);
        // Whatever goes wrong is logged, too.
        drop(peer);
        controller.wait_for_state("web", "waiting-for-tor");
        let _again = Peer::start(&socket, |stream| obey(stream, |_, _| true));
        controller.wait_for_state("web", "published");
        controller.cli(["disable", "pad"]).succeeded();
        let process = format!("/proc/{}", controller.pid());
        let table = ["cmdline", "environ"]
            .map(|file| String::from_utf8_lossy(&fs::read(format!("{process}/{file}")).unwrap()).into_owned());
        let gone = secrets_of_running(&controller, "second");
        controller.cli(["remove", "second", "--yes"]).succeeded();
        controller.terminate();
        let log = controller.log();
        assert!(log.contains("state changed"), "{log}");
        let secrets = [secrets_of(&controller, "web"), secrets_of(&controller, "pad"), gone].concat();
        for text in [log.as_str(), &table[0], &table[1]] {
            if let Some((what, secret)) = found(&secrets, text) {
                let line = text.lines().find(|line| line.contains(secret.as_str())).unwrap_or_default();
                panic!("at level {level}: {what}, {secret}, is in: {line}");
            }
        }
    }
}

/// What can be learned of a service while the controller runs: its address.
fn secrets_of_running(controller: &Controller, name: &str) -> Vec<(&'static str, String)> {
    vec![("the address", controller.address(name)[..20].to_owned())]
}

#[test]
fn the_password_of_the_control_port_is_in_no_log_nor_in_the_process_table() {
    const PASSWORD: &str = "correct-horse-battery";
    let tor = Tor::offline(TorOptions::host().authentication(Authentication::Password(PASSWORD.into()))).unwrap();
    let place = tempfile::tempdir().unwrap();
    for (file, text, connected) in [("right", PASSWORD, true), ("wrong", "correct-horse-battery-staple", false)] {
        let path = place.path().join(file);
        fs::write(&path, format!("{text}\n")).unwrap();
        let control = format!("unix:{}", tor.control_socket().display());
        let path = path.display().to_string();
        let mut controller = Controller::new(control).arguments(&["--log", "trace", "--control-password-file", &path]);
        controller.start();
        let status = || -> serde_json::Value {
            serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).unwrap()
        };
        let there = wait_until(PATIENCE, || {
            let tor = status()["tor"].clone();
            let refused = tor["problem"].as_str().is_some_and(|problem| problem.contains("refused the authentication"));
            (if connected { tor["connected"] == true } else { refused }).then_some(tor)
        });
        let there = there.unwrap_or_else(|| panic!("{}", controller.log()));
        let process = format!("/proc/{}", controller.pid());
        let mut texts = vec![controller.log(), there.to_string()];
        for table in ["cmdline", "environ"] {
            texts.push(String::from_utf8_lossy(&fs::read(format!("{process}/{table}")).unwrap()).into_owned());
        }
        let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in texts {
            assert!(!text.contains(PASSWORD) && !text.to_lowercase().contains(&hex), "{text}");
        }
    }
}

#[test]
fn a_hundred_clients_that_say_nothing_do_not_keep_a_real_one_out() {
    let controller = controller();
    let connect = || UnixStream::connect(controller.bus()).unwrap();
    let _silent: Vec<UnixStream> = (0..100).map(|_| connect()).collect();
    let began = Instant::now();
    controller.cli(["list"]).succeeded();
    let took = began.elapsed();
    println!("beside 100 silent clients: {took:?}");
    // Less than the time that a silent one is given to authenticate: nobody had to wait for that.
    assert!(took < Duration::from_secs(4), "{took:?}");
    // Each of them is turned away in the end.
    let mut last = connect();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(last.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_hundred_clients_that_stay_do_not_keep_another_one_out() {
    let controller = controller();
    manager::block_on(async {
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(manager::connect(&controller.bus()).await.unwrap());
        }
        for client in &clients {
            client.overview().await.unwrap();
        }
        let began = Instant::now();
        controller.cli(["list"]).succeeded();
        println!("beside 100 clients: {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    });
}
