// SPDX-License-Identifier: GPL-3.0-or-later
//! Peers that make no sense, or never end.

use tails_server::torctl::ConnectError;
use tokio::io::AsyncWriteExt;

use crate::peer::{Peer, Stream, end, greet, line, lost, send, variant};

fn unescaped(text: &str) -> (Vec<u8>, bool) {
    let (mut bytes, mut closes) = (Vec::new(), false);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, length) = match (first, rest.as_bytes().get(1)) {
            ('\\', Some(b'r')) => (vec![b'\r'], 2),
            ('\\', Some(b'n')) => (vec![b'\n'], 2),
            ('\\', Some(b'x')) => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
            ('\\', Some(b'E')) => {
                closes = true;
                (vec![], 2)
            }
            _ => (first.to_string().into_bytes(), first.len_utf8()),
        };
        bytes.extend(taken);
        rest = &rest[length..];
    }
    (bytes, closes)
}

#[tokio::test(start_paused = true)]
async fn whatever_a_peer_says_ends_in_a_typed_error_and_a_closed_socket() {
    for row in include_str!("../../fixtures/control-port/hostile.txt").lines().filter(|row| !row.starts_with('#')) {
        let [at_first, later, text] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let (bytes, closes) = unescaped(text);
        let hostile = |greets: bool| {
            let bytes = bytes.clone();
            Peer::new(async move |mut stream: Stream| {
                if greets {
                    greet(&mut stream).await;
                }
                line(&mut stream).await;
                stream.write_all(&bytes).await.unwrap();
                if !closes {
                    end(&mut stream).await;
                }
            })
        };
        let peer = hostile(false);
        let error = peer.connect().await.unwrap_err();
        assert_eq!(variant(&error), at_first, "{text}: {error:?}");
        peer.script.await.unwrap();

        let peer = hostile(true);
        let (client, mut events) = peer.connect().await.unwrap();
        let draining = tokio::spawn(async move { while events.next().await.is_some() {} });
        let error = client.set_events(&[]).await.unwrap_err();
        assert_eq!(variant(lost(&error)), later, "{text}: {error:?}");
        assert_eq!(variant(&client.closed().await), later);
        assert_eq!(variant(lost(&client.take_ownership().await.unwrap_err())), later, "later commands fail alike");
        peer.script.await.unwrap();
        draining.await.unwrap();
    }
}

/// What this process holds in memory (`VmRSS`), or has held at most (`VmHWM`).
fn memory_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_gibibyte_without_an_end_is_not_read() {
    // In a process of its own: the other tests need memory at the same time.
    let measured = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::measured_alone_a_gibibyte_without_an_end_is_not_read", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&measured.stdout);
    assert!(
        measured.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&measured.stderr)
    );
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn measured_alone_a_gibibyte_without_an_end_is_not_read() {
    const MIB: usize = 1 << 20;
    for (beginning, repeated) in
        [("", "2"), ("250 ", "x"), ("250+x=\r\n", "line\r\n"), ("", "250-\r\n"), ("", "650-\r\n")]
    {
        for greets in [false, true] {
            let peer = Peer::new(async move |mut stream: Stream| {
                if greets {
                    greet(&mut stream).await;
                }
                line(&mut stream).await;
                send(&mut stream, beginning).await;
                let chunk = repeated.repeat(60_000 / repeated.len());
                let mut sent = 0;
                while sent < 1024 * MIB && stream.write_all(chunk.as_bytes()).await.is_ok() {
                    sent += chunk.len();
                }
                sent
            });
            let before = memory_bytes("VmRSS");
            let cause = match peer.connect().await {
                Ok((client, _events)) => lost(&client.set_events(&[]).await.unwrap_err()).clone(),
                Err(ConnectError::NotTor { cause, .. }) => cause,
                Err(other) => panic!("{other:?}"),
            };
            let grown = memory_bytes("VmHWM").saturating_sub(before);
            assert!(matches!(variant(&cause).as_str(), "TooLong" | "Garbled"), "{beginning:?} {repeated:?}: {cause:?}");
            assert!(peer.script.await.unwrap() < 4 * MIB, "read on after the limit");
            // The limit is 1 MiB, at worst as 170,000 lines of 24 bytes beside their text.
            println!("{beginning:?} {repeated:?}: {grown} bytes more");
            assert!(grown < 24 * MIB as u64, "{beginning:?} {repeated:?}: {grown}");
        }
    }
}
