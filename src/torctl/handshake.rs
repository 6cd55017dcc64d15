// SPDX-License-Identifier: GPL-3.0-or-later
//! From an address to an authenticated stream.

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream};
use torut::control::{Conn, UnauthenticatedConn};

use super::address::ControlAddress;
use super::auth::{Credentials, Method, Proof, choose};
use super::command::{Command, InvalidArgument};
use super::cookie::Cookie;
use super::error::ConnectError;
use super::lost::ConnectionLost;
use super::reply::Reply;

/// The half to read from. Buffered, for torut reads byte by byte.
pub(super) type Reader = BufReader<Box<dyn AsyncRead + Send + Unpin>>;
/// The half to write to.
pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// An authenticated connection.
pub(super) struct Introduced {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) tor_version: String,
    pub(super) method: Method,
}

/// Connects and authenticates. Dropping the future closes the connection.
pub(super) async fn introduce(address: &ControlAddress, credentials: &Credentials) -> Result<Introduced, ConnectError> {
    let (reader, writer) = open(address).await?;
    let mut stream = tokio::io::join(reader, writer);
    let conversation = Conversation { address, stream: &mut stream };
    let (tor_version, method) = conversation.run(credentials).await?;
    let (reader, writer) = stream.into_inner();
    Ok(Introduced { reader, writer, tor_version, method })
}

async fn open(address: &ControlAddress) -> Result<(Reader, Writer), ConnectError> {
    let failed = |cause| unreachable(address, cause);
    match address {
        ControlAddress::Unix(path) => {
            let (reader, writer) = UnixStream::connect(path).await.map_err(failed)?.into_split();
            Ok((BufReader::new(Box::new(reader)), Box::new(writer)))
        }
        ControlAddress::Tcp(socket) if socket.ip().is_loopback() => {
            let stream = TcpStream::connect(socket).await.map_err(failed)?;
            // Every write is a whole command or several; waiting for more only delays the reply.
            stream.set_nodelay(true).map_err(failed)?;
            let (reader, writer) = stream.into_split();
            Ok((BufReader::new(Box::new(reader)), Box::new(writer)))
        }
        ControlAddress::Tcp(_) => Err(ConnectError::NotLocal { address: address.clone() }),
    }
}

/// Why nobody was reached, for people.
fn unreachable(address: &ControlAddress, cause: io::Error) -> ConnectError {
    let address = address.clone();
    let kind = cause.kind();
    if kind == io::ErrorKind::NotFound {
        ConnectError::NoSocket { address }
    } else if kind == io::ErrorKind::ConnectionRefused {
        ConnectError::NobodyListens { address }
    } else if kind == io::ErrorKind::PermissionDenied {
        ConnectError::NotPermitted { address }
    } else {
        ConnectError::Unreachable { address, cause }
    }
}

/// What is said before the connection is of use: one line, one reply, in turn.
struct Conversation<'a, S> {
    address: &'a ControlAddress,
    stream: &'a mut S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    async fn run(mut self, credentials: &Credentials) -> Result<(String, Method), ConnectError> {
        // torut knows four methods and refuses the whole reply for a fifth one.
        let mut greeting = UnauthenticatedConn::new(&mut *self.stream);
        let greeted = greeting.load_protocol_info().await.map(drop);
        let info = greeting.take_protocol_info();
        greeted.map_err(|cause| self.failure(cause.into()))?;
        let info = info.ok_or_else(|| self.failure(ConnectionLost::Garbled))?;

        let proof = choose(&info, self.address, credentials).await?;
        let authenticate = match &proof {
            Proof::SafeCookie(cookie) => Command::authenticate(Some(&self.challenge(cookie).await?)),
            Proof::HashedPassword(password) => Command::authenticate(Some(password.expose_bytes())),
            Proof::Cookie(cookie) => Command::authenticate(Some(cookie.as_slice())),
            Proof::Null => Command::authenticate(None),
        };
        self.ask(authenticate).await?;
        Ok((info.tor_version.into_owned(), proof.method()))
    }

    /// Lets Tor prove that it knows the cookie, and gives the hash that proves that we do.
    async fn challenge(&mut self, cookie: &Cookie) -> Result<[u8; HASH_BYTES], ConnectError> {
        let mut client_nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut client_nonce).map_err(ConnectError::Randomness)?;
        let reply = self.ask(Command::challenge(&client_nonce)).await?;
        let [line] = reply.lines() else { return Err(self.failure(ConnectionLost::Garbled)) };
        let (server_hash, server_nonce) = parse_challenge(line).ok_or_else(|| self.failure(ConnectionLost::Garbled))?;
        let expected = keyed_hash(SERVER_TO_CONTROLLER, cookie, &client_nonce, &server_nonce);
        // Before our own hash goes out: a pretender shall learn nothing.
        if !bool::from(expected.ct_eq(&server_hash)) {
            return Err(ConnectError::WrongServerHash { address: self.address.clone() });
        }
        Ok(keyed_hash(CONTROLLER_TO_SERVER, cookie, &client_nonce, &server_nonce))
    }

    async fn ask(&mut self, command: Result<Command, InvalidArgument>) -> Result<Reply, ConnectError> {
        // Only a password of more than 2,000 bytes: no other argument is anybody's choice.
        let command = command.map_err(|_| ConnectError::LongPassword)?;
        let mut conn = Conn::new(&mut *self.stream);
        let received = match conn.write_data(command.expose_bytes()).await {
            Ok(()) => conn.receive_data().await,
            Err(cause) => Err(cause),
        };
        let (code, lines) = received.map_err(|cause| self.failure(cause.into()))?;
        let accepted = Reply::new(code, lines).accepted();
        accepted.map_err(|refusal| ConnectError::Refused { address: self.address.clone(), refusal })
    }

    fn failure(&self, cause: ConnectionLost) -> ConnectError {
        let address = self.address.clone();
        match cause {
            ConnectionLost::Closed | ConnectionLost::Broken(_) => ConnectError::Lost { address, cause },
            ConnectionLost::TimedOut { .. }
            | ConnectionLost::EventsNotRead { .. }
            | ConnectionLost::Garbled
            | ConnectionLost::NotAscii
            | ConnectionLost::TooLong
            | ConnectionLost::Unasked { .. }
            | ConnectionLost::GivenUp => ConnectError::NotTor { address, cause },
        }
    }
}

const NONCE_BYTES: usize = 32;
const HASH_BYTES: usize = 32;

// control-spec, AUTHCHALLENGE
const SERVER_TO_CONTROLLER: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CONTROLLER_TO_SERVER: &[u8] = b"Tor safe cookie authentication controller-to-server hash";

/// HMAC-SHA256(constant, cookie | client nonce | server nonce).
fn keyed_hash(constant: &[u8], cookie: &Cookie, client_nonce: &[u8], server_nonce: &[u8]) -> [u8; HASH_BYTES] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(constant).expect("HMAC takes keys of any length");
    hmac.update(cookie.as_slice());
    hmac.update(client_nonce);
    hmac.update(server_nonce);
    hmac.finalize().into_bytes().into()
}

/// Reads `AUTHCHALLENGE SERVERHASH=… SERVERNONCE=…`: the hash and the nonce.
fn parse_challenge(line: &str) -> Option<([u8; HASH_BYTES], [u8; NONCE_BYTES])> {
    let rest = line.strip_prefix("AUTHCHALLENGE SERVERHASH=")?;
    let (server_hash, server_nonce) = rest.split_once(" SERVERNONCE=")?;
    Some((from_hex(server_hash)?, from_hex(server_nonce)?))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hashes of the recorded handshake follow from its nonces and its cookie.
    #[test]
    fn the_recorded_handshake_is_reproduced() {
        let fixture = include_str!("../../fixtures/control-port/safecookie.txt");
        let field = |start: &str| fixture.lines().find_map(|line| line.strip_prefix(start)).unwrap();
        let cookie = Cookie::new(from_hex(field("# cookie ")).unwrap());
        let client_nonce = from_hex(field("AUTHCHALLENGE SAFECOOKIE ")).unwrap();
        let (server_hash, server_nonce) =
            parse_challenge(&format!("AUTHCHALLENGE {}", field("250 AUTHCHALLENGE "))).unwrap();
        assert_eq!(keyed_hash(SERVER_TO_CONTROLLER, &cookie, &client_nonce, &server_nonce), server_hash);
        let client_hash = from_hex(field("AUTHENTICATE ")).unwrap();
        assert_eq!(keyed_hash(CONTROLLER_TO_SERVER, &cookie, &client_nonce, &server_nonce), client_hash);
    }

    #[test]
    fn each_way_to_reach_nobody_has_its_own_words() {
        let address = "unix:/run/tor/control".parse().unwrap();
        for (kind, message, hinted) in [
            (io::ErrorKind::NotFound, "there is no control socket at unix:/run/tor/control", true),
            (io::ErrorKind::ConnectionRefused, "nobody listens at unix:/run/tor/control", true),
            (io::ErrorKind::PermissionDenied, "not permitted to connect to unix:/run/tor/control", true),
            (io::ErrorKind::OutOfMemory, "cannot connect to unix:/run/tor/control", false),
        ] {
            let error = unreachable(&address, kind.into());
            assert_eq!((error.to_string().as_str(), error.hint().is_some()), (message, hinted));
        }
    }

    #[test]
    fn a_challenge_of_another_form_is_refused() {
        let (hash, nonce) = ("0a".repeat(32), "FF".repeat(32));
        assert!(parse_challenge(&format!("AUTHCHALLENGE SERVERHASH={hash} SERVERNONCE={nonce}")).is_some());
        for line in [
            String::new(),
            format!("AUTHCHALLENGE SERVERHASH={hash}"),
            format!("AUTHCHALLENGE SERVERHASH={hash}0 SERVERNONCE={nonce}"),
            format!("AUTHCHALLENGE SERVERHASH={hash} SERVERNONCE={nonce} "),
            format!("AUTHCHALLENGE SERVERHASH={hash} SERVERNONCE="),
            format!("AUTHCHALLENGE SERVERHASH=+{} SERVERNONCE={nonce}", &hash[1..]),
            format!("AUTHCHALLENGE SERVERNONCE={nonce} SERVERHASH={hash}"),
        ] {
            assert_eq!(parse_challenge(&line), None, "{line}");
        }
    }
}
