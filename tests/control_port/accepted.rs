// SPDX-License-Identifier: GPL-3.0-or-later
//! Every line that this program writes, accepted by a real tor.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use tails_server::torctl::{
    AddOnion, Client, ClientAuthAdded, Credentials, FetchOutcome, InfoKey, Refusal, VersionStatus, fetch_descriptor,
    parse_listeners, parse_onions, parse_time,
};
use tails_server_state::{Change, ClientSecretKey, MaxStreams, OnionKey, PortMap, ProofOfWork};
use tornet::Authentication;

use crate::peer::ports;
use crate::real::offline;

#[tokio::test]
async fn tor_takes_every_limit_and_as_many_clients_as_there_may_be() {
    let (_tor, address) = offline(Authentication::Cookie).await;
    let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    assert!(client.supports_proof_of_work());
    let key = OnionKey::generate().unwrap();
    let target = "x".repeat(90);
    let ports = (1..=PortMap::MAX).map(|port| format!("{port}:unix:/run/{target}").parse().unwrap());
    let ports = PortMap::try_from(ports.collect::<Vec<_>>()).unwrap();
    let clients: Vec<_> =
        (0..AddOnion::MOST_CLIENTS).map(|_| ClientSecretKey::generate().unwrap().public_key()).collect();
    let most = MaxStreams::new(NonZeroU16::MAX);
    let [defence, least, largest] = [(250, 2500), (1, 1), (ProofOfWork::MAX, ProofOfWork::MAX)]
        .map(|(rate, burst)| ProofOfWork::new(rate, burst).unwrap());
    let public = AddOnion::new(&key, key.address(), &ports);
    for onion in [
        public,
        public.with_clients(&clients[..1]),
        public.with_clients(&clients),
        public.with_max_streams(MaxStreams::new(NonZeroU16::MIN)),
        public.with_max_streams(most),
        public.with_proof_of_work(defence),
        public.with_proof_of_work(least),
        public.with_proof_of_work(largest),
        public.with_clients(&clients).with_max_streams(most).with_proof_of_work(defence),
    ] {
        let began = Instant::now();
        client.add_onion(&onion).await.unwrap();
        println!("{} clients: added after {:?}", onion.clients.map_or(0, <[_]>::len), began.elapsed());
        let current = client.get_info(&[InfoKey::OnionsCurrent]).await.unwrap();
        assert!(parse_onions(&current[&InfoKey::OnionsCurrent]).unwrap().contains(&key.address()));
        assert_eq!(client.close_visitors(&key.address()).await.unwrap(), 0);
        assert_eq!(client.del_onion(&key.address()).await.unwrap(), Change::Changed);
    }
}

#[tokio::test]
async fn tor_takes_credentials_and_forgets_them() {
    let (_tor, address) = offline(Authentication::Cookie).await;
    let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    let service = OnionKey::generate().unwrap().address();
    let [one, two] = [(); 2].map(|()| ClientSecretKey::generate().unwrap());
    assert!(ClientSecretKey::from_bytes(&[0; 32]).is_err(), "a key that Tor refuses has no type");
    assert_eq!(client.remove_client_auth(&service).await.unwrap(), Change::Unchanged);
    assert_eq!(client.add_client_auth(&service, &one).await.unwrap(), ClientAuthAdded::New);
    assert_eq!(client.add_client_auth(&service, &one).await.unwrap(), ClientAuthAdded::Replaced);
    assert_eq!(client.add_client_auth(&service, &two).await.unwrap(), ClientAuthAdded::Replaced);

    // Credentials belong to Tor, not to the connection.
    drop(client);
    let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    assert_eq!(client.remove_client_auth(&service).await.unwrap(), Change::Changed);
    assert_eq!(client.remove_client_auth(&service).await.unwrap(), Change::Unchanged);
}

#[tokio::test]
async fn tor_answers_every_question() {
    let (_tor, address) = offline(Authentication::Cookie).await;
    let (client, mut events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    let keys = [
        InfoKey::CircuitStatus,
        InfoKey::SocksListeners,
        InfoKey::ConsensusValidAfter,
        InfoKey::ConsensusFreshUntil,
        InfoKey::ConsensusValidUntil,
        InfoKey::Clock,
        InfoKey::VersionStatus,
    ];
    let known = client.get_info_if_known(&keys).await.unwrap();
    assert_eq!(known, client.get_info(&keys).await.unwrap(), "this Tor knows all of them");
    assert_eq!(VersionStatus::parse(&known[&InfoKey::VersionStatus]), VersionStatus::Unknown);
    assert_eq!(parse_time(&known[&InfoKey::ConsensusValidAfter]), None);
    assert_eq!(parse_listeners(&known[&InfoKey::SocksListeners]).len(), 0, "without a network Tor does not listen");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(parse_time(&known[&InfoKey::Clock]).unwrap()) < 60);
    assert_eq!(client.circuits().await.unwrap(), []);

    // Without a consensus Tor asks nobody, and does not say so.
    let service = OnionKey::generate().unwrap().address();
    let outcome = fetch_descriptor(&client, &mut events, &service, Duration::from_millis(300)).await.unwrap();
    assert_eq!(outcome, FetchOutcome::TimedOut { asked: 0, failed: 0 });
    let error = client.hs_fetch(&service, Some("9FF98062C2056738EA04324A10D337607D296C3C")).await.unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Unknown(_))), "no such relay: {error:?}");
    let (key, ports) = (OnionKey::generate().unwrap(), ports("80"));
    client.add_onion(&AddOnion::new(&key, key.address(), &ports)).await.unwrap();
}
