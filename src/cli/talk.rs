// SPDX-License-Identifier: GPL-3.0-or-later
//! Talk on standard error: notes, and where long work is.

use std::io::Write;

use crate::cli::terminal::{Screen, cut, harmless, width};

/// What a terminal is taken for that does not know its size.
const COLUMNS: usize = 80;
/// The widest bar, and the narrowest that says more than the number beside it.
const BAR: usize = 20;
const LEAST_BAR: usize = 8;

/// Says a line.
pub(super) fn say(text: &str) {
    // Where standard error is gone, there is nobody to talk to.
    let _ = writeln!(std::io::stderr(), "{}", harmless(text));
}

/// Where long work is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) text: String,
    /// How much is done, and of how much, where somebody knows.
    pub(super) share: Option<(u32, u32)>,
}

impl From<String> for Stage {
    fn from(text: String) -> Self {
        Self { text, share: None }
    }
}

/// Where long work is: one line that changes on a terminal, a line for each change elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    redraws: bool,
    shown: Stage,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self { redraws: Screen::talk().redraws, shown: Stage::default() }
    }

    /// How many steps are worth showing: fewer where each is a line of its own.
    pub(super) const fn steps(&self) -> u64 {
        if self.redraws { 100 } else { 10 }
    }

    /// Shows where it is now.
    pub(super) fn show(&mut self, stage: impl Into<Stage>) {
        let mut stage = stage.into();
        stage.text = harmless(&stage.text);
        if self.shown == stage || !self.redraws && is_hardly_more(&self.shown, &stage) {
            return;
        }
        let mut err = std::io::stderr();
        let _ = if self.redraws {
            // A person may have made the terminal narrower meanwhile. Erase the line, write, stay on it.
            write!(err, "\r\x1b[K{}", drawn(&stage, Screen::talk().width.unwrap_or(COLUMNS)))
        } else {
            writeln!(err, "{}", stage.text)
        };
        let _ = err.flush();
        self.shown = stage;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.redraws && self.shown != Stage::default() {
            // What has become of it is said next, from the beginning of the line.
            let mut err = std::io::stderr();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

/// Whether it is a few percent more of the same: where each is a line of its own, one in ten percent is worth it.
fn is_hardly_more(shown: &Stage, stage: &Stage) -> bool {
    let percent = |stage: &Stage| stage.share.filter(|(_, of)| *of == 100).map(|(done, _)| done);
    match (percent(shown), percent(stage)) {
        (Some(before), Some(now)) => before <= now && before / 10 == now / 10,
        (Some(_) | None, _) => false,
    }
}

/// The stage in one line of a terminal, with a bar if there is room for one.
fn drawn(stage: &Stage, columns: usize) -> String {
    // Some terminals begin a new line once the last column is full.
    let room = columns.saturating_sub(1);
    let text = cut(&stage.text, room);
    // A space, and a bracket at each end.
    let bar = room.saturating_sub(width(&text) + 3).min(BAR);
    match stage.share {
        Some((done, of)) if of > 0 && bar >= LEAST_BAR => {
            let full = bar * done.min(of) as usize / of as usize;
            format!("{text} [{}{}]", "#".repeat(full), "-".repeat(bar - full))
        }
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(text: &str, share: Option<(u32, u32)>) -> Stage {
        Stage { text: text.to_owned(), share }
    }

    #[test]
    fn the_bar_is_as_full_as_the_work_is_done() {
        for (share, bar) in [
            ((0, 100), "--------------------"),
            ((43, 100), "########------------"),
            ((5, 16), "######--------------"),
            ((100, 100), "####################"),
            ((120, 100), "####################"),
        ] {
            assert_eq!(drawn(&stage("web: publishing", Some(share)), 80), format!("web: publishing [{bar}]"));
        }
        assert_eq!(drawn(&stage("web: publishing", Some((0, 0))), 80), "web: publishing");
        assert_eq!(drawn(&stage("web: starting", None), 80), "web: starting");
    }

    #[test]
    fn lines_of_their_own_are_one_in_ten_percent() {
        for (shown, now, is_silent) in [
            (Some((0, 100)), Some((9, 100)), true),
            (Some((9, 100)), Some((10, 100)), false),
            (Some((10, 100)), Some((19, 100)), true),
            (Some((95, 100)), Some((100, 100)), false),
            // Another thing has begun, or it is none of percents.
            (Some((19, 100)), Some((12, 100)), false),
            (Some((3, 16)), Some((4, 16)), false),
            (None, Some((3, 100)), false),
            (Some((3, 100)), None, false),
        ] {
            assert_eq!(
                is_hardly_more(&stage("installing", shown), &stage("installing", now)),
                is_silent,
                "{shown:?} {now:?}"
            );
        }
    }

    #[test]
    fn one_line_stays_one_line_on_every_terminal() {
        let long = stage("日本語: installing, 43 % (mumble-server)", Some((43, 100)));
        for columns in 1..100 {
            assert!(width(&drawn(&long, columns)) < columns, "{columns}");
        }
        assert_eq!(drawn(&long, 20), "日本語: installing…");
        assert_eq!(drawn(&stage("web: installing, 43 %", Some((43, 100))), 36), "web: installing, 43 % [####-------]");
    }
}
