// SPDX-License-Identifier: GPL-3.0-or-later
//! The power is cut: what the file system has not been made to write is lost.

use std::time::Duration;

use tails_server_state::Store;

use crate::churn::{Churn, Dice, Habit, Model};
use crate::given::{PLACES, layout};
use crate::root::{Medium, assert_inside, run_inside};

const ROUNDS: &str = "POWER_CUT_ROUNDS";

#[test]
fn whatever_was_acknowledged_survives_a_power_cut() {
    run_inside("power::cuts");
}

#[test]
#[ignore = "started by another test"]
fn cuts() {
    assert_inside();
    let rounds = std::env::var(ROUNDS).map_or(100, |rounds| rounds.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let medium = Medium::new(root.path(), 64);
    let mut dice = Dice::new(7);
    let mut mixed = Model::default();
    let (mut acknowledged, mut interrupted) = (0, 0);
    for round in 0..rounds {
        // One in five is another store, that grows from nothing: only what needs new blocks shows a missing fsync.
        let is_growing = round % 5 == 4;
        let mut fresh = Model::default();
        let (directory, habit, most, model) = if is_growing {
            (medium.mounted.join(format!("growing-{round}")), Habit::Growing, 150, &mut fresh)
        } else {
            (medium.mounted.join("mixed"), Habit::Mixed, 15, &mut mixed)
        };
        let before = model.acknowledged;
        let mut churn = Churn::start(&directory, habit, round);
        if round % 4 != 0 {
            churn.read(model, usize::try_from(dice.roll(most)).unwrap());
        }
        // Not to wait for anything: to hit any moment of what follows.
        std::thread::sleep(Duration::from_micros(dice.roll(20_000)));
        medium.cut_power();
        churn.kill(model);
        interrupted += u64::from(model.possible.is_some());
        acknowledged += model.acknowledged - before;
        medium.unmount();
        medium.mount("rw");
        // If nothing is open to doubt, every other time the next process meets the ruins.
        if is_growing || model.possible.is_some() || round % 2 == 1 {
            let store = Store::open(&layout(&directory));
            for place in PLACES {
                assert!(store.problem(place).is_none(), "round {round}: {:?}", store.problem(place));
                assert_eq!(store.recovery(place), None, "round {round}");
            }
            model.settle(&store);
        }
        if is_growing {
            std::fs::remove_dir_all(&directory).unwrap();
            // Or the next cut brings it back.
            std::fs::File::open(&medium.mounted).unwrap().sync_all().unwrap();
        }
    }
    println!("{rounds} power cuts, {acknowledged} changes acknowledged, {interrupted} interrupted");
    assert!(acknowledged > 0 && interrupted > 0, "the cuts missed what they should hit");
}
