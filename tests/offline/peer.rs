// SPDX-License-Identifier: GPL-3.0-or-later
//! Scripted peers on a control socket, in the place of a Tor.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A connection, as the script has it.
pub(crate) type Stream = BufReader<UnixStream>;

/// Does the same with every connection, until dropped; then nobody listens, and the socket's file is gone.
pub(crate) struct Peer {
    path: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<UnixStream>>,
}

impl Peer {
    pub(crate) fn start(path: &Path, script: impl Fn(Stream) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            let script = Arc::new(script);
            let mut talks = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if theirs.ended.load(Ordering::SeqCst) {
                    break;
                }
                theirs.connections.fetch_add(1, Ordering::SeqCst);
                theirs.open.lock().unwrap().push(stream.try_clone().unwrap());
                let script = Arc::clone(&script);
                talks.push(thread::spawn(move || {
                    script(BufReader::new(stream.try_clone().unwrap()));
                    let _ = stream.shutdown(Shutdown::Both);
                }));
            }
            drop(listener);
            for stream in theirs.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            talks.into_iter().for_each(|talk| talk.join().unwrap());
        });
        Self { path: path.to_owned(), shared, accepting: Some(accepting) }
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _ = UnixStream::connect(&self.path);
        let ended = self.accepting.take().unwrap().join();
        std::fs::remove_file(&self.path).unwrap();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}

/// The next line, without CRLF; `None` once the other side is gone.
pub(crate) fn line(stream: &mut Stream) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).unwrap_or(0);
    (length > 0).then(|| line.trim_end().to_owned())
}

/// Whether it could be sent.
pub(crate) fn send(stream: &mut Stream, bytes: &[u8]) -> bool {
    stream.get_mut().write_all(bytes).is_ok()
}

/// Sends this again and again, up to a gibibyte; how much went.
pub(crate) fn flood(stream: &mut Stream, repeated: &str) -> usize {
    let chunk = repeated.repeat(60_000 / repeated.len());
    let mut sent = 0;
    while sent < 1 << 30 && send(stream, chunk.as_bytes()) {
        sent += chunk.len();
    }
    sent
}

/// Says nothing more, until the other side is gone.
pub(crate) fn be_silent(stream: &mut Stream) {
    let _ = std::io::copy(&mut stream.by_ref(), &mut std::io::sink());
}

/// Answers PROTOCOLINFO with these ways to authenticate.
pub(crate) fn offer(stream: &mut Stream, methods: &str) -> bool {
    let lines =
        ["250-PROTOCOLINFO 1", &format!("250-AUTH METHODS={methods}"), "250-VERSION Tor=\"0.4.9.11\"", "250 OK\r\n"];
    line(stream).is_some() && send(stream, lines.join("\r\n").as_bytes())
}

/// Lets everybody in.
pub(crate) fn let_in(stream: &mut Stream) -> bool {
    offer(stream, "NULL") && line(stream).is_some() && send(stream, b"250 OK\r\n")
}

/// A Tor that is online and does as it is told, as far as can be seen over the control port. Every command goes to
/// `before`, with the stream; if that says no, it is not answered.
pub(crate) fn obey(mut stream: Stream, before: impl Fn(&str, &mut Stream) -> bool) {
    if !let_in(&mut stream) {
        return;
    }
    while let Some(command) = line(&mut stream) {
        if !before(&command, &mut stream) {
            continue;
        }
        let words: Vec<&str> = command.split(' ').collect();
        let reply = match words.as_slice() {
            ["GETINFO", keys @ ..] => {
                let value = |key: &&str| match *key {
                    "status/bootstrap-phase" => "NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"".to_owned(),
                    "circuit-status" => String::new(),
                    _ => "1".to_owned(),
                };
                let lines: String = keys.iter().map(|key| format!("250-{key}={}\r\n", value(key))).collect();
                format!("{lines}250 OK\r\n")
            }
            ["ADD_ONION", key, ..] => {
                let id = service_id(key);
                let hsdir = "A".repeat(40);
                let begun =
                    format!("650 HS_DESC UPLOAD {id} UNKNOWN ${hsdir} pbfXeC6a34kHbQX3hsnhBoZayT+MPiuChN/4f3xiFMY\r\n");
                format!("250-ServiceID={id}\r\n250 OK\r\n{begun}650 HS_DESC UPLOADED {id} UNKNOWN ${hsdir}\r\n")
            }
            _ => "250 OK\r\n".to_owned(),
        };
        if !send(&mut stream, reply.as_bytes()) {
            return;
        }
    }
}

/// The address of the key in an ADD_ONION.
pub(crate) fn service_id(key: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = key.trim_start_matches("ED25519-V3:").trim_end_matches('=');
    let bits: String = text.chars().map(|letter| format!("{:06b}", alphabet.find(letter).unwrap())).collect();
    let bytes: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
        .collect();
    let key = tails_server_state::OnionKey::from_expanded(bytes.as_slice().try_into().unwrap()).unwrap();
    key.address().service_id()
}
