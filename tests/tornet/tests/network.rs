// SPDX-License-Identifier: GPL-3.0-or-later
//! A private network does what a Tor network does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail by panicking")]

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tornet::socks::{self, Proxy, Refusal};
use tornet::{Control, Network, Tor, TorOptions, Website, wait_until};

const PATIENCE: Duration = Duration::from_secs(120);

/// An address that is valid and that nobody has published here: the example of rend-spec-v3.
const UNPUBLISHED: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/// A throw-away x25519 public key in base 32.
const CLIENT_KEY: &str = "5QWWU7MB2JRXW3PGYP7LVVWOPZLK5SBTPWQ7ZTKHQD3YRZMPBVUA";

/// A throw-away x25519 private key in base 64 that does not belong to it.
const WRONG_PRIVATE_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

/// One network for all tests of this binary. It is never dropped: its guard ends it.
fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| Network::start().unwrap())
}

fn ready(network: &Network, options: TorOptions) -> Tor {
    let tor = network.tor(options).unwrap();
    tor.wait_bootstrapped(PATIENCE).unwrap();
    tor
}

/// Adds a service with this key; returns its onion address and its private key.
fn add_service(control: &mut Control, key: &str, website: &Website) -> (String, Option<String>) {
    let reply = control.command(&format!("ADD_ONION {key} Port=80,127.0.0.1:{}", website.port())).unwrap();
    let address = format!("{}.onion", reply[0].strip_prefix("ServiceID=").unwrap());
    (address, reply.get(1).map(|line| line.strip_prefix("PrivateKey=").unwrap().to_owned()))
}

#[test]
fn a_client_reaches_a_service_also_after_its_host_was_killed_or_reloaded() {
    let host = ready(network(), TorOptions::host());
    let client = ready(network(), TorOptions::client());
    let website = Website::start("hello").unwrap();
    let fetch = |address: &str| socks::fetch_until(client.socks_port(), address, 80, "/", PATIENCE).unwrap();

    let mut control = host.control().unwrap();
    let (address, key) = add_service(&mut control, "NEW:ED25519-V3", &website);
    let key = key.unwrap();
    assert_eq!(fetch(&address), "hello");
    host.reload().unwrap();
    assert_eq!(fetch(&address), "hello");

    for restart in [Tor::start, Tor::start_fresh] {
        host.kill();
        restart(&host).unwrap();
        host.wait_bootstrapped(PATIENCE).unwrap();
        let mut control = host.control().unwrap();
        assert_eq!(add_service(&mut control, &key, &website), (address.clone(), None));
        // What the client has open leads to the tor that was killed.
        client.control().unwrap().command("SIGNAL NEWNYM").unwrap();
        assert_eq!(fetch(&address), "hello");
    }
}

#[test]
fn each_refusal_has_its_code() {
    let host = ready(network(), TorOptions::host());
    let client = ready(network(), TorOptions::client());
    let website = Website::start("hello").unwrap();
    let get = |address: &str| socks::get(client.socks_port(), address, 80, "/", PATIENCE);

    assert_eq!(get(UNPUBLISHED).unwrap_err().refusal(), Some(Refusal::DescriptorNotFound));
    assert_eq!(get("nonsense.onion").unwrap_err().refusal(), Some(Refusal::BadAddress));

    let mut control = host.control().unwrap();
    let authorised = format!("NEW:ED25519-V3 Flags=DiscardPK,V3Auth ClientAuthV3={CLIENT_KEY}");
    let service = format!("ADD_ONION {authorised} Port=80,127.0.0.1:{}", website.port());
    let reply = control.command(&service).unwrap();
    let name = reply[0].strip_prefix("ServiceID=").unwrap();
    let refused_for = |refusal| {
        let seen = wait_until(PATIENCE, || {
            get(&format!("{name}.onion")).unwrap_err().refusal().filter(|seen| *seen == refusal)
        });
        assert_eq!(seen, Some(refusal));
    };
    refused_for(Refusal::AuthorisationMissing);
    let wrong = format!("ONION_CLIENT_AUTH_ADD {name} x25519:{WRONG_PRIVATE_KEY}");
    client.control().unwrap().command(&wrong).unwrap();
    refused_for(Refusal::AuthorisationWrong);
}

#[test]
fn isolated_streams_use_circuits_of_their_own() {
    let host = ready(network(), TorOptions::host());
    let client = ready(network(), TorOptions::client());
    let website = Website::start("hello").unwrap();
    let mut control = host.control().unwrap();
    let (address, _) = add_service(&mut control, "NEW:ED25519-V3 Flags=DiscardPK", &website);
    for word in ["alice", "bob"] {
        let proxy = Proxy::isolated(client.socks_port(), word);
        assert_eq!(socks::fetch_until(proxy, &address, 80, "/", PATIENCE).unwrap(), "hello");
    }
    let circuits = client.control().unwrap().info("circuit-status").unwrap();
    for word in ["alice", "bob"] {
        let has_word = |line: &str| line.contains("HS_CLIENT_REND") && line.contains(word);
        assert_eq!(circuits.lines().filter(|line| has_word(line)).count(), 1, "{word} in {circuits}");
    }
}

#[test]
fn two_networks_know_nothing_of_each_other() {
    let (first, second) = (network(), Network::start().unwrap());
    assert_ne!(first.client_torrc_lines(), second.client_torrc_lines());
    let tors: Vec<_> = thread::scope(|scope| {
        let threads = [first, &second].map(|network| scope.spawn(|| ready(network, TorOptions::host())));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let [relays_of_first, relays_of_second] = [&tors[0], &tors[1]].map(|tor| {
        let consensus = tor.control().unwrap().info("ns/all").unwrap();
        let identities: Vec<_> =
            consensus.lines().filter_map(|line| line.strip_prefix("r ")).map(str::to_owned).collect();
        assert_eq!(identities.len(), 6, "{consensus}");
        identities
    });
    assert!(relays_of_first.iter().all(|relay| !relays_of_second.contains(relay)));
}
