// SPDX-License-Identifier: GPL-3.0-or-later
//! Each service that comes along, enabled by one command and reached over Tor by its own protocol.

use serde_json::Value;
use tails_box::{Options, Release, may_boot};
use tails_server_state::ClientCredential;

use crate::clients::irc::Guest;
use crate::clients::xmpp::Person;
use crate::clients::{self, files, infinote, mumble};
use crate::reach::Reach;
use crate::sessions;
use crate::system::System;

const SERVICES: [&str; 7] = ["mumble", "nginx", "ngircd", "prosody", "gobby", "sftp", "ssh"];
/// Those that are for nobody until somebody is let in.
const PRIVATE: [&str; 2] = ["prosody", "ssh"];
/// Somebody who has an account on the machine.
const USER: &str = "amnesia";

#[test]
fn each_service_is_reached_through_its_onion_service_by_its_own_protocol() {
    if !may_boot("each_service_is_reached_through_its_onion_service_by_its_own_protocol") {
        return;
    }
    for release in Release::ALL {
        let Some(system) = System::boot(release, Options::new()) else { continue };
        let watch = system.machine.watch_listeners().unwrap();
        let reach = Reach::build(&system);
        system.run(&["useradd", "--create-home", "--shell", "/bin/sh", USER]);
        if release == Release::Trixie {
            // The first on a machine on which nothing was done yet, as a newcomer has it.
            sessions::mumble_is_added(&system, &reach);
        }
        for name in SERVICES {
            system.cli(&["enable", name]);
        }
        let visit = Visit { system: &system, reach: &reach };
        for name in PRIVATE {
            visit.join(name);
        }
        for name in SERVICES {
            system.wait_for_state(name, "published");
        }
        visit.mumble();
        visit.nginx();
        visit.ngircd();
        visit.prosody();
        visit.gobby();
        visit.sftp();
        visit.ssh();
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}

/// What a visitor has been told, and does.
struct Visit<'a> {
    system: &'a System,
    reach: &'a Reach,
}

impl Visit<'_> {
    fn connect(&self, name: &str, port: u16) -> std::net::TcpStream {
        self.reach.connect(self.system, &self.system.address(name), port)
    }

    /// Lets the visitor into a service that is not for everybody.
    fn join(&self, name: &str) {
        self.system.cli(&["client", "add", name, "visitor"]);
        let shown: Value = self.system.json(&["client", "show", name, "visitor"]);
        self.reach.join(&ClientCredential::parse(shown["auth-private"].as_str().unwrap()).unwrap());
    }

    fn mumble(&self) {
        self.system.cli(&["set-option", "mumble", "welcome-message", "Hello from \"Tor\""]);
        self.system.wait_for_state("mumble", "published");
        let password = self.system.option("mumble", "server-password");
        let welcome = mumble::enter(self.connect("mumble", 64738), "alice", &password);
        assert!(welcome.is_in && welcome.text.contains("Hello from \"Tor\""), "{welcome:?}");
        assert_eq!(welcome.fingerprint, self.system.option("mumble", "tls-fingerprint"));
        let refused = mumble::enter(self.connect("mumble", 64738), "mallory", "guessed");
        assert!(!refused.is_in, "{refused:?}");
    }

    fn nginx(&self) {
        self.system.machine.write("/srv/tails-server/website/hello.txt", "hello over Tor").unwrap();
        let page = clients::page(self.connect("nginx", 80), "/hello.txt");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("hello over Tor"), "{page}");
    }

    fn ngircd(&self) {
        let password = self.system.option("ngircd", "password");
        let (mut alice, said) = Guest::join(self.connect("ngircd", 6667), "alice", &password, "lobby");
        assert!(said.contains("Welcome!"), "the message of the day: {said}");
        let (mut bob, said) = Guest::join(self.connect("ngircd", 6667), "bob", &password, "lobby");
        assert!(said.contains("alice"), "who is there already: {said}");
        alice.tell("lobby", "can you hear me?");
        bob.hears("PRIVMSG #lobby :can you hear me?");
    }

    fn prosody(&self) {
        let domain = self.system.address("prosody");
        let mut alice = Person::register(self.connect("prosody", 5222), &domain, "alice");
        let mut bob = Person::register(self.connect("prosody", 5222), &domain, "bob");
        alice.tell(&format!("bob@{domain}"), "can you hear me?");
        bob.hears("can you hear me?");
        assert_eq!(alice.fingerprint, self.system.option("prosody", "tls-fingerprint"));
    }

    fn gobby(&self) {
        let (fingerprint, offered) = infinote::handshake(self.connect("gobby", 6523));
        assert_eq!(fingerprint, self.system.option("gobby", "tls-fingerprint"));
        assert!(offered.contains("<mechanism>PLAIN</mechanism>"), "it asks for the password: {offered}");
    }

    fn sftp(&self) {
        let (address, password) = (self.system.address("sftp"), self.system.option("sftp", "password"));
        self.system.machine.write("/root/there", "put over Tor").unwrap();
        files::forwarded(self.system, self.reach, &address, 22, |port| {
            files::believe(self.system, port, "/var/lib/tails-sftp/ssh_host_ed25519_key.pub");
            files::transfer(
                self.system,
                port,
                "tails-sftp",
                &password,
                "put /root/there /files/there\nget /files/there /root/back\n",
            );
        });
        assert_eq!(self.system.run(&["cat", "/root/back", "/srv/tails-sftp/files/there"]), "put over Tor".repeat(2));
    }

    fn ssh(&self) {
        let key = "/root/identity";
        self.system.run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
        let public = self.system.run(&["cat", &format!("{key}.pub")]);
        self.system.cli(&["set-option", "ssh", "user", USER]);
        self.system.cli(&["set-option", "ssh", "authorized-keys", public.trim_end()]);
        let banner = clients::banner(self.connect("ssh", 22));
        assert!(banner.starts_with("SSH-2.0-OpenSSH"), "{banner}");
        let address = self.system.address("ssh");
        let said = files::forwarded(self.system, self.reach, &address, 22, |port| {
            files::believe(self.system, port, "/var/lib/tails-ssh/ssh_host_ed25519_key.pub");
            files::login(self.system, port, USER, key, "id --user --name")
        });
        assert_eq!(said, format!("{USER}\n"));
    }
}
