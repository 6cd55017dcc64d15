// SPDX-License-Identifier: GPL-3.0-or-later
//! Killed at any moment.

use std::time::Duration;

use tails_server_state::{Persistence, Store, Wish};

use crate::churn::{Churn, Dice, Habit, Model};
use crate::given::{PLACES, add_services, database, files, layout, wishes};

const ROUNDS: u64 = 200;

#[test]
fn whatever_was_acknowledged_survives_being_killed() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let mut dice = Dice::new(20);
    let mut model = Model::default();
    let mut unacknowledged = 0;
    for round in 0..ROUNDS {
        let mut churn = Churn::start(root.path(), Habit::Mixed, round);
        // One in four is killed while it opens, the others among their changes.
        if round % 4 != 0 {
            churn.read(&mut model, usize::try_from(dice.roll(15)).unwrap());
        }
        // Not to wait for anything: to hit any moment of what follows.
        std::thread::sleep(Duration::from_micros(dice.roll(20_000)));
        let failure = churn.kill(&mut model);
        assert_eq!(failure, None, "round {round}");
        unacknowledged += u64::from(model.possible.is_some());
        // If nothing is open to doubt, every other time the next process meets the ruins.
        if model.possible.is_some() || round % 2 == 1 {
            let store = Store::open(&layout);
            for place in PLACES {
                assert!(store.problem(place).is_none(), "round {round}: {:?}", store.problem(place));
                assert_eq!(store.recovery(place), None, "round {round}");
            }
            model.settle(&store);
        }
    }
    println!("{ROUNDS} kills, {} changes acknowledged, {unacknowledged} interrupted", model.acknowledged);
    assert!(model.acknowledged > 400 && unacknowledged > 50, "the kills missed what they should hit");
}

// spacejam/sled 1527: a partial snapshot is taken for the newest one, and the database never opens again.
#[test]
fn an_opening_that_was_killed_does_not_lock_us_out() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    add_services(&Store::open(&layout), 20, Persistence::Kept);
    drop(Store::open(&layout));
    let database = database(&layout.kept);
    let snapshot = files(&database).into_iter().find(|path| path.to_str().unwrap().contains("/snap.")).unwrap();
    let bytes = std::fs::read(&snapshot).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(database.join("snap.7FFFFFFFFFFFFFFF.generating"), &bytes[..length]).unwrap();
        let store = Store::open(&layout);
        assert_eq!(store.recovery(Persistence::Kept), None);
        assert_eq!(wishes(&store).into_iter().filter(|(_, wish)| *wish == Wish::Enabled).count(), 20, "{length}");
    }
}
