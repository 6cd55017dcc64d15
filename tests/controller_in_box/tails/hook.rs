// SPDX-License-Identifier: GPL-3.0-or-later
//! The hook that tells the controller of Tor: what it gains, that a wrong word changes nothing, and that all is as well
//! without it.

use std::thread;
use std::time::{Duration, Instant};

use tails_box::{may_boot, wait_until};

use super::chain::{published_as, wait_for_life};
use super::{HOOK, Hook, TARGET, Tails};
use crate::reach::Reach;
use crate::system::{TOR, UNIT};

/// What the hook runs, said by hand.
const TELL: [&str; 4] = ["tails-server", "--bus", "unix:/run/tails-server/bus", "hook"];
/// The figures of more rounds are in contrib/tails/README.md.
const ROUNDS: u32 = 1;
/// Until the controller looks for Tor as rarely as it ever does.
const TOR_IS_AWAY: Duration = Duration::from_secs(5);
/// The hook gives up after 2 s; the rest is for slow machines.
const TOLD_SOON: Duration = Duration::from_secs(20);

#[test]
fn with_the_hook_without_it_and_with_wrong_words_the_states_are_right() {
    if !may_boot("with_the_hook_without_it_and_with_wrong_words_the_states_are_right") {
        return;
    }
    let Some(tails) = Tails::boot() else { return };
    tails.start_web();
    let reach = Reach::around(&tails);
    tails.join(&reach);
    let address = tails.publish(&["80:8080", "--name", "web", "--persistent", "--autostart"]);
    tails.network("up");
    tails.run(&["tor-connection", "connect"]);
    published_as("web", &tails, &address);

    for hook in [Hook::Enabled, Hook::Absent] {
        tails.hook(hook);
        let waits: Vec<_> = (0..ROUNDS).map(|_| restart(&tails, &address)).collect();
        assert_eq!(tails.is_active(HOOK), hook == Hook::Enabled);
        println!("{hook:?}: seconds from bootstrapped to given to Tor, and to the first HSDir: {waits:.2?}");
    }
    tails.hook(Hook::Enabled);
    tails.run(&["systemctl", "start", HOOK]);
    lies(&tails, &address);
    nobody_to_tell(&tails, &address);
    tails.refused();
}

/// Tor is away for a while; how long it then took from its bootstrap to ADD_ONION, and to the first upload.
fn restart(tails: &Tails, address: &str) -> (f64, f64) {
    let before = tails.lives().len();
    tails.run(&["systemctl", "stop", TOR]);
    // The pauses between two looks grow; nothing tells when they are long.
    thread::sleep(TOR_IS_AWAY);
    tails.run(&["systemctl", "start", TOR]);
    wait_for_life(tails, before);
    published_as("web", tails, address);
    let lives = tails.lives();
    let life = lives.last().unwrap();
    let bootstrapped = life.bootstrapped().unwrap();
    (life.added()[0] - bootstrapped, life.published(address).unwrap() - bootstrapped)
}

/// Twice, late, in the wrong order, and what is not so.
fn lies(tails: &Tails, address: &str) {
    for words in [
        ["tor-is-lost", "tor-is-lost", "tor-is-up", "tor-is-up"],
        ["tor-is-up", "tor-is-lost", "tor-is-up", "tor-is-lost"],
    ] {
        for word in words {
            tell(tails, word);
            assert_eq!(tails.state("web"), "published", "after {word}");
        }
    }
    // More often than it can be looked.
    let storm = format!("for i in $(seq 100); do {} tor-is-lost & done; wait", TELL.join(" "));
    tails.run(&["sh", "-ec", &storm]);
    assert_eq!(tails.state("web"), "published");
    tails.run(&["systemctl", "restart", HOOK]);
    published_as("web", tails, address);

    let before = tails.lives().len();
    tails.run(&["systemctl", "stop", TOR]);
    tails.wait_until_tor_is_lost();
    for word in ["tor-is-up", "tor-is-up", "tor-is-lost", "tor-is-up"] {
        tell(tails, word);
        assert_eq!(tails.tor()["connected"], false, "there is none");
        assert_eq!(tails.state("web"), "waiting-for-tor", "after {word}");
    }
    tails.run(&["systemctl", "start", TOR]);
    // Without the target nobody tells that it is up; late comes that it was lost.
    wait_for_life(tails, before);
    tell(tails, "tor-is-lost");
    tails.wait_for_state("web", "published");
    tails.assert_once_and_not_early(address);
}

/// The target is reached, and nobody is started: the controller does not run, is disabled, or hangs.
fn nobody_to_tell(tails: &Tails, address: &str) {
    tails.run(&["systemctl", "disable", "--now", UNIT]);
    reach_target(tails);
    assert!(!tails.is_active(UNIT), "whoever stopped it wants it so");
    tails.run(&["systemctl", "enable", "--now", UNIT]);
    tails.wait_for_state("web", "published");

    let pid = tails.run(&["systemctl", "show", "--value", "--property=MainPID", UNIT]);
    tails.run(&["kill", "-STOP", pid.trim()]);
    reach_target(tails);
    tails.run(&["kill", "-CONT", pid.trim()]);
    tails.wait_for_state("web", "published");
    assert_eq!(tails.address("web"), address);
}

/// Stops Tails' target and has it reached again; neither takes long.
fn reach_target(tails: &Tails) {
    let began = Instant::now();
    tails.run(&["systemctl", "stop", TARGET]);
    tails.run(&["systemctl", "start", TARGET]);
    let reached = wait_until(TOLD_SOON, || tails.is_active(TARGET).then_some(()));
    assert!(reached.is_some() && began.elapsed() < TOLD_SOON, "{}", tails.log());
    assert_eq!(tails.run(&["systemctl", "--failed", "--no-legend", "--plain"]), "", "{}", tails.log());
    assert!(tails.is_active(HOOK));
}

/// Tells it as the hook does: as its user.
fn tell(tails: &Tails, word: &str) {
    tails.machine.run_as("tails-server", &[&TELL[..], &[word]].concat()).unwrap();
}
