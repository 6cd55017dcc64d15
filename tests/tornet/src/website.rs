// SPDX-License-Identifier: GPL-3.0-or-later
//! Something to put behind an onion service.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Time for a visitor to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);

/// A web server on 127.0.0.1 that gives everybody the same page. It ends on drop.
#[derive(Debug)]
pub struct Website {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Website {
    /// Starts it, on a port that the system chooses.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start(page: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::new(false));
        let (page, stop) = (page.to_owned(), Arc::clone(&closed));
        thread::spawn(move || {
            for visitor in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let page = page.clone();
                // A visitor who hangs up is no error of ours.
                thread::spawn(move || visitor.and_then(|visitor| serve(&visitor, &page)));
            }
        });
        Ok(Self { address, closed })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread, which sees the flag and closes the port.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut visitor: &TcpStream, page: &str) -> io::Result<()> {
    visitor.set_read_timeout(Some(REQUEST_PATIENCE))?;
    let mut request = BufReader::new(visitor).lines();
    // A request ends with an empty line; a body is not expected.
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = page.len();
    write!(visitor, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{page}")
}
