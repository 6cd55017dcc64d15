// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether visitors can find an own service, and reach it: asked of the network, as a visitor would.
//!
//! Each question has a control connection of its own, so that its events are not mixed with those of the loop.

use std::sync::Arc;
use std::time::Duration;

use tails_server_state::{ClientSecretKey, OnionAddress, VirtualPort};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_socks::tcp::Socks5Stream;
use tracing::debug;

use crate::controller::{CheckError, CheckRequest, Checked, HsDir, VisitOutcome, VisitPolicy};
use crate::errors::with_causes;
use crate::torctl::{
    Client, ControlAddress, Credentials, Events, FetchOutcome, InfoKey, Listener, fetch_descriptor,
    fetch_descriptor_from, parse_listeners,
};

/// Time for one HSDir to give a descriptor back: two circuits, over a slow bridge.
const FETCH_PATIENCE: Duration = Duration::from_secs(20);
/// HSDirs to ask for a descriptor, one after the other.
const FETCHES: usize = 3;
/// Time for a visit: a circuit of six relays, over a slow bridge. Tor itself gives up after two minutes.
const VISIT_PATIENCE: Duration = Duration::from_secs(60);

/// Where to ask, and as whom.
pub(super) struct Check<'a> {
    pub(super) address: &'a ControlAddress,
    pub(super) credentials: &'a Credentials,
    /// The key that opens a private service to us alone.
    pub(super) probe_key: Option<Arc<ClientSecretKey>>,
}

impl Check<'_> {
    /// Fetches the descriptor back and then, if that may be, visits the service.
    pub(super) async fn run(&self, request: &CheckRequest) -> Result<Checked, CheckError> {
        let (hsdir, asked_in_vain) = self.find(request).await?;
        let address = &request.address;
        let visit = match request.visit {
            VisitPolicy::Never => VisitOutcome::NotTried("it was not asked for".to_owned()),
            VisitPolicy::WithProbeKey(port) => self.visit(address, port, self.probe_key.as_deref()).await?,
            // Tor has one key for an address: with another one, a person's own would be lost.
            VisitPolicy::WithTorsKey(port) => self.visit(address, port, None).await?,
        };
        Ok(Checked { hsdir, asked_in_vain, visit })
    }

    async fn find(&self, request: &CheckRequest) -> Result<(HsDir, u32), CheckError> {
        let CheckRequest { address, hsdirs, .. } = request;
        let mut asked = 0;
        let mut timed_out = false;
        for hsdir in hsdirs.iter().take(FETCHES).map(Some).chain(hsdirs.is_empty().then_some(None)) {
            match self.fetch(address, hsdir).await? {
                FetchOutcome::Received { hsdir, .. } => return Ok((HsDir::from(hsdir), asked)),
                FetchOutcome::Failed { hsdirs } => asked += u32::try_from(hsdirs.len()).unwrap_or(u32::MAX),
                FetchOutcome::TimedOut { .. } => timed_out = true,
            }
        }
        if asked == 0 && timed_out {
            return Err(CheckError::TimedOut { seconds: FETCH_PATIENCE.as_secs() });
        }
        Err(CheckError::NotFound { asked })
    }

    /// Fetches from one HSDir of this name, or from any.
    async fn fetch(&self, address: &OnionAddress, hsdir: Option<&HsDir>) -> Result<FetchOutcome, CheckError> {
        let (client, mut events) = self.connect().await?;
        let fetched = match hsdir {
            Some(hsdir) => {
                fetch_descriptor_from(&client, &mut events, address, hsdir.fingerprint(), FETCH_PATIENCE).await
            }
            None => fetch_descriptor(&client, &mut events, address, FETCH_PATIENCE).await,
        };
        fetched.map_err(|cause| no_tor(&cause))
    }

    async fn connect(&self) -> Result<(Client, Events), CheckError> {
        Client::connect(self.address, self.credentials).await.map_err(|cause| no_tor(&cause))
    }

    async fn visit(
        &self,
        address: &OnionAddress,
        port: VirtualPort,
        key: Option<&ClientSecretKey>,
    ) -> Result<VisitOutcome, CheckError> {
        let (client, events) = self.connect().await?;
        // Nothing is waited for: dropped, so that replies are read.
        drop(events);
        let listeners = client.get_info_if_known(&[InfoKey::SocksListeners]).await.map_err(|cause| no_tor(&cause))?;
        let listeners = listeners.get(&InfoKey::SocksListeners).map(|text| parse_listeners(text)).unwrap_or_default();
        let proxy = match open_any(&listeners).await {
            Ok(proxy) => proxy,
            Err(why) => return Ok(VisitOutcome::NotTried(why)),
        };
        if let Some(key) = key
            && let Err(cause) = client.add_client_auth(address, key).await
        {
            return Ok(VisitOutcome::NotTried(format!("Tor can not be given a key to try: {}", with_causes(&cause))));
        }
        let began = Instant::now();
        let visited = tokio::time::timeout(VISIT_PATIENCE, knock(proxy, address, port)).await;
        let took = began.elapsed();
        if key.is_some()
            && let Err(cause) = client.remove_client_auth(address).await
        {
            // It opens only this service, and only to this Tor, which is the host of it.
            debug!(cause = %with_causes(&cause), "the key of a check stays in Tor");
        }
        Ok(match visited {
            Ok(Ok(())) => VisitOutcome::Answered(took),
            Ok(Err(tokio_socks::Error::ConnectionRefused)) => VisitOutcome::ServerRefused,
            Ok(Err(cause)) => VisitOutcome::Failed(words(&cause)),
            Err(_) => VisitOutcome::Failed(format!("no answer within {} s", VISIT_PATIENCE.as_secs())),
        })
    }
}

fn no_tor(cause: &dyn std::error::Error) -> CheckError {
    CheckError::NoTor(with_causes(cause))
}

/// Whatever carries a SOCKS connection.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to the first of these SOCKS ports that takes one; why none does.
async fn open_any(listeners: &[Listener]) -> Result<Box<dyn Stream>, String> {
    let mut why = "this Tor has no SOCKS port on this computer alone, or a filter hides it".to_owned();
    for listener in listeners {
        let opened: std::io::Result<Box<dyn Stream>> = match listener {
            Listener::Tcp(address) if address.ip().is_loopback() => {
                TcpStream::connect(address).await.map(|stream| Box::new(stream) as Box<dyn Stream>)
            }
            // Whoever is between here and there would see where it goes.
            Listener::Tcp(_) => continue,
            Listener::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Stream>),
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(cause) => why = format!("Tor's SOCKS port can not be used from here: {cause}"),
        }
    }
    Err(why)
}

/// Connects to the service, and hangs up without a word.
async fn knock(proxy: Box<dyn Stream>, address: &OnionAddress, port: VirtualPort) -> Result<(), tokio_socks::Error> {
    // tor(1), IsolateSOCKSAuth: another password is another circuit, so that nothing of an earlier visit is found.
    let word = getrandom::u64().map_or_else(|_| "check".to_owned(), |number| format!("{number:016x}"));
    let target = (address.display_unredacted(), port.number());
    Socks5Stream::connect_with_password_and_socket(proxy, target, "tails-server", &word).await.map(drop)
}

/// The words for a refusal, for the middle of a sentence.
fn words(cause: &tokio_socks::Error) -> String {
    // What tokio-socks says of codes beyond those of RFC 1928, such as Tor's extended errors.
    if matches!(cause, tokio_socks::Error::UnknownError | tokio_socks::Error::UnknownAuthMethod) {
        return "Tor could not connect to it".to_owned();
    }
    format!("Tor could not connect to it ({})", cause.to_string().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use tails_server_state::OnionKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    /// A SOCKS port that answers with this code: RFC 1928, 6, and RFC 1929.
    async fn socks(listener: UnixListener, code: u8) -> Vec<u8> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(&[5, 2]).await.unwrap();
        let mut login = [0; 2 + 12 + 1 + 16];
        stream.read_exact(&mut login).await.unwrap();
        stream.write_all(&[1, 0]).await.unwrap();
        let mut request = vec![0; 4 + 1 + 62 + 2];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        request
    }

    #[tokio::test]
    async fn each_answer_of_a_socks_port_has_its_words() {
        let place = tempfile::tempdir().unwrap();
        let address = OnionKey::generate().unwrap().address();
        let port: VirtualPort = "80".parse().unwrap();
        for (code, expected) in [
            (0, None),
            (1, Some("Tor could not connect to it (general socks server failure)")),
            (4, Some("Tor could not connect to it (host unreachable)")),
            (0xf2, Some("Tor could not connect to it")),
        ] {
            let path = place.path().join(format!("socks-{code}"));
            let answering = tokio::spawn(socks(UnixListener::bind(&path).unwrap(), code));
            let proxy = open_any(&[Listener::Unix(path)]).await.unwrap();
            let knocked = knock(proxy, &address, port).await;
            assert_eq!(knocked.as_ref().err().map(words).as_deref(), expected, "{code:#x}");
            let request = answering.await.unwrap();
            assert!(request.windows(62).any(|part| part == address.display_unredacted().as_bytes()));
            assert!(request.ends_with(&[0, 80]));
        }
    }

    #[tokio::test]
    async fn a_socks_port_elsewhere_is_not_used() {
        let elsewhere = Listener::Tcp("192.0.2.1:9050".parse().unwrap());
        let why = |opened: Result<Box<dyn Stream>, String>| opened.err().unwrap();
        assert!(why(open_any(&[elsewhere]).await).contains("no SOCKS port on this computer alone"));
        assert!(why(open_any(&[Listener::Unix("/nowhere/socks".into())]).await).contains("can not be used"));
    }
}
