// SPDX-License-Identifier: GPL-3.0-or-later
//! Every way in which Tor's control port lets people in, at the real daemon.

use std::fs;

use tornet::{Authentication, TorOptions, Website};

use crate::harness::{Controller, PATIENCE, network, visit};

const PASSWORD: &str = "correct horse";

#[test]
fn every_authentication_that_tor_knows_leads_to_a_published_service() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("password");
    fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    let with_password = ["--control-password-file", secret.to_str().unwrap()];
    let site = Website::start("a page").unwrap();

    let password = TorOptions::host().authentication(Authentication::Password(PASSWORD.into()));
    let cookie_over_tcp = TorOptions::host().with_control_port();
    let nothing = TorOptions::host().authentication(Authentication::Nothing);
    for (what, options, arguments) in [
        ("password", password, with_password.as_slice()),
        ("cookie over TCP", cookie_over_tcp, &[]),
        ("nothing", nothing, &[]),
    ] {
        let tor = network().tor(options).unwrap();
        tor.wait_bootstrapped(PATIENCE).unwrap();
        let control = match tor.control_port() {
            Some(port) => format!("tcp:127.0.0.1:{port}"),
            None => format!("unix:{}", tor.control_socket().display()),
        };
        if what == "password" {
            is_not_let_in_without(&control);
        }
        let mut controller = Controller::new(control).arguments(arguments);
        controller.start();
        let address = controller.publish("web", &[&format!("80:{}", site.port())], &[]);
        assert_eq!(visit(&address, 80), "a page", "{what}");
        assert!(!controller.log().contains(PASSWORD), "the log has the password");
    }
}

/// Without the password the controller says what is missing, and goes on.
fn is_not_let_in_without(control: &str) {
    let mut controller = Controller::new(control);
    controller.start();
    controller.cli(["publish", "--name", "web", "8080"]).succeeded();
    let told = tornet::wait_until(PATIENCE, || {
        let overview = controller.cli(["status", "--json"]).succeeded().stdout;
        (overview.contains("password") && overview.contains("\"connected\": false")).then_some(())
    });
    assert!(told.is_some(), "{}", controller.cli(["status"]).stdout);
}
