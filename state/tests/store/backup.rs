// SPDX-License-Identifier: GPL-3.0-or-later
//! A backup by rsync, as Tails makes it: of a store that is being written to, a file after the other, for a while.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use tails_server_state::{Autostart, Persistence, Store, Wish};

use crate::churn::{Churn, Dice, Expected, Habit, Model, found, kept, moment};
use crate::given::{database, eventually, key, layout, record};
use crate::root::run;

const ROUNDS: &str = "BACKUP_ROUNDS";
/// A change is gathered for a second before it is exported, and the file is marked as changed; then a second has to pass.
const BETWEEN_BACKUPS: Duration = Duration::from_secs(3);

#[test]

fn a_backup_that_is_made_while_the_store_is_written_to_has_all_that_was_acknowledged_before_and_nothing_mixed() {
    let rounds = std::env::var(ROUNDS).map_or(12, |rounds| rounds.parse().unwrap());
    if Command::new("rsync").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("LEFT OUT, because there is no rsync");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let live = root.path().join("live");
    let mut dice = Dice::new(11);
    let mut model = Model::default();
    let mut churn = Churn::start(&live, Habit::Mixed, 3);
    let (mut during, mut mended, mut not_whole) = (0, 0, 0);
    for round in 0..rounds {
        churn.read(&mut model, 1 + usize::try_from(dice.roll(8)).unwrap());
        let copy = root.path().join("copy");
        // A new backup, or one over the last: rsync then writes what has changed alone.
        let is_fresh = round % 2 == 0;
        if is_fresh && copy.exists() {
            std::fs::remove_dir_all(&copy).unwrap();
        }
        std::fs::create_dir_all(&copy).unwrap();
        if !is_fresh {
            // Nobody makes two backups within a second; rsync would not see what has changed between them.
            std::thread::sleep(BETWEEN_BACKUPS);
        }
        let began = moment();
        let mut states = vec![kept(&model.certain)];
        let mut rsync = Command::new("rsync")
            // From as fast as it goes to a stick that takes a second for a megabyte.
            .args(["-aSHAX", "--del", ["--bwlimit=0", "--bwlimit=4000", "--bwlimit=1000"][round % 3]])
            .arg(live.join("kept"))
            .arg(&copy)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = loop {
            read(&mut churn, &mut model, &mut states, began);
            if let Some(status) = rsync.try_wait().unwrap() {
                break status;
            }
        };
        // rsync(1): 24 is that files vanished meanwhile, 23 that a directory did. Then it says that the backup is not whole.
        assert!(matches!(status.code(), Some(0 | 23 | 24)), "round {round}: {status}");
        if status.code() == Some(23) {
            not_whole += 1;
            continue;
        }
        let ended = moment();
        // The one that is acknowledged after the end may be in it.
        while model.acknowledged_at <= ended {
            read(&mut churn, &mut model, &mut states, began);
        }
        during += states.len() - 1;
        mended += usize::from(assert_one_of(&copy, root.path(), &states, round));
    }
    println!(
        "{} backups during {during} changes, {mended} of them mended when they were opened; of {not_whole} more \
         rsync says that they are not whole",
        rounds - not_whole
    );
    assert!(during > rounds, "nothing was written meanwhile");
    assert!(not_whole * 10 <= rounds, "{not_whole} of {rounds} could not be made");
    churn.kill(&mut model);
}

#[test]
fn what_is_written_after_a_backup_has_looked_is_seen_to_have_changed_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    let second = || {
        let changed = database(&layout.kept).join("db").metadata().unwrap().modified().unwrap();
        changed.duration_since(UNIX_EPOCH).unwrap().as_secs()
    };
    for service in ["one", "two", "three"] {
        store.add(&record(service, Persistence::Kept, Autostart::Off), &key(), Wish::Enabled).unwrap();
        // A backup has looked in this second, before the change.
        let looked = second();
        assert!(
            eventually(|| (second() > looked).then_some(())).is_some(),
            "{service}: the next one would not copy it"
        );
    }
}

/// Reads one more, and forgets what was no longer so when the backup began.
fn read(churn: &mut Churn, model: &mut Model, states: &mut Vec<Expected>, began: u64) {
    churn.read(model, 1);
    if model.acknowledged_at <= began {
        states.clear();
    }
    states.push(kept(&model.certain));
}

/// Opens a copy of the backup; whether something had to be mended.
fn assert_one_of(backup: &Path, root: &Path, states: &[Expected], round: usize) -> bool {
    let restored = root.join("restored");
    if restored.exists() {
        std::fs::remove_dir_all(&restored).unwrap();
    }
    std::fs::create_dir(&restored).unwrap();
    run("cp", &["-a", backup.join("kept").to_str().unwrap(), restored.to_str().unwrap()]);
    let store = Store::open(&layout(&restored));
    assert!(store.problem(Persistence::Kept).is_none(), "round {round}: {:?}", store.problem(Persistence::Kept));
    let there = kept(&found(&store));
    let recovery = store.recovery(Persistence::Kept);
    if !states.contains(&there) {
        let nearest = states.iter().map(|state| {
            let other = |key: &&String| state.get(*key) != there.get(*key);
            state.keys().chain(there.keys()).filter(other).cloned().collect::<std::collections::BTreeSet<_>>()
        });
        let nearest = nearest.enumerate().min_by_key(|(_, differing)| differing.len());
        panic!("round {round}, {recovery:?}: none of {} states, nearest {nearest:?}", states.len());
    }
    recovery.is_some()
}
