// SPDX-License-Identifier: GPL-3.0-or-later
//! One client of a filter, and its connection to Tor.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::profile::split;
use super::{Seen, Shared, Stream, lock};
use crate::Control;

/// The longest line of a client.
const LONGEST_LINE: usize = 10 * 1024;
/// How often it is looked whether Tor is still there, and how long before Tor is tried again.
const LOOK: Duration = Duration::from_secs(1);

/// A client, and the tor that it speaks with at the moment.
pub(super) struct Session<'a> {
    shared: &'a Arc<Shared>,
    client: Arc<Mutex<Stream>>,
    tor: Upstream,
    subscribed: String,
}

/// A connection to Tor. The replies end when it does.
struct Upstream {
    stream: UnixStream,
    replies: Receiver<String>,
}

impl Session<'_> {
    /// Serves a client until it goes, or says something that is too long.
    pub(super) fn run(shared: &Arc<Shared>, client: &Stream) -> io::Result<()> {
        client.set_look()?;
        let answers = Arc::new(Mutex::new(client.try_clone()?));
        let tor = Upstream::open(shared, &answers)?;
        let mut session = Session { shared, client: answers, tor, subscribed: String::new() };
        let mut reader = client.try_clone()?;
        let mut waiting = Vec::new();
        while let Some(line) = session.line(&mut reader, &mut waiting)? {
            session.take(&line)?;
        }
        Ok(())
    }

    /// The next line without its end; `None` when the client is gone or the line is too long.
    fn line(&mut self, reader: &mut Stream, waiting: &mut Vec<u8>) -> io::Result<Option<String>> {
        let mut chunk = [0; LONGEST_LINE];
        loop {
            if let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                return Ok((line.len() <= LONGEST_LINE).then_some(text));
            }
            if waiting.len() > LONGEST_LINE {
                return Ok(None);
            }
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => waiting.extend_from_slice(chunk.get(..count).unwrap_or(&[])),
                Err(cause) if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    self.look_at_tor()?;
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    fn take(&mut self, line: &str) -> io::Result<()> {
        let shared = self.shared;
        let is_refused = !shared.profile.allows(line);
        lock(&shared.lines).push(Seen { line: line.to_owned(), is_refused });
        match split(line) {
            _ if is_refused => self.say("510 Command filtered"),
            ("PROTOCOLINFO", _) => {
                self.say("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK")
            }
            ("AUTHENTICATE", _) => self.say("250 OK"),
            ("QUIT", _) => {
                self.say("250 closing connection")?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            ("SETEVENTS", events) => {
                self.subscribed = shared.profile.events_to_ask_for(events).join(" ");
                self.subscribe()?;
                self.say("250 OK")
            }
            _ => {
                let Some(passed) = shared.profile.command(line) else { return self.say("510 Command filtered") };
                let reply = self.ask(&passed.line)?;
                self.say(&passed.answer(&reply))
            }
        }
    }

    /// Asks Tor, and the next Tor if this one is gone.
    fn ask(&mut self, line: &str) -> io::Result<String> {
        loop {
            if let Some(reply) = self.tor.ask(line) {
                return Ok(reply);
            }
            self.recover()?;
        }
    }

    fn subscribe(&mut self) -> io::Result<()> {
        let line = format!("SETEVENTS {}", self.subscribed);
        self.ask(line.trim_end()).map(drop)
    }

    fn look_at_tor(&mut self) -> io::Result<()> {
        if self.tor.is_gone() { self.recover() } else { Ok(()) }
    }

    fn recover(&mut self) -> io::Result<()> {
        self.tor = Upstream::open(self.shared, &self.client)?;
        if self.subscribed.is_empty() {
            return Ok(());
        }
        // Should this Tor be gone as well, the next look finds out.
        drop(self.tor.ask(&format!("SETEVENTS {}", self.subscribed)));
        Ok(())
    }

    fn say(&self, text: &str) -> io::Result<()> {
        lock(&self.client).write_all(format!("{text}\r\n").as_bytes())
    }
}

impl Upstream {
    /// Connects and authenticates, as soon as there is a Tor.
    fn open(shared: &Arc<Shared>, client: &Arc<Mutex<Stream>>) -> io::Result<Self> {
        let control = loop {
            let connected = Control::connect(&shared.control_socket).and_then(|mut control| {
                control.authenticate_with_cookie(&shared.cookie_file)?;
                Ok(control)
            });
            if let Ok(control) = connected {
                break control;
            }
            if shared.ended.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            thread::sleep(LOOK);
        };
        let reader = control.into_stream();
        let stream = reader.get_ref().try_clone()?;
        stream.set_read_timeout(None)?;
        let (sender, replies) = channel();
        let (shared, client) = (Arc::clone(shared), Arc::clone(client));
        thread::spawn(move || listen(reader, &shared, &client, &sender));
        Ok(Self { stream, replies })
    }

    /// The reply, all its lines with their codes; `None` if Tor is gone.
    fn ask(&mut self, line: &str) -> Option<String> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
        self.replies.recv().ok()
    }

    fn is_gone(&self) -> bool {
        use std::sync::mpsc::TryRecvError;
        matches!(self.replies.try_recv(), Err(TryRecvError::Disconnected))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // Ends its listener, too.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Hands on what Tor says until it ends: replies to whoever waits for them, events to the client.
fn listen(mut tor: BufReader<UnixStream>, shared: &Shared, client: &Mutex<Stream>, replies: &Sender<String>) {
    while let Some(message) = message(&mut tor) {
        if !message.starts_with("650") {
            if replies.send(message).is_err() {
                return;
            }
        } else if let Some(event) = shared.profile.event(&message) {
            // A client that is gone wants no events.
            let _ = lock(client).write_all(format!("{event}\r\n").as_bytes());
        }
    }
}

/// One reply or event, its lines joined as they came.
fn message(tor: &mut BufReader<UnixStream>) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_in_block = false;
    loop {
        let mut line = Vec::new();
        tor.read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
        let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        let separator = line.as_bytes().get(3).copied();
        let is_last = !is_in_block && separator == Some(b' ');
        is_in_block = if is_in_block { line != "." } else { separator == Some(b'+') };
        lines.push(line);
        if is_last {
            return Some(lines.join("\r\n"));
        }
    }
}

impl Stream {
    /// Reading returns now and then, for a look at Tor.
    fn set_look(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(LOOK)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(LOOK)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
        }
    }
}
