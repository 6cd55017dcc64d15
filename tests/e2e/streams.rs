// SPDX-License-Identifier: GPL-3.0-or-later
//! Streams that stay open: a service that says everything back, and visitors who stay.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tornet::socks::{self, Proxy, SocksError};
use tornet::{Tor, wait_until};

use crate::harness::{PATIENCE, VISIT_PATIENCE, network};

/// How long the first try may take; one that leads somewhere takes a second. The next takes twice as long.
// A visitor whose Tor still has the descriptor of before waits in vain; on other circuits it asks anew.
const FIRST_TRY: Duration = Duration::from_secs(3);
/// How long any try may take: longer than a refusal takes, shorter than a visitor waits for a service that went.
pub(crate) const LONGEST_TRY: Duration = Duration::from_secs(20);

/// Says back what it hears, for as long as the other side stays. Until dropped.
pub(crate) struct Echo {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let closed = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&closed);
        thread::spawn(move || {
            for visitor in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                // A visitor who hangs up is no error of ours.
                thread::spawn(move || visitor.and_then(|visitor| io::copy(&mut &visitor, &mut &visitor)));
            }
        });
        Self { address, closed }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread, which sees the flag and closes the port.
        let _ = TcpStream::connect(self.address);
    }
}

/// A visitor who has been answered, and stays.
pub(crate) struct Visit {
    stream: TcpStream,
}

impl Visit {
    /// One visit, on circuits of its own.
    pub(crate) fn attempt(tor: &Tor, address: &str, word: &str, patience: Duration) -> Result<Self, SocksError> {
        let stream = socks::connect(Proxy::isolated(tor.socks_port(), word), address, 80, patience)?;
        let mut visit = Self { stream };
        visit.is_answered().then_some(visit).ok_or(SocksError::TimeOut)
    }

    /// Visits on fresh circuits until it is answered.
    pub(crate) fn begin(tor: &Tor, address: &str, word: &str) -> Self {
        let began = Instant::now();
        let (mut tries, mut last, mut patience) = (0, None, FIRST_TRY);
        let visit = wait_until(VISIT_PATIENCE, || {
            tries += 1;
            let visit = Self::attempt(tor, address, &format!("{word}-{tries}"), patience);
            patience = (patience * 2).min(LONGEST_TRY);
            visit.map_err(|cause| last = Some(format!("{cause} after {:.1?}", began.elapsed()))).ok()
        });
        if tries > 1 {
            eprintln!("{word}: in after {tries} tries; the last one before: {last:?}");
        }
        visit.unwrap_or_else(|| {
            unreachable!("{word} does not get in, after {tries} tries: {last:?}{}", network().told_of(address))
        })
    }

    /// Whether what it says comes back.
    pub(crate) fn is_answered(&mut self) -> bool {
        let mut heard = [0; 5];
        let told = self.stream.write_all(b"hello").and_then(|()| self.stream.read_exact(&mut heard));
        told.is_ok() && heard == *b"hello"
    }

    /// Says nothing more; when the stream ended, or nothing if it did not.
    pub(crate) fn watch(mut self) -> JoinHandle<Option<Instant>> {
        thread::spawn(move || {
            self.stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
            let end = self.stream.read(&mut [0; 1]);
            let is_open = matches!(&end, Ok(1..)) || end.is_err_and(|cause| cause.kind() == io::ErrorKind::WouldBlock);
            (!is_open).then(Instant::now)
        })
    }
}
