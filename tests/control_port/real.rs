// SPDX-License-Identifier: GPL-3.0-or-later
//! A real tor without a network.

use std::time::{Duration, Instant};

use tails_server::torctl::{
    AddOnion, Client, ConnectError, ConnectionLost, ControlAddress, Credentials, Event, EventKind, InfoKey, Method,
    Password, Refusal, parse_bootstrap_phase, parse_onions,
};
use tails_server_state::{Change, OnionKey, PortMap};
use tornet::{Authentication, Tor, TorOptions};

use crate::peer::variant;

/// A tor without a network.
pub(crate) async fn offline(authentication: Authentication) -> (Tor, ControlAddress) {
    offline_with(authentication, "").await
}

pub(crate) async fn offline_with(authentication: Authentication, line: &str) -> (Tor, ControlAddress) {
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
