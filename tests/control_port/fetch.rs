// SPDX-License-Identifier: GPL-3.0-or-later
//! Fetching a descriptor back, as a peer tells of it.

use std::time::Duration;

use tails_server::torctl::{FetchOutcome, fetch_descriptor, fetch_descriptor_from};
use tails_server_state::{OnionAddress, OnionKey};

use crate::peer::{Peer, Stream, end, greet, line, send, variant};

const ONE: &str = "593B42742693D454147B82DABAD5E3DE33BE4D28";
const TWO: &str = "9FF98062C2056738EA04324A10D337607D296C3C";
const DESCRIPTOR: &str = "kOg37BehyJbL7kBLf7VSLo2h+iwqdOZS0Xk49tANJdI";
const PATIENCE: Duration = Duration::from_secs(60);

/// A Tor that tells these events after it was told to fetch. `~` stands for what follows an action.
fn telling(before: Vec<String>, after: Vec<String>) -> Peer<[String; 2]> {
    Peer::new(async move |mut stream: Stream| {
        greet(&mut stream).await;
        let first = line(&mut stream).await;
        send(&mut stream, "250 OK\r\n").await;
        let second = line(&mut stream).await;
        for event in before {
            send(&mut stream, &format!("650 HS_DESC {event}\r\n")).await;
        }
        send(&mut stream, "250 OK\r\n").await;
        for event in after {
            send(&mut stream, &format!("650 HS_DESC {event}\r\n")).await;
        }
        end(&mut stream).await;
        [first, second]
    })
}

fn event(action: &str, address: &OnionAddress, hsdir: &str, reason: &str) -> String {
    format!("{action} {} NO_AUTH ${hsdir}~relay1 {DESCRIPTOR}{reason}", address.service_id())
}

fn failed<const COUNT: usize>(hsdirs: [(&str, &str); COUNT]) -> FetchOutcome {
    FetchOutcome::Failed { hsdirs: hsdirs.map(|(hsdir, reason)| (hsdir.to_owned(), reason.to_owned())).into() }
}

#[tokio::test(start_paused = true)]
async fn only_an_hsdir_that_gives_the_descriptor_is_proof() {
    let [ours, other] = [(); 2].map(|()| OnionKey::generate().unwrap().address());
    let requested = |hsdir| event("REQUESTED", &ours, hsdir, " HSDIR_INDEX=00");
    let received = |hsdir| event("RECEIVED", &ours, hsdir, "");
    let refused = |hsdir| event("FAILED", &ours, hsdir, " REASON=NOT_FOUND");
    let found =
        |hsdir: &str| FetchOutcome::Received { hsdir: hsdir.to_owned(), descriptor_id: Some(DESCRIPTOR.to_owned()) };
    let silence = |asked, failed| FetchOutcome::TimedOut { asked, failed };
    for (events, expected) in [
        (vec![requested(ONE), received(ONE)], found(ONE)),
        (vec![requested(ONE), refused(ONE), requested(TWO), received(TWO)], found(TWO)),
        (
            vec![requested(ONE), refused(ONE), requested(TWO), refused(TWO)],
            failed([(ONE, "NOT_FOUND"), (TWO, "NOT_FOUND")]),
        ),
        (vec![requested(ONE), requested(TWO), refused(ONE)], silence(2, 1)),
        (vec![requested(ONE)], silence(1, 0)),
        (vec![], silence(0, 0)),
        // Twice asked, once answered.
        (vec![requested(ONE), requested(ONE), refused(ONE)], silence(1, 1)),
        // Nobody asked for it while we looked.
        (vec![received(ONE)], silence(0, 0)),
        (vec![requested(TWO), received(ONE)], silence(1, 0)),
        // Somebody else's, or uploads of our own.
        (vec![event("REQUESTED", &other, ONE, ""), event("RECEIVED", &other, ONE, "")], silence(0, 0)),
        (vec![requested(ONE), event("UPLOADED", &ours, ONE, ""), event("UPLOAD", &ours, ONE, "")], silence(1, 0)),
        (vec![event("FAILED", &ours, ONE, " REASON=UPLOAD_REJECTED")], silence(0, 0)),
        // A filter hides the address.
        (
            vec![
                format!("REQUESTED redacted NO_AUTH ${ONE} redacted"),
                format!("RECEIVED redacted NO_AUTH ${ONE} redacted"),
            ],
            silence(0, 0),
        ),
        (vec![format!("FAILED {} NO_AUTH UNKNOWN REASON=QUERY_NO_HSDIR", ours.service_id())], failed([])),
    ] {
        for early in [0, events.len() / 2, events.len()] {
            let mut before = events.clone();
            let after = before.split_off(early);
            let peer = telling(before, after);
            let (client, mut told) = peer.connect().await.unwrap();
            let outcome = fetch_descriptor(&client, &mut told, &ours, PATIENCE).await.unwrap();
            assert_eq!(outcome, expected, "{events:?}");
            drop(client);
            let lines = peer.script.await.unwrap();
            assert_eq!(lines, ["SETEVENTS HS_DESC".to_owned(), format!("HSFETCH {}", ours.service_id())]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_hsdir_that_was_named_can_answer() {
    let ours = OnionKey::generate().unwrap().address();
    let [one, two] = [ONE, TWO].map(|hsdir| {
        ["REQUESTED", "RECEIVED", "FAILED"].map(|action| event(action, &ours, hsdir, " REASON=NOT_FOUND"))
    });
    let [asked, received, refused] = one;
    let [asked_other, received_other, refused_other] = two;
    for (events, expected) in [
        (vec![&asked_other, &received_other, &asked, &received], "Received"),
        (vec![&asked_other, &received_other, &asked, &refused, &received], "Failed"),
        (vec![&asked, &refused_other, &asked_other, &received_other], "TimedOut"),
    ] {
        let peer = telling(vec![], events.into_iter().cloned().collect());
        let (client, mut told) = peer.connect().await.unwrap();
        let outcome = fetch_descriptor_from(&client, &mut told, &ours, ONE, PATIENCE).await.unwrap();
        assert_eq!(variant(&outcome), expected, "{outcome:?}");
        drop(client);
        assert_eq!(peer.script.await.unwrap()[1], format!("HSFETCH {} SERVER=${ONE}", ours.service_id()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_other_events_does_not_stop_it() {
    let [ours, other] = [(); 2].map(|()| OnionKey::generate().unwrap().address());
    let mut events = vec![event("UPLOADED", &other, ONE, ""); 2000];
    events.push(event("REQUESTED", &ours, ONE, ""));
    events.push(event("RECEIVED", &ours, ONE, ""));
    let peer = telling(events, vec![]);
    let (client, mut told) = peer.connect().await.unwrap();
    let outcome = fetch_descriptor(&client, &mut told, &ours, PATIENCE).await.unwrap();
    assert_eq!(variant(&outcome), "Received");
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_and_a_refusal_are_no_outcome() {
    let ours = OnionKey::generate().unwrap().address();
    for (answer, expected) in [
        ("513 Invalid argument \"x\"\r\n", "Refused"),
        ("510 Command filtered\r\n", "Refused"),
        ("", "Lost"),
        ("250 OK\r\n", "Lost"),
    ] {
        let peer = Peer::new(async move |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            send(&mut stream, "250 OK\r\n").await;
            line(&mut stream).await;
            send(&mut stream, answer).await;
        });
        let (client, mut told) = peer.connect().await.unwrap();
        let error = fetch_descriptor(&client, &mut told, &ours, PATIENCE).await.unwrap_err();
        assert_eq!(variant(&error), expected, "{answer}");
    }
}
