// SPDX-License-Identifier: GPL-3.0-or-later
//! Credentials for the services of others.

use tails_server::torctl::{ClientAuthAdded, Refusal};
use tails_server_state::{Change, ClientSecretKey, OnionKey};

use crate::peer::{Peer, Stream, greet, line, send, variant};

/// A peer that answers one command, and gives it.
fn answering(answer: impl Into<String>) -> Peer<String> {
    let answer = answer.into();
    Peer::new(async move |mut stream: Stream| {
        greet(&mut stream).await;
        let command = line(&mut stream).await;
        send(&mut stream, &answer.replace("{}", &command)).await;
        assert_eq!(line(&mut stream).await, "");
        command
    })
}

#[tokio::test(start_paused = true)]
async fn each_answer_to_a_credential_has_its_meaning() {
    let address = OnionKey::generate().unwrap().address();
    let key = ClientSecretKey::from_bytes(&[0xff; 32]).unwrap();
    for (answer, expected) in [
        ("250 OK", Ok(ClientAuthAdded::New)),
        ("251 Client for onion existed and replaced", Ok(ClientAuthAdded::Replaced)),
        ("252 Registered client and decrypted desc", Ok(ClientAuthAdded::Usable)),
        ("253 Something else", Err("Unexpected")),
        ("512 Invalid v3 address \"x\"", Err("Address")),
        ("512 Failed to decode x25519 private key", Err("ClientKey")),
        ("552 Unrecognized key type \"x25519\"", Err("ClientKey")),
        ("553 Invalid private key \"x\"", Err("ClientKey")),
        ("510 Command filtered", Err("Filtered")),
    ] {
        let peer = answering(format!("{answer}\r\n"));
        let (client, _events) = peer.connect().await.unwrap();
        let found = client.add_client_auth(&address, &key).await;
        let found = found.map_err(|error| variant(error.refusal().unwrap()));
        assert_eq!(found, expected.map_err(str::to_owned), "{answer}");
        drop(client);
        let (id, blob) = (address.service_id(), "/".repeat(42));
        assert_eq!(peer.script.await.unwrap(), format!("ONION_CLIENT_AUTH_ADD {id} x25519:{blob}8="));
    }
}

#[tokio::test(start_paused = true)]
async fn forgetting_twice_is_unchanged() {
    let address = OnionKey::generate().unwrap().address();
    for (answer, expected) in [
        ("250 OK", Ok(Change::Changed)),
        ("251 No credentials for \"x\"", Ok(Change::Unchanged)),
        ("252 Something else", Err("Unexpected")),
        ("512 Invalid v3 address \"x\"", Err("Address")),
    ] {
        let peer = answering(format!("{answer}\r\n"));
        let (client, _events) = peer.connect().await.unwrap();
        let found = client.remove_client_auth(&address).await;
        let found = found.map_err(|error| variant(error.refusal().unwrap()));
        assert_eq!(found, expected.map_err(str::to_owned), "{answer}");
        drop(client);
        assert_eq!(peer.script.await.unwrap(), format!("ONION_CLIENT_AUTH_REMOVE {}", address.service_id()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_echoes_a_credential_does_not_get_it_into_an_error() {
    let address = OnionKey::generate().unwrap().address();
    let key = ClientSecretKey::generate().unwrap();
    for answer in ["599 {}\r\n", "512 {}\r\n", "553 Unable to store {}\r\n"] {
        let peer = answering(answer);
        let (client, _events) = peer.connect().await.unwrap();
        let error = client.add_client_auth(&address, &key).await.unwrap_err();
        let told = format!("{error:?} {error} {}", error.refusal().map(Refusal::to_string).unwrap());
        drop(client);
        let command = peer.script.await.unwrap();
        let (_, blob) = command.rsplit_once("x25519:").unwrap();
        assert_eq!(blob.len(), 44, "{command}");
        for secret in [blob, &address.service_id()] {
            assert!(!told.contains(&secret[..16]), "{told}");
        }
    }
}
