// SPDX-License-Identifier: GPL-3.0-or-later
//! The computers of a session, each with its own Tor in the private network and its own controller.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tornet::socks::{self, Proxy};
use tornet::{Tor, TorOptions, wait_until};

use super::play::{Stage, Told};
use crate::harness::{Controller, PATIENCE, VISIT_PATIENCE, network, visit};
use crate::site::{Place, Site};

/// What the web servers say.
const PAGE: &str = "a page";
/// For those who remember it.
const PASSPHRASE: &str = "correct horse battery staple\n";

/// All that there is in a session.
// The computers share one loopback: what listens on a port listens on it at all of them.
#[derive(Default)]
pub(super) struct Theatre {
    computers: BTreeMap<String, Computer>,
    sites: BTreeMap<u16, Site>,
}

/// Where a person types.
struct Computer {
    controller: Controller,
    tor: Tor,
    home: TempDir,
}

impl Computer {
    fn start() -> Self {
        let tor = network().tor(TorOptions::client()).unwrap();
        tor.wait_bootstrapped(PATIENCE).unwrap();
        let controller = Controller::with(&tor);
        let home = tempfile::Builder::new().prefix("ts-home-").tempdir().unwrap();
        let computer = Self { controller, tor, home };
        // The controller is connected to Tor within milliseconds; the session begins after them.
        let online = wait_until(PATIENCE, || {
            let status = computer.command().args(["status", "--json"]).output().unwrap();
            String::from_utf8_lossy(&status.stdout).contains("\"online\": true").then_some(())
        });
        assert!(online.is_some(), "not online: {}", computer.controller.log());
        computer
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
        let bus = format!("unix:{}", self.controller.bus().display());
        command.env_clear().env("TAILS_SERVER_BUS", bus).current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    /// This computer's own visitor gets the page.
    fn sees(&self, address: &str) {
        let mut tries = 0;
        let page = wait_until(VISIT_PATIENCE, || {
            tries += 1;
            let proxy = Proxy::isolated(self.tor.socks_port(), &format!("visit-{tries}"));
            socks::get(proxy, address, 80, "/", PATIENCE / 6).ok()
        });
        assert_eq!(page.as_deref(), Some(PAGE), "{}", network().told_of(address));
    }

    /// A tor, which is offline, makes a directory for an onion service.
    fn make_service(&self, directory: &str) {
        let path = self.home.path().join(directory);
        let tor = Tor::offline(TorOptions::host()).unwrap();
        tor.set_conf(&format!("HiddenServiceDir=\"{}\" HiddenServicePort=80", path.display())).unwrap();
        // It is the last file that tor writes.
        let made = wait_until(PATIENCE, || path.join("hostname").exists().then_some(()));
        assert!(made.is_some(), "{}", fs::read_to_string(tor.log()).unwrap());
    }
}

impl Theatre {
    fn computer(&mut self, name: &str) -> &Computer {
        self.computers.entry(name.to_owned()).or_insert_with(Computer::start)
    }

    fn listen(&mut self, port: &str) {
        let port = port.parse().unwrap();
        self.sites.entry(port).or_insert_with(|| Place::port(port).open(PAGE));
    }

    /// A file or a directory goes from one to the other.
    fn carry(&mut self, what: &str, from: &str, to: &str) {
        let from = self.computer(from).home.path().join(what);
        fs::copy(from, self.computer(to).home.path().join(what)).unwrap();
    }
}

impl Stage for Theatre {
    fn run(&mut self, computer: &str, words: &[String]) -> Told {
        let Some(("tails-server", arguments)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
            unreachable!("only our own program is run: {words:?}")
        };
        let mut both = tempfile::tempfile().unwrap();
        let mut command = self.computer(computer).command();
        command.args(arguments).stdout(both.try_clone().unwrap()).stderr(both.try_clone().unwrap());
        let code = command.status().unwrap().code();
        let mut text = String::new();
        both.rewind().and_then(|()| both.read_to_string(&mut text)).unwrap();
        Told { text, code }
    }

    fn happen(&mut self, computer: &str, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        match words.as_slice() {
            ["a", "web", "server", "listens", "on", "port", port] => self.listen(port),
            ["the", "web", "server", "on", "port", port, "ends"] => drop(self.sites.remove(&port.parse().unwrap())),
            ["a", "visitor", "of", address, "sees", "the", "page"] => assert_eq!(visit(address, 80), PAGE),
            ["who", "is", "here", "visits", address, "and", "sees", "the", "page"] => {
                self.computer(computer).sees(address);
            }
            ["then", service, "is", state] => {
                self.computer(computer).controller.wait_for_state(service.trim_matches('"'), state);
            }
            ["a", "moment", "later", "it", "is", "known", "what", service, "waits", "for"] => {
                let controller = &self.computer(computer).controller;
                let known = || controller.status(service.trim_matches('"'))["problem"].as_str().map(drop);
                assert!(wait_until(PATIENCE, known).is_some(), "{}", controller.log());
            }
            ["Tor", "ends"] => {
                self.computer(computer).tor.terminate().unwrap();
            }
            ["Tor", "is", "back"] => {
                let tor = &self.computer(computer).tor;
                tor.start().unwrap();
                tor.wait_bootstrapped(PATIENCE).unwrap();
            }
            ["there", "is", "a", "passphrase", "in", "the", "file", file] => {
                fs::write(self.computer(computer).home.path().join(file), PASSPHRASE).unwrap();
            }
            [file, "is", "brought", "from", from, "to", to] => self.carry(file, from, to),
            ["there", "is", "a", "directory", directory, "for", "an", "onion", "service", ..] => {
                self.computer(computer).make_service(directory);
            }
            _ => unreachable!("nobody knows how this happens: {what}"),
        }
    }
}
