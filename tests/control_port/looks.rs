// SPDX-License-Identifier: GPL-3.0-or-later
//! Whoever says that Tor is another than before is not believed: it is looked at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tails_server::adapters::{ControlPort, ControlSource};
use tails_server::controller::{Fact, Tor, TorFact};
use tails_server::torctl::{ControlAddress, Credentials};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::peer::{Peer, Stream, line, offer, send};

const QUESTIONS: &str = "GETINFO status/bootstrap-phase status/enough-dir-info status/circuit-established";
/// The machines are shared and slow at times.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause is 3 s, less up to a quarter.
const LONG: Duration = Duration::from_secs(2);
/// The shortest pause, and what is left of it at least.
const SHORT: [Duration; 2] = [Duration::from_millis(75), Duration::from_millis(101)];

/// The next fact about Tor, and how long it took.
async fn next(facts: &mut mpsc::Receiver<Fact>) -> (TorFact, Duration) {
    let before = Instant::now();
    let Some(Fact::Tor(_, fact)) = facts.recv().await else { panic!("the connector has ended") };
    (fact, before.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_tor_that_is_away_is_looked_for_at_once_and_then_often_and_never_without_a_pause() {
    let place = tempfile::tempdir().unwrap();
    let source = ControlSource::Fixed(ControlAddress::Unix(place.path().join("control")));
    let (sender, mut facts) = mpsc::channel(64);
    let (tor, connector) = ControlPort::start(source, Credentials::default(), sender);
    while next(&mut facts).await.1 < LONG {}
    assert!(next(&mut facts).await.1 > LONG, "it looks rarely by itself");

    tor.look();
    for _ in 0..2 {
        let (fact, pause) = next(&mut facts).await;
        assert!(matches!(fact, TorFact::Lost(_)) && pause <= SHORT[1], "{fact:?} after {pause:?}");
    }
    while next(&mut facts).await.1 < LONG {}
    for _ in 0..50 {
        (0..10).for_each(|_| tor.look());
        let (_, pause) = next(&mut facts).await;
        assert!(SHORT[0] <= pause && pause <= SHORT[1], "{pause:?}");
    }
    drop(facts);
    connector.await.unwrap();
}

/// What the scripted Tor says when it is asked, and how it lets itself be waited for.
#[derive(Default)]
struct Script {
    /// An event before the next answer, and that answer; the last one stays.
    answers: Mutex<Vec<(&'static str, u32, u8)>>,
    asked: AtomicU32,
    answered: Notify,
}

impl Script {
    async fn was_asked(&self) {
        let asked = tokio::time::timeout(PATIENCE, self.answered.notified()).await;
        assert!(asked.is_ok(), "asked {} times", self.asked.load(Ordering::Relaxed));
    }

    async fn play(self: Arc<Self>, mut stream: Stream) {
        loop {
            let line = line(&mut stream).await;
            match line.as_str() {
                "" => return,
                "PROTOCOLINFO 1" => offer(&mut stream, "NULL").await,
                QUESTIONS => {
                    let (event, progress, circuits) = self.answers.lock().unwrap().remove(0);
                    let answer = format!(
                        "{event}250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS={progress} TAG=x SUMMARY=\"x\"\r\n\
                         250-status/enough-dir-info=1\r\n250-status/circuit-established={circuits}\r\n250 OK\r\n"
                    );
                    send(&mut stream, &answer).await;
                    self.asked.fetch_add(1, Ordering::Relaxed);
                    self.answered.notify_one();
                }
                "GETINFO process/pid" => send(&mut stream, "250-process/pid=1\r\n250 OK\r\n").await,
                line if line.starts_with("GETINFO ") => {
                    send(&mut stream, &format!("552 Unrecognized key \"{}\"\r\n", &line["GETINFO ".len()..])).await;
                }
                _ => send(&mut stream, "250 OK\r\n").await,
            }
        }
    }
}

const ESTABLISHED: &str = "650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED\r\n";

#[tokio::test]
async fn a_tor_that_is_there_is_asked_and_an_answer_from_before_an_event_counts_for_nothing() {
    let script = Arc::new(Script::default());
    let say = |event, progress, circuits| script.answers.lock().unwrap().push((event, progress, circuits));
    say("", 1, 0);
    let playing = Arc::clone(&script);
    let peer = Peer::new(move |stream| playing.play(stream));
    let (sender, mut facts) = mpsc::channel(64);
    let (tor, connector) =
        ControlPort::start(ControlSource::Fixed(peer.address.clone()), Credentials::default(), sender);
    script.was_asked().await;
    for round in 0..50 {
        // In the same breath Tor has circuits, and answers what was so before.
        say(ESTABLISHED, 50, 0);
        tor.look();
        script.was_asked().await;
        // Asked a third time only to know that all of that was taken.
        say("", 60, 1);
        tor.look();
        script.was_asked().await;
        let mut circuits = Vec::new();
        loop {
            let fact = next(&mut facts).await.0;
            if let TorFact::Circuits(is_so) = fact {
                circuits.push(is_so);
            } else if matches!(&fact, TorFact::Bootstrap(bootstrap) if bootstrap.percent == 60) {
                break;
            }
        }
        let since = circuits.iter().position(|is_so| *is_so).map(|at| circuits.split_off(at));
        assert!(since.as_ref().is_some_and(|since| !since.contains(&false)), "round {round}: {circuits:?} {since:?}");
        // What the third answer says comes after what was waited for.
        assert!(matches!(next(&mut facts).await.0, TorFact::EnoughDirectory(true)));
        assert!(matches!(next(&mut facts).await.0, TorFact::Circuits(true)));
    }
    assert_eq!(script.asked.load(Ordering::Relaxed), 101, "each time once");
    drop(facts);
    connector.await.unwrap();
}
