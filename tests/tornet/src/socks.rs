// SPDX-License-Identifier: GPL-3.0-or-later
//! Visiting an onion service through the SOCKS port of a tor.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two attempts of [`fetch_until`].
// Tor remembers a failed introduction point for a while anyway; this spares the processor.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that one attempt of [`fetch_until`] may take.
// A client with an old descriptor waits for circuits that lead nowhere; a new attempt asks again.
const ATTEMPT: Duration = Duration::from_secs(20);

/// A SOCKS port, and, where streams must not share circuits, a word that sets them apart.
///
/// A plain port number is enough for most: `socks::get(client.socks_port(), ...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    port: u16,
    isolation: Option<String>,
}

impl Proxy {
    /// Streams with another word use other circuits (tor's `IsolateSOCKSAuth`).
    pub fn isolated(port: u16, word: &str) -> Self {
        Self { port, isolation: Some(word.to_owned()) }
    }
}

impl From<u16> for Proxy {
    fn from(port: u16) -> Self {
        Self { port, isolation: None }
    }
}

/// What tor answers to a request that it cannot fulfil: RFC 1928, section 6, and socks-extensions,
/// section 4 (`ExtendedErrors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 01.
    #[error("general failure")]
    General,
    /// 02.
    #[error("not allowed")]
    NotAllowed,
    /// 03.
    #[error("network unreachable")]
    NetworkUnreachable,
    /// 04.
    #[error("host unreachable")]
    HostUnreachable,
    /// 05: also what the service's side says if nobody listens behind the virtual port.
    #[error("connection refused")]
    ConnectionRefused,
    /// 06.
    #[error("time to live expired")]
    Expired,
    /// F0.
    #[error("the descriptor of the onion service cannot be found")]
    DescriptorNotFound,
    /// F1.
    #[error("the descriptor of the onion service is invalid")]
    DescriptorInvalid,
    /// F2.
    #[error("the introduction to the onion service failed")]
    IntroductionFailed,
    /// F3.
    #[error("the rendezvous with the onion service failed")]
    RendezvousFailed,
    /// F4.
    #[error("the onion service wants a client authorisation and we have none")]
    AuthorisationMissing,
    /// F5.
    #[error("the onion service does not know our client authorisation")]
    AuthorisationWrong,
    /// F6.
    #[error("not an onion address")]
    BadAddress,
    /// F7.
    #[error("the introduction to the onion service timed out")]
    IntroductionTimedOut,
    /// Any other code.
    #[error("reply code {0:#04x}")]
    Other(u8),
}

impl From<u8> for Refusal {
    fn from(code: u8) -> Self {
        match code {
            0x01 => Self::General,
            0x02 => Self::NotAllowed,
            0x03 => Self::NetworkUnreachable,
            0x04 => Self::HostUnreachable,
            0x05 => Self::ConnectionRefused,
            0x06 => Self::Expired,
            0xF0 => Self::DescriptorNotFound,
            0xF1 => Self::DescriptorInvalid,
            0xF2 => Self::IntroductionFailed,
            0xF3 => Self::RendezvousFailed,
            0xF4 => Self::AuthorisationMissing,
            0xF5 => Self::AuthorisationWrong,
            0xF6 => Self::BadAddress,
            0xF7 => Self::IntroductionTimedOut,
            other => Self::Other(other),
        }
    }
}

/// Why a visit failed.
#[derive(Debug, thiserror::Error)]
pub enum SocksError {
    /// Tor could not connect us.
    #[error("tor could not connect: {0}")]
    Refused(Refusal),
    /// Not done in time.
    #[error("not done in time")]
    TimeOut,
    /// The proxy does not speak SOCKS 5.
    #[error("not a SOCKS 5 reply")]
    NotSocks,
    /// The service's answer is not a page.
    #[error("not the page: {0:?}")]
    NotThePage(String),
    /// The name of the host or the isolation word has no room in a SOCKS request.
    #[error("longer than 255 bytes: {0}")]
    TooLong(String),
    /// The connection to the proxy, or through it, broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

impl SocksError {
    /// What tor answered, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        if let Self::Refused(refusal) = self { Some(*refusal) } else { None }
    }
}

/// Connects to a virtual port of a host, usually an onion address with `.onion`.
///
/// The stream has the rest of the time as its read and write time-outs.
///
/// # Errors
/// [`SocksError::Refused`] if tor cannot reach it; otherwise time or connection.
pub fn connect(
    proxy: impl Into<Proxy>,
    host: &str,
    virtual_port: u16,
    timeout: Duration,
) -> Result<TcpStream, SocksError> {
    let deadline = Instant::now() + timeout;
    let Proxy { port, isolation } = proxy.into();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, timeout).map_err(broken)?;
    // RFC 1928, section 3, and RFC 1929: version, one method, and for method 2 name and password.
    match isolation {
        None => {
            send(&mut stream, &[5, 1, 0], deadline)?;
            expect_reply(receive(&mut stream, deadline)?, [5, 0])?;
        }
        Some(word) => {
            send(&mut stream, &[5, 1, 2], deadline)?;
            expect_reply(receive(&mut stream, deadline)?, [5, 2])?;
            let request = [&[1, length(&word)?], word.as_bytes(), &[1, b'x']].concat();
            send(&mut stream, &request, deadline)?;
            expect_reply(receive(&mut stream, deadline)?, [1, 0])?;
        }
    }
    // Section 4: CONNECT to a domain name. Section 6: the reply, whose address tor leaves zero.
    let request = [&[5, 1, 0, 3, length(host)?], host.as_bytes(), &virtual_port.to_be_bytes()].concat();
    send(&mut stream, &request, deadline)?;
    let [version, code, _, address_type] = receive(&mut stream, deadline)?;
    match (version, code, address_type) {
        (5, 0, 1) => receive::<6>(&mut stream, deadline).map(drop)?,
        (5, 0, 4) => receive::<18>(&mut stream, deadline).map(drop)?,
        (5, 1.., _) => return Err(SocksError::Refused(Refusal::from(code))),
        _ => return Err(SocksError::NotSocks),
    }
    set_deadline(&stream, deadline)?;
    Ok(stream)
}

/// Gets a page over HTTP and returns its body.
///
/// # Errors
/// As [`connect`], and [`SocksError::NotThePage`] if the status is not 200.
pub fn get(
    proxy: impl Into<Proxy>,
    host: &str,
    virtual_port: u16,
    path: &str,
    timeout: Duration,
) -> Result<String, SocksError> {
    let deadline = Instant::now() + timeout;
    let mut stream = connect(proxy, host, virtual_port, timeout)?;
    send(&mut stream, format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes(), deadline)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        set_deadline(&stream, deadline)?;
        match stream.read(&mut piece).map_err(broken)? {
            0 => break,
            count => answer.extend(piece.iter().take(count)),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(SocksError::NotThePage(answer.into_owned())),
    }
}

/// Tries [`get`] until it succeeds: for "reachable again".
///
/// # Errors
/// The error of the last attempt when the time is over.
pub fn fetch_until(
    proxy: impl Into<Proxy>,
    host: &str,
    virtual_port: u16,
    path: &str,
    timeout: Duration,
) -> Result<String, SocksError> {
    let proxy = proxy.into();
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match get(proxy.clone(), host, virtual_port, path, left.min(ATTEMPT)) {
            Err(_) if Instant::now() + PAUSE < deadline => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8], deadline: Instant) -> Result<(), SocksError> {
    set_deadline(stream, deadline)?;
    stream.write_all(bytes).map_err(broken)
}

fn receive<const LENGTH: usize>(stream: &mut TcpStream, deadline: Instant) -> Result<[u8; LENGTH], SocksError> {
    set_deadline(stream, deadline)?;
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

fn expect_reply(reply: [u8; 2], expected: [u8; 2]) -> Result<(), SocksError> {
    if reply == expected { Ok(()) } else { Err(SocksError::NotSocks) }
}

fn set_deadline(stream: &TcpStream, deadline: Instant) -> Result<(), SocksError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(SocksError::TimeOut);
    }
    stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left))).map_err(broken)
}

fn length(text: &str) -> Result<u8, SocksError> {
    u8::try_from(text.len()).map_err(|_| SocksError::TooLong(text.to_owned()))
}

fn broken(error: io::Error) -> SocksError {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        SocksError::TimeOut
    } else {
        SocksError::Broken(error)
    }
}
