// SPDX-License-Identifier: GPL-3.0-or-later
//! How long a thousand services take.

use std::time::Instant;

use tails_server::torctl::{AddOnion, Client, Credentials};
use tails_server_state::OnionKey;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tornet::Authentication;

use crate::peer::{line, ports, send};
use crate::real::offline;

/// How long a thousand services take, beside a bare client that writes all and then reads all.
#[tokio::test]
#[ignore = "a measurement: cargo test --release --test control_port -- --ignored --nocapture"]
async fn measure_a_thousand_services() {
    const COUNT: usize = 1000;
    let ports = ports("80:8080");
    let (tor, address) = offline(Authentication::Nothing).await;
    let keys: Vec<OnionKey> = (0..COUNT).map(|_| OnionKey::generate().unwrap()).collect();
    for round in 1..=3 {
        for count in [1, 100, COUNT] {
            let onions: Vec<_> = keys[..count].iter().map(|key| AddOnion::new(key, key.address(), &ports)).collect();
            let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
            let started = Instant::now();
            futures_util::future::try_join_all(onions.iter().map(|onion| client.add_onion(onion))).await.unwrap();
            let added = started.elapsed();
            let started = Instant::now();
            let deletions = onions.iter().map(|onion| client.del_onion(&onion.address));
            futures_util::future::try_join_all(deletions).await.unwrap();
            let deleted = started.elapsed();

            let lines: String = onions.iter().map(|onion| bare_line(onion.key)).collect();
            let mut bare = BufReader::new(UnixStream::connect(tor.control_socket()).await.unwrap());
            send(&mut bare, "AUTHENTICATE\r\n").await;
            line(&mut bare).await;
            let started = Instant::now();
            let (reading, mut writing) = bare.into_inner().into_split();
            let write = async { writing.write_all(lines.as_bytes()).await.unwrap() };
            let read = async {
                let mut replies = BufReader::new(reading).lines();
                let mut added = 0;
                while added < count {
                    added += usize::from(replies.next_line().await.unwrap().unwrap() == "250 OK");
                }
            };
            tokio::join!(write, read);
            println!(
                "round {round}, {count}: add {added:?}, delete {deleted:?}; bare client: add {:?}",
                started.elapsed()
            );
            drop(writing);
            let (watcher, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
            // The next round's services must not collide with those of the closed connection.
            while watcher.add_onion(&onions[count - 1]).await.is_err() {}
            watcher.del_onion(&onions[count - 1].address).await.unwrap();
        }
    }
}

/// The same command as this program writes, made otherwise.
fn bare_line(key: &OnionKey) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = key.expose_expanded().iter().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|bits| format!("{:0<6}", std::str::from_utf8(bits).unwrap()));
    let text: String = sextets.map(|bits| alphabet[usize::from_str_radix(&bits, 2).unwrap()] as char).collect();
    format!("ADD_ONION ED25519-V3:{text}== Flags=DiscardPK Port=80,127.0.0.1:8080\r\n")
}
