// SPDX-License-Identifier: GPL-3.0-or-later
//! The control protocol's client in the network: descriptors fetched back, credentials, visitors sent away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tails_server::torctl::{
    AddOnion, CircuitPurpose, Client, ClientAuthAdded, ControlAddress, Credentials, Event, EventKind, Events,
    FetchOutcome, HsDescAction, InfoKey, Listener, fetch_descriptor, fetch_descriptor_from, parse_listeners,
    parse_time,
};
use tails_server_state::{Change, ClientSecretKey, OnionAddress, OnionKey, PortMap};
use tornet::socks::{self, Proxy, Refusal};
use tornet::{Tor, TorOptions, wait_until};

use crate::harness::{PATIENCE, host_tor, network, shared_tor};

async fn connect(tor: &Tor) -> (Client, Events) {
    let address = ControlAddress::Unix(tor.control_socket().to_owned());
    Client::connect(&address, &Credentials::default()).await.expect("a control connection")
}

fn ports_to(port: u16) -> PortMap {
    PortMap::try_from(vec![format!("80:127.0.0.1:{port}").parse().expect("a mapping")]).expect("one port")
}

/// Which descriptors were sent to which HSDir, once all of these services are confirmed everywhere.
async fn uploads(events: &mut Events, services: &[OnionAddress]) -> BTreeMap<(OnionAddress, String), BTreeSet<String>> {
    let (mut sent, mut confirmed, mut begun) = (BTreeMap::new(), 0, 0);
    let is_done = |sent: &BTreeMap<(OnionAddress, String), BTreeSet<String>>, begun, confirmed| {
        begun > 0
            && begun == confirmed
            && services.iter().all(|service| sent.keys().any(|(address, _)| address == service))
    };
    while !is_done(&sent, begun, confirmed) {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("an upload in time");
        let Some(Event::HsDesc(event)) = event else { continue };
        let (Some(address), Some(hsdir)) = (event.address, event.hsdir) else { continue };
        if event.action == HsDescAction::Upload {
            sent.entry((address, hsdir)).or_insert_with(BTreeSet::new).insert(event.descriptor_id.expect("an id"));
            begun += 1;
        } else if event.action == HsDescAction::Uploaded {
            confirmed += 1;
        }
    }
    sent
}

/// What is uploaded is fetched back by the same Tor, also when only authorised clients can read it; what is not is not.
#[tokio::test]
async fn a_descriptor_is_fetched_back_by_the_tor_that_published_it() {
    let tor = host_tor();
    let (client, mut events) = connect(&tor).await;
    client.set_events(&[EventKind::HsDesc]).await.expect("events");
    let [public, private, never] = [(); 3].map(|()| OnionKey::generate().expect("a key"));
    let clients = [ClientSecretKey::generate().expect("a key").public_key()];
    let ports = ports_to(9);
    client.add_onion(&AddOnion::new(&public, public.address(), &ports)).await.expect("a service");
    let restricted = AddOnion::new(&private, private.address(), &ports).with_clients(&clients);
    client.add_onion(&restricted).await.expect("a service for clients");
    let sent = uploads(&mut events, &[public.address(), private.address()]).await;
    let draining = tokio::spawn(async move { while events.next().await.is_some() {} });

    let (fetcher, mut told) = connect(&tor).await;
    for address in [public.address(), private.address()] {
        let began = Instant::now();
        let outcome = fetch_descriptor(&fetcher, &mut told, &address, PATIENCE).await.expect("an outcome");
        println!("fetched after {:?}: {outcome:?}", began.elapsed());
        let FetchOutcome::Received { hsdir, descriptor_id: Some(id) } = outcome else { unreachable!("{outcome:?}") };
        assert!(sent[&(address, hsdir)].contains(&id), "that HSDir was given another descriptor");
        let began = Instant::now();
        is_fetched_from_each(&fetcher, &mut told, address, &id, &sent).await;
        println!("fetched twice from each HSDir after {:?}", began.elapsed());
    }
    let began = Instant::now();
    let outcome = fetch_descriptor(&fetcher, &mut told, &never.address(), PATIENCE).await.expect("an outcome");
    println!("not found after {:?}: {outcome:?}", began.elapsed());
    let anybody = sent.keys().next().map(|(_, hsdir)| hsdir).expect("an HSDir");
    let refused = fetch_descriptor_from(&fetcher, &mut told, &never.address(), anybody, PATIENCE).await;
    let FetchOutcome::Failed { hsdirs: only } = refused.expect("an outcome") else { unreachable!("not published") };
    assert_eq!(only.into_iter().collect::<Vec<_>>(), [(anybody.clone(), "NOT_FOUND".to_owned())]);
    let FetchOutcome::Failed { hsdirs } = outcome else { unreachable!("{outcome:?}") };
    assert!(hsdirs.len() >= 3 && hsdirs.values().all(|reason| reason == "NOT_FOUND"), "{hsdirs:?}");
    drop(client);
    draining.await.expect("the end of the events");
}

/// Every HSDir that was given this descriptor gives it back, and more than once.
async fn is_fetched_from_each(
    fetcher: &Client,
    told: &mut Events,
    address: OnionAddress,
    id: &str,
    sent: &BTreeMap<(OnionAddress, String), BTreeSet<String>>,
) {
    let given = sent.iter().filter(|((service, _), ids)| *service == address && ids.contains(id));
    let hsdirs: Vec<_> = given.map(|((_, hsdir), _)| hsdir).collect();
    assert!(hsdirs.len() >= 3, "{hsdirs:?}");
    for hsdir in hsdirs.iter().chain(&hsdirs) {
        let outcome = fetch_descriptor_from(fetcher, told, &address, hsdir, PATIENCE).await.expect("an outcome");
        let expected = FetchOutcome::Received { hsdir: (*hsdir).clone(), descriptor_id: Some(id.to_owned()) };
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn a_tor_in_the_network_knows_its_consensus_and_its_ports() {
    let tor = shared_tor();
    let (client, _events) = connect(tor).await;
    let keys = [InfoKey::ConsensusValidAfter, InfoKey::ConsensusFreshUntil, InfoKey::Clock, InfoKey::SocksListeners];
    let known = client.get_info_if_known(&keys).await.expect("answers");
    let [after, fresh, clock] = [keys[0], keys[1], keys[2]].map(|key| parse_time(&known[&key]).expect("a time"));
    assert!(after <= clock && after < fresh, "{after} {clock} {fresh}");
    let expected = Listener::Tcp(([127, 0, 0, 1], tor.socks_port()).into());
    assert_eq!(parse_listeners(&known[&InfoKey::SocksListeners]), [expected]);
    assert!(!client.circuits().await.expect("circuits").is_empty());
}

/// Answers every byte with the same, for as long as anybody sends some.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    thread::spawn(move || {
        for visitor in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut reading = visitor.try_clone().expect("a second handle");
                let mut writing = visitor;
                let _ = io::copy(&mut reading, &mut writing);
            });
        }
    });
    port
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut answer = [0];
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut answer).is_ok()
}

/// A visitor with a tor of its own.
struct Visitor {
    tor: Tor,
    client: Client,
    key: ClientSecretKey,
}

impl Visitor {
    async fn new() -> Self {
        let tor = network().tor(TorOptions::client()).expect("a client tor");
        tor.wait_bootstrapped(PATIENCE).expect("the client tor in the network");
        let (client, _events) = connect(&tor).await;
        Self { tor, client, key: ClientSecretKey::generate().expect("a key") }
    }

    fn open(&self, address: &OnionAddress, word: &str) -> Result<TcpStream, socks::SocksError> {
        let proxy = Proxy::isolated(self.tor.socks_port(), word);
        socks::connect(proxy, &format!("{}.onion", address.service_id()), 80, Duration::from_secs(20))
    }

    fn open_at_last(&self, address: &OnionAddress, word: &str) -> TcpStream {
        let opened = wait_until(PATIENCE, || self.open(address, word).ok());
        opened.unwrap_or_else(|| unreachable!("no way in: {:?}", self.open(address, word)))
    }
}

/// Refused without a key, served with it at once, and gone with everything that was open once it is taken away.
#[tokio::test]
async fn a_removed_client_loses_its_open_stream_and_the_other_comes_back() {
    let tor = host_tor();
    let (client, mut events) = connect(&tor).await;
    client.set_events(&[EventKind::HsDesc]).await.expect("events");
    let (alice, bob) = (Visitor::new().await, Visitor::new().await);
    let (key, ports) = (OnionKey::generate().expect("a key"), ports_to(echo()));
    let address = key.address();
    let public = AddOnion::new(&key, address, &ports);
    let both = [alice.key.public_key(), bob.key.public_key()];
    client.add_onion(&public.with_clients(&both)).await.expect("a service");
    uploads(&mut events, &[address]).await;
    let draining = tokio::spawn(async move { while events.next().await.is_some() {} });

    let refused = alice.open(&address, "none").expect_err("no way in without a key");
    assert_eq!(refused.refusal(), Some(Refusal::AuthorisationMissing), "{refused:?}");
    assert_eq!(alice.client.add_client_auth(&address, &alice.key).await.expect("taken"), ClientAuthAdded::Usable);
    assert_eq!(bob.client.add_client_auth(&address, &bob.key).await.expect("taken"), ClientAuthAdded::New);
    let began = Instant::now();
    let mut open = alice.open_at_last(&address, "first");
    println!("served {:?} after the key was added", began.elapsed());
    let mut other = bob.open_at_last(&address, "first");
    assert!(is_answered(&mut open) && is_answered(&mut other));
    let visitors = || async {
        let circuits = client.circuits().await.expect("circuits");
        circuits.iter().filter(|circuit| circuit.purpose == CircuitPurpose::ServiceRendezvous).count()
    };
    assert!(visitors().await >= 2);

    let began = Instant::now();
    assert_eq!(client.del_onion(&address).await.expect("deleted"), Change::Changed);
    client.add_onion(&public.with_clients(&both[1..])).await.expect("the service for bob");
    assert!(is_answered(&mut open), "the circuit outlives the service");
    let closed = client.close_visitors(&address).await.expect("visitors sent away");
    println!("{closed} circuits closed {:?} after the beginning", began.elapsed());
    assert!(closed >= 2);
    assert!(!is_answered(&mut open), "the removed client's stream lives on");
    println!("the stream ended after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));

    bob.open_at_last(&address, "second");
    println!("the other client is served again after {:?}", began.elapsed());
    for word in ["first", "second"] {
        let refused = alice.open(&address, word).expect_err("a way in for a removed client");
        println!("{word}: {refused}");
    }
    drop(client);
    draining.await.expect("the end of the events");
}
