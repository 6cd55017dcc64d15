// SPDX-License-Identifier: GPL-3.0-or-later
//! Talk on standard error: notes, and where long work is.

use std::io::{IsTerminal, Write};

/// Says a line.
pub(super) fn say(text: &str) {
    // Where standard error is gone, there is nobody to talk to.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Where long work is: one line that changes on a terminal, a line for each change elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: bool,
    shown: String,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: String::new() }
    }

    /// Shows where it is now.
    pub(super) fn show(&mut self, text: String) {
        if self.shown == text {
            return;
        }
        let mut err = std::io::stderr();
        // Erase the line, write, stay on it.
        let _ = if self.terminal { write!(err, "\r\x1b[K{text}") } else { writeln!(err, "{text}") };
        let _ = err.flush();
        self.shown = text;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && !self.shown.is_empty() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
