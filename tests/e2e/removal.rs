// SPDX-License-Identifier: GPL-3.0-or-later
//! A client is removed while it is connected: its stream ends, it does not get in any more, and the others do.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tails_server_state::ClientSecretKey;
use tornet::{Tor, TorOptions, wait_until};

use crate::harness::{Controller, PATIENCE, host_tor, network};
use crate::manager;
use crate::streams::{Echo, LONGEST_TRY, Visit};

/// How soon a stream has to end after its client was removed.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How often somebody who was removed tries to get in.
const TRIES: u32 = 3;

fn visitors_tor() -> Tor {
    let tor = network().tor(TorOptions::client()).expect("a client tor");
    tor.wait_bootstrapped(PATIENCE).expect("the client tor in the network");
    tor
}

fn is_refused(tor: &Tor, address: &str, word: &str) {
    for number in 0..TRIES {
        assert!(
            Visit::attempt(tor, address, &format!("{word}-removed-{number}"), LONGEST_TRY).is_err(),
            "{word} gets in"
        );
    }
}

#[test]
fn a_removed_client_is_cut_off_at_once_and_the_others_come_back() {
    let (tor, alices, bobs) = (host_tor(), visitors_tor(), visitors_tor());
    let (host, echo) = (Controller::with(&tor), Echo::start());
    let port = format!("80:{}", echo.port());
    host.publish("web", &[&port], &["--private", "--client", "alice", "--client", "bob"]);
    let address = host.address("web");
    let join = |name: &str, theirs: &Tor| {
        let guest = Controller::with(theirs);
        let invitation = host.cli(["invite", "web", "--for", name, "--expires", "7d"]).succeeded().stdout;
        let file = guest.runtime().join("invitation");
        fs::write(&file, &invitation).unwrap();
        guest.cli(["join", file.to_str().unwrap(), "--yes"]).succeeded();
        guest
    };
    assert!(Visit::attempt(&alices, &address, "alice-before", LONGEST_TRY).is_err(), "without a key");
    let _guests = [join("alice", &alices), join("bob", &bobs)];
    let (mut alice, mut bob) = (Visit::begin(&alices, &address, "alice"), Visit::begin(&bobs, &address, "bob"));
    assert!(alice.is_answered() && bob.is_answered());

    let (alice, bob) = (alice.watch(), bob.watch());
    let began = Instant::now();
    let answer = host.cli(["client", "remove", "web", "alice", "--yes"]).succeeded();
    let answered = began.elapsed();
    for words in ["The access of \"alice\" to \"web\" ended at 20", "can connect again once it is published"] {
        assert!(answer.stderr.contains(words), "{answer:#?}");
    }
    let alices_end = alice.join().unwrap().expect("alice's stream ends").duration_since(began);
    let bobs_end = bob.join().unwrap().expect("bob's stream ends, too").duration_since(began);
    assert!(alices_end < AT_ONCE, "alice's stream ended after {alices_end:.1?}");
    // Who knocks before it is published anew may be kept waiting by his own Tor for more than two minutes.
    host.wait_for_state("web", "published");
    Visit::begin(&bobs, &address, "bob-again");
    eprintln!(
        "client remove: answered after {answered:.1?}, the removed client's stream ended after {alices_end:.1?}, the other's \
         after {bobs_end:.1?}, and that was served again after {:.1?}",
        began.elapsed()
    );
    is_refused(&alices, &address, "alice");
    let mut bob = Visit::begin(&bobs, &address, "bob-still");
    assert!(bob.is_answered());
    assert_eq!(host.status("web")["access-settled"], true);
}

/// What happens as soon as the removal was acknowledged.
#[derive(Debug, Clone, Copy)]
enum Blow {
    ControllerKilled(Duration),
    TorKilled,
}

#[test]
fn a_removal_that_was_acknowledged_holds_whatever_is_killed_then() {
    let (tor, alices, bobs) = (host_tor(), visitors_tor(), visitors_tor());
    let (mut host, echo) = (Controller::with(&tor), Echo::start());
    let port = format!("80:{}", echo.port());
    host.cli(["publish", "--private", "--name", "web", &port]).succeeded();
    let address = host.address("web");
    let let_in = |host: &Controller, name: &str, theirs: &Tor| {
        let key = ClientSecretKey::generate().unwrap();
        host.cli(["client", "add", "web", name, "--public-key", &key.public_key().base32()]).succeeded();
        let id = address.trim_end_matches(".onion");
        let command = format!("ONION_CLIENT_AUTH_ADD {id} x25519:{}", STANDARD.encode(key.expose_bytes()));
        theirs.control().unwrap().command(&command).unwrap();
    };
    let_in(&host, "bob", &bobs);
    let blows = [0, 1, 5, 20].map(|delay| Blow::ControllerKilled(Duration::from_millis(delay)));
    for (round, blow) in blows.into_iter().chain([Blow::TorKilled]).enumerate() {
        let_in(&host, "alice", &alices);
        host.wait_for_state("web", "published");
        let alice = Visit::begin(&alices, &address, &format!("alice-{round}")).watch();
        manager::block_on(async {
            let manager = manager::connect(&host.bus()).await.unwrap();
            assert!(manager.remove_client("web", "alice").await.unwrap());
        });
        let acknowledged = Instant::now();
        match blow {
            Blow::ControllerKilled(delay) => {
                // Not to wait for anything: to hit another moment of what follows.
                thread::sleep(delay);
                host.kill();
                host.start();
            }
            Blow::TorKilled => {
                tor.kill();
                tor.start().unwrap();
            }
        }
        let settled = wait_until(PATIENCE, || (host.status("web")["access-settled"] == true).then(Instant::now));
        let settled = settled.expect("the access ends").duration_since(acknowledged);
        let ended = alice.join().unwrap().map(|end| end.duration_since(acknowledged));
        match blow {
            Blow::ControllerKilled(_) => assert!(ended.is_some(), "alice's stream ends"),
            // Her end of it is up to the relays then, and one that has nothing else to send may keep the DESTROY cell for
            // minutes (circuitmux_append_destroy_cell). The other end was in the process that is gone.
            Blow::TorKilled => (),
        }
        host.wait_for_state("web", "published");
        Visit::begin(&bobs, &address, &format!("bob-{round}"));
        eprintln!(
            "{blow:?}: the stream ended after {ended:.1?}, that was said after {settled:.1?}, the other one was served \
             again after {:.1?}",
            acknowledged.elapsed()
        );
        is_refused(&alices, &address, &format!("alice-{round}"));
    }
}
