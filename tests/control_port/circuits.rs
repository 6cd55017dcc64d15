// SPDX-License-Identifier: GPL-3.0-or-later
//! Sending visitors away.

use tails_server::torctl::{CommandError, InfoKey};
use tails_server_state::{Change, OnionAddress, OnionKey};

use crate::peer::{Peer, Stream, greet, line, send, variant};

/// A Tor with these lists of circuits, one after the other and the last for ever, that answers CLOSECIRCUIT like this.
/// It gives the names of the circuits that it was told to close.
fn tor_with(lists: Vec<String>, closing: &'static str) -> Peer<Vec<String>> {
    Peer::new(async move |mut stream: Stream| {
        greet(&mut stream).await;
        let (mut closed, mut looks) = (Vec::new(), 0);
        loop {
            let command = line(&mut stream).await;
            if let Some(id) = command.strip_prefix("CLOSECIRCUIT ") {
                closed.push(id.to_owned());
                send(&mut stream, closing).await;
            } else if command == "GETINFO circuit-status" {
                let list = lists.get(looks).or(lists.last()).unwrap();
                looks += 1;
                // As Tor does: on one line unless there are two circuits or more.
                let reply = if list.lines().count() > 1 {
                    format!("250+circuit-status=\r\n{}\r\n.\r\n250 OK\r\n", list.replace('\n', "\r\n"))
                } else {
                    format!("250-circuit-status={list}\r\n250 OK\r\n")
                };
                send(&mut stream, &reply).await;
            } else {
                assert_eq!(command, "");
                return closed;
            }
        }
    })
}

fn visit(id: u32, hs_state: &str, address: &OnionAddress) -> String {
    let path = "$1FBDCB4A16614B7B422FDFCDF67A0DCF663431ED~auth2,$12D8CA4131A29E9875A25F44B3ED7975E0554D12~auth1";
    let address = address.service_id();
    format!("{id} BUILT {path} PURPOSE=HS_SERVICE_REND HS_STATE={hs_state} REND_QUERY={address}")
}

#[tokio::test(start_paused = true)]
async fn only_the_visitors_of_that_service_are_sent_away_until_none_is_left() {
    let [ours, other] = [(); 2].map(|()| OnionKey::generate().unwrap().address());
    let introduction =
        format!("9 BUILT PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY={}", ours.service_id());
    let as_visitor = format!("10 BUILT PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_JOINED REND_QUERY={}", ours.service_id());
    let stays =
        [visit(1, "HSSR_JOINED", &other), introduction, as_visitor, "11 LAUNCHED PURPOSE=GENERAL".into()].join("\n");
    let visitors = |ids: &[u32]| {
        let lines: Vec<_> =
            ids.iter().map(|&id| visit(id, ["HSSR_JOINED", "HSSR_CONNECTING"][id as usize % 2], &ours)).collect();
        [stays.clone(), lines.join("\n")].join("\n")
    };
    for (lists, closed, count) in [
        (vec![String::new()], vec![], 0),
        (vec![stays.clone()], vec![], 0),
        (vec![visit(20, "HSSR_JOINED", &ours), String::new()], vec!["20"], 1),
        (vec![visitors(&[20, 21]), stays.clone()], vec!["20", "21"], 2),
        // One that was being built is replaced, and the next one is seen at the second look only.
        (
            vec![visitors(&[21]), visitors(&[22]), stays.clone(), visitors(&[24]), stays.clone()],
            vec!["21", "22", "24"],
            3,
        ),
    ] {
        let peer = tor_with(lists, "250 OK\r\n");
        let (client, _events) = peer.connect().await.unwrap();
        assert_eq!(client.close_visitors(&ours).await.unwrap(), count);
        drop(client);
        assert_eq!(peer.script.await.unwrap(), closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_went_by_itself_is_not_counted() {
    let ours = OnionKey::generate().unwrap().address();
    let peer = tor_with(vec![visit(20, "HSSR_JOINED", &ours), String::new()], "552 Unknown circuit \"20\"\r\n");
    let (client, _events) = peer.connect().await.unwrap();
    assert_eq!(client.close_visitors(&ours).await.unwrap(), 0);
    let circuits = client.circuits().await.unwrap();
    assert_eq!(circuits.len(), 0);
    drop(client);
    assert_eq!(peer.script.await.unwrap(), ["20"]);

    let peer = tor_with(vec![visit(20, "HSSR_JOINED", &ours)], "552 Unknown circuit \"20\"\r\n");
    let (client, _events) = peer.connect().await.unwrap();
    let circuit = client.circuits().await.unwrap().remove(0);
    assert_eq!((circuit.state.as_str(), circuit.rend_query), ("BUILT", Some(ours)));
    assert_eq!(client.close_circuit(&circuit.id).await.unwrap(), Change::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn it_is_never_said_that_nobody_is_left_when_that_is_unknown() {
    let ours = OnionKey::generate().unwrap().address();
    let nameless = "20 BUILT PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED";
    for (list, closing, expected) in [
        ("broken".to_owned(), "250 OK\r\n", "Circuits"),
        (nameless.to_owned(), "250 OK\r\n", "Circuits"),
        (format!("{nameless} REND_QUERY=redacted"), "250 OK\r\n", "Circuits"),
        (format!("{}\nbroken", visit(20, "HSSR_JOINED", &ours)), "250 OK\r\n", "Circuits"),
        (visit(20, "HSSR_JOINED", &ours), "250 OK\r\n", "VisitorsKeepComing"),
        (visit(20, "HSSR_JOINED", &ours), "552 Unknown circuit \"20\"\r\n", "VisitorsKeepComing"),
        (visit(20, "HSSR_JOINED", &ours), "510 Command filtered\r\n", "Refused"),
        (visit(20, "HSSR_JOINED", &ours), "551 No\r\n", "Refused"),
    ] {
        let peer = tor_with(vec![list.clone()], closing);
        let (client, _events) = peer.connect().await.unwrap();
        let error = client.close_visitors(&ours).await.unwrap_err();
        assert_eq!(variant(&error), expected, "{list} {closing}");
        if let CommandError::VisitorsKeepComing { closed } = error {
            assert_eq!(closed, if closing.starts_with("250") { 16 } else { 0 });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_tor_does_not_know_is_left_out() {
    let peer = Peer::new(async |mut stream: Stream| {
        greet(&mut stream).await;
        loop {
            let reply = match line(&mut stream).await.as_str() {
                "GETINFO version" => "250-version=0.4.9.11\r\n250 OK\r\n",
                "GETINFO status/version/current" => "552 Unrecognized key \"status/version/current\"\r\n",
                "GETINFO current-time/utc" => "510 Command filtered\r\n",
                "GETINFO net/listeners/socks" => "551 Out of memory\r\n",
                _ => return,
            };
            send(&mut stream, reply).await;
        }
    });
    let (client, _events) = peer.connect().await.unwrap();
    let keys = [InfoKey::VersionStatus, InfoKey::Version, InfoKey::Clock];
    let known = client.get_info_if_known(&keys).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [(InfoKey::Version, "0.4.9.11".to_owned())]);
    let error = client.get_info_if_known(&[InfoKey::Version, InfoKey::SocksListeners]).await.unwrap_err();
    assert_eq!(variant(error.refusal().unwrap()), "Internal");
    assert!(client.supports_proof_of_work());
}
