// SPDX-License-Identifier: GPL-3.0-or-later
//! Replies, events and the end, in and out of step.

use std::time::Duration;

use tails_server::torctl::{AddOnion, ConnectionLost, EventKind, InfoKey};
use tails_server_state::OnionKey;

use crate::peer::{Peer, Stream, end, greet, line, lost, many_ports, send};

#[tokio::test(start_paused = true)]
async fn a_reply_that_nobody_asked_for_ends_the_connection() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        send(&mut stream, "250 OK\r\n").await;
        end(&mut stream).await;
    });
    let (client, mut events) = peer.connect().await.unwrap();
    assert!(matches!(client.closed().await, ConnectionLost::Unasked { code: 250 }));
    assert_eq!(events.next().await, None);
    peer.script.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn replies_stay_in_step_when_nobody_waits_for_some() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        let mut number = 0;
        while !line(&mut stream).await.is_empty() {
            number += 1;
            // Not to wait for anything: this peer is slow on purpose.
            tokio::time::sleep(Duration::from_millis(10)).await;
            send(&mut stream, &format!("250-version={number}\r\n250 OK\r\n")).await;
        }
    });
    let (client, _events) = peer.connect().await.unwrap();
    for _ in 0..5 {
        let dropped = tokio::time::timeout(Duration::from_millis(1), client.get_info(&[InfoKey::Version])).await;
        assert!(dropped.is_err());
    }
    assert_eq!(client.get_info(&[InfoKey::Version]).await.unwrap()[&InfoKey::Version], "6");
    drop(client);
    peer.script.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn thousands_of_events_pass_between_a_command_and_its_reply() {
    const COUNT: usize = 20_000;
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        line(&mut stream).await;
        send(&mut stream, &"650 NETWORK_LIVENESS UP\r\n".repeat(COUNT)).await;
        send(&mut stream, "250 OK\r\n").await;
        end(&mut stream).await;
    });
    let (client, mut events) = peer.connect().await.unwrap();
    let taking = tokio::spawn(async move {
        let mut count = 0;
        while events.next().await.is_some() {
            count += 1;
        }
        count
    });
    client.set_events(&[EventKind::NetworkLiveness]).await.unwrap();
    drop(client);
    peer.script.await.unwrap();
    assert_eq!(taking.await.unwrap(), COUNT);
}

#[tokio::test(start_paused = true)]
async fn events_that_nobody_takes_are_named_as_the_reason() {
    let flood = || {
        Peer::new(async |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            send(&mut stream, &"650 NETWORK_LIVENESS UP\r\n".repeat(1000)).await;
            send(&mut stream, "250 OK\r\n").await;
            end(&mut stream).await;
        })
    };
    let peer = flood();
    let (client, events) = peer.connect().await.unwrap();
    let error = client.set_events(&[]).await.unwrap_err();
    assert!(matches!(lost(&error), ConnectionLost::EventsNotRead { command: "SETEVENTS" }), "{error:?}");
    peer.script.await.unwrap();
    drop(events);

    let peer = flood();
    let (client, events) = peer.connect().await.unwrap();
    drop(events);
    client.set_events(&[]).await.expect("events that nobody wants hold up nothing");
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_connection_even_when_events_wait() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        send(&mut stream, &"650 NETWORK_LIVENESS UP\r\n".repeat(1000)).await;
        end(&mut stream).await;
    });
    let (client, mut events) = peer.connect().await.unwrap();
    let other = client.clone();
    drop(client);
    assert!(tokio::time::timeout(Duration::from_secs(1), other.closed()).await.is_err(), "one handle is left");
    drop(other);
    peer.script.await.unwrap();
    while events.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        // Not to wait for anything: this peer never reads, and ends with the test.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    });
    let (client, _events) = peer.connect().await.unwrap();
    let (key, ports) = (OnionKey::generate().unwrap(), many_ports());
    let onion = AddOnion::new(&key, key.address(), &ports);
    // More than there is room for, on the way and in this program.
    let results = futures_util::future::join_all((0..5000).map(|_| client.add_onion(&onion))).await;
    for result in results {
        assert!(matches!(lost(&result.unwrap_err()), ConnectionLost::TimedOut { command: "ADD_ONION" }));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_connection_even_when_the_peer_does_not_read() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        // Not to wait for anything: this peer never reads, and ends with the test.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    });
    let (client, mut events) = peer.connect().await.unwrap();
    let (key, ports) = (OnionKey::generate().unwrap(), many_ports());
    let onion = AddOnion::new(&key, key.address(), &ports);
    let additions = futures_util::future::join_all((0..5000).map(|_| client.add_onion(&onion)));
    assert!(tokio::time::timeout(Duration::from_secs(1), additions).await.is_err());
    drop(client);
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), events.next()).await, Ok(None));
}
