// SPDX-License-Identifier: GPL-3.0-or-later
//! A filter of onion-grater's kind before a tor's control port: a double with the behaviour that is documented of it.
//!
//! It lets everybody in, lets through what its [`Profile`] has, one command after the other over one connection to Tor a
//! client, answers everything else with 510, and closes on a line that is too long. When Tor ends, it waits for the
//! next one, and subscribes there to what the client had subscribed to; the client is told nothing.

mod profile;
mod rules;
mod session;

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::Tor;

pub use profile::{Profile, ProfileError};
use session::Session;

/// A running filter; nobody listens any more, and nobody is connected, when its drop returns.
pub struct Filter {
    shared: Arc<Shared>,
    wake: Box<dyn Fn() + Send + Sync>,
    accepting: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
}

/// What a filter and its sessions have in common.
struct Shared {
    profile: Profile,
    control_socket: PathBuf,
    cookie_file: PathBuf,
    ended: AtomicBool,
    connections: AtomicUsize,
    lines: Mutex<Vec<Seen>>,
    open: Mutex<Vec<Stream>>,
}

/// A line that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    line: String,
    is_refused: bool,
}

/// A client's connection, of either kind.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Filter {
    /// A filter that listens on a unix socket, before a tor that authenticates by cookie.
    ///
    /// # Errors
    /// If it can not listen there.
    pub fn on_socket(path: &Path, tor: &Tor, profile: Profile) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let wake_path = path.to_owned();
        let wake = move || drop(UnixStream::connect(&wake_path));
        let accept = move || listener.accept().map(|(client, _)| Stream::Unix(client));
        Ok(Self::start(tor, profile, accept, Box::new(wake), Some(path.to_owned())))
    }

    /// A filter that listens on this port of 127.0.0.1, before a tor that authenticates by cookie.
    ///
    /// # Errors
    /// If it can not listen there; below 1024 only root can.
    pub fn on_port(port: u16, tor: &Tor, profile: Profile) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let wake = move || drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        let accept = move || listener.accept().map(|(client, _)| Stream::Tcp(client));
        Ok(Self::start(tor, profile, accept, Box::new(wake), None))
    }

    fn start(
        tor: &Tor,
        profile: Profile,
        accept: impl Fn() -> io::Result<Stream> + Send + 'static,
        wake: Box<dyn Fn() + Send + Sync>,
        socket: Option<PathBuf>,
    ) -> Self {
        let shared = Arc::new(Shared {
            profile,
            control_socket: tor.control_socket().to_owned(),
            cookie_file: tor.cookie_file().to_owned(),
            ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            lines: Mutex::default(),
            open: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let accepting = thread::spawn(move || accept_all(&theirs, accept));
        Self { shared, wake, accepting: Some(accepting), socket }
    }

    /// How many clients have connected so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Every line that came so far, of all clients.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.shared.lines).iter().map(|seen| seen.line.clone()).collect()
    }

    /// The lines that were answered with 510.
    pub fn refused(&self) -> Vec<String> {
        lock(&self.shared.lines).iter().filter(|seen| seen.is_refused).map(|seen| seen.line.clone()).collect()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Filter").field("tor", &self.shared.control_socket).finish_non_exhaustive()
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        (self.wake)();
        let _ = self.accepting.take().map(JoinHandle::join);
        if let Some(path) = &self.socket {
            let _ = fs::remove_file(path);
        }
    }
}

fn accept_all(shared: &Arc<Shared>, accept: impl Fn() -> io::Result<Stream>) {
    let mut sessions = Vec::new();
    while let Ok(client) = accept() {
        if shared.ended.load(Ordering::SeqCst) {
            break;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (Ok(known), theirs) = (client.try_clone(), Arc::clone(shared)) else { continue };
        lock(&shared.open).push(known);
        sessions.push(thread::spawn(move || {
            // How a session ends is the client's affair.
            let _ = Session::run(&theirs, &client);
            client.close();
        }));
    }
    lock(&shared.open).drain(..).for_each(|client| client.close());
    sessions.into_iter().for_each(|session| drop(session.join()));
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    fn close(&self) {
        // One that is closed already is closed.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
