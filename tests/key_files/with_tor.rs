// SPDX-License-Identifier: GPL-3.0-or-later
//! A real tor, offline: it makes a service, we take it over, and give it back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tails_server::key_files::{Imported, export, import};
use tornet::{Tor, TorOptions, wait_until};

use crate::samples::{CLIENT, Directory};

/// The service of a torrc that names this directory: the address that tor writes.
fn hostname(tor: &Tor, directory: &Path) -> String {
    tor.set_conf(&format!("HiddenServiceDir=\"{}\" HiddenServicePort=80", directory.display())).unwrap();
    let file = directory.join("hostname");
    assert!(
        wait_until(Duration::from_secs(10), || file.exists().then_some(())).is_some(),
        "{}",
        fs::read_to_string(tor.log()).unwrap()
    );
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_service_of_a_torrc_moves_here_and_back() {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    let home = Directory::empty();
    let (old, new) = (home.file("old"), home.file("new"));
    let address = hostname(&tor, &old);

    let line = format!("descriptor:x25519:{CLIENT}\n");
    fs::write(old.join("authorized_clients/Alice.auth"), &line).unwrap();
    let Imported { key, clients, warnings } = import(&old).unwrap();
    assert_eq!(key.address().display_unredacted(), address.trim_end());
    assert_eq!(clients.iter().map(|read| read.called.as_str()).collect::<Vec<_>>(), ["Alice"]);
    assert_eq!(warnings, []);

    let clients: Vec<_> = clients.into_iter().map(|read| read.client).collect();
    export(&key, &clients, &new).unwrap();
    for file in ["hostname", "hs_ed25519_public_key", "hs_ed25519_secret_key"] {
        assert_eq!(fs::read(new.join(file)).unwrap(), fs::read(old.join(file)).unwrap(), "{file}");
    }
    // Without the address and the public key, tor has to find them itself.
    fs::remove_file(new.join("hostname")).unwrap();
    fs::remove_file(new.join("hs_ed25519_public_key")).unwrap();
    assert_eq!(hostname(&tor, &new), address);
    assert!(import(&new).is_ok(), "tor left something that we do not read");
    let log = fs::read_to_string(tor.log()).unwrap();
    let complaint = log.lines().find(|line| line.contains("[warn]") && line.contains(&*home.path().to_string_lossy()));
    assert_eq!(complaint, None);
}
