// SPDX-License-Identifier: GPL-3.0-or-later
//! Boots, one after the other: each ends where the one before did, and nobody does anything for it.

use std::env;
use std::time::{Duration, Instant};

use tails_box::{may_boot, wait_until};

use super::{Tails, WAIT};
use crate::system::{PATIENCE, TOR};

const SERVICE: &str = "ngircd";
/// How often, unless TAILS_BOOTS says otherwise.
const FEW: u32 = 5;

#[test]
fn every_boot_ends_with_the_service_running_and_waiting_for_tor_with_no_login_and_no_command() {
    if !may_boot("every_boot_ends_with_the_service_running_and_waiting_for_tor_with_no_login_and_no_command") {
        return;
    }
    let Some(mut tails) = Tails::boot() else { return };
    let rounds = env::var("TAILS_BOOTS").map_or(FEW, |rounds| rounds.parse().unwrap());
    tails.run(&["systemctl", "enable", "--quiet", "unlocked.service", "tor.service", TOR]);
    // In Tails a network starts Tor. Here the boot does, and would not end before Tor has bootstrapped.
    tails.run(&["systemctl", "disable", "--quiet", WAIT]);
    tails.cli(&["enable", SERVICE]);
    for option in ["persistence", "autostart"] {
        tails.cli(&["set-option", SERVICE, option, "on"]);
    }
    tails.wait_for_state(SERVICE, "waiting-for-tor");
    tails.wait_until_applied(SERVICE);
    let address = tails.address(SERVICE);
    let (mut boots, mut ready) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let began = Instant::now();
        tails.boot_again();
        boots.push(began.elapsed());
        let watch = tails.machine.watch_listeners().unwrap();
        let began = Instant::now();
        let serves = || (tails.status_now(SERVICE) == Some(("waiting-for-tor".to_owned(), true))).then_some(());
        assert!(wait_until(PATIENCE, serves).is_some(), "boot {round}: {}", tails.log());
        ready.push(began.elapsed());
        assert_eq!(
            (tails.names(), tails.address(SERVICE)),
            (vec![SERVICE.to_owned()], address.clone()),
            "boot {round}"
        );
        assert_eq!(tails.listening(), ["127.0.0.1:6667"], "boot {round}");
        assert_eq!(watch.reachable().unwrap(), [], "boot {round}");
    }
    println!(
        "{rounds} boots: {} s to shut down and boot, {} s more until it waits for Tor",
        spread(boots),
        spread(ready)
    );
}

/// The median and the longest.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    format!("{:.1} (longest {:.1})", seconds(times.get(times.len() / 2)), seconds(times.last()))
}
