// SPDX-License-Identifier: GPL-3.0-or-later
//! How far work is that is measured in bytes, and whether somebody wants it to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tr::tr;

use crate::cli::talk::{Progress, Stage};

const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// Whether somebody wants it to end.
pub(super) type Stop = Arc<AtomicBool>;

/// How far it is.
#[derive(Debug)]
pub(super) struct Meter {
    progress: Option<Progress>,
    what: String,
    done: u64,
    of: u64,
    /// The share that was shown last.
    shown: Option<u64>,
    stop: Stop,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { progress: None, what: String::new(), done: 0, of: 0, shown: None, stop: Stop::default() }
    }

    /// Setting this ends it at the next piece.
    pub(super) fn stop(&self) -> Stop {
        Arc::clone(&self.stop)
    }

    pub(super) fn begin(&mut self, what: String, of: u64) {
        (self.what, self.done, self.of, self.shown) = (what, 0, of, None);
        self.show();
    }

    pub(super) fn advance(&mut self, bytes: u64) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(tr!("interrupted")));
        }
        self.done = self.done.saturating_add(bytes);
        self.show();
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.progress = None;
    }

    fn show(&mut self) {
        if self.what.is_empty() {
            return;
        }
        let progress = self.progress.get_or_insert_with(Progress::begin);
        let step = 100 / progress.steps();
        let percent = (self.done.min(self.of) * 100).checked_div(self.of).unwrap_or(100) / step * step;
        if self.shown == Some(percent) {
            return;
        }
        self.shown = Some(percent);
        let text = tr!("{what}: {done} of {all}", what = self.what, done = size(self.done), all = size(self.of));
        let share = u32::try_from(percent).ok().map(|percent| (percent, 100));
        progress.show(Stage { text, share });
    }
}

/// Bytes as people read them: 43 bytes, 1.5 MiB.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return tr!("one byte" | "{n} bytes" % bytes);
    }
    let mut scaled = bytes;
    let mut unit = "";
    for next in UNITS {
        if !unit.is_empty() && scaled < 1024 * 1024 {
            break;
        }
        if !unit.is_empty() {
            scaled /= 1024;
        }
        unit = next;
    }
    // In 1024ths of the unit.
    let tenths = scaled * 10 / 1024;
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_with_few_digits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "one byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (20_000, "19 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn who_wants_it_to_end_ends_it_at_the_next_piece() {
        let mut meter = Meter::new();
        meter.advance(1).unwrap();
        meter.stop().store(true, Ordering::Relaxed);
        assert!(meter.advance(1).is_err());
    }
}
