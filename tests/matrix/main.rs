// SPDX-License-Identifier: GPL-3.0-or-later
//! Every failure ends closed: the loop, the real adapter of Tor and a real store over a scripted Tor that fails at each
//! command of each story in each way, on a simulated clock.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod cell;
mod crowd;
mod house;
mod model;
mod story;
mod tor;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::cell::Cell;
use crate::story::STORIES;
use crate::tor::Fault;

/// As many as there are usually processors; each has a few threads of its store besides.
const AT_ONCE: usize = 4;

/// Runs all of these, and gives what was not as it should be.
fn run(cells: &[Cell]) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = cell.run() {
                        failures.lock().unwrap().push(format!("{cell}: {why}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

#[test]
fn whatever_fails_at_whichever_command_nobody_is_let_in_who_was_shut_out() {
    let began = Instant::now();
    let (mut cells, mut commands) = (Vec::new(), 0);
    for story in STORIES {
        let undisturbed = Cell { story, fault: None };
        let heard = undisturbed.commands().unwrap_or_else(|why| panic!("{undisturbed}: {why}"));
        assert!(!heard.is_empty(), "{undisturbed}");
        commands += heard.len();
        for (number, command) in (1..).zip(&heard) {
            cells.extend(Fault::of(command).into_iter().map(|fault| Cell { story, fault: Some((number, fault)) }));
        }
    }
    let failures = run(&cells);
    let mut kinds = BTreeMap::new();
    for cell in &cells {
        *kinds.entry(format!("{:?}", cell.fault.unwrap().1)).or_insert(0) += 1;
    }
    println!(
        "{} stories, {commands} commands, {} cells in {:.1?}: {kinds:?}",
        STORIES.len(),
        cells.len(),
        began.elapsed()
    );
    assert!(failures.is_empty(), "{} of {} cells:\n{}", failures.len(), cells.len(), failures.join("\n"));
}
