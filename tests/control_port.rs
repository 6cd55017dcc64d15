// SPDX-License-Identifier: GPL-3.0-or-later
//! The control protocol against peers that misbehave, and against a real tor without a network.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::future::Future;
use std::time::{Duration, Instant};

use tails_server::torctl::{
    AddOnion, Client, CommandError, ConnectError, ConnectionLost, ControlAddress, Credentials, Event, EventKind,
    Events, InfoKey, Method, Password, Refusal, parse_bootstrap_phase, parse_onions,
};
use tails_server_state::{Change, OnionKey, PortMap};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tornet::{Authentication, Tor, TorOptions};

type Stream = BufReader<UnixStream>;

/// A peer that does as the script says with its one connection.
struct Peer<T> {
    address: ControlAddress,
    script: JoinHandle<T>,
    _place: TempDir,
}

impl<T: Send + 'static> Peer<T> {
    fn new<F: Future<Output = T> + Send>(script: impl FnOnce(Stream) -> F + Send + 'static) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let script = tokio::spawn(async move { script(BufReader::new(listener.accept().await.unwrap().0)).await });
        Self { address: ControlAddress::Unix(path), script, _place: place }
    }

    async fn connect(&self) -> Result<(Client, Events), ConnectError> {
        Client::connect(&self.address, &Credentials::default()).await
    }
}

/// The next line, without CRLF; empty at the end.
async fn line(stream: &mut Stream) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap_or_default();
    line.trim_end_matches("\r\n").to_owned()
}

async fn send(stream: &mut Stream, text: &str) {
    // That the other side is gone is what many of these tests want.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// Waits until the other side has closed.
async fn end(stream: &mut Stream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn greet(stream: &mut Stream) {
    assert_eq!(line(stream).await, "PROTOCOLINFO 1");
    offer(stream, "NULL").await;
    assert_eq!(line(stream).await, "AUTHENTICATE");
    send(stream, "250 OK\r\n").await;
}

async fn offer(stream: &mut Stream, methods: &str) {
    send(
        stream,
        &format!("250-PROTOCOLINFO 1\r\n250-AUTH METHODS={methods}\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n"),
    )
    .await;
}

/// The name of a variant.
fn variant(value: &impl std::fmt::Debug) -> String {
    let debug = format!("{value:?}");
    debug.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn lost(error: &CommandError) -> &ConnectionLost {
    match error {
        CommandError::Lost { cause, .. } => cause,
        other @ (CommandError::Refused { .. } | CommandError::WrongServiceId | CommandError::Argument { .. }) => {
            panic!("{other:?}")
        }
    }
}

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
    for row in include_str!("../fixtures/control-port/hostile.txt").lines().filter(|row| !row.starts_with('#')) {
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
        .args(["--exact", "measured_alone_a_gibibyte_without_an_end_is_not_read", "--ignored", "--nocapture"])
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

/// A hundred lines with these are more than a socket holds.
fn many_ports() -> PortMap {
    let mappings = (1..=32).map(|port| format!("{port}:unix:/run/{}", "x".repeat(90)).parse().unwrap());
    PortMap::try_from(mappings.collect::<Vec<_>>()).unwrap()
}

fn ports(text: &str) -> PortMap {
    PortMap::try_from(vec![text.parse().unwrap()]).unwrap()
}

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
    for answer in ["250 OK\r\n", "250-ServiceID=x\r\n250 OK\r\n"] {
        let peer = Peer::new(async move |mut stream: Stream| {
            greet(&mut stream).await;
            line(&mut stream).await;
            send(&mut stream, answer).await;
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

#[tokio::test(start_paused = true)]
async fn nothing_secret_goes_to_a_peer_that_has_not_earned_it() {
    let place = tempfile::tempdir().unwrap();
    let cookie = place.path().join("cookie");
    std::fs::write(&cookie, [7; 32]).unwrap();
    let named = |methods: &str| format!("{methods} COOKIEFILE=\"{}\"", cookie.display());
    let listening = |offered: String, answer: &'static str| {
        Peer::new(async move |mut stream: Stream| {
            line(&mut stream).await;
            offer(&mut stream, &offered).await;
            let first = line(&mut stream).await;
            send(&mut stream, answer).await;
            let mut rest = String::new();
            let _ = stream.read_to_string(&mut rest).await;
            (first, rest)
        })
    };

    // It names the file, but does not know what is in it.
    let wrong = concat!(
        "250 AUTHCHALLENGE SERVERHASH=0000000000000000000000000000000000000000000000000000000000000000 ",
        "SERVERNONCE=0000000000000000000000000000000000000000000000000000000000000000\r\n"
    );
    let peer = listening(named("COOKIE,SAFECOOKIE"), wrong);
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "WrongServerHash");
    let (first, rest) = peer.script.await.unwrap();
    assert!(first.starts_with("AUTHCHALLENGE SAFECOOKIE ") && rest.is_empty(), "{first} {rest}");

    // It would like to be sent the content of a file of its choice.
    let peer = listening(named("COOKIE"), "");
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "NoCommonMethod");
    assert_eq!(peer.script.await.unwrap(), (String::new(), String::new()));

    // The file of our choice is another matter.
    let peer = listening("COOKIE".to_owned(), "250 OK\r\n");
    let credentials = Credentials { cookie_file: Some(cookie.clone()), password: None };
    let (client, _events) = Client::connect(&peer.address, &credentials).await.unwrap();
    assert_eq!(client.method(), Method::Cookie);
    drop(client);
    assert_eq!(peer.script.await.unwrap().0, format!("AUTHENTICATE {}", "07".repeat(32)));

    // An unknown way to authenticate.
    let peer = listening("MAGIC".to_owned(), "");
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "NotTor");

    // A cookie that is none.
    let peer = listening("SAFECOOKIE COOKIEFILE=\"/dev/zero\"".to_owned(), "");
    let error = peer.connect().await.unwrap_err();
    assert_eq!((variant(&error).as_str(), error.hint().is_some()), ("Cookie", true));
    assert!(error.to_string().contains("/dev/zero"));
}

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

/// A tor without a network.
async fn offline(authentication: Authentication) -> (Tor, ControlAddress) {
    offline_with(authentication, "").await
}

async fn offline_with(authentication: Authentication, line: &str) -> (Tor, ControlAddress) {
    let options = TorOptions::host().authentication(authentication).with_control_port().line(line);
    let tor = tokio::task::spawn_blocking(move || Tor::offline(options).unwrap()).await.unwrap();
    let address = ControlAddress::Unix(tor.control_socket().to_owned());
    (tor, address)
}

#[tokio::test]
async fn each_way_to_authenticate_works_with_a_real_tor() {
    let password =
        |text: &str| Credentials { password: Some(Password::new(text.to_owned())), ..Credentials::default() };
    // tor --hash-password, of a throw-away that no quoting survives unharmed.
    let hard = (r#"p"ass\w ö"#, "HashedControlPassword 16:428A85016390A0C360AE1E02A56433038170D9F059CD3E60486CDF75CD");
    for (authentication, credentials, method) in [
        (Authentication::Cookie, Credentials::default(), Method::SafeCookie),
        (Authentication::Password("sesame".into()), password("sesame"), Method::HashedPassword),
        (Authentication::Password("sesame".into()), password(hard.0), Method::HashedPassword),
        (Authentication::Nothing, Credentials::default(), Method::Null),
    ] {
        let second = matches!(authentication, Authentication::Password(_)).then_some(hard.1);
        let (tor, socket) = offline_with(authentication, second.unwrap_or_default()).await;
        let port = format!("tcp:127.0.0.1:{}", tor.control_port().unwrap()).parse().unwrap();
        if method == Method::Null {
            // Any local user could listen on this port in Tor's place.
            let error = Client::connect(&port, &credentials).await.unwrap_err();
            assert!(matches!(error, ConnectError::Unproven { .. }), "{error:?}");
        }
        let taken = if method == Method::Null { vec![&socket] } else { vec![&socket, &port] };
        for address in taken {
            let (client, _events) = Client::connect(address, &credentials).await.unwrap();
            assert_eq!(client.method(), method);
            let info = client.get_info(&[InfoKey::Version]).await.unwrap();
            assert!(info[&InfoKey::Version].starts_with(client.tor_version()));
        }
        if method == Method::HashedPassword {
            let error = Client::connect(&socket, &password("wrong")).await.unwrap_err();
            assert!(matches!(error, ConnectError::Refused { refusal: Refusal::Authentication(_), .. }), "{error:?}");
            let error = Client::connect(&socket, &Credentials::default()).await.unwrap_err();
            assert!(matches!(&error, ConnectError::NoCommonMethod { offered, .. } if offered == "HASHEDPASSWORD"));
        }
    }
}

#[tokio::test]
async fn services_come_and_go_on_a_real_tor() {
    let (tor, address) = offline(Authentication::Cookie).await;
    let (client, mut events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    let kinds = [EventKind::StatusClient, EventKind::HsDesc, EventKind::ConfChanged, EventKind::Signal];
    client.set_events(&kinds).await.unwrap();
    client.set_events(&[EventKind::StatusGeneral, EventKind::NetworkLiveness]).await.unwrap();
    client.set_events(&kinds).await.unwrap();
    let phase = client.get_info(&[InfoKey::BootstrapPhase, InfoKey::CircuitEstablished]).await.unwrap();
    assert_eq!(parse_bootstrap_phase(&phase[&InfoKey::BootstrapPhase]).unwrap().progress, 0);
    assert_eq!(phase[&InfoKey::CircuitEstablished], "0");

    let keys: Vec<OnionKey> = (0..3).map(|_| OnionKey::generate().unwrap()).collect();
    let mappings = ["80:8080", "81:[::1]:81", "443:unix:/run/user/1000/a.sock"].map(|text| text.parse().unwrap());
    let ports = PortMap::try_from(mappings.to_vec()).unwrap();
    for count in 0..=3 {
        let info = client.get_info(&[InfoKey::OnionsCurrent, InfoKey::OnionsDetached]).await.unwrap();
        let mut expected: Vec<_> = keys[..count].iter().map(OnionKey::address).collect();
        expected.sort();
        assert_eq!(parse_onions(&info[&InfoKey::OnionsCurrent]).unwrap().into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(info[&InfoKey::OnionsDetached], "");
        if let Some(key) = keys.get(count) {
            client.add_onion(&AddOnion::new(key, key.address(), &ports)).await.unwrap();
        }
    }

    let again = AddOnion::new(&keys[0], keys[0].address(), &ports);
    assert_eq!(client.add_onion(&again).await.unwrap_err().refusal(), Some(&Refusal::Collision));
    let (other, _other_events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    assert_eq!(other.add_onion(&again).await.unwrap_err().refusal(), Some(&Refusal::Collision));
    assert_eq!(other.del_onion(&keys[0].address()).await.unwrap(), Change::Unchanged, "it is not ours");
    let wrong = AddOnion::new(&keys[0], keys[1].address(), &ports);
    assert_eq!(client.del_onion(&keys[0].address()).await.unwrap(), Change::Changed);
    assert_eq!(variant(&other.add_onion(&wrong).await.unwrap_err()), "WrongServiceId");
    assert_eq!(other.get_info(&[InfoKey::OnionsCurrent]).await.unwrap()[&InfoKey::OnionsCurrent], "");
    assert_eq!(client.del_onion(&keys[0].address()).await.unwrap(), Change::Unchanged);

    // Tor lets go of a closed connection's services when it has noticed, not when we have.
    drop(client);
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = other.add_onion(&AddOnion::new(&keys[1], keys[1].address(), &ports)).await {
        assert_eq!(error.refusal(), Some(&Refusal::Collision));
        assert!(Instant::now() < deadline);
    }

    while events.next().await.is_some() {}
    let (client, mut events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    client.set_events(&kinds).await.unwrap();
    tor.set_conf("MaxCircuitDirtiness=700").unwrap();
    let changed = vec![("MaxCircuitDirtiness".to_owned(), Some("700".to_owned()))];
    assert_eq!(events.next().await, Some(Event::ConfChanged(changed)));
    tor.reload().unwrap();
    assert_eq!(events.next().await.map(|event| variant(&event)), Some("ConfChanged".to_owned()));
    assert_eq!(events.next().await, Some(Event::Signal { name: "RELOAD".to_owned() }));

    tor.kill();
    assert!(matches!(client.closed().await, ConnectionLost::Closed));
    assert_eq!(events.next().await, None);
    let error = Client::connect(&address, &Credentials::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NobodyListens { .. }), "a stale socket: {error:?}");
    let gone = "unix:/nonexistent/control".parse().unwrap();
    let error = Client::connect(&gone, &Credentials::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoSocket { .. }), "{error:?}");
    let elsewhere = ControlAddress::Tcp("192.0.2.1:9051".parse().unwrap());
    let error = Client::connect(&elsewhere, &Credentials::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotLocal { .. }), "{error:?}");
}

#[tokio::test]
async fn ownership_ends_tor_with_the_connection() {
    let (tor, address) = offline(Authentication::Cookie).await;
    let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
    client.take_ownership().await.unwrap();
    drop(client);
    let socket = tor.control_socket().to_owned();
    let gone = tokio::task::spawn_blocking(move || {
        tornet::wait_until(Duration::from_secs(10), || (!socket.exists()).then_some(()))
    });
    assert_eq!(gone.await.unwrap(), Some(()));
}

#[test]
fn an_idle_connection_wakes_nobody() {
    let tor = Tor::offline(TorOptions::host()).unwrap();
    let address = ControlAddress::Unix(tor.control_socket().to_owned());
    let (sender, ready) = std::sync::mpsc::channel();
    let connected = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, _events) = Client::connect(&address, &Credentials::default()).await.unwrap();
            client.set_events(&[EventKind::HsDesc]).await.unwrap();
            sender.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            client.closed().await
        })
    });
    let status = std::path::Path::new("/proc").join(ready.recv().unwrap()).join("status");
    let sleeps = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.unwrap().trim().parse::<u32>().unwrap()
    };
    // The wake-ups of the connecting are over by then; the second that follows is what is measured.
    std::thread::sleep(Duration::from_millis(100));
    let before = sleeps();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(sleeps(), before);
    tor.kill();
    assert!(matches!(connected.join().unwrap(), ConnectionLost::Closed));
}
