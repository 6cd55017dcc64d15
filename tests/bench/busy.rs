// SPDX-License-Identifier: GPL-3.0-or-later
//! A slow computer, or one that has something else to do, as all have while they boot.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;

/// How many others never rest on the one core: a fifth of it is left for us and all tors.
// With two of them a machine that is calm otherwise does not come to the limit, and one that others use is far beyond it.
const OTHERS: usize = 4;

/// While this lives, whatever this thread starts shares one core with others.
#[derive(Debug)]
pub(crate) struct Busy {
    before: CpuSet,
    is_over: Arc<AtomicBool>,
    others: Vec<JoinHandle<()>>,
}

impl Busy {
    pub(crate) fn begin() -> Outcome<Self> {
        let before = sched_getaffinity(None)?;
        let core = (0..CpuSet::MAX_CPU).find(|core| before.is_set(*core)).ok_or("no core")?;
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one)?;
        let is_over = Arc::new(AtomicBool::new(false));
        // Threads and processes inherit the core of who starts them.
        let others = (0..OTHERS).map(|_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            })
        });
        let others = others.collect();
        Ok(Self { before, is_over, others })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.others.drain(..).for_each(|other| drop(other.join()));
        let _ = sched_setaffinity(None, &self.before);
    }
}
