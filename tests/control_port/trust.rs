// SPDX-License-Identifier: GPL-3.0-or-later
//! What a peer is told before it has shown that it is Tor.

use tails_server::torctl::{Client, Credentials, Method};
use tokio::io::AsyncReadExt;

use crate::peer::{Peer, Stream, line, offer, send, variant};

#[tokio::test(start_paused = true)]
async fn nothing_secret_goes_to_a_peer_that_has_not_earned_it() {
    let place = tempfile::tempdir().unwrap();
    let cookie = place.path().join("cookie");
    std::fs::write(&cookie, [7; 32]).unwrap();
    let named = |methods: &str| format!("{methods} COOKIEFILE=\"{}\"", cookie.display());
    let listening = |offered: String, answer: &'static str| {
        Peer::new(async move |mut stream: Stream| {
            line(&mut stream).await;
            offer(&mut stream, &offered).await;
            let first = line(&mut stream).await;
            send(&mut stream, answer).await;
            let mut rest = String::new();
            let _ = stream.read_to_string(&mut rest).await;
            (first, rest)
        })
    };

    // It names the file, but does not know what is in it.
    let wrong = concat!(
        "250 AUTHCHALLENGE SERVERHASH=0000000000000000000000000000000000000000000000000000000000000000 ",
        "SERVERNONCE=0000000000000000000000000000000000000000000000000000000000000000\r\n"
    );
    let peer = listening(named("COOKIE,SAFECOOKIE"), wrong);
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "WrongServerHash");
    let (first, rest) = peer.script.await.unwrap();
    assert!(first.starts_with("AUTHCHALLENGE SAFECOOKIE ") && rest.is_empty(), "{first} {rest}");

    // It would like to be sent the content of a file of its choice.
    let peer = listening(named("COOKIE"), "");
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "NoCommonMethod");
    assert_eq!(peer.script.await.unwrap(), (String::new(), String::new()));

    // The file of our choice is another matter.
    let peer = listening("COOKIE".to_owned(), "250 OK\r\n");
    let credentials = Credentials { cookie_file: Some(cookie.clone()), password: None };
    let (client, _events) = Client::connect(&peer.address, &credentials).await.unwrap();
    assert_eq!(client.method(), Method::Cookie);
    drop(client);
    assert_eq!(peer.script.await.unwrap().0, format!("AUTHENTICATE {}", "07".repeat(32)));

    // An unknown way to authenticate.
    let peer = listening("MAGIC".to_owned(), "");
    assert_eq!(variant(&peer.connect().await.unwrap_err()), "NotTor");

    // A cookie that is none.
    let peer = listening("SAFECOOKIE COOKIEFILE=\"/dev/zero\"".to_owned(), "");
    let error = peer.connect().await.unwrap_err();
    assert_eq!((variant(&error).as_str(), error.hint().is_some()), ("Cookie", true));
    assert!(error.to_string().contains("/dev/zero"));
}
