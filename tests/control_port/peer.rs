// SPDX-License-Identifier: GPL-3.0-or-later
//! A peer that answers by a script.

use std::future::Future;

use tails_server::torctl::{Client, CommandError, ConnectError, ConnectionLost, ControlAddress, Credentials, Events};
use tails_server_state::PortMap;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

pub(crate) type Stream = BufReader<UnixStream>;

/// A peer that does as the script says with its one connection.
pub(crate) struct Peer<T> {
    pub(crate) address: ControlAddress,
    pub(crate) script: JoinHandle<T>,
    _place: TempDir,
}

impl<T: Send + 'static> Peer<T> {
    pub(crate) fn new<F: Future<Output = T> + Send>(script: impl FnOnce(Stream) -> F + Send + 'static) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let script = tokio::spawn(async move { script(BufReader::new(listener.accept().await.unwrap().0)).await });
        Self { address: ControlAddress::Unix(path), script, _place: place }
    }

    pub(crate) async fn connect(&self) -> Result<(Client, Events), ConnectError> {
        Client::connect(&self.address, &Credentials::default()).await
    }
}

/// The next line, without CRLF; empty at the end.
pub(crate) async fn line(stream: &mut Stream) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap_or_default();
    line.trim_end_matches("\r\n").to_owned()
}

pub(crate) async fn send(stream: &mut Stream, text: &str) {
    // That the other side is gone is what many of these tests want.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// Waits until the other side has closed.
pub(crate) async fn end(stream: &mut Stream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

pub(crate) async fn greet(stream: &mut Stream) {
    assert_eq!(line(stream).await, "PROTOCOLINFO 1");
    offer(stream, "NULL").await;
    assert_eq!(line(stream).await, "AUTHENTICATE");
    send(stream, "250 OK\r\n").await;
}

pub(crate) async fn offer(stream: &mut Stream, methods: &str) {
    send(
        stream,
        &format!("250-PROTOCOLINFO 1\r\n250-AUTH METHODS={methods}\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n"),
    )
    .await;
}

/// The name of a variant.
pub(crate) fn variant(value: &impl std::fmt::Debug) -> String {
    let debug = format!("{value:?}");
    debug.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

pub(crate) fn lost(error: &CommandError) -> &ConnectionLost {
    let CommandError::Lost { cause, .. } = error else { panic!("{error:?}") };
    cause
}

/// A hundred lines with these are more than a socket holds.
pub(crate) fn many_ports() -> PortMap {
    let mappings = (1..=32).map(|port| format!("{port}:unix:/run/{}", "x".repeat(90)).parse().unwrap());
    PortMap::try_from(mappings.collect::<Vec<_>>()).unwrap()
}

pub(crate) fn ports(text: &str) -> PortMap {
    PortMap::try_from(vec![text.parse().unwrap()]).unwrap()
}
