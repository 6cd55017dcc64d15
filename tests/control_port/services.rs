// SPDX-License-Identifier: GPL-3.0-or-later
//! What a peer says about onion services, and what is made of it.

use std::time::Duration;

use tails_server::torctl::{AddOnion, CommandError, ConnectionLost, InvalidClients, Refusal};
use tails_server_state::{ClientPublicKey, ClientSecretKey, OnionAddress, OnionKey};

use crate::peer::{Peer, Stream, end, greet, line, lost, ports, send, variant};

#[tokio::test(start_paused = true)]
async fn a_service_with_another_address_is_deleted_again() {
    let (key, other) = (OnionKey::generate().unwrap(), OnionKey::generate().unwrap().address());
    let ports = ports("80");
    let onion = AddOnion::new(&key, key.address(), &ports);
    for (answer, expected) in [
        ("250 OK\r\n", "WrongServiceId"),
        ("552 Unknown Onion Service id\r\n", "WrongServiceId"),
        ("550 No\r\n", "Lost"),
    ] {
        let peer = Peer::new(async move |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            send(&mut stream, &format!("250-ServiceID={}\r\n250 OK\r\n", other.service_id())).await;
            assert_eq!(line(&mut stream).await, format!("DEL_ONION {}", other.service_id()));
            send(&mut stream, answer).await;
            end(&mut stream).await;
        });
        let (client, _events) = peer.connect().await.unwrap();
        assert_eq!(variant(&client.add_onion(&onion).await.unwrap_err()), expected);
        drop(client);
        peer.script.await.unwrap();
    }
    let id = key.address().service_id();
    let twice = format!("250-ServiceID={id}\r\n250-ServiceID={}\r\n250 OK\r\n", other.service_id());
    for answer in ["250 OK\r\n".to_owned(), "250-ServiceID=x\r\n250 OK\r\n".to_owned(), twice] {
        let peer = Peer::new(async move |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            send(&mut stream, &answer).await;
            end(&mut stream).await;
        });
        let (client, _events) = peer.connect().await.unwrap();
        assert!(matches!(lost(&client.add_onion(&onion).await.unwrap_err()), ConnectionLost::Garbled));
        peer.script.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_echoes_the_key_does_not_get_it_into_an_error() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        let command = line(&mut stream).await;
        send(&mut stream, &format!("599 {command}\r\n")).await;
        let key = command.split([' ', ':']).nth(2).unwrap().to_owned();
        assert_eq!(key.len(), 88, "{command}");
        key
    });
    let (client, _events) = peer.connect().await.unwrap();
    let (key, ports) = (OnionKey::generate().unwrap(), ports("80"));
    let error = client.add_onion(&AddOnion::new(&key, key.address(), &ports)).await.unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Unexpected { code: 599, .. })), "{error:?}");
    let written = peer.script.await.unwrap();
    assert!(!format!("{error:?}").contains(&written[..20]) && !format!("{client:?}").contains(&written[..20]));
}

fn two_clients() -> [ClientPublicKey; 2] {
    [(); 2].map(|()| ClientSecretKey::generate().unwrap().public_key())
}

/// A reply to ADD_ONION that repeats these clients.
fn added<'a>(address: &OnionAddress, clients: impl IntoIterator<Item = &'a str>) -> String {
    let lines: String = clients.into_iter().map(|client| format!("250-ClientAuthV3={client}\r\n")).collect();
    format!("250-ServiceID={}\r\n{lines}250 OK\r\n", address.service_id())
}

/// What differs from the wish in a reply of Tor's, and the clients that it repeats.
fn wrong_repetitions([one, two]: [&str; 2]) -> Vec<(&'static str, Vec<String>)> {
    let other = ClientSecretKey::generate().unwrap().public_key().base32();
    let list = |clients: &[&str]| clients.iter().map(|&client| client.to_owned()).collect::<Vec<_>>();
    vec![
        ("all missing", list(&[])),
        ("the first missing", list(&[two])),
        ("the last missing", list(&[one])),
        ("one more", list(&[one, two, &other])),
        ("another one instead", list(&[one, &other])),
        ("one twice instead of the other", list(&[one, one])),
        ("one twice", list(&[one, two, two])),
        ("all twice", list(&[one, two, one, two])),
        ("small letters", list(&[one, &two.to_lowercase()])),
        ("padding", list(&[one, &format!("{two}====")])),
        ("the form of the file", list(&[one, &format!("descriptor:x25519:{two}")])),
        ("a name before it", list(&[one, &format!("bob:{two}")])),
        ("something after it", list(&[one, &format!("{two} ")])),
        ("an empty one", list(&[one, two, ""])),
        ("both in one line", list(&[&format!("{one},{two}")])),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_service_with_other_clients_than_wanted_does_not_stay() {
    let (key, ports, clients) = (OnionKey::generate().unwrap(), ports("80"), two_clients());
    let [one, two] = clients.map(ClientPublicKey::base32);
    let public = AddOnion::new(&key, key.address(), &ports);
    let private = public.with_clients(&clients);
    let mut cases: Vec<_> =
        wrong_repetitions([&one, &two]).into_iter().map(|(what, repeated)| (private, what, repeated)).collect();
    cases.push((public, "one in a public service", vec![one.clone()]));
    cases.push((public, "an empty one in a public service", vec![String::new()]));
    for (onion, what, repeated) in &cases {
        for (answer, expected) in [
            ("250 OK\r\n", "WrongClients"),
            ("552 Unknown Onion Service id\r\n", "WrongClients"),
            ("550 No\r\n", "Lost"),
            ("510 Command filtered\r\n", "Lost"),
            ("garbage\r\n", "Lost"),
            ("", "Lost"),
        ] {
            let reply = added(&key.address(), repeated.iter().map(String::as_str));
            let delete = format!("DEL_ONION {}", key.address().service_id());
            let peer = Peer::new(async move |mut stream: Stream| {
                greet(&mut stream).await;
                line(&mut stream).await;
                send(&mut stream, &reply).await;
                assert_eq!(line(&mut stream).await, delete);
                send(&mut stream, answer).await;
                // Nothing more is said on this connection, and where it was given up this is its end.
                assert_eq!(line(&mut stream).await, "");
            });
            let (client, mut events) = peer.connect().await.unwrap();
            let draining = tokio::spawn(async move { while events.next().await.is_some() {} });
            let error = client.add_onion(onion).await.unwrap_err();
            assert_eq!(variant(&error), expected, "{what}, {answer:?}: {error:?}");
            if expected == "Lost" {
                // The peer sees the end while this side still holds its handle.
                client.closed().await;
                peer.script.await.unwrap();
            } else {
                drop(client);
                peer.script.await.unwrap();
            }
            draining.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_the_wanted_clients_are_a_success_in_any_order() {
    let (key, ports, clients) = (OnionKey::generate().unwrap(), ports("80:8080"), two_clients());
    let [one, two] = clients.map(ClientPublicKey::base32);
    for repeated in [[one.clone(), two.clone()], [two.clone(), one.clone()]] {
        let reply = added(&key.address(), repeated.iter().map(String::as_str));
        let peer = Peer::new(async move |mut stream: Stream| {
            greet(&mut stream).await;
            let command = line(&mut stream).await;
            send(&mut stream, &reply).await;
            assert_eq!(line(&mut stream).await, "", "nothing is deleted");
            command
        });
        let (client, _events) = peer.connect().await.unwrap();
        client.add_onion(&AddOnion::new(&key, key.address(), &ports).with_clients(&clients)).await.unwrap();
        drop(client);
        let expected = format!(" Flags=DiscardPK,V3Auth Port=80,127.0.0.1:8080 ClientAuthV3={one} ClientAuthV3={two}");
        assert_eq!(peer.script.await.unwrap().split_off("ADD_ONION ED25519-V3:".len() + 88), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn tor_is_never_asked_to_publish_for_nobody() {
    let (key, ports, [one, two]) = (OnionKey::generate().unwrap(), ports("80"), two_clients());
    assert!(ClientPublicKey::from_bytes([0; 32]).is_err(), "a key that crashes Tor has no type");
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        line(&mut stream).await
    });
    let (client, _events) = peer.connect().await.unwrap();
    let public = AddOnion::new(&key, key.address(), &ports);
    let many = vec![one; AddOnion::MOST_CLIENTS + 1];
    for (clients, reason) in
        [(&[][..], InvalidClients::Nobody), (&[one, two, one], InvalidClients::Twice), (&many, InvalidClients::TooMany)]
    {
        let error = client.add_onion(&public.with_clients(clients)).await.unwrap_err();
        assert!(matches!(error, CommandError::Clients(found) if found == reason), "{error:?}");
    }
    drop(client);
    assert_eq!(peer.script.await.unwrap(), "", "not one line was sent");
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_for_the_comparison_loses_the_service() {
    let (key, ports, clients) = (OnionKey::generate().unwrap(), ports("80"), two_clients());
    let public = AddOnion::new(&key, key.address(), &ports);
    for (onion, stays) in [(public, true), (public.with_clients(&clients), false)] {
        let peer = Peer::new(async |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            line(&mut stream).await
        });
        let (client, _events) = peer.connect().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(1), client.add_onion(&onion)).await.is_err());
        if stays {
            assert!(tokio::time::timeout(Duration::from_secs(1), client.closed()).await.is_err());
        } else {
            assert!(matches!(client.closed().await, ConnectionLost::GivenUp));
            assert_eq!(peer.script.await.unwrap(), "", "the peer sees the end");
        }
    }
}
