// SPDX-License-Identifier: GPL-3.0-or-later
//! A web server that can go and come back at the same place.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};

/// Where a server can listen, also while none does.
#[derive(Debug)]
pub(crate) enum Place {
    /// A TCP port that nobody else gets meanwhile.
    Tcp { address: SocketAddr, _reserved: OwnedFd },
    /// A path.
    Unix(PathBuf),
}

impl Place {
    /// A port on this address; `None` if the machine does not have the address.
    pub(crate) fn tcp(address: impl Into<IpAddr>) -> Option<Self> {
        Self::at(SocketAddr::new(address.into(), 0))
    }

    /// This port on the loopback. The system gives nobody a small one who does not ask for it.
    pub(crate) fn port(port: u16) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, port).into()).unwrap_or_else(|| unreachable!("port {port} is not free here"))
    }

    fn at(address: SocketAddr) -> Option<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let reserved = socket(family, SocketType::STREAM, None).ok()?;
        // A socket that is bound and does not listen keeps the port from everybody but those who set this, too: std does
        // for its listeners, and the system does not for the connections of all the tors around.
        sockopt::set_socket_reuseaddr(&reserved, true).expect("SO_REUSEADDR");
        bind(&reserved, &address).ok()?;
        let address = getsockname(&reserved).expect("the bound address").try_into().expect("an internet address");
        Some(Self::Tcp { address, _reserved: reserved })
    }

    /// What `publish` takes, without a virtual port.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::Tcp { address, .. } => loopback(*address).to_string(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Starts a server here that gives everybody this page.
    pub(crate) fn open(&self, page: &str) -> Site {
        let (page, closed) = (page.to_owned(), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&closed);
        let (thread, wake) = match self {
            Self::Tcp { address, .. } => {
                let listener = TcpListener::bind(address).expect("the reserved port");
                let address = loopback(*address);
                let wake: Wake = Box::new(move || drop(TcpStream::connect(address)));
                (thread::spawn(move || serve(|| listener.accept().map(|(visitor, _)| visitor), &stop, &page)), wake)
            }
            Self::Unix(path) => {
                // What a server that was killed leaves behind.
                let _ = std::fs::remove_file(path);
                let listener = UnixListener::bind(path).expect("a socket");
                let path = path.clone();
                let wake: Wake = Box::new(move || drop(UnixStream::connect(path)));
                (thread::spawn(move || serve(|| listener.accept().map(|(visitor, _)| visitor), &stop, &page)), wake)
            }
        };
        Site { closed, wake: Some(wake), thread: Some(thread) }
    }
}

/// The address at which a server that listens here answers on this machine.
fn loopback(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), v6.port()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address,
    }
}

type Wake = Box<dyn FnOnce() + Send>;

/// A running server; nobody listens any more when its drop returns. A socket file stays, as after a crash.
pub(crate) struct Site {
    closed: Arc<AtomicBool>,
    wake: Option<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        if let Some(wake) = self.wake.take() {
            wake();
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve<S: Read + Write + Send + 'static>(accept: impl Fn() -> io::Result<S>, closed: &AtomicBool, page: &str) {
    while let Ok(visitor) = accept() {
        if closed.load(Ordering::Acquire) {
            return;
        }
        let page = page.to_owned();
        // A visitor who hangs up is no error of ours.
        thread::spawn(move || answer(visitor, &page));
    }
}

fn answer<S: Read + Write>(visitor: S, page: &str) -> io::Result<()> {
    let mut visitor = BufReader::new(visitor);
    let mut line = String::new();
    while visitor.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = page.len();
    write!(visitor.get_mut(), "HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{page}")
}
