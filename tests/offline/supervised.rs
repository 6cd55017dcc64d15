// SPDX-License-Identifier: GPL-3.0-or-later
//! What systemd is told, and SIGHUP: a socket of the test plays systemd.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;
use tornet::wait_until;

use crate::given::{NO_TOR, Process};
use crate::harness::{Controller, PATIENCE};

/// What systemd would hear.
struct Listener(UnixDatagram);

impl Listener {
    fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("the controller says something in time");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next that is no sign of life.
    fn next_word(&self) -> String {
        loop {
            let word = self.next();
            if word != "WATCHDOG=1\n" {
                return word;
            }
        }
    }
}

fn describe(services: &Path, name: &str) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services").join(name);
    fs::create_dir_all(services.join(name)).unwrap();
    for file in fs::read_dir(shipped).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), services.join(name).join(file.file_name())).unwrap();
    }
}

#[test]
fn systemd_hears_that_it_is_ready_and_alive_and_has_read_new_descriptors() {
    let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
    let (socket, services) = (place.path().join("notify"), place.path().join("services"));
    let systemd = Listener::bind(&socket);
    describe(&services, "ngircd");
    let directory = services.to_str().unwrap();
    let controller = Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", directory]);
    let mut command = controller.command();
    let mut process = Process::start(command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "600000"));
    assert_eq!(systemd.next_word(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(systemd.next(), "WATCHDOG=1\n");
    }

    controller.cli(["enable", "ngircd"]).succeeded();
    let names = |controller: &Controller| controller.cli(["list", "--json"]).succeeded().stdout;
    assert!(!names(&controller).contains("\"mumble\""));
    describe(&services, "mumble");
    process.signal(Signal::HUP);
    let word = systemd.next_word();
    assert!(word.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{word}");
    assert_eq!(systemd.next_word(), "READY=1\n");
    assert!(names(&controller).contains("\"mumble\""));
    controller.cli(["enable", "mumble"]).succeeded();

    // A descriptor that is gone: its service is told to be without one, and the others are as they were.
    fs::remove_dir_all(services.join("mumble")).unwrap();
    process.signal(Signal::HUP);
    assert!(systemd.next_word().starts_with("RELOADING=1\n"));
    assert_eq!(systemd.next_word(), "READY=1\n");
    let failed = wait_until(PATIENCE, || (controller.service_state("mumble") == "failed").then_some(()));
    assert!(failed.is_some(), "{}", controller.status("mumble"));
    assert_ne!(controller.service_state("ngircd"), "failed");

    process.signal(Signal::TERM);
    assert_eq!(systemd.next_word(), "STOPPING=1\n");
    assert_eq!(process.end().0.code(), Some(0), "{}", controller.log());
}
